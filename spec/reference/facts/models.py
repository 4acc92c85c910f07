"""Models and deltas."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .. import deltas
from ..deltas import Model, Tensor, compressed, follow, listed, planes, sized, u64
from ..rounds import bytes_of
from ..tasks import DTYPES
from . import Case, Fact, Fields, Type, fill, unhex

CODES = {name: code for code, name in DTYPES.items()}


def _tensors(given: list[Fields]) -> tuple[Tensor, ...]:
    return tuple(Tensor(t["name"].encode("utf-8"), CODES[t["dtype"]], tuple(t["shape"]), unhex(t["values"])) for t in given)


def _shown(tensors: tuple[Tensor, ...]) -> list[Fields]:
    return [{"name": t.name.decode("utf-8"), "dtype": DTYPES[t.dtype], "shape": list(t.shape), "values": t.values.hex()} for t in tensors]


def model_digest(i: Fields) -> Fields:
    return {"digest": deltas.digest(_tensors(i["tensors"])).hex()}


def delta(i: Fields) -> Fields:
    before, after = Model(i["version"], _tensors(i["tensors"])), Model(i["laterVersion"], _tensors(i["later"]))
    deltas.check_step(before, after)
    return {"start": before.id.hex(), "end": after.id.hex(), "planes": planes(before, after).hex()}


def followed(i: Fields) -> Fields:
    made = follow(unhex(i["deltas"]), Model(i["version"], _tensors(i["tensors"])))
    return {"version": made.version, "digest": deltas.digest(made.tensors).hex(), "tensors": _shown(made.tensors)}


TYPES = {
    "ModelDigest": Type("model", model_digest),
    "Delta": Type("delta", delta),
    "Deltas": Type("delta", followed),
}


def _model(version: int, name: str, *forms: tuple[str, str, tuple[int, ...]]) -> Model:
    """Values fixed by a name: any bits, NaN among them."""
    made = []
    for tensor, dtype, shape in sorted(forms):
        count = deltas.WIDTH[CODES[dtype]]
        for axis in shape:
            count *= axis
        made.append(Tensor(tensor.encode("ascii"), CODES[dtype], shape, bytes_of(f"{name}/{version}/{tensor}", count)))
    return Model(version, tuple(made))


def _f32(version: int, *values: float) -> Model:
    return Model(version, (Tensor(b"w", 1, (len(values),), struct.pack(f"<{len(values)}f", *values)),))


def facts() -> Iterator[Fact]:
    every = [(f"t{code:02}", name, (2, 3)) for name, code in CODES.items()]
    a, b, c = (_model(version, "any", *every) for version in (4, 5, 9))
    near = [_f32(1, 1.0, -1.0, 0.0, -0.0, 1e-40, 3e38), _f32(2, 1.0000001, -1.0000001, -0.0, 0.0, -1e-40, float("inf"))]

    def given(model: Model) -> Fields:
        return {"version": model.version, "tensors": _shown(model.tensors)}

    def pair(what: str, before: Model, after: Model, refused_by: str | None = None) -> Case:
        return Case(what, {**given(before), "laterVersion": after.version, "later": _shown(after.tensors)}, refused_by)

    scalar = Model(1, (Tensor(b"s", 2, (), struct.pack("<d", 0.5)),))
    yield Fact(
        "models",
        "a-model-is-known-by-its-tensors",
        "ModelDigest",
        "Digest over names, types, shapes and values; the version is not in it.",
        "learning.md 2 [model.digest]",
        [
            Case("every element type", {"tensors": _shown(a.tensors)}),
            Case("one f32 tensor", {"tensors": _shown(near[0].tensors)}),
            Case("a scalar", {"tensors": _shown(scalar.tensors)}),
            Case("the same bytes in another shape", {"tensors": _shown((Tensor(b"s", 2, (1,), scalar.tensors[0].values),))}),
        ],
    )
    other = Model(5, b.tensors[:-1])
    yield Fact(
        "models",
        "a-delta-is-planes-of-folded-differences-of-ranks",
        "Delta",
        "What the DEFLATE stream of a step unpacks to; a compressor is free in how it packs.",
        "learning.md 3 [delta.rank] [delta.zigzag] [delta.planes] [delta.step]",
        [
            pair("every element type, any bits", a, b),
            pair("neighbouring floats, zeros of both signs, infinity", *near),
            pair("nothing changes", a, Model(5, a.tensors)),
            pair("several versions on", a, c),
            pair("the same version", a, Model(4, b.tensors), "delta.step"),
            pair("an earlier version", b, a, "delta.step"),
            pair("a tensor less", a, other, "delta.step"),
            pair("another shape", near[0], Model(2, (Tensor(b"w", 1, (2, 3), near[1].tensors[0].values),)), "delta.step"),
            pair("another type of the same width", near[0], Model(2, (Tensor(b"w", 7, (6,), near[1].tensors[0].values),)), "delta.step"),
            pair("another name", near[0], Model(2, (Tensor(b"v", 1, (6,), near[1].tensors[0].values),)), "delta.step"),
        ],
    )
    yield _lists(a, b, c, given)
    yield _long_lists(given)


def _lists(a: Model, b: Model, c: Model, given: Any) -> Fact:
    ab, bc = (b.id, compressed(planes(a, b))), (c.id, compressed(planes(b, c)))
    whole = planes(a, b)

    def case(what: str, data: bytes, refused_by: str | None = None, model: Model = a) -> Case:
        return Case(what, {**given(model), "deltas": data.hex()}, refused_by)

    def one(stream: bytes, end: bytes = b.id) -> bytes:
        return listed(a.id, [(end, stream)])

    good = listed(a.id, [ab, bc])
    return Fact(
        "models",
        "a-list-of-deltas-leads-to-the-model-it-names",
        "Deltas",
        "Steps are followed, each held against its digest; a stream unpacks to exactly the bytes of the model's values.",
        "learning.md 3 [delta.base] [delta.verify] [delta.bomb] [delta.bytes]",
        [
            case("two steps", good),
            case("one step over both", listed(a.id, [(c.id, compressed(planes(a, c)))])),
            case("no step", listed(a.id, [])),
            case("a stream that is not compressed", one(b"\x01" + len(whole).to_bytes(2, "little") + (len(whole) ^ 0xFFFF).to_bytes(2, "little") + whole)),
            case("from another model", good, "delta.base", b),
            case("from another version of the same tensors", good, "delta.base", Model(3, a.tensors)),
            case("from a model that lacks a tensor", good, "delta.base", Model(4, a.tensors[1:])),
            case("a step to another digest", one(ab[1], u64(5) + fill(1)), "delta.verify"),
            case("the planes of another step", one(bc[1]), "delta.verify"),
            case("the second step does not lead where it says", listed(a.id, [ab, (c.id, ab[1])]), "delta.verify"),
            case("a byte of the values less", one(compressed(whole[:-1])), "delta.bomb"),
            case("a byte of the values more", one(compressed(whole + b"\0")), "delta.bomb"),
            case("a million bytes", one(compressed(whole + bytes(1_000_000))), "delta.bomb"),
            case("no stream", one(b""), "delta.bomb"),
            case("a stream cut short", one(ab[1][:-1]), "delta.bomb"),
            case("a byte behind the stream", one(ab[1] + b"\0"), "delta.bomb"),
            case("a stream that is none", one(b"\x07" + ab[1]), "delta.bomb"),
            case("a byte less", good[:-1], "delta.bytes"),
            case("a byte more", good + b"\0", "delta.bytes"),
            case("an id less", good[: len(deltas.LABEL) + 39], "delta.bytes"),
            case("another label", b"V" + good[1:], "delta.bytes"),
            case("a step to the same version", one(ab[1], u64(4) + b.id[8:]), "delta.bytes"),
            case("a step to an earlier version", one(ab[1], u64(3) + b.id[8:]), "delta.bytes"),
            case("a length beyond the bytes", deltas.LABEL + a.id + b.id + u64(1 << 63), "delta.bytes"),
            case("a length above the stream's", deltas.LABEL + a.id + b.id + u64(len(ab[1]) + 1) + sized(ab[1])[8:], "delta.bytes"),
        ],
    )


def _long_lists(given: Any) -> Fact:
    chain = [_f32(version, float(version)) for version in range(66)]
    steps = [(after.id, compressed(planes(before, after))) for before, after in pairwise(chain)]

    def case(what: str, count: int, refused_by: str | None = None, end: bytes = b"", either: tuple[str, ...] = ()) -> Case:
        return Case(what, {**given(chain[0]), "deltas": (listed(chain[0].id, steps[:count]) + end).hex()}, refused_by, either)

    return Fact(
        "models",
        "a-list-of-deltas-has-at-most-64-steps",
        "Deltas",
        "Each step costs time in proportion to the model, however short it is.",
        "learning.md 3 [delta.count]",
        [
            case("63 steps", 63),
            case("64 steps", 64),
            case("65 steps", 65, "delta.count"),
            case("64 steps and a part of one more", 64, "delta.count", steps[64][0], ("delta.bytes",)),
        ],
    )
