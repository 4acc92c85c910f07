"""Packing, sharing, trees."""

from __future__ import annotations

from collections.abc import Iterator

from .. import merkle, ring, sharing
from ..identity import L
from ..primitives import sha256
from ..refusal import require
from ..rounds import bytes_of
from . import Case, Fact, Fields, Type, fill, unhex


def pack(i: Fields) -> Fields:
    packed = ring.pack(i["lanes"], i["bits"])
    return {"limbs": len(packed) // 8, "packed": packed.hex()}


def lane(i: int, bits: int) -> int:
    return (i + 1) * 0x9E3779B97F4A7C15 % (1 << bits)


def pack_long(i: Fields) -> Fields:
    packed = ring.pack([lane(j, i["bits"]) for j in range(i["count"])], i["bits"])
    return {"limbs": len(packed) // 8, "sha256": sha256(packed).hex()}


def unpack(i: Fields) -> Fields:
    return {"lanes": ring.unpack(unhex(i["packed"]), i["count"], i["bits"])}


def share(i: Fields) -> Fields:
    secret, further = int.from_bytes(unhex(i["secret"]), "little"), [int.from_bytes(unhex(c), "little") for c in i["coefficients"]]
    shares = sharing.share_out(secret, further, i["slots"])
    return {"shares": [{"slot": slot, "share": sharing.scalar_bytes(value).hex()} for slot, value in shares.items()]}


def rebuild(i: Fields) -> Fields:
    shares = {}
    for each in i["shares"]:
        raw = unhex(each["share"])
        require(sharing.canonical(raw), "recover.verify", "a share that is not canonical")
        shares[each["slot"]] = int.from_bytes(raw, "little")
    return {"secret": sharing.scalar_bytes(sharing.rebuild(shares, i["threshold"])).hex()}


def tree(i: Fields) -> Fields:
    leaves = [unhex(leaf) if leaf else None for leaf in i["leaves"]]
    return {"root": merkle.root(leaves).hex(), "proofs": [[h.hex() for h in proof] for proof in merkle.proofs(leaves)]}


def proof(i: Fields) -> Fields:
    root = merkle.root_of_proof(unhex(i["leaf"]), i["position"], i["leaves"], [unhex(h) for h in i["proof"]])
    require(root == unhex(i["root"]), "advert.proof", "another root")
    return {}


TYPES = {
    "Pack": Type("packing", pack),
    "PackLong": Type("packing", pack_long),
    "Unpack": Type("decode", unpack),
    "Share": Type("sharing", share),
    "Rebuild": Type("sharing", rebuild),
    "Tree": Type("merkle", tree),
    "Proof": Type("merkle", proof),
}


def facts() -> Iterator[Fact]:
    yield Fact(
        "packing",
        "lanes-of-every-width",
        "Pack",
        "Lane j of a block takes bits j b to (j + 1) b - 1 of a little-endian integer; the last block has ceil(r b / 64) limbs.",
        "encoding.md 7 [encode.layout.order] [encode.layout.last]",
        [Case(f"{b} bits", {"bits": b, "lanes": [lane(i, b) for i in range(7)]}) for b in range(1, 65)],
    )
    cases = []
    for b in (1, 7, 12, 23, 26, 33, 63, 64):
        each = ring.lanes_per_block(b)
        for count in (each - 1, each, each + 1, 2 * each + 3):
            cases.append(Case(f"{count} lanes of {b} bits", {"bits": b, "count": count}))
    yield Fact(
        "packing",
        "no-lane-crosses-a-block-border",
        "PackLong",
        "A full block holds floor(262144 / b) lanes. Lane i is (i + 1) 0x9E3779B97F4A7C15 modulo 2^b.",
        "encoding.md 7 [encode.layout.border]",
        cases,
    )
    good = ring.pack([5, 6, 7, 8, 9], 23).hex()
    yield Fact(
        "packing",
        "padding-and-length-are-exact",
        "Unpack",
        "A sum with another number of limbs, or a bit above the last lane of a block, is refused.",
        "encoding.md 8 [encode.decode.length] [encode.decode.padding]",
        [
            Case("five lanes", {"bits": 23, "count": 5, "packed": good}),
            Case("a limb too many", {"bits": 23, "count": 5, "packed": good + "00" * 8}, "encode.decode.length"),
            Case("a limb too few", {"bits": 23, "count": 5, "packed": good[:-16]}, "encode.decode.length"),
            Case("no limb", {"bits": 23, "count": 5, "packed": ""}, "encode.decode.length"),
            Case("the highest padding bit", {"bits": 23, "count": 5, "packed": good[:-2] + "80"}, "encode.decode.padding"),
            Case("the lowest padding bit", {"bits": 23, "count": 5, "packed": _set_bit(good, 115)}, "encode.decode.padding"),
            Case("64 lanes of 64 bits have no padding", {"bits": 64, "count": 4, "packed": "ff" * 32}),
            *_wrong_widths(),
        ],
    )
    yield from _sharing()
    yield from _trees()


def _wrong_widths() -> Iterator[Case]:
    for b in (1, 7, 12, 33, 63):
        packed = ring.pack([lane(i, b) for i in range(5)], b).hex()
        base = {"bits": b, "count": 5}
        yield Case(f"five lanes of {b} bits", {**base, "packed": packed})
        yield Case(f"{b} bits, the lowest padding bit", {**base, "packed": _set_bit(packed, 5 * b)}, "encode.decode.padding")
        yield Case(f"{b} bits, the highest padding bit", {**base, "packed": packed[:-2] + "80"}, "encode.decode.padding")
        yield Case(f"{b} bits, a limb too many", {**base, "packed": packed + "00" * 8}, "encode.decode.length")
        yield Case(f"{b} bits, a byte too few", {**base, "packed": packed[:-2]}, "encode.decode.length")
    # A full block of 63-bit lanes has 4161 of them and one bit of padding.
    each = ring.lanes_per_block(63)
    packed = ring.pack([0] * (each + 1), 63).hex()
    yield Case("the padding bit of a full block", {"bits": 63, "count": each + 1, "packed": _set_bit(packed, 63 * each)}, "encode.decode.padding")


def _set_bit(packed: str, bit: int) -> str:
    raw = bytearray(unhex(packed))
    raw[bit // 8] |= 1 << bit % 8
    return raw.hex()


def _sharing() -> Iterator[Fact]:
    def scalar(name: str) -> str:
        return sharing.scalar_bytes(sharing.reduce_wide(bytes_of(name, 64))).hex()

    zero, highest = "00" * 32, sharing.scalar_bytes(L - 1).hex()
    base = {"secret": scalar("secret"), "coefficients": [scalar("c1"), scalar("c2")], "slots": [0, 1, 2, 5, 1000, 2**20 - 1]}
    yield Fact(
        "sharing",
        "the-point-of-a-slot-is-slot-plus-one",
        "Share",
        "Shares are values of a polynomial modulo the group order, constant term first.",
        "crypto.md 8 [share.threshold]",
        [
            Case("threshold 3", base),
            Case("threshold 2", {**base, "coefficients": [scalar("c1")]}),
            Case("a secret of zero", {**base, "secret": zero}),
            Case("coefficients of zero are allowed", {**base, "coefficients": [zero, zero]}),
            Case("all of them the highest scalar", {**base, "secret": highest, "coefficients": [highest, highest, highest]}),
        ],
    )
    shares = share(base)["shares"]
    over = [{"slot": 0, "share": (L + 1).to_bytes(32, "little").hex()}, *shares[1:3]]
    yield Fact(
        "sharing",
        "any-threshold-many-shares-rebuild-the-secret",
        "Rebuild",
        "Interpolation at 0. Which shares are used does not matter; fewer than the threshold give nothing.",
        "protocol.md 15 [recover.rebuild] [recover.verify]",
        [
            Case("the first three", {"threshold": 3, "shares": shares[:3]}),
            Case("the last three", {"threshold": 3, "shares": shares[3:]}),
            Case("all six", {"threshold": 3, "shares": shares}),
            Case("in another order", {"threshold": 3, "shares": shares[2::-1]}),
            Case("two", {"threshold": 3, "shares": shares[:2]}, "recover.rebuild"),
            Case("none", {"threshold": 3, "shares": []}, "recover.rebuild"),
            Case("one that is not canonical", {"threshold": 3, "shares": over}, "recover.verify"),
            Case("the order itself", {"threshold": 3, "shares": [*shares[:2], {"slot": 5, "share": L.to_bytes(32, "little").hex()}]}, "recover.verify"),
            Case("all bits set", {"threshold": 3, "shares": [*shares[:2], {"slot": 5, "share": "ff" * 32}]}, "recover.verify"),
            Case("one more than needed is not canonical", {"threshold": 3, "shares": [*shares[:3], {"slot": 7, "share": "ff" * 32}]}, "recover.verify"),
            Case("one", {"threshold": 3, "shares": shares[:1]}, "recover.rebuild"),
            Case("one of two", {"threshold": 2, "shares": shares[:1]}, "recover.rebuild"),
            Case("five of six", {"threshold": 6, "shares": shares[:5]}, "recover.rebuild"),
        ],
    )


def _trees() -> Iterator[Fact]:
    leaves = [fill(i + 1).hex() for i in range(9)]
    yield Fact(
        "merkle",
        "a-tree-has-the-least-power-of-two-of-places",
        "Tree",
        "Places without content hold the empty leaf. The root of one place is its leaf.",
        "crypto.md 7 [merkle.tree]",
        [Case(f"{n} leaves", {"leaves": leaves[:n]}) for n in (0, 1, 2, 3, 4, 5, 8, 9)]
        + [Case("places left empty", {"leaves": [leaves[0], None, None, leaves[3], None]})],
    )
    made = tree({"leaves": leaves[:5]})
    base = {"leaf": leaves[3], "position": 3, "leaves": 5, "proof": made["proofs"][3], "root": made["root"]}
    yield Fact(
        "merkle",
        "a-proof-has-one-length-and-one-position",
        "Proof",
        "A verifier knows the number of leaves and the position; another number of hashes is refused.",
        "crypto.md 7 [merkle.depth]",
        [
            Case("the proof of place 3", base),
            Case("a tree of one place", {"leaf": leaves[0], "position": 0, "leaves": 1, "proof": [], "root": leaves[0]}),
            Case("a hash too many", {**base, "proof": [*base["proof"], leaves[0]]}, "merkle.depth"),
            Case("a hash too few", {**base, "proof": base["proof"][:-1]}, "merkle.depth"),
            Case("a position beyond the leaves", {**base, "position": 5}, "merkle.depth"),
            Case("an inner node as a leaf", {**base, "position": 0, "leaves": 4, "proof": base["proof"][:2]}, "advert.proof"),
            Case("at another position", {**base, "position": 2}, "advert.proof"),
            Case("another leaf", {**base, "leaf": leaves[4]}, "advert.proof"),
            Case("siblings in another order", {**base, "proof": base["proof"][::-1]}, "advert.proof"),
        ],
    )
