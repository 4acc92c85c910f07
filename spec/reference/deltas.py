"""Models and the deltas between them. Source: learning.md sections 2 and 3; integers are little-endian here."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from .primitives import sha256
from .refusal import Refused, require
from .tasks import DTYPES, FLOATS

LABEL = b"veilsum/v1 deltas\0"
MOST_STEPS = 64
WIDTH = {1: 4, 2: 8, 3: 2, 4: 2, 5: 1, 6: 2, 7: 4, 8: 8, 9: 1, 10: 2, 11: 4, 12: 8}


@dataclass(frozen=True)
class Tensor:
    name: bytes
    dtype: int
    shape: tuple[int, ...]
    values: bytes


@dataclass(frozen=True)
class Model:
    """Tensors are in the order of their names."""

    version: int
    tensors: tuple[Tensor, ...]

    @property
    def id(self) -> bytes:
        return u64(self.version) + digest(self.tensors)


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def sized(data: bytes) -> bytes:
    return u64(len(data)) + data


def digest(tensors: Sequence[Tensor]) -> bytes:
    """[model.digest]"""
    parts = [b"veilsum/v1 model\0", u64(len(tensors))]
    for each in tensors:
        axes = [u64(axis) for axis in each.shape]
        parts += [sized(each.name), sized(DTYPES[each.dtype].encode("ascii")), u64(len(axes)), *axes, sized(each.values)]
    return sha256(*parts)


def rank(bits: int, dtype: int) -> int:
    """[delta.rank]"""
    width = 8 * WIDTH[dtype]
    if dtype not in FLOATS:
        return bits
    return bits ^ ((1 << width) - 1) if bits >> (width - 1) else bits | 1 << (width - 1)


def value(ranked: int, dtype: int) -> int:
    """The bits of this rank."""
    width = 8 * WIDTH[dtype]
    if dtype not in FLOATS:
        return ranked
    return ranked ^ 1 << (width - 1) if ranked >> (width - 1) else ranked ^ ((1 << width) - 1)


def folded(difference: int, width: int) -> int:
    """[delta.zigzag]"""
    doubled = 2 * difference % (1 << width)
    return doubled ^ ((1 << width) - 1) if difference >> (width - 1) else doubled


def unfolded(number: int, width: int) -> int:
    half = number >> 1
    return half ^ ((1 << width) - 1) if number & 1 else half


def _words(tensor: Tensor) -> list[int]:
    width = WIDTH[tensor.dtype]
    return [int.from_bytes(tensor.values[at : at + width], "little") for at in range(0, len(tensor.values), width)]


def planes(before: Model, after: Model) -> bytes:
    """[delta.planes] Before they are compressed."""
    out = []
    for a, b in zip(before.tensors, after.tensors, strict=True):
        width = WIDTH[a.dtype]
        ranks = zip((rank(x, a.dtype) for x in _words(a)), (rank(y, a.dtype) for y in _words(b)), strict=True)
        numbers = [folded((y - x) % (1 << 8 * width), 8 * width) for x, y in ranks]
        out += [bytes(number >> 8 * plane & 0xFF for number in numbers) for plane in range(width)]
    return b"".join(out)


def compressed(data: bytes) -> bytes:
    """One DEFLATE stream; another compressor may give other bytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


def check_step(before: Model, after: Model) -> None:
    """[delta.step]"""
    form = [(each.name, each.dtype, each.shape) for each in before.tensors]
    require(form == [(each.name, each.dtype, each.shape) for each in after.tensors], "delta.step", "another form")
    require(after.version > before.version, "delta.step", f"version {after.version} after {before.version}")


def listed(start: bytes, steps: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A list of deltas: of each step where it ends, and its stream."""
    return LABEL + start + b"".join(end + sized(stream) for end, stream in steps)


def _read(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """[delta.bytes] [delta.count]"""
    at = len(LABEL)
    require(data[:at] == LABEL and len(data) >= at + 40, "delta.bytes", "no list of deltas")
    start, at, steps = data[at : at + 40], at + 40, []
    last = start
    while at < len(data):
        require(len(steps) < MOST_STEPS, "delta.count", "a step too many")
        require(len(data) - at >= 48, "delta.bytes", "a step cut short")
        end, size = data[at : at + 40], int.from_bytes(data[at + 40 : at + 48], "little")
        require(len(data) - at - 48 >= size, "delta.bytes", "a stream cut short")
        require(end[:8][::-1] > last[:8][::-1], "delta.bytes", "a step that does not end at a later version")
        steps.append((end, data[at + 48 : at + 48 + size]))
        last, at = end, at + 48 + size
    return start, steps


def _unpacked(stream: bytes, wanted: int) -> bytes:
    """[delta.bomb]"""
    inflate = zlib.decompressobj(-15)
    try:
        out = inflate.decompress(stream, wanted + 1)
    except zlib.error as why:
        raise Refused("delta.bomb", str(why)) from why
    require(inflate.eof and len(out) == wanted and not inflate.unused_data, "delta.bomb", f"found {len(out)} bytes")
    return out


def _applied(model: Model, end: bytes, stream: bytes) -> Model:
    data = _unpacked(stream, sum(len(each.values) for each in model.tensors))
    at, tensors = 0, []
    for each in model.tensors:
        width, words = WIDTH[each.dtype], _words(each)
        values = []
        for j, word in enumerate(words):
            number = sum(data[at + plane * len(words) + j] << 8 * plane for plane in range(width))
            ranked = (rank(word, each.dtype) + unfolded(number, 8 * width)) % (1 << 8 * width)
            values.append(value(ranked, each.dtype).to_bytes(width, "little"))
        tensors.append(Tensor(each.name, each.dtype, each.shape, b"".join(values)))
        at += len(each.values)
    made = Model(int.from_bytes(end[:8], "little"), tuple(tensors))
    require(made.id == end, "delta.verify", "another model than the step names")
    return made


def follow(data: bytes, model: Model) -> Model:
    """The model that a list of deltas leads to. [delta.base] [delta.verify]"""
    start, steps = _read(data)
    require(start == model.id, "delta.base", "it starts from another model")
    for end, stream in steps:
        model = _applied(model, end, stream)
    return model
