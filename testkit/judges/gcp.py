"""Google's own client of Cloud KMS judges the fake: `gcp.py ENDPOINT`.

Reads one JSON object from its input: what our client wrapped, for Google's client to open. Writes
one: what Google's client wrapped, for ours to open. Any rule that does not hold ends it with an error.
"""

import base64
import json
import sys

import google_crc32c
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import kms_v1 as kms
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceRestTransport,
)

PLACE = "projects/judge/locations/global"
Version = kms.CryptoKeyVersion


def crc(data):
    return int.from_bytes(google_crc32c.Checksum(data).digest(), "big")


def refused(code, status, call):
    """`call` must be refused with this HTTP code and this status of google.rpc."""
    try:
        call()
    except exceptions.GoogleAPICallError as error:
        said = error.response.json()["error"]
        assert (error.code, said["code"], said["status"]) == (code, code, status), said
        assert said["message"], said
        return said["message"]
    raise AssertionError(f"{status} was expected")


def main():
    endpoint = sys.argv[1]
    given = json.load(sys.stdin)
    transport = KeyManagementServiceRestTransport(
        host=endpoint, credentials=AnonymousCredentials()
    )
    client = kms.KeyManagementServiceClient(transport=transport)

    def encrypt(name, plaintext, aad, **fields):
        request = kms.EncryptRequest(
            name=name, plaintext=plaintext, additional_authenticated_data=aad, **fields
        )
        return client.encrypt(request=request, retry=None)

    def decrypt(name, ciphertext, aad, **fields):
        request = kms.DecryptRequest(
            name=name, ciphertext=ciphertext, additional_authenticated_data=aad, **fields
        )
        return client.decrypt(request=request, retry=None)

    # Rings, keys, versions.
    ring = client.create_key_ring(parent=PLACE, key_ring_id="ring", key_ring=kms.KeyRing())
    assert ring.name == f"{PLACE}/keyRings/ring", ring
    assert client.get_key_ring(name=ring.name).name == ring.name
    symmetric = kms.CryptoKey(purpose=kms.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT)
    key, other = (
        client.create_crypto_key(parent=ring.name, crypto_key_id=id, crypto_key=symmetric)
        for id in ("key", "other")
    )
    again = dict(parent=ring.name, crypto_key_id="key", crypto_key=symmetric)
    refused(409, "ALREADY_EXISTS", lambda: client.create_crypto_key(**again))
    key = client.get_crypto_key(name=key.name)
    assert key.purpose == symmetric.purpose, key
    assert key.primary.name == f"{key.name}/cryptoKeyVersions/1", key
    assert key.primary.state == Version.CryptoKeyVersionState.ENABLED, key
    assert key.primary.protection_level == kms.ProtectionLevel.SOFTWARE, key

    # A round trip with every checksum.
    plaintext, aad = bytes(range(32)), "Größe 鍵".encode()
    sums = dict(
        plaintext_crc32c=crc(plaintext), additional_authenticated_data_crc32c=crc(aad)
    )
    sealed = encrypt(key.name, plaintext, aad, **sums)
    assert sealed.name == key.primary.name, sealed
    assert sealed.verified_plaintext_crc32c, sealed
    assert sealed.verified_additional_authenticated_data_crc32c, sealed
    assert sealed.ciphertext_crc32c == crc(sealed.ciphertext), sealed
    opened = decrypt(
        key.name,
        sealed.ciphertext,
        aad,
        ciphertext_crc32c=crc(sealed.ciphertext),
        additional_authenticated_data_crc32c=crc(aad),
    )
    assert opened.plaintext == plaintext and opened.plaintext_crc32c == crc(plaintext)
    assert opened.used_primary
    unchecked = encrypt(key.name, plaintext, aad)
    assert not unchecked.verified_plaintext_crc32c, unchecked
    assert unchecked.ciphertext != sealed.ciphertext
    assert decrypt(key.name, encrypt(key.name, b"", b"").ciphertext, b"").plaintext == b""

    # What must not open, and checksums that are wrong.
    bad = "INVALID_ARGUMENT"
    for wrong in (b"", aad + b"x", aad[:-1]):
        refused(400, bad, lambda: decrypt(key.name, sealed.ciphertext, wrong))
    flipped = bytes([*sealed.ciphertext[:-1], sealed.ciphertext[-1] ^ 1])
    refused(400, bad, lambda: decrypt(key.name, flipped, aad))
    refused(400, bad, lambda: decrypt(key.name, sealed.ciphertext[:-1], aad))
    refused(400, bad, lambda: decrypt(other.name, sealed.ciphertext, aad))
    for field in sums:
        said = refused(400, bad, lambda: encrypt(key.name, plaintext, aad, **{**sums, field: 1}))
        assert field in said, said
    for field in ("ciphertext_crc32c", "additional_authenticated_data_crc32c"):
        said = refused(400, bad, lambda: decrypt(key.name, sealed.ciphertext, aad, **{field: 1}))
        assert field in said, said

    # A rotation keeps what the old version sealed.
    second = client.create_crypto_key_version(
        parent=key.name, crypto_key_version=Version()
    )
    assert second.name == f"{key.name}/cryptoKeyVersions/2", second
    assert encrypt(key.name, plaintext, aad).name.endswith("/1"), "it is not the primary one yet"
    moved = client.update_crypto_key_primary_version(name=key.name, crypto_key_version_id="2")
    assert moved.primary.name == second.name, moved
    assert encrypt(key.name, plaintext, aad).name == second.name
    assert encrypt(sealed.name, plaintext, aad).name == sealed.name, "a version by its name"
    opened = decrypt(key.name, sealed.ciphertext, aad)
    assert opened.plaintext == plaintext and not opened.used_primary

    # States of a version.
    def set_state(state):
        version = Version(name=sealed.name, state=state)
        return client.update_crypto_key_version(
            crypto_key_version=version, update_mask={"paths": ["state"]}
        )

    states = Version.CryptoKeyVersionState
    assert set_state(states.DISABLED).state == states.DISABLED
    closed = "FAILED_PRECONDITION"
    refused(400, closed, lambda: decrypt(key.name, sealed.ciphertext, aad))
    refused(400, closed, lambda: encrypt(sealed.name, plaintext, aad))
    assert set_state(states.ENABLED).state == states.ENABLED
    assert decrypt(key.name, sealed.ciphertext, aad).plaintext == plaintext
    gone = client.destroy_crypto_key_version(name=sealed.name)
    assert gone.state == states.DESTROY_SCHEDULED, gone
    refused(400, closed, lambda: decrypt(key.name, sealed.ciphertext, aad))

    # What is not there.
    missing = f"{ring.name}/cryptoKeys/missing"
    refused(404, "NOT_FOUND", lambda: encrypt(missing, plaintext, aad))
    refused(404, "NOT_FOUND", lambda: decrypt(missing, sealed.ciphertext, aad))
    refused(404, "NOT_FOUND", lambda: client.get_crypto_key(name=missing))

    # Google's client opens what ours wrapped, and wraps what ours will open.
    ours, aad, blob = (base64.b64decode(given[f]) for f in ("plaintext", "aad", "ciphertext"))
    opened = decrypt(given["key"], blob, aad, ciphertext_crc32c=crc(blob))
    assert opened.plaintext == ours, "Google's client opened something else"
    theirs = encrypt(given["key"], ours, aad).ciphertext
    json.dump({"ciphertext": base64.b64encode(theirs).decode()}, sys.stdout)


main()
