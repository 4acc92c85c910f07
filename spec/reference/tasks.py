"""The task: content, bytes, digest. Source: roster-task.md section 4."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from struct import pack, unpack
from typing import Any

from .codec import Code, Many, Maybe, Opaque, Refusals, Select, Struct, Uint
from .octets import Reader, u16
from .parameters import AUTO, COMPLETE, Demand
from .primitives import labelled_hash
from .refusal import Refused, require

_R = Refusals(code="task.canonical", short="task.caps")
U8, U32, U64 = Uint(1), Uint(4), Uint(8)
F32, F64, F16, BF16, I8, I16, I32, I64, U8T, U16T, U32T, U64T = range(1, 13)
DTYPES = {1: "f32", 2: "f64", 3: "f16", 4: "bf16", 5: "i8", 6: "i16", 7: "i32", 8: "i64", 9: "u8", 10: "u16", 11: "u32", 12: "u64"}
FLOATS = (F32, F64, F16, BF16)
L2, LINF, L1 = 1, 2, 3
FULL, DEVIATIONS, FIXED = 1, 2, 3
STOCHASTIC, CONDITIONAL = 1, 2
FLOAT, INTEGER = 1, 2
RATE, COUNT = 1, 2
LAPLACE, SKELLAM, GAUSSIAN = 1, 2, 3
LOCAL, SHARED, DROPOUT_EXACT = 1, 2, 3
EXAMPLE, MEMBER = 1, 2
ZERO_OUT, REPLACE = 1, 2
MAX_BYTES = 1 << 23
MAX_TENSORS = 1 << 16


def f64(bits: int) -> float:
    value: float = unpack(">d", bits.to_bytes(8, "big"))[0]
    return value


def bits_of(value: float) -> int:
    return int.from_bytes(pack(">d", value), "big")


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def check_name(name: str | bytes, requirement: str = "roster.name") -> None:
    """[roster.name]"""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    require(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text) is not None, requirement, repr(text))


@dataclass(frozen=True)
class Tensor:
    name: bytes
    shape: tuple[int, ...]
    dtype: int


@dataclass(frozen=True)
class Clip:
    kind: int
    bound: int

    @property
    def value(self) -> float:
        return f64(self.bound)


CLIP = Struct(Clip, ("kind", Code((L2, LINF, L1), _R)), ("bound", U64))


@dataclass(frozen=True)
class FloatEncoding:
    clip: Clip
    precision_bits: int
    rotation: int
    range: tuple[int, Any]
    rounding: int
    max_weight: int


@dataclass(frozen=True)
class IntegerEncoding:
    """`min` and `max` as the unsigned numbers of their two's complement."""

    min: int
    max: int


@dataclass(frozen=True)
class Decimal:
    units: int
    places: int

    @property
    def value(self) -> Fraction:
        return Fraction(self.units, 10**self.places)


DECIMAL = Struct(Decimal, ("units", U64), ("places", U8))


@dataclass(frozen=True)
class Noise:
    law: int
    parameter: Decimal
    sharing: int
    unit: int
    adjacency: int
    example_clip: Clip | None
    delta: Decimal


@dataclass(frozen=True)
class Task:
    name: bytes
    tensors: tuple[Tensor, ...]
    encoding: tuple[int, Any]
    corrupt: tuple[int, Any]
    dropout: tuple[int, Any]
    floor: int | None = None
    graph: tuple[int, Any] = (1, None)
    electorate: int = 1
    cohort: int | None = None
    max_attempts: int = 3
    noise: Noise | None = None


_AMOUNT = Select({RATE: DECIMAL, COUNT: U32}, _R)
_TASK = Struct(
    Task,
    ("name", Opaque()),
    (
        "tensors",
        Many(
            Struct(Tensor, ("name", Opaque()), ("shape", Many(U64, 32, "encode.manifest.coordinates")), ("dtype", Code(tuple(DTYPES), _R))),
            MAX_TENSORS,
            "task.caps",
        ),
    ),
    (
        "encoding",
        Select(
            {
                FLOAT: Struct(
                    FloatEncoding,
                    ("clip", CLIP),
                    ("precision_bits", U8),
                    ("rotation", Code((0, 1), _R)),
                    ("range", Select({FULL: None, DEVIATIONS: U8, FIXED: U64}, _R)),
                    ("rounding", Code((STOCHASTIC, CONDITIONAL), _R)),
                    ("max_weight", U32),
                ),
                INTEGER: Struct(IntegerEncoding, ("min", U64), ("max", U64)),
            },
            _R,
        ),
    ),
    ("corrupt", _AMOUNT),
    ("dropout", _AMOUNT),
    ("floor", Maybe(U32, _R)),
    ("graph", Select({1: None, 2: None, 3: U32}, _R)),
    ("electorate", Code((1, 2), _R)),
    ("cohort", Maybe(U32, _R)),
    ("max_attempts", U32),
    (
        "noise",
        Maybe(
            Struct(
                Noise,
                ("law", Code((1, 2, 3), _R)),
                ("parameter", DECIMAL),
                ("sharing", Code((1, 2, 3), _R)),
                ("unit", Code((1, 2), _R)),
                ("adjacency", Code((1, 2), _R)),
                ("example_clip", Maybe(CLIP, _R)),
                ("delta", DECIMAL),
            ),
            _R,
        ),
    ),
)


def encode(task: Task) -> bytes:
    """[task.canonical]"""
    return u16(1) + _TASK.write(task)


def digest(task: Task) -> bytes:
    """[task.digest]"""
    return labelled_hash("task", encode(task))


def decode(data: bytes) -> Task:
    """The task of these bytes, checked by section 4.1."""
    require(len(data) <= MAX_BYTES, "task.caps", f"{len(data)} bytes")
    reader = Reader(data, "task.canonical")
    require(reader.uint(2) == 1, "task.canonical", "another version")
    task: Task = _TASK.read(reader)
    require(reader.left() == 0, "task.canonical", "bytes left over")
    check(task)
    require(encode(task) == data, "task.canonical", "another encoding of the same task")
    return task


def check(task: Task) -> None:
    check_name(task.name)
    check_manifest(task)
    if task.encoding[0] == FLOAT:
        _check_float(task.encoding[1])
    else:
        require(signed(task.encoding[1].min) < signed(task.encoding[1].max), "task.encoding", "min is not below max")
    _check_plan(task)
    for kind, amount in (task.corrupt, task.dropout):
        if kind == RATE:
            _check_decimal(amount)
            require(amount.value <= 1, "task.rates", f"rate {amount.value}")
    require(1 <= task.max_attempts <= 16, "task.attempts", f"{task.max_attempts} attempts")
    if task.noise is not None:
        _check_noise(task, task.noise)


def check_manifest(task: Task) -> None:
    names = [tensor.name for tensor in task.tensors]
    require(len(names) <= MAX_TENSORS, "task.caps", "too many tensors")
    require(len(names) >= 1, "encode.manifest.coordinates", "no tensor")
    for name in names:
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("encode.manifest.names", "not UTF-8") from None
        control = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
        require(1 <= len(name) <= 512 and not control, "encode.manifest.names", repr(text))
    require(len(set(names)) == len(names), "encode.manifest.names", "a name twice")
    require(names == sorted(names), "task.canonical", "not sorted by name")
    for tensor in task.tensors:
        require((tensor.dtype in FLOATS) == (task.encoding[0] == FLOAT), "encode.dtype.rule", repr(tensor.name))
        require(coordinates_of(tensor) >= 1, "encode.manifest.coordinates", repr(tensor.name))
    require(sum(map(coordinates_of, task.tensors)) < 1 << 64, "encode.manifest.coordinates", "too many coordinates")


def coordinates_of(tensor: Tensor) -> int:
    count = 1
    for size in tensor.shape:
        count *= size
    return count


def _check_bound(bits: int) -> None:
    value = f64(bits)
    require(isfinite(value) and 2.0**-100 <= value <= 2.0**100, "task.encoding", f"found {value}")


def _check_float(encoding: FloatEncoding) -> None:
    _check_bound(encoding.clip.bound)
    require(2 <= encoding.precision_bits <= 52, "task.encoding", f"{encoding.precision_bits} bits")
    kind, number = encoding.range
    if kind == DEVIATIONS:
        require(1 <= number <= 64, "task.encoding", f"{number} deviations")
    if kind == FIXED:
        _check_bound(number)
    require(encoding.max_weight >= 1, "task.encoding", "largest weight 0")
    if encoding.rounding == CONDITIONAL:
        require(encoding.clip.kind == L2, "encode.round.conditional", "conditional rounding needs an L2 clip")


def _check_plan(task: Task) -> None:
    """[task.encoding] Tensors and encoding make a plan for one member, without noise."""
    from .encoding import plan  # it stands on this module

    plan(task, 1)


def _check_decimal(decimal: Decimal) -> None:
    require(decimal.places <= 18, "task.canonical", f"{decimal.places} places")
    require(decimal.places == 0 or decimal.units % 10 != 0, "task.canonical", "a last digit of 0")


def _check_noise(task: Task, noise: Noise) -> None:
    """[task.noise] and its parts"""
    _check_decimal(noise.parameter)
    _check_decimal(noise.delta)
    require(Fraction(1, 1 << 64) <= noise.parameter.value <= 1 << 40, "task.noise.parameter", str(noise.parameter.value))
    require(not (noise.law == GAUSSIAN and noise.sharing == DROPOUT_EXACT), "task.noise.sharing", "discrete Gaussian, dropout-exact")
    require(0 < noise.delta.value < 1, "task.noise.delta", str(noise.delta.value))
    kind, encoding = task.encoding
    if kind == FLOAT:
        require(encoding.max_weight == 1, "task.noise.weights", f"largest weight {encoding.max_weight}")
    clip = noise.example_clip
    if noise.unit == MEMBER:
        require(clip is None, "task.noise.unit", "an example clip with the unit member")
        return
    require(clip is not None, "task.noise.unit", "the unit example without an example clip")
    assert clip is not None
    _check_bound(clip.bound)
    if kind == FLOAT:
        require(encoding.rounding != CONDITIONAL, "task.noise.unit", "conditional rounding with the unit example")
        pairs = {(L2, L2), (L2, LINF), (L1, LINF), (LINF, LINF)}
        require((clip.kind, encoding.clip.kind) in pairs, "task.noise.unit", "clips that may lengthen differences")
        require(all(tensor.dtype == F64 for tensor in task.tensors), "noise.sensitivity.dtype", "elements other than f64")
    else:
        require(f64(clip.bound) >= 1.0, "noise.sensitivity.whole", "an example clip below 1 of integers")


def demand(task: Task, roster_slots: int) -> Demand:
    """What `parameters.derive` wants of this task over a roster."""
    if task.cohort is not None:
        require(task.cohort <= roster_slots, "task.cohort", f"cohort {task.cohort} of {roster_slots}")

    def amount(value: tuple[int, Any]) -> int | Fraction:
        made: int | Fraction = value[1].value if value[0] == RATE else value[1]
        return made

    graph: str | int = {1: AUTO, 2: COMPLETE}.get(task.graph[0], task.graph[1])
    return Demand(
        n=roster_slots,
        corrupt=amount(task.corrupt),
        dropout=amount(task.dropout),
        graph=graph,
        all_electors=task.electorate == 2,
        floor=task.floor,
        private=task.noise is not None,
        cohort=task.cohort,
    )
