"""The 18 messages: dataclasses, strict reading, writing. Source: wire.md sections 2 to 4.

Order within lists, membership of slots and lengths of bitmaps are not looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .codec import Code, Codec, Fixed, Many, Maybe, Opaque, Refusals, Select, Struct, Uint
from .octets import Reader, u8, u16
from .refusal import require

_R = Refusals(code="wire.types", short="wire.lengths")
HEAD = u16(1) + u16(1)
U32, U64, DIGEST, SIGNATURE = Uint(4), Uint(8), Fixed(32), Fixed(64)


def _maybe(inner: Codec) -> Codec:
    return Maybe(inner, _R)


@dataclass(frozen=True)
class Parameters:
    """parameters.md section 7; here because `Open` carries them."""

    n: int
    c: int
    d: int
    k: int
    t: int
    h: int | None
    m: int
    c_m: int
    q: int
    f: int
    tolerated: int | None


PARAMETERS = Struct(
    Parameters,
    *[(name, U32) for name in ("n", "c", "d", "k", "t")],
    ("h", _maybe(U32)),
    *[(name, U32) for name in ("m", "c_m", "q", "f")],
    ("tolerated", _maybe(U32)),
)


@dataclass(frozen=True)
class Deadlines:
    """Milliseconds."""

    advertise: int
    share: int
    accept: int
    upload: int
    confirm: int
    reveal: int


_DEADLINES = Struct(Deadlines, *[(name, U32) for name in ("advertise", "share", "accept", "upload", "confirm", "reveal")])


@dataclass(frozen=True)
class Open:
    task: bytes
    roster: bytes
    round: int
    attempt: int
    base_model: bytes
    parameters: Parameters
    deadlines: Deadlines


@dataclass(frozen=True)
class Advert:
    task: bytes
    roster: bytes
    round: int
    attempt: int
    slot: int
    seal_key: bytes
    mask_key: bytes
    commitment: bytes
    chain_end: bytes | None
    signature: bytes


ADVERT = Struct(
    Advert,
    ("task", DIGEST),
    ("roster", DIGEST),
    ("round", U64),
    ("attempt", U32),
    ("slot", U32),
    ("seal_key", Fixed(32)),
    ("mask_key", Fixed(32)),
    ("commitment", DIGEST),
    ("chain_end", _maybe(DIGEST)),
    ("signature", SIGNATURE),
)


@dataclass(frozen=True)
class ProvenAdvert:
    advert: Advert
    proof: tuple[bytes, ...]


@dataclass(frozen=True)
class Adverts:
    task: bytes
    round: int
    attempt: int
    advertised: bytes
    root: bytes
    own_proof: tuple[bytes, ...]
    neighbours: tuple[ProvenAdvert, ...]


@dataclass(frozen=True)
class SealedShare:
    to: int
    ciphertext: bytes
    root_digest: bytes
    self_digest: bytes
    pair_hash: bytes


_SEALED_SHARE = Struct(
    SealedShare,
    ("to", U32),
    ("ciphertext", Fixed(80)),
    ("root_digest", DIGEST),
    ("self_digest", DIGEST),
    ("pair_hash", DIGEST),
)


@dataclass(frozen=True)
class SealedShares:
    sid: bytes
    slot: int
    parts: tuple[SealedShare, ...]
    signature: bytes


@dataclass(frozen=True)
class DeliveredShare:
    from_: int
    part: SealedShare | None
    proof: tuple[bytes, ...]
    signature: bytes


@dataclass(frozen=True)
class DeliveredShares:
    sid: bytes
    shares: tuple[DeliveredShare, ...]


CUT_PAIR_SEED, CUT_SHARE, CUT_KEY = 1, 3, 4


@dataclass(frozen=True)
class Cut:
    slot: int
    reason: int


@dataclass(frozen=True)
class Accept:
    sid: bytes
    slot: int
    cuts: tuple[Cut, ...]
    signature: bytes


ACCEPT = Struct(
    Accept,
    ("sid", DIGEST),
    ("slot", U32),
    ("cuts", Many(Struct(Cut, ("slot", U32), ("reason", Code((1, 3, 4), _R))))),
    ("signature", SIGNATURE),
)


@dataclass(frozen=True)
class ShareSet:
    sid: bytes
    shared: bytes
    accepts: tuple[Accept, ...]


@dataclass(frozen=True)
class UploadHeader:
    sid: bytes
    sid2: bytes
    slot: int
    limbs: int
    signature: bytes


_UPLOAD_HEADER = Struct(UploadHeader, ("sid", DIGEST), ("sid2", DIGEST), ("slot", U32), ("limbs", U64), ("signature", SIGNATURE))


@dataclass(frozen=True)
class UploadStored:
    sid2: bytes
    slot: int


@dataclass(frozen=True)
class SurvivorSet:
    sid: bytes
    sid2: bytes
    survivors: bytes


_SURVIVOR_SET = Struct(SurvivorSet, ("sid", DIGEST), ("sid2", DIGEST), ("survivors", Opaque()))


@dataclass(frozen=True)
class SignedSlot:
    slot: int
    signature: bytes


_SIGNED_SLOT = Struct(SignedSlot, ("slot", U32), ("signature", SIGNATURE))


@dataclass(frozen=True)
class Confirmation:
    sid2: bytes
    signed: SignedSlot


@dataclass(frozen=True)
class Certificate:
    set: SurvivorSet
    signatures: tuple[SignedSlot, ...]


@dataclass(frozen=True)
class PairSeedReveal:
    slot: int
    seed: bytes


@dataclass(frozen=True)
class Reveal:
    sid2: bytes
    slot: int
    self_seed: bytes
    pair_seeds: tuple[PairSeedReveal, ...]
    chain_value: bytes | None


SELF_SEED, ROOT_SEED = 1, 2


@dataclass(frozen=True)
class ShareRequest:
    """`wanted` holds `(1, UploadHeader)` or `(2, slot)`."""

    sid2: bytes
    wanted: tuple[tuple[int, Any], ...]


@dataclass(frozen=True)
class ShareAnswer:
    kind: int
    slot: int
    share: bytes


@dataclass(frozen=True)
class Shares:
    sid2: bytes
    slot: int
    answers: tuple[ShareAnswer, ...]


@dataclass(frozen=True)
class Receipt:
    task: bytes
    round: int
    attempt: int
    sid: bytes
    sid2: bytes
    survivors: bytes
    sum: bytes
    signature: bytes


@dataclass(frozen=True)
class AbortNotice:
    task: bytes
    round: int
    attempt: int
    reason: bytes
    text: bytes


@dataclass(frozen=True)
class FaultNotice:
    kind: bytes
    text: bytes


MESSAGES: dict[int, Struct] = {
    1: Struct(
        Open,
        ("task", Opaque()),
        ("roster", DIGEST),
        ("round", U64),
        ("attempt", U32),
        ("base_model", DIGEST),
        ("parameters", PARAMETERS),
        ("deadlines", _DEADLINES),
    ),
    2: ADVERT,
    3: Struct(
        Adverts,
        ("task", DIGEST),
        ("round", U64),
        ("attempt", U32),
        ("advertised", Opaque()),
        ("root", DIGEST),
        ("own_proof", Many(DIGEST)),
        ("neighbours", Many(Struct(ProvenAdvert, ("advert", ADVERT), ("proof", Many(DIGEST))))),
    ),
    4: Struct(SealedShares, ("sid", DIGEST), ("slot", U32), ("parts", Many(_SEALED_SHARE)), ("signature", SIGNATURE)),
    5: Struct(
        DeliveredShares,
        ("sid", DIGEST),
        (
            "shares",
            Many(
                Struct(
                    DeliveredShare,
                    ("from_", U32),
                    ("part", _maybe(_SEALED_SHARE)),
                    ("proof", Many(DIGEST)),
                    ("signature", SIGNATURE),
                )
            ),
        ),
    ),
    6: ACCEPT,
    7: Struct(ShareSet, ("sid", DIGEST), ("shared", Opaque()), ("accepts", Many(ACCEPT))),
    8: _UPLOAD_HEADER,
    9: Struct(UploadStored, ("sid2", DIGEST), ("slot", U32)),
    10: _SURVIVOR_SET,
    11: Struct(Confirmation, ("sid2", DIGEST), ("signed", _SIGNED_SLOT)),
    12: Struct(Certificate, ("set", _SURVIVOR_SET), ("signatures", Many(_SIGNED_SLOT))),
    13: Struct(
        Reveal,
        ("sid2", DIGEST),
        ("slot", U32),
        ("self_seed", Fixed(32)),
        ("pair_seeds", Many(Struct(PairSeedReveal, ("slot", U32), ("seed", Fixed(32))))),
        ("chain_value", _maybe(DIGEST)),
    ),
    14: Struct(ShareRequest, ("sid2", DIGEST), ("wanted", Many(Select({1: _UPLOAD_HEADER, 2: U32}, _R)))),
    15: Struct(
        Shares,
        ("sid2", DIGEST),
        ("slot", U32),
        ("answers", Many(Struct(ShareAnswer, ("kind", Code((1, 2), _R)), ("slot", U32), ("share", Fixed(32))))),
    ),
    16: Struct(
        Receipt,
        ("task", DIGEST),
        ("round", U64),
        ("attempt", U32),
        ("sid", DIGEST),
        ("sid2", DIGEST),
        ("survivors", Opaque()),
        ("sum", DIGEST),
        ("signature", SIGNATURE),
    ),
    17: Struct(AbortNotice, ("task", DIGEST), ("round", U64), ("attempt", U32), ("reason", Opaque()), ("text", Opaque())),
    18: Struct(FaultNotice, ("kind", Opaque()), ("text", Opaque())),
}
TYPES: dict[type, int] = {codec.make: number for number, codec in MESSAGES.items()}  # type: ignore[misc]


def cap(number: int, roster_slots: int, degree: int) -> int:
    """The most bytes behind the head, section 3."""
    k = min(degree, roster_slots)
    b = (roster_slots + 7) // 8 + 8
    return {
        1: 8388608 + 256,
        2: 320,
        3: 200 + 1032 + b + 8 + 1352 * k,
        4: 200 + 8 + 180 * k,
        5: 200 + 8 + 1412 * k,
        6: 108 + 8 + 5 * k,
        7: 200 + b + 8 + k * (108 + 5 * k),
        8: 200,
        9: 200,
        10: 200 + b,
        11: 200,
        12: 200 + b + 68 * roster_slots,
        13: 200 + 8 + 37 * k,
        14: 200 + 8 + 200 * k,
        15: 200 + 8 + 37 * k,
        16: 400 + b,
        17: 4096,
        18: 4096,
    }.get(number, 0)


def encode(message: Any) -> bytes:
    number = TYPES[type(message)]
    return HEAD + u8(number) + MESSAGES[number].write(message)


def decode(data: bytes, roster_slots: int, degree: int) -> Any:
    """One message out of one frame, in the order of section 2."""
    require(len(data) >= 5 and data[:4] == HEAD, "wire.version", "another version or suite, or no head")
    number = data[4]
    require(number in MESSAGES, "wire.types", f"type {number}")
    require(len(data) - 5 <= cap(number, roster_slots, degree), "wire.cap", f"{len(data) - 5} bytes of type {number}")
    reader = Reader(data[5:], "wire.lengths")
    message = MESSAGES[number].read(reader)
    require(reader.left() == 0, "wire.leftover", f"{reader.left()} bytes")
    require(encode(message) == data, "wire.canonical", "another encoding of the same message")
    return message
