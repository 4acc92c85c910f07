"""Signatures and public keys; session ids and bitmaps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from .. import identity, session
from ..identity import L, P, Identity, Point
from ..octets import label, read_bitmap, u32, u64, u8
from ..primitives import PREFIX
from ..refusal import require
from ..rounds import bytes_of
from ..wire import Parameters
from . import Case, Fact, Fields, Type, fill, unhex


def sign(i: Fields) -> Fields:
    key = Identity(unhex(i["secret"]))
    return {"public": key.public.hex(), "signature": key.sign(i["purpose"], unhex(i["parts"])).hex()}


def verify(i: Fields) -> Fields:
    good = identity.verifies(unhex(i["public"]), unhex(i["signature"]), i["purpose"], unhex(i["parts"]))
    require(good, "identity.strict", "does not verify")
    return {}


def public_key(i: Fields) -> Fields:
    identity.check_public_key(unhex(i["key"]))
    return {}


def session_id(i: Fields) -> Fields:
    named = ("task", "roster", "baseModel", "randomness", "advertised", "root")
    task, roster, model, randomness, advertised, root = (unhex(i[name]) for name in named)
    made = Parameters(**i["parameters"])
    sid = session.session_id(task, roster, i["round"], i["attempt"], model, randomness, made, i["rosterSlots"], advertised, root)
    sid2 = session.second_session_id(sid, unhex(i["shared"]))
    return {"sid": sid.hex(), "sid2": sid2.hex(), "survivorsDigest": session.survivors_digest(sid2, unhex(i["survivors"])).hex()}


def bitmap(i: Fields) -> Fields:
    return {"set": sorted(read_bitmap(unhex(i["bitmap"]), i["rosterSlots"]))}


TYPES = {
    "Sign": Type("signatures", sign),
    "Verify": Type("signatures", verify),
    "PublicKey": Type("signatures", public_key),
    "SessionId": Type("session", session_id),
    "Bitmap": Type("session", bitmap),
}

PURPOSES = {
    "sign roster": fill(0x77),
    "sign advert": fill(0x11) + fill(0x77) + u64(7) + u32(1) + u32(3) + fill(1) + fill(2) + fill(3) + u8(0),
    "sign shares": fill(0x22) + u32(3) + fill(0x66),
    "sign accept": fill(0x22) + u32(3) + u32(5) + u8(1) + u32(9) + u8(4),
    "sign upload": fill(0x22) + fill(0x33) + u32(3) + u64(5000),
    "sign confirm": fill(0x22) + fill(0x33) + b"\x0b",
    "sign receipt": fill(0x11) + u64(7) + u32(1) + fill(0x22) + fill(0x33) + fill(0x66) + b"\x0b",
}


def facts() -> Iterator[Fact]:
    secret = bytes_of("signer", 32).hex()
    yield Fact(
        "signatures",
        "each-purpose-has-its-label",
        "Sign",
        "A signature is Ed25519 over label(\"veilsum/1 \" || purpose) || parts.",
        "roster-task.md 1 [identity.context], crypto.md 2",
        [Case(purpose, {"secret": secret, "purpose": purpose, "parts": parts.hex()}) for purpose, parts in PURPOSES.items()],
    )
    yield from _strict(secret)
    yield from _keys()
    yield from _sessions()


def _strict(secret: str) -> Iterator[Fact]:
    purpose, parts = "sign confirm", PURPOSES["sign confirm"]
    made = sign({"secret": secret, "purpose": purpose, "parts": parts.hex()})
    good = {"public": made["public"], "purpose": purpose, "parts": parts.hex(), "signature": made["signature"]}
    raw = unhex(made["signature"])
    scalar = int.from_bytes(raw[32:], "little")
    over = raw[:32] + (scalar + L).to_bytes(32, "little")
    cases = [Case("as it was signed", good)]
    cases += [
        Case(f"under the label of {other}", {**good, "purpose": other}, "identity.strict") for other in PURPOSES if other != purpose
    ]
    cases += [
        Case("a scalar that is not reduced", {**good, "signature": over.hex()}, "identity.strict"),
        Case("a bit of R changed", {**good, "signature": bytes([raw[0] ^ 1]).hex() + raw[1:].hex()}, "identity.strict"),
        Case("a bit of the scalar changed", {**good, "signature": raw[:40].hex() + bytes([raw[40] ^ 1]).hex() + raw[41:].hex()}, "identity.strict"),
        Case("a part changed", {**good, "parts": (parts[:-1] + b"\x0a").hex()}, "identity.strict"),
        Case("63 bytes", {**good, "signature": raw[:63].hex()}, "identity.strict"),
        Case("a key of small order, R the identity, scalar 0", {**good, "public": "01" + "00" * 31, "signature": "01" + "00" * 63}, "identity.strict"),
    ]
    mixed, small_r = _mixed_order(purpose, parts), _small_r(unhex(secret), purpose, parts)
    cases.append(Case("holds with the cofactor only: a key of mixed order", {**good, **mixed}, "identity.strict"))
    cases.append(Case("R of small order, the equation holds", {**good, "public": made["public"], "signature": small_r}, "identity.strict"))
    yield Fact(
        "signatures",
        "signatures-are-verified-strictly",
        "Verify",
        "Scalar below the order, neither R nor key of small order, the equation without the cofactor, the right label.",
        "roster-task.md 1 [identity.strict]",
        cases,
    )


BASE: Point = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)
ORDER_8: Point | None = identity.decompress(unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))


def times(scalar: int, point: Point) -> Point:
    total: Point = (0, 1)
    while scalar:
        if scalar & 1:
            total = identity.add(total, point)
        point = identity.add(point, point)
        scalar >>= 1
    return total


def compress(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _challenge(r: bytes, public: bytes, purpose: str, parts: bytes) -> int:
    digest = hashlib.sha512(r + public + label(PREFIX + purpose) + parts).digest()
    return int.from_bytes(digest, "little") % L


def _mixed_order(purpose: str, parts: bytes) -> Fields:
    """A key with a part of order 8, and a signature by its holder that lacks that part."""
    assert ORDER_8 is not None
    secret = 0x1234567
    public = compress(identity.add(times(secret, BASE), ORDER_8))
    nonce = 1
    while True:
        r = compress(times(nonce, BASE))
        h = _challenge(r, public, purpose, parts)
        if h % 8:
            s = (nonce + h * secret) % L
            return {"public": public.hex(), "signature": (r + s.to_bytes(32, "little")).hex()}
        nonce += 1


def _small_r(seed: bytes, purpose: str, parts: bytes) -> str:
    """R the identity (nonce 0): the equation holds, but the secret would be given away."""
    digest = bytearray(hashlib.sha512(seed).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    secret = int.from_bytes(digest, "little")
    public = Identity(seed).public
    r = compress((0, 1))
    return (r + (_challenge(r, public, purpose, parts) * secret % L).to_bytes(32, "little")).hex()


def _keys() -> Iterator[Fact]:
    assert ORDER_8 is not None
    off_curve = next(y for y in range(2, 100) if identity.decompress(y.to_bytes(32, "little")) is None)
    mixed = compress(identity.add(times(5, BASE), ORDER_8))
    cases = [
        Case("a key", {"key": Identity(fill(1)).public.hex()}),
        Case("a key of mixed order harms nobody but its owner", {"key": mixed.hex()}),
        Case("not on the curve", {"key": off_curve.to_bytes(32, "little").hex()}, "identity.key"),
        Case("31 bytes", {"key": "01" * 31}, "identity.key"),
    ]
    for what, value in (("y = 0, order 4", 0), ("the identity", 1), ("p - 1, order 2", P - 1)):
        cases.append(Case(what, {"key": value.to_bytes(32, "little").hex()}, "identity.key"))
    for step in (1, 3, 5, 7):
        cases.append(Case(f"{step} times a point of order 8", {"key": compress(times(step, ORDER_8)).hex()}, "identity.key"))
    for what, value in (("y = p", P), ("y = p + 1", P + 1), ("y = p + 3, a point otherwise", P + 3), ("y = 2^255 - 1", 2**255 - 1)):
        cases.append(Case(what, {"key": value.to_bytes(32, "little").hex()}, "identity.key"))
    cases.append(Case("the identity with the sign bit", {"key": (1 | 1 << 255).to_bytes(32, "little").hex()}, "identity.key"))
    yield Fact(
        "signatures",
        "public-keys-are-canonical-and-of-large-order",
        "PublicKey",
        "A key with y of 2^255 - 19 or more, off the curve, or of small order is refused.",
        "roster-task.md 1 [identity.key]",
        cases,
    )


def _sessions() -> Iterator[Fact]:
    base: Fields = {
        "task": fill(0x11).hex(),
        "roster": fill(0x12).hex(),
        "round": 7,
        "attempt": 1,
        "baseModel": "00" * 32,
        "randomness": fill(0x13).hex(),
        "parameters": Parameters(4, 1, 1, 3, 3, None, 4, 1, 3, 3, None).__dict__,
        "rosterSlots": 4,
        "advertised": "0f",
        "root": fill(0x14).hex(),
        "shared": "0b",
        "survivors": "03",
    }
    ring = Parameters(1000, 100, 100, 66, 31, 16, 145, 42, 94, 900, None).__dict__
    changed: list[tuple[str, Fields]] = [
        ("the base case", {}),
        ("another task", {"task": fill(1).hex()}),
        ("another roster", {"roster": fill(1).hex()}),
        ("another round", {"round": 8}),
        ("another attempt", {"attempt": 2}),
        ("with a model", {"baseModel": fill(0x55).hex()}),
        ("other randomness", {"randomness": fill(1).hex()}),
        ("another threshold", {"parameters": {**base["parameters"], "t": 2}}),
        ("with noise", {"parameters": {**base["parameters"], "tolerated": 1}}),
        ("a ring of 1000 slots", {"parameters": ring, "rosterSlots": 1000, "advertised": "ff" * 125, "shared": "ff" * 125, "survivors": "ff" * 125}),
        ("another advertised set", {"advertised": "0b"}),
        ("another root", {"root": fill(1).hex()}),
        ("another Share set", {"shared": "0f"}),
        ("other survivors", {"survivors": "0b"}),
    ]
    yield Fact(
        "session",
        "session-ids-bind-everything-that-was-agreed",
        "SessionId",
        "sid, sid2 and the digest of survivors change with each of their parts.",
        "crypto.md 9 [session.sid] [session.sid2] [session.survivors]",
        [Case(what, {**base, **more}) for what, more in changed],
    )
    yield Fact(
        "session",
        "bitmaps-are-exact",
        "Bitmap",
        "Slot i is bit i mod 8 of byte floor(i / 8); another number of bytes, or a bit beyond the last slot, is refused.",
        "protocol.md 1 [bitmap.exact]",
        [
            Case("four slots", {"bitmap": "0b", "rosterSlots": 4}),
            Case("none of nine", {"bitmap": "0000", "rosterSlots": 9}),
            Case("all of nine", {"bitmap": "ff01", "rosterSlots": 9}),
            Case("all of 16", {"bitmap": "ffff", "rosterSlots": 16}),
            Case("a byte too many", {"bitmap": "0b00", "rosterSlots": 4}, "bitmap.exact"),
            Case("a byte too few", {"bitmap": "ff", "rosterSlots": 9}, "bitmap.exact"),
            Case("no byte", {"bitmap": "", "rosterSlots": 4}, "bitmap.exact"),
            Case("slot 4 of 4", {"bitmap": "1b", "rosterSlots": 4}, "bitmap.exact"),
            Case("slot 15 of 9", {"bitmap": "0180", "rosterSlots": 9}, "bitmap.exact"),
        ],
    )
