"""From values to lanes and back: plan, clip, rotation, rounding, decoding, digests. Source: encoding.md.

A Python float is a binary64, and each of its operators is one IEEE operation, which is all that the page asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, isfinite, isqrt, sqrt
from typing import Any

from . import ring
from .primitives import keystream, sha256
from .refusal import require
from .tasks import (
    BF16,
    CONDITIONAL,
    DEVIATIONS,
    F16,
    F32,
    F64,
    FIXED,
    FLOAT,
    FULL,
    L1,
    L2,
    LINF,
    FloatEncoding,
    Task,
    Tensor,
    coordinates_of,
    f64,
    signed,
)

PAGE = 4096
MOST_LANES = 1 << 60


@dataclass(frozen=True)
class Plan:
    """Section 3. `rows` is B, `padded` D', `range` R; integer tasks have `rows` 1 and no range."""

    task: Task
    n: int
    noise_bound: int
    coordinates: int
    rows: int
    padded: int
    max_weight: int
    levels: int
    range: float
    offset: int
    lane_max: int
    bits: int

    @property
    def lanes(self) -> int:
        """Section 3.2"""
        return self.padded + (1 if self.max_weight > 1 else 0)

    @property
    def limbs(self) -> int:
        return ring.limbs_of(self.lanes, self.bits)


def rotation_rows(coordinates: int) -> int:
    """[encode.rotation.rows]"""
    rows = PAGE
    while rows * -(-coordinates // rows) - coordinates > coordinates // 8:
        rows //= 2
    return rows


def full_range(kind: int, clip: float, rows: int) -> float:
    """[encode.plan.range]"""
    root = sqrt(float(rows))
    return {L1: clip / root, L2: clip, LINF: clip * root}[kind]


def one_deviation(kind: int, clip: float, padded: int) -> float:
    return clip if kind == LINF else clip / sqrt(float(padded))


def plan(task: Task, n: int, noise_bound: int = 0) -> Plan:
    require(n >= 1, "encode.plan.bound", "nobody enrolled")
    coordinates = sum(map(coordinates_of, task.tensors))
    kind, encoding = task.encoding
    rows, padded, weight, levels, range_ = 1, coordinates, 1, 0, 0.0
    if kind == FLOAT:
        weight, levels = encoding.max_weight, 2 ** (encoding.precision_bits - 1) - 1
        if encoding.rotation:
            rows = rotation_rows(coordinates)
            padded = rows * -(-coordinates // rows)
        full = full_range(encoding.clip.kind, encoding.clip.value, rows)
        choice, number = encoding.range
        if choice == FULL:
            range_ = full
        elif choice == DEVIATIONS:
            range_ = min(full, float(number) * one_deviation(encoding.clip.kind, encoding.clip.value, padded))
        else:
            range_ = f64(number)
        low, high = -(weight * levels + noise_bound), weight * levels + noise_bound
    else:
        low, high = signed(encoding.min) - noise_bound, signed(encoding.max) + noise_bound
    require(noise_bound == 0 or weight == 1, "encode.plan.noise", "noise and weights")
    lane_max = high - low
    fits = all(-(1 << 63) <= x < 1 << 63 for x in (n * (low - noise_bound), n * (high + noise_bound), -low))
    require(fits and n * lane_max < 1 << 64, "encode.plan.bound", f"lanes of up to {lane_max}")
    require(padded + (weight > 1) < MOST_LANES, "encode.plan.size", f"{padded} padded coordinates")
    made = Plan(task, n, noise_bound, coordinates, rows, padded, weight, levels, range_, -low, lane_max, (n * lane_max).bit_length())
    if kind == FLOAT and encoding.rounding == CONDITIONAL:
        require(conditional_bound(made) < 1 << 128, "encode.round.conditional", "a bound of 2^128 or more")
    return made


# Values of tensors.

_FORMATS = {F32: "f", F64: "d", F16: "e", 5: "b", 6: "h", 7: "i", 8: "q", 9: "B", 10: "H", 11: "I", 12: "Q"}


def from_bytes(tensor: Tensor, data: bytes) -> list[float] | list[int]:
    """The values of a tensor, row-major, little-endian."""
    count = coordinates_of(tensor)
    if tensor.dtype == BF16:
        wide = [bytes(2) + data[at : at + 2] for at in range(0, len(data), 2)]
        values = [struct.unpack("<f", each)[0] for each in wide]
    else:
        require(len(data) == count * struct.calcsize("<" + _FORMATS[tensor.dtype]), "encode.update.tensors", repr(tensor.name))
        values = list(struct.unpack(f"<{count}{_FORMATS[tensor.dtype]}", data))
    require(len(values) == count, "encode.update.tensors", repr(tensor.name))
    return values


def to_bytes(dtype: int, values: Sequence[float]) -> bytes:
    """Values rounded to an element type, to nearest, ties to even; f16 and bf16 by way of f32. [encode.decode.dtype]"""
    out = []
    for value in values:
        if dtype == F64:
            out.append(struct.pack("<d", value))
            continue
        try:
            single = struct.pack("<f", value)
        except OverflowError:
            single = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
        if dtype == F16:
            try:
                out.append(struct.pack("<e", struct.unpack("<f", single)[0]))
            except OverflowError:
                out.append(struct.pack("<e", float("inf") if value > 0 else float("-inf")))
        elif dtype == BF16:
            raw = int.from_bytes(single, "little")
            even = raw >> 16 & 1
            out.append(((raw + 0x7FFF + even) >> 16).to_bytes(2, "little"))
        else:
            out.append(single)
    return b"".join(out)


Update = dict[bytes, bytes]
"""Name of a tensor to its values, little-endian."""


def coordinates(made: Plan, update: Update) -> list[float] | list[int]:
    """[encode.update.tensors] [encode.nan] [encode.integer.range] [encode.noise.values]"""
    require(set(update) == {tensor.name for tensor in made.task.tensors}, "encode.update.tensors", "other tensors")
    out: list[Any] = []
    for tensor in made.task.tensors:
        values = from_bytes(tensor, update[tensor.name])
        if made.task.encoding[0] == FLOAT:
            if made.noise_bound > 0:
                values = [value if isfinite(value) else 0.0 for value in values]
            require(all(map(isfinite, values)), "encode.nan", repr(tensor.name))
            out += [float(value) for value in values]
        else:
            low, high = signed(made.task.encoding[1].min), signed(made.task.encoding[1].max)
            out += [int(max(low, min(high, value))) for value in values]
    return out


# Clip. Section 4.


def _paged_sum(terms: Sequence[float]) -> float:
    """[encode.clip.order]"""
    sums = []
    for at in range(0, len(terms), PAGE):
        a = [0.0] * 8
        for i, term in enumerate(terms[at : at + PAGE]):
            a[i % 8] = a[i % 8] + term
        sums.append(((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7])))
    while len(sums) > 1:
        sums = [sums[i] + sums[i + 1] if i + 1 < len(sums) else sums[i] for i in range(0, len(sums), 2)]
    return sums[0]


def _norm(kind: int, x: Sequence[float]) -> float:
    return sqrt(_paged_sum([v * v for v in x])) if kind == L2 else _paged_sum([abs(v) for v in x])


def clip(kind: int, bound: float, x: list[float]) -> tuple[list[float], float]:
    """[encode.clip.l2] [encode.clip.l1] [encode.clip.linf] The clipped vector, and the norm (or the count of cut coordinates)."""
    if kind == LINF:
        return [bound if v > bound else -bound if v < -bound else v for v in x], float(sum(abs(v) > bound for v in x))
    norm = _norm(kind, x)
    if norm > 2.0**500:
        x = [v * 2.0**-600 for v in x]
        small = _norm(kind, x)
        factor = bound / small
        return [v * factor for v in x], small * 2.0**600 if small < 2.0**400 else float("inf")
    if norm > bound:
        factor = bound / norm
        x = [v * factor for v in x]
    return x, norm


# Rotation. Section 5.


def _signs(seed: bytes, count: int) -> list[bool]:
    """[encode.rotation.signs]"""
    stream = keystream(sha256(b"veilsum rotation signs v1", seed), 0, (count + 7) // 8)
    return [bool(stream[i // 8] >> (i % 8) & 1) for i in range(count)]


def _transform(x: list[float], rows: int) -> list[float]:
    """[encode.rotation.transform]"""
    x = list(x)
    m = len(x) // rows
    h = rows // 2
    while h >= 1:
        for r in range(rows):
            if r // h % 2 == 0:
                for column in range(m):
                    i, j = r * m + column, (r + h) * m + column
                    x[i], x[j] = x[i] + x[j], x[i] - x[j]
        h //= 2
    factor = 1.0 / sqrt(float(rows))
    return [v * factor for v in x]


def rotate(x: list[float], rows: int, padded: int, seed: bytes) -> list[float]:
    x = x + [0.0] * (padded - len(x))
    return _transform([-v if sign else v for v, sign in zip(x, _signs(seed, padded), strict=True)], rows)


def rotate_back(x: list[float], rows: int, seed: bytes) -> list[float]:
    x = _transform(x, rows)
    return [-v if sign else v for v, sign in zip(x, _signs(seed, len(x)), strict=True)]


# Quantisation. Section 6.


def scaled(made: Plan, x: Sequence[float]) -> tuple[list[float], int]:
    """z, cut, and how many entries saturated. [encode.round.saturated]"""
    q = float(made.levels)
    s = q / made.range
    z = [v * s for v in x]
    margin = q + q * 2.0**-32
    return [max(-q, min(q, v)) for v in z], sum(abs(v) > margin for v in z)


def rounded(z: Sequence[float], key: bytes) -> list[int]:
    """[encode.round.random] [encode.round.unbiased]"""
    stream = keystream(key, 0, 8 * len(z))
    out = []
    for i, v in enumerate(z):
        f = floor(v)
        threshold = min((1 << 64) - 1, int((v - float(f)) * 2.0**64))
        u = int.from_bytes(stream[8 * i : 8 * i + 8], "little")
        out.append(f + 1 if u < threshold else f)
    return out


def conditional_bound(made: Plan) -> int:
    """[noise.sensitivity.conditional] with exact rationals: `sqrt(2 ln(1/beta))` is 1 for beta = exp(-1/2)."""
    encoding: FloatEncoding = made.task.encoding[1]
    d = made.padded
    x = Fraction(encoding.clip.value) * made.levels / Fraction(made.range) * (1 + Fraction(1, 1 << 32))
    root = Fraction(isqrt((d << 128) - 1) + 1, 1 << 64)
    first, second = (x + root) ** 2, x * x + Fraction(d, 4) + x + root / 2
    return floor(min(first, second))


def quantise(made: Plan, x: Sequence[float], keys: Sequence[bytes]) -> tuple[list[int], int, int]:
    """Integers, saturated entries, rounding keys used. [encode.round.conditional]"""
    z, saturated = scaled(made, x)
    if made.task.encoding[1].rounding != CONDITIONAL:
        return rounded(z, keys[0]), saturated, 1
    limit = conditional_bound(made)
    for tries, key in enumerate(keys[:64], 1):
        q = rounded(z, key)
        if sum(v * v for v in q) <= limit:
            return q, saturated, tries
    return [int(v) for v in z], saturated, 64


def integers(made: Plan, update: Update, weight: int = 1, rotation_seed: bytes = b"", keys: Sequence[bytes] = ()) -> list[int]:
    """Padded coordinates as integers, weight included, noise not."""
    require(1 <= weight <= made.max_weight, "encode.weight.range", f"weight {weight}")
    x = coordinates(made, update)
    kind, encoding = made.task.encoding
    if kind != FLOAT:
        return [int(v) for v in x]
    clipped, _ = clip(encoding.clip.kind, encoding.clip.value, [float(v) for v in x])
    if encoding.rotation:
        clipped = rotate(clipped, made.rows, made.padded, rotation_seed)
    q, _, _ = quantise(made, clipped, keys)
    return [weight * v for v in q]


def noised(made: Plan, values: Sequence[int], added: Sequence[int] | None) -> list[int]:
    """[noise.member.adds] [encode.noise.bound]"""
    require((added is not None) == (made.noise_bound > 0), "encode.noise.bound", "noise where none belongs, or none")
    return [a + b for a, b in zip(values, added, strict=True)] if added is not None else list(values)


def contribution(made: Plan, values: Sequence[int], weight: int = 1) -> bytes:
    """[encode.lane.offset] [encode.lane.weight] The packed blocks."""
    lanes = [v + made.offset for v in values]
    assert all(0 <= lane <= made.lane_max for lane in lanes)
    if made.max_weight > 1:
        lanes.append(weight)
    return ring.pack(lanes, made.bits)


# The way back. Section 8.


@dataclass(frozen=True)
class Sum:
    plan: Plan
    contributors: int
    values: tuple[int, ...]
    weight: int

    def digest(self) -> bytes:
        """[encode.digest.sum]"""
        return sha256(b"".join(v.to_bytes(8, "little", signed=True) for v in self.values))

    def without(self, noise: Sequence[int]) -> Sum:
        """[noise.reveal.subtract] [encode.sum.remove]"""
        return Sum(self.plan, self.contributors, tuple(a - b for a, b in zip(self.values, noise, strict=True)), self.weight)

    def packed(self) -> bytes:
        """[encode.sum.pack]"""
        made, s = self.plan, self.contributors
        lanes = [v + s * made.offset for v in self.values]
        require(all(0 <= lane <= s * made.lane_max for lane in lanes), "encode.sum.pack", "a sum out of range")
        if made.max_weight > 1:
            lanes.append(self.weight)
        return ring.pack(lanes, made.bits)

    def tensors(self, rotation_seed: bytes, mean: bool) -> list[float]:
        """[encode.decode.mean] [encode.decode.sum] The coordinates before they are rounded to element types."""
        made = self.plan
        if made.task.encoding[0] != FLOAT:
            return [float(v) / float(self.weight) if mean else float(v) for v in self.values]
        step = made.range / float(made.levels)
        x = [float(v) / float(self.weight) if mean else float(v) for v in self.values]
        x = [v * step for v in x]
        if made.task.encoding[1].rotation:
            x = rotate_back(x, made.rows, rotation_seed)
        return x[: made.coordinates]


def decode(made: Plan, data: bytes, contributors: int) -> Sum:
    """[encode.decode.contributors] [encode.decode.lane] [encode.decode.weight] [encode.decode.offset]"""
    require(1 <= contributors <= made.n, "encode.decode.contributors", f"{contributors} of {made.n}")
    lanes = ring.unpack(data, made.lanes, made.bits)
    require(all(lane <= contributors * made.lane_max for lane in lanes), "encode.decode.lane", "a lane too large")
    weight = contributors
    if made.max_weight > 1:
        weight = lanes.pop()
        require(contributors <= weight <= contributors * made.max_weight, "encode.decode.weight", f"weight {weight}")
    return Sum(made, contributors, tuple(lane - contributors * made.offset for lane in lanes), weight)


# Digests. Section 9; integers little-endian.


def _le(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "little")


def tensor_spec(tensor: Tensor) -> bytes:
    name = tensor.name
    return _le(len(name)) + name + _le(tensor.dtype, 1) + _le(len(tensor.shape)) + b"".join(map(_le, tensor.shape))


def manifest_digest(task: Task) -> bytes:
    """[encode.digest.manifest]"""
    return sha256(b"veilsum manifest v1", _le(len(task.tensors)), *map(tensor_spec, task.tensors))


def plan_digest(made: Plan) -> bytes:
    """[encode.digest.plan]"""
    kind, encoding = made.task.encoding
    if kind == FLOAT:
        norm = {L2: 0, LINF: 1, L1: 2}[encoding.clip.kind]
        choice, number = encoding.range
        shown = {FULL: 0.0, DEVIATIONS: float(number or 0), FIXED: f64(number or 0)}[choice]
        coded = (
            b"\0"
            + _le(norm, 1)
            + struct.pack("<d", encoding.clip.value)
            + _le(encoding.precision_bits, 1)
            + _le(encoding.rotation, 1)
            + _le(choice - 1, 1)
            + struct.pack("<d", shown)
            + _le(encoding.max_weight, 4)
            + _le(encoding.rounding, 1)
        )
    else:
        coded = b"\x01" + _le(encoding.min) + _le(encoding.max)
    return sha256(b"veilsum plan v1", manifest_digest(made.task), coded, _le(made.n, 4), _le(made.noise_bound))


def update_digest(task: Task, update: Update) -> bytes:
    """[encode.digest.update]"""
    parts = [tensor_spec(tensor) + update[tensor.name] for tensor in task.tensors]
    return sha256(b"veilsum update v1", _le(len(task.tensors)), *parts)
