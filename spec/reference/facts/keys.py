"""Key schedule, sealing, keystream."""

from __future__ import annotations

from collections.abc import Iterator

from .. import agreement, ring, sharing
from ..identity import L
from ..primitives import keystream, sha256
from ..refusal import require
from ..rounds import bytes_of
from . import Case, Fact, Fields, Type, fill, unhex


def mask_key(i: Fields) -> Fields:
    private = agreement.mask_private(unhex(i["rootSeed"]), unhex(i["task"]), i["round"], i["attempt"], i["slot"])
    return {"maskPrivate": private.hex(), "maskPublic": agreement.x25519_public(private).hex()}


def commitment(i: Fields) -> Fields:
    return {"commitment": agreement.commitment(unhex(i["selfSeed"]), unhex(i["task"]), i["round"], i["attempt"], i["slot"]).hex()}


def reduced(i: Fields) -> Fields:
    return {"scalar": sharing.scalar_bytes(sharing.reduce_wide(unhex(i["wide"]))).hex()}


def pair_seed(i: Fields) -> Fields:
    seed = agreement.pair_seed(unhex(i["maskPrivate"]), unhex(i["otherMaskPublic"]), unhex(i["sid"]), i["own"], i["other"])
    return {"pairSeed": seed.hex(), "pairHash": agreement.pair_hash(seed, unhex(i["sid"]), i["own"], i["other"]).hex()}


def keystream_keys(i: Fields) -> Fields:
    pair = agreement.pair_mask_key(unhex(i["pairSeed"]), unhex(i["sid2"]), i["own"], i["other"])
    return {"pairMaskKey": pair.hex(), "selfMaskKey": agreement.self_mask_key(unhex(i["selfSeed"]), unhex(i["sid2"]), i["own"]).hex()}


def seal(i: Fields) -> Fields:
    sid, sender, receiver = unhex(i["sid"]), i["from"], i["to"]
    key = agreement.seal_key(unhex(i["sealPrivate"]), unhex(i["otherSealPublic"]), sid, sender, receiver)
    root, own = unhex(i["rootShare"]), unhex(i["selfShare"])
    return {
        "key": key.hex(),
        "ciphertext": agreement.seal(key, sid, sender, receiver, root, own).hex(),
        "rootDigest": agreement.root_share_digest(root, sid, sender, receiver).hex(),
        "selfDigest": agreement.self_share_digest(own, sid, sender, receiver).hex(),
    }


def open_part(i: Fields) -> Fields:
    sid, sender, receiver = unhex(i["sid"]), i["from"], i["to"]
    key = agreement.seal_key(unhex(i["sealPrivate"]), unhex(i["otherSealPublic"]), sid, sender, receiver)
    root, own = agreement.open_sealed(key, sid, sender, receiver, unhex(i["ciphertext"]))
    require(sharing.canonical(root) and sharing.canonical(own), "share.cut-share", "a scalar that is not canonical")
    digests = (agreement.root_share_digest(root, sid, sender, receiver), agreement.self_share_digest(own, sid, sender, receiver))
    require(digests == (unhex(i["rootDigest"]), unhex(i["selfDigest"])), "share.cut-share", "another digest")
    return {"rootShare": root.hex(), "selfShare": own.hex()}


def stream(i: Fields) -> Fields:
    return {"keystream": keystream(unhex(i["key"]), i["offset"], i["length"]).hex()}


def mask(i: Fields) -> Fields:
    data = unhex(i["fill"]) * (i["limbs"] * 8 // len(unhex(i["fill"])))
    masked = ring.apply_mask(data, unhex(i["key"]), i["sign"])
    out = {"sha256": sha256(masked).hex(), "first16": masked[:16].hex(), "last16": masked[-16:].hex()}
    if len(masked) <= 256:
        out["masked"] = masked.hex()
    return out


TYPES = {
    "MaskKey": Type("keys", mask_key),
    "Commitment": Type("keys", commitment),
    "ReducedScalar": Type("keys", reduced),
    "PairSeed": Type("keys", pair_seed),
    "KeystreamKeys": Type("keys", keystream_keys),
    "SealPart": Type("keys", seal),
    "OpenPart": Type("keys", open_part),
    "Keystream": Type("keystream", stream),
    "Mask": Type("keystream", mask),
}

SID, TASK = fill(0x22), fill(0x11)
LOW_ORDER = [
    ("zero", "00" * 32),
    ("one", "01" + "00" * 31),
    ("order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    ("order 8, the other", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ("p - 1", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("p, not canonical", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("p + 1, not canonical", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("zero with the top bit", "00" * 31 + "80"),
    ("one with the top bit", "01" + "00" * 30 + "80"),
]


def facts() -> Iterator[Fact]:
    def scalar(name: str) -> bytes:
        return sharing.scalar_bytes(sharing.reduce_wide(bytes_of(name, 64)))

    base: Fields = {"rootSeed": scalar("r").hex(), "task": TASK.hex(), "round": 7, "attempt": 1, "slot": 3}
    changed: list[tuple[str, Fields]] = [
        ("the base case", {}),
        ("another attempt", {"attempt": 2}),
        ("another round", {"round": 2**32 - 1}),
        ("another slot", {"slot": 2**20 - 1}),
        ("another task", {"task": fill(0x12).hex()}),
        ("root seed zero", {"rootSeed": "00" * 32}),
    ]
    yield Fact(
        "key-schedule",
        "mask-key-comes-from-the-root-seed",
        "MaskKey",
        "The mask key is derived from r, task, round, attempt and slot.",
        "crypto.md 4 [key.root-only-mask]",
        [Case(c, {**base, **x}) for c, x in changed],
    )
    own = {key: value for key, value in base.items() if key != "rootSeed"} | {"selfSeed": scalar("b").hex()}
    yield Fact(
        "key-schedule",
        "commitment-to-the-self-seed",
        "Commitment",
        "The commitment binds b to task, round, attempt and slot.",
        "crypto.md 4 [key.commitment]",
        [Case(c, {**own, **x}) for c, x in changed[:5]],
    )
    wides = [bytes(64), fill(0xFF, 64), L.to_bytes(64, "little"), (L - 1).to_bytes(64, "little"), bytes_of("wide", 64)]
    yield Fact(
        "key-schedule",
        "scalars-are-64-bytes-reduced",
        "ReducedScalar",
        "A scalar is 64 random bytes, little-endian, modulo the group order.",
        "crypto.md 4 [key.uniform]",
        [Case(c, {"wide": w.hex()}) for c, w in zip(("zero", "all ones", "the order", "one below the order", "random"), wides)],
    )
    yield from _pairs()
    yield from _seals(scalar)
    yield from _streams()


def _pairs() -> Iterator[Fact]:
    one, other = bytes_of("mask one", 32), bytes_of("mask other", 32)
    pub_one, pub_other = agreement.x25519_public(one), agreement.x25519_public(other)

    def pair(private: bytes, public: bytes, a: int, b: int, sid: bytes = SID) -> Fields:
        return {"maskPrivate": private.hex(), "otherMaskPublic": public.hex(), "sid": sid.hex(), "own": a, "other": b}

    yield Fact(
        "key-schedule",
        "pair-seed-is-the-same-from-both-ends",
        "PairSeed",
        "Both ends of an edge derive one pair seed and one hash, whichever slot is lower; a session has its own.",
        "crypto.md 4 [key.pair] [key.pair-hash]",
        [
            Case("from the lower end", pair(one, pub_other, 3, 5)),
            Case("from the higher end", pair(other, pub_one, 5, 3)),
            Case("in another session", pair(one, pub_other, 3, 5, fill(0x23))),
            Case("slots 0 and 2^20 - 1", pair(one, pub_other, 0, 2**20 - 1)),
        ],
    )
    yield Fact(
        "key-schedule",
        "keys-of-low-order-are-refused",
        "PairSeed",
        "A public key that makes X25519 all zero is refused, in every encoding.",
        "crypto.md 4 [key.contributory]",
        [Case(c, pair(one, unhex(p), 3, 5), "key.contributory") for c, p in LOW_ORDER]
        + [Case("p + 2 is not canonical, and contributory", pair(one, unhex("ef" + "ff" * 30 + "7f"), 3, 5))],
    )
    seeds = {"pairSeed": bytes_of("pair", 32).hex(), "selfSeed": bytes_of("self", 32).hex(), "own": 3, "other": 5}
    yield Fact(
        "key-schedule",
        "keystream-keys-depend-on-the-share-set",
        "KeystreamKeys",
        "Pair mask key and self mask key are of the second session.",
        "crypto.md 4 [mask.sid2]",
        [
            Case("a second session", {**seeds, "sid2": fill(0x33).hex()}),
            Case("another second session", {**seeds, "sid2": fill(0x34).hex()}),
            Case("from the other end", {**seeds, "sid2": fill(0x33).hex(), "own": 5, "other": 3}),
        ],
    )


def _seals(scalar) -> Iterator[Fact]:  # type: ignore[no-untyped-def]
    three, five = bytes_of("seal three", 32), bytes_of("seal five", 32)
    pub_three, pub_five = agreement.x25519_public(three), agreement.x25519_public(five)
    shares = {"rootShare": scalar("share of r").hex(), "selfShare": scalar("share of b").hex()}
    there = {"sealPrivate": three.hex(), "otherSealPublic": pub_five.hex(), "sid": SID.hex(), "from": 3, "to": 5}
    back = {"sealPrivate": five.hex(), "otherSealPublic": pub_three.hex(), "sid": SID.hex(), "from": 5, "to": 3}
    yield Fact(
        "key-schedule",
        "shares-are-sealed-with-a-key-for-each-direction",
        "SealPart",
        "The key that seals from i to j is not the key from j to i.",
        "crypto.md 6 [seal.directional] [seal.aad]",
        [Case("from 3 to 5", {**there, **shares}), Case("from 5 to 3, the same shares", {**back, **shares})],
    )
    made = seal({**there, **shares})
    arrived = {
        "sealPrivate": five.hex(),
        "otherSealPublic": pub_three.hex(),
        "sid": SID.hex(),
        "from": 3,
        "to": 5,
        **{key: made[key] for key in ("ciphertext", "rootDigest", "selfDigest")},
    }

    def flipped(bit: int) -> Fields:
        raw = bytearray(unhex(made["ciphertext"]))
        raw[bit // 8] ^= 1 << bit % 8
        return {**arrived, "ciphertext": raw.hex()}

    yield Fact(
        "key-schedule",
        "a-sealed-part-opens-for-its-receiver-alone",
        "OpenPart",
        "A part opens in its session, from its sender, to its receiver, with every bit as it was.",
        "protocol.md 11 [share.open]",
        [
            Case("as it was sent", arrived),
            *[Case(f"bit {bit} changed", flipped(bit), "share.open") for bit in (0, 255, 511, 512, 639)],
            Case("in another session", {**arrived, "sid": fill(0x23).hex()}, "share.open"),
            Case("reflected", {**arrived, "from": 5, "to": 3}, "share.open"),
            Case("said to come from another", {**arrived, "from": 4}, "share.open"),
            Case("given to another slot", {**arrived, "to": 6}, "share.open"),
            Case("under the wrong key", {**arrived, "otherSealPublic": agreement.x25519_public(fill(9)).hex()}, "share.open"),
        ],
    )
    bad = []
    for what, root, own in (
        ("a share of r that is not canonical", L.to_bytes(32, "little").hex(), shares["selfShare"]),
        ("a share of b that is not canonical", shares["rootShare"], "ff" * 32),
    ):
        sealed = seal({**there, "rootShare": root, "selfShare": own})
        bad.append(Case(what, {**arrived, **{k: sealed[k] for k in ("ciphertext", "rootDigest", "selfDigest")}}, "share.cut-share"))
    bad.append(Case("the digest of another share of r", {**arrived, "rootDigest": fill(1).hex()}, "share.cut-share"))
    bad.append(Case("the digest of another share of b", {**arrived, "selfDigest": fill(1).hex()}, "share.cut-share"))
    yield Fact(
        "key-schedule",
        "a-part-must-hold-the-canonical-shares-of-its-digests",
        "OpenPart",
        "A part that opens to other shares than its dealer signed cuts the edge.",
        "protocol.md 11 [share.cut-share]",
        bad,
    )


def _streams() -> Iterator[Fact]:
    key = bytes_of("keystream", 32).hex()
    offsets = [0, 1, 15, 16, 17, 4095, 32767, 32768, 32769, 16 * 2**32 - 16, 16 * 2**32 - 1, 16 * 2**32, 2**40 + 5]
    yield Fact(
        "keystream",
        "keystream-at-any-offset",
        "Keystream",
        "AES-256 in counter mode, a 128-bit big-endian counter from zero; the carry passes 32 bits.",
        "crypto.md 5 [mask.keystream]",
        [Case(f"offset {o}", {"key": key, "offset": o, "length": 48}) for o in offsets] + [Case("no bytes", {"key": key, "offset": 7, "length": 0})],
    )
    cases = []
    for sign in (1, -1):
        for limbs in (1, 2, 31, 4095, 4096, 4097, 8192, 8193):
            for byte in ("ff", "00"):
                how = "added to" if sign == 1 else "subtracted from"
                cases.append(Case(f"{how} {limbs} limbs of {byte}", {"key": key, "sign": sign, "limbs": limbs, "fill": byte}))
    yield Fact(
        "keystream",
        "a-carry-never-leaves-its-block",
        "Mask",
        "Data and keystream of a block are one little-endian integer each, added or subtracted modulo 2^(8 x bytes).",
        "crypto.md 5 [mask.keystream] [mask.sign]",
        cases,
    )


