"""The key schedule of one attempt: agreements, pair seeds, mask keys, sealing. Source: crypto.md sections 4 and 6."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .octets import label, u16, u32, u64
from .primitives import PREFIX, kdf, labelled_hash
from .refusal import Refused

VERSION = 1
SUITE = 1


def x25519_public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519(private: bytes, public: bytes) -> bytes:
    """[key.contributory] The package refuses a result that is all zero."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("key.contributory", "the result of X25519 is all zero") from None


def mask_private(root_seed: bytes, task: bytes, round_: int, attempt: int, slot: int) -> bytes:
    """[key.root-only-mask]"""
    return kdf("mask key", root_seed, task, u64(round_), u32(attempt), u32(slot))


def commitment(self_seed: bytes, task: bytes, round_: int, attempt: int, slot: int) -> bytes:
    """[key.commitment]"""
    return labelled_hash("self seed commitment", task, u64(round_), u32(attempt), u32(slot), self_seed)


def pair_seed(own_mask_private: bytes, other_mask_public: bytes, sid: bytes, own: int, other: int) -> bytes:
    """[key.pair]"""
    low, high = sorted((own, other))
    return kdf("pair seed", x25519(own_mask_private, other_mask_public), sid, u32(low), u32(high))


def pair_hash(seed: bytes, sid: bytes, one: int, other: int) -> bytes:
    """[key.pair-hash]"""
    low, high = sorted((one, other))
    return labelled_hash("pair seed hash", sid, u32(low), u32(high), seed)


def pair_mask_key(seed: bytes, sid2: bytes, one: int, other: int) -> bytes:
    """[mask.sid2]"""
    low, high = sorted((one, other))
    return kdf("pair mask", seed, sid2, u32(low), u32(high))


def self_mask_key(self_seed: bytes, sid2: bytes, slot: int) -> bytes:
    """[mask.sid2]"""
    return kdf("self mask", self_seed, sid2, u32(slot))


def seal_key(own_private: bytes, other_public: bytes, sid: bytes, sender: int, receiver: int) -> bytes:
    """[seal.directional]"""
    return kdf("share seal", x25519(own_private, other_public), sid, u32(sender), u32(receiver))


def _associated(sid: bytes, sender: int, receiver: int) -> bytes:
    """[seal.aad]"""
    return label(PREFIX + "share seal") + u16(VERSION) + u16(SUITE) + sid + u32(sender) + u32(receiver)


def seal(key: bytes, sid: bytes, sender: int, receiver: int, root_share: bytes, self_share: bytes) -> bytes:
    """The 80 bytes of ciphertext and tag."""
    return AESGCM(key).encrypt(bytes(12), root_share + self_share, _associated(sid, sender, receiver))


def open_sealed(key: bytes, sid: bytes, sender: int, receiver: int, sealed: bytes) -> tuple[bytes, bytes]:
    """[share.open] The shares of `r` and of `b`, as bytes; their scalars are not checked here."""
    try:
        plain = AESGCM(key).decrypt(bytes(12), sealed, _associated(sid, sender, receiver))
    except InvalidTag:
        raise Refused("share.open", "the part does not open") from None
    return plain[:32], plain[32:]


def root_share_digest(share: bytes, sid: bytes, dealer: int, holder: int) -> bytes:
    return labelled_hash("root share digest", sid, u32(dealer), u32(holder), share)


def self_share_digest(share: bytes, sid: bytes, dealer: int, holder: int) -> bytes:
    return labelled_hash("self share digest", sid, u32(dealer), u32(holder), share)
