#!/usr/bin/env python3
"""A second decoder of LKE1, written from docs/spec/envelope.md alone.

    pip install cryptography
    python3 vectors/decode.py vectors/*.json

Decodes every file, prints a line for each that does not say what this decoder finds, and a closing
`N passed, 0 failed`. Exit code 1 if any failed. Not for production: it wipes no memory.
"""

import hashlib
import hmac
import json
import re
import sys

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ModuleNotFoundError as missing:
    sys.exit(f"ModuleNotFoundError: {missing}; run `pip install cryptography`")

KEY_URI = re.compile(rb"[a-z][a-z0-9+-]*:[!-~]+")


class Refused(Exception):
    """Carries the error class."""


def check(condition, error_class):
    if not condition:
        raise Refused(error_class)


class Reader:
    """Takes fields from the front; every field that is not there in full is `truncated`."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        check(len(self.data) - self.at >= length, "envelope_truncated")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length):
        return int.from_bytes(self.take(length), "big")


def parse(data):
    """Section "Layout": the fields, in the order in which they are checked."""
    reader, fields = Reader(data), {}
    check(reader.take(3) == b"LKE", "envelope_magic")
    check(reader.number(1) == 1, "envelope_version")
    check(reader.number(2) == 0x0001, "envelope_suite")
    flags = reader.number(2)
    check(flags in (0, 1), "envelope_flags")
    fields["readable"] = flags == 1
    fields["msg_id"] = reader.take(32)
    fields["context_hash"] = reader.take(32)
    fields["content"] = reader.number(1)
    check(fields["content"] in (1, 2), "envelope_content")
    fields["fixed"] = data[: reader.at]
    count = reader.number(1)
    check(1 <= count <= 8, "envelope_wrapped_count")
    fields["wrapped"] = {}
    for _ in range(count):
        length = reader.number(2)
        check(1 <= length <= 512, "envelope_wrapped_uri")
        uri = reader.take(length)
        check(KEY_URI.fullmatch(uri), "envelope_wrapped_uri")
        length = reader.number(2)
        check(1 <= length <= 4096, "envelope_wrapped_blob")
        blob = reader.take(length)
        check(uri not in fields["wrapped"], "envelope_wrapped_duplicate")
        fields["wrapped"][uri] = blob
    fields["commit"] = reader.take(32)
    fields["before_mac"] = data[: reader.at]
    fields["header_mac"] = reader.take(32)
    fields["nonce"] = reader.take(12)
    length = reader.number(2)
    check(1 <= length <= 16384, "envelope_ciphertext_size")
    fields["sealed"] = reader.take(length + 16)
    check(reader.at == len(data), "envelope_trailing")
    return fields


def canonical(context):
    """Section "Context": pairs sorted by the bytes of their keys, every text length-prefixed."""
    out = len(context).to_bytes(2, "big")
    for pair in sorted((key.encode(), value.encode()) for key, value in context.items()):
        for text in pair:
            out += len(text).to_bytes(2, "big") + text
    return out


def hkdf(salt, secret, info, length=32):
    """RFC 5869 with SHA-512; one block is enough for up to 64 bytes."""
    prk = hmac.digest(salt, secret, "sha512")
    return hmac.digest(prk, info + b"\x01", "sha512")[:length]


def unwrap_local(master_key, wrapped, context):
    """Section "The local KMS"."""
    key_id = hkdf(b"llm-keys/local/1", master_key, b"KEYID", 16)
    uri = b"local:" + key_id.hex().encode()
    check(uri in wrapped, "kms_wrong_key")
    blob = wrapped[uri]
    check(len(blob) == 93 and blob[0] == 1, "kms_context_mismatch")
    salt, nonce, sealed = blob[1:33], blob[33:45], blob[45:]
    wrapping_key = hkdf(salt, master_key, b"llm-keys/local/1/WRAPKEY")
    try:
        return AESGCM(wrapping_key).decrypt(nonce, sealed, uri + context)
    except InvalidTag:
        raise Refused("kms_context_mismatch") from None


def open_envelope(data, context, data_key=None, local_master_key=None):
    """Section "Opening": each check before the next, nothing released before the last."""
    fields = parse(data)
    context = canonical(context)
    check(hashlib.sha256(context).digest() == fields["context_hash"], "envelope_context")
    if data_key is None:
        data_key = unwrap_local(local_master_key, fields["wrapped"], context)

    def subkey(name):
        return hkdf(fields["msg_id"], data_key, b"llm-keys/1/0001/" + name)

    commit = subkey(b"COMMITKEY")
    check(hmac.compare_digest(commit, fields["commit"]), "envelope_commitment")
    mac = hmac.digest(subkey(b"HEADERKEY"), fields["before_mac"] + context, "sha256")
    check(hmac.compare_digest(mac, fields["header_mac"]), "envelope_header_mac")
    aad = fields["fixed"] + commit + context
    try:
        plaintext = AESGCM(subkey(b"DERIVEKEY")).decrypt(fields["nonce"], fields["sealed"], aad)
    except InvalidTag:
        raise Refused("envelope_tag") from None
    return {
        "content": fields["content"],
        "readable": fields["readable"],
        "wrapped_under": [uri.decode() for uri in fields["wrapped"]],
        "plaintext": plaintext.hex(),
    }


def run(path):
    """What is wrong with this file, or None."""
    with open(path, encoding="utf-8") as file:
        vector = json.load(file)
    keys = {
        name: bytes.fromhex(vector[name])
        for name in ("data_key", "local_master_key")
        if name in vector
    }
    if len(keys) != 1:
        return "it must hold one kind of key"
    try:
        opened = open_envelope(bytes.fromhex(vector["envelope"]), vector["context"], **keys)
        found = "ok"
    except Refused as refused:
        opened, found = None, str(refused)
    if found != vector["expect"]:
        return f"expected {vector['expect']}, found {found}"
    if opened != vector.get("opened"):
        return "it opens to something else"
    return None


def main(paths):
    failed = 0
    for path in paths:
        trouble = run(path)
        if trouble:
            failed += 1
            print(f"{path}: {trouble}")
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
