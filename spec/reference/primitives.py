"""Hashes, derived keys, keystream. Source: crypto.md sections 2, 3 and 5, encoding.md section 1."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .octets import label

PREFIX = "veilsum/1 "


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def labelled_hash(name: str, *parts: bytes) -> bytes:
    """`H_L(p1, p2, ...)`, `name` without the prefix "veilsum/1 "."""
    return sha256(label(PREFIX + name), *parts)


def kdf(name: str, key: bytes, *parts: bytes) -> bytes:
    """[key.hkdf] `KDF_L(key; p1, ...)`: HKDF-SHA-256, no salt, 32 bytes. (RFC 5869 with one block of output.)"""
    extracted = hmac.new(bytes(32), key, hashlib.sha256).digest()
    info = label(PREFIX + name) + b"".join(parts)
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def keystream(key: bytes, offset: int, length: int) -> bytes:
    """Bytes `offset` to `offset + length - 1` of AES-256 in counter mode, 128-bit big-endian counter from zero."""
    first = offset // 16
    skip = offset % 16
    encryptor = Cipher(algorithms.AES(key), modes.CTR(first.to_bytes(16, "big"))).encryptor()
    return encryptor.update(bytes(skip + length))[skip:]
