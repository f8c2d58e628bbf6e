"""Microsoft's client judges the fake Key Vault: `azure_key_vault.py URL`, with REQUESTS_CA_BUNDLE set.

The vault holds the keys `main`, `rotated` (two versions), `disabled` and `expired`. A token is the
list of what its holder may do; `known` stands for somebody without that right. Ends with status 0
and the word `agreed`, or with a traceback.
"""

import os
import sys
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

ALGORITHM = KeyWrapAlgorithm.rsa_oaep_256


class Holder:
    """A credential that gives the same token to everybody who asks rightly."""

    def __init__(self, rights):
        self.rights = rights
        self.scopes = set()

    def get_token(self, *scopes, **_):
        self.scopes.update(scopes)
        return AccessToken(self.rights, int(time.time()) + 3600)


def crypto(key_id, holder):
    """A client that asks the service: it cannot fetch the key, so it cannot wrap by itself."""
    return CryptographyClient(
        key_id, holder, verify_challenge_resource=False, retry_total=0, api_version="2025-07-01"
    )


def refused(status, code, call):
    """The call must end with this status, and the client must have understood the code."""
    try:
        call()
    except HttpResponseError as error:
        assert error.status_code == status, (error.status_code, status)
        inner = error.error.innererror or {}
        codes = (error.error.code, inner.get("code"))
        assert code in codes, (codes, code)
        return error
    raise AssertionError(f"{code} was not refused")


def main(url):
    holder = Holder("get-wrapkey-unwrapkey")
    keys = KeyClient(url, holder, verify_challenge_resource=False, retry_total=0)

    # Get: the current version, one version, what the attributes say.
    key = keys.get_key("main")
    assert holder.scopes == {"https://vault.azure.net/.default"}, holder.scopes
    assert key.name == "main" and len(key.properties.version) == 32, key.id
    assert key.id == f"{url}/keys/main/{key.properties.version}", key.id
    assert key.key_type == "RSA" and len(key.key.n) == 256 and key.key.e == b"\x01\x00\x01"
    assert key.key_operations == ["wrapKey", "unwrapKey"] and key.properties.enabled
    assert keys.get_key("main", key.properties.version).id == key.id
    assert keys.get_key("disabled").properties.enabled is False
    assert keys.get_key("expired").properties.expires_on is not None
    error = refused(404, "KeyNotFound", lambda: keys.get_key("missing"))
    assert isinstance(error, ResourceNotFoundError)
    refused(404, "KeyNotFound", lambda: keys.get_key("main", "0" * 32))

    # Wrap and unwrap at the service, and by the client's own RSA: all must agree.
    plain = os.urandom(32)
    remote = crypto(key.id, Holder("known-wrapkey-unwrapkey"))
    wrapped = remote.wrap_key(ALGORITHM, plain)
    assert wrapped.key_id == key.id and len(wrapped.encrypted_key) == 256
    unwrapped = remote.unwrap_key(ALGORITHM, wrapped.encrypted_key)
    assert unwrapped.key == plain and unwrapped.key_id == key.id
    assert remote.wrap_key(ALGORITHM, plain).encrypted_key != wrapped.encrypted_key
    local = CryptographyClient.from_jwk(key.key)
    theirs = local.wrap_key(ALGORITHM, plain).encrypted_key
    assert remote.unwrap_key(ALGORITHM, theirs).key == plain

    # A rotated key unwraps what its older version wrapped, and only in that version's name.
    versions = keys.get_key("rotated")
    current = crypto(versions.id, Holder("known-wrapkey-unwrapkey"))
    refused(400, "BadParameter", lambda: current.unwrap_key(ALGORITHM, wrapped.encrypted_key))

    # Refusals.
    refused(400, "BadParameter", lambda: remote.unwrap_key(ALGORITHM, wrapped.encrypted_key[:-1]))
    refused(400, "BadParameter", lambda: remote.wrap_key(KeyWrapAlgorithm.aes_256, plain))
    disabled = crypto(keys.get_key("disabled").id, Holder("known-wrapkey-unwrapkey"))
    refused(403, "KeyDisabled", lambda: disabled.wrap_key(ALGORITHM, plain))
    refused(403, "KeyDisabled", lambda: disabled.unwrap_key(ALGORITHM, wrapped.encrypted_key))
    expired = crypto(keys.get_key("expired").id, Holder("known-wrapkey-unwrapkey"))
    refused(403, "KeyExpired", lambda: expired.wrap_key(ALGORITHM, plain))
    stranger = crypto(key.id, Holder("known-wrapkey"))
    error = refused(
        403, "ForbiddenByRbac", lambda: stranger.unwrap_key(ALGORITHM, wrapped.encrypted_key)
    )
    nobody = KeyClient(url, Holder("nobody"), verify_challenge_resource=False, retry_total=0)
    error = refused(401, "Unauthorized", lambda: nobody.get_key("main"))
    assert isinstance(error, ClientAuthenticationError)
    print("agreed")


main(sys.argv[1])
