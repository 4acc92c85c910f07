"""Noise: laws, tables, draws, plan, chain. Source: noise.md sections 2 to 6. The accountant (sections 7 and 8) is not here.

Masses are decimals of 160 places; a threshold is taken only when the error of these cannot change its floor.
"""

from __future__ import annotations

import decimal
from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal as Big
from fractions import Fraction
from functools import lru_cache
from math import ceil, isqrt

from .octets import u32, u64
from .primitives import kdf, keystream
from .refusal import Refused, require
from .tasks import DROPOUT_EXACT, GAUSSIAN, LAPLACE, LOCAL, SKELLAM

_CONTEXT = decimal.Context(prec=160, Emin=-999999, Emax=999999)
_SLACK = Big(10) ** -140
MAX_THRESHOLDS = 16_383


@dataclass(frozen=True)
class Law:
    """`kind`: polya (a: scale, b: shape), skellam (a: variance), gaussian (a: parameter), digit (a: scale, b: base)."""

    kind: str
    a: Fraction
    b: Fraction = Fraction(1)


@dataclass(frozen=True)
class Part:
    law: Law
    factor: int


def _big(value: Fraction) -> Big:
    return _CONTEXT.divide(Big(value.numerator), Big(value.denominator))


def _weights(law: Law) -> list[Big]:
    """Masses of 0, 1, 2, ... up to a common factor, down to 10^-120 of the first (all of them for a digit)."""
    if law.kind == "gaussian":
        return _while_large(lambda k: (_big(Fraction(-k * k) / (2 * law.a))).exp(_CONTEXT))
    p = _big(-1 / law.a).exp(_CONTEXT) if law.kind != "skellam" else Big(0)
    if law.kind == "digit":
        base = int(law.b)
        return [p**k - p ** (2 * base - k) for k in range(base)]
    if law.kind == "polya" and law.b == 1:
        return _while_large(lambda k: p**k)
    return _from_ratios(law, p)


def _while_large(mass) -> list[Big]:  # type: ignore[no-untyped-def]
    out = [mass(0)]
    while out[-1] > out[0] * Big(10) ** -120:
        out.append(mass(len(out)))
    return out


def _from_ratios(law: Law, p: Big) -> list[Big]:
    """Section 3: ratios of neighbouring masses from the top down. Doubles the top until the masses there are small."""
    top = 64
    while True:
        ratio, ratios = Big(0), []
        for k in range(top, 0, -1):
            if law.kind == "skellam":
                ratio = 1 / (2 * k / _big(law.a) + ratio)
            else:
                r = _big(law.b)
                ratio = p * (k - 1 + r) / ((1 + p * p) * k - p * (k + 1 - r) * ratio)
            ratios.append(ratio)
        masses = [Big(1)]
        for ratio in reversed(ratios):
            masses.append(masses[-1] * ratio)
        largest = max(masses)
        small = next((k for k, mass in enumerate(masses) if mass < largest * Big(10) ** -120), None)
        if small is not None and 2 * small < top:
            return masses[: small + 1]
        top *= 2


@dataclass(frozen=True)
class Table:
    clamp: int
    thresholds: tuple[int, ...]


@lru_cache(maxsize=64)
def table(law: Law) -> Table:
    """[noise.table.exact] [noise.table.clamp] [noise.table.size]"""
    with decimal.localcontext(_CONTEXT):
        masses = _weights(law)
        tails = [Big(0)] * (len(masses) + 1)
        for k in range(len(masses) - 1, 0, -1):
            tails[k - 1] = tails[k] + 2 * masses[k]
        total = tails[0] + masses[0]
        limit = total / 2**112
        clamp = max(1, next(k for k in range(len(masses)) if tails[k] <= limit))
        require(clamp <= MAX_THRESHOLDS, "noise.table.size", f"{clamp} thresholds")
        thresholds = []
        for k in range(clamp):
            exact = (1 - (tails[k] if k < len(masses) else Big(0)) / total) * 2**127
            low, high = int(exact - 2**127 * _SLACK), int(exact + 2**127 * _SLACK)
            assert low == high, "more places are needed to decide a threshold"
            thresholds.append(low)
    return Table(clamp, tuple(thresholds))


def parts(law: Law) -> list[Part]:
    """Section 4.2, in order of the draws."""
    if law.kind == "skellam":
        count = ceil(Fraction(ceil(law.a), 1_500_000))
        require(count <= 64, "noise.parts.sum", f"{count} parts")
        return [Part(Law("skellam", law.a / count), 1)] * count
    if law.kind == "gaussian":
        if law.a <= 1_500_000:
            return [Part(law, 1)]
        factor = isqrt(ceil(Fraction(ceil(law.a), 1) / 1_500_000)) + 1
        require(factor <= 470, "noise.parts.gaussian", f"K = {factor}")
        y = (law.a - 1_000_000) // factor**2
        return [Part(Law("gaussian", law.a - factor**2 * y), 1), Part(Law("gaussian", Fraction(y)), factor)]
    if law.a > 200 and law.b == 1:
        base = ceil(Fraction(ceil(law.a), 200))
        require(base <= 16_000, "noise.parts.polya", f"b = {base}")
        return [Part(Law("digit", law.a, Fraction(base)), 1), Part(Law("polya", law.a / base), base)]
    count = ceil(law.b)
    require(count <= 64, "noise.parts.sum", f"{count} parts")
    part = Law("polya", law.a, law.b / count)
    try:
        table(part)
    except Refused as refused:
        raise Refused("noise.parts.shares", refused.text) from None
    return [Part(part, 1)] * count


def check_law(law: Law) -> None:
    """[noise.law.parameters]"""
    for value in (law.a, law.b):
        require(Fraction(1, 1 << 64) <= value <= 1 << 40, "noise.law.parameters", str(value))


def draws(law: Law, key: bytes, first: int, count: int) -> list[int]:
    """[noise.draw] [noise.draw.seek] The noise of coordinates `first` to `first + count - 1`."""
    made = parts(law)
    stream = keystream(key, 16 * len(made) * first, 16 * len(made) * count)
    out = []
    for i in range(count):
        total = 0
        for j, part in enumerate(made):
            at = 16 * (i * len(made) + j)
            w = int.from_bytes(stream[at : at + 16], "little")
            magnitude = bisect_right(table(part.law).thresholds, w % 2**127)
            total += part.factor * (-magnitude if w >> 127 else magnitude)
        out.append(total)
    return out


def bound(law: Law) -> int:
    return sum(table(part.law).clamp * part.factor for part in parts(law))


def target(law: int, parameter: Fraction, fraction: Fraction) -> Law:
    """The target law with its shape, variance or parameter multiplied by `fraction`."""
    if law == LAPLACE:
        return Law("polya", parameter, fraction)
    return Law("skellam" if law == SKELLAM else "gaussian", parameter * fraction)


@dataclass(frozen=True)
class Plan:
    """Section 5. `levels` holds D_0 to D_m; `components` those of 1 to m."""

    n: int
    tolerated: int
    base: Law
    components: tuple[Law, ...]
    levels: tuple[int, ...]
    chained: bool

    @property
    def bound(self) -> int:
        """[noise.plan.bound] `E`."""
        return sum(bound(law) for law in (self.base, *self.components))

    def level(self, missing: int) -> int:
        """[noise.plan.level] The smallest `l` with `D_l >= D`."""
        require(missing <= self.tolerated, "confirm.noise", f"{missing} missing, {self.tolerated} tolerated")
        return next(i for i, value in enumerate(self.levels) if value >= missing)


def plan(law: int, parameter: Fraction, sharing: int, n: int, tolerated: int, c: int) -> Plan:
    """[noise.plan.shared] [noise.plan.factor] [noise.plan.levels] [noise.plan.shares] [noise.plan.gaussian]"""
    if sharing != DROPOUT_EXACT:
        fraction = Fraction(1) if sharing == LOCAL else Fraction(1, n - tolerated - c)
        made = Plan(n, tolerated, target(law, parameter, fraction), (), (0,), False)
    else:
        require(law != GAUSSIAN, "noise.plan.gaussian", "discrete Gaussian, dropout-exact")
        raised = Fraction(n - tolerated, n - tolerated - c)
        m = min(tolerated, 16)
        levels = tuple(-(-i * tolerated // m) if m else 0 for i in range(m + 1))
        fractions = [
            raised * (levels[i] - levels[i - 1]) / ((n - levels[i]) * (n - levels[i - 1])) for i in range(1, m + 1)
        ]
        components = tuple(target(law, parameter, fraction) for fraction in fractions)
        made = Plan(n, tolerated, target(law, parameter, raised / n), components, levels, True)
    for each in (made.base, *made.components):
        check_law(each)
    return made


@dataclass(frozen=True)
class Where:
    """What the labels of a member's noise name. [noise.chain.labels]"""

    task: bytes
    round: int
    attempt: int
    slot: int

    def parts(self, *index: int) -> list[bytes]:
        return [self.task, u64(self.round), u32(self.attempt), u32(self.slot), *map(u32, index)]


def base_key(seed: bytes, where: Where) -> bytes:
    """[noise.chain.base]"""
    return kdf("noise base", seed, *where.parts())


def next_value(value: bytes, where: Where, index: int) -> bytes:
    """[noise.chain.next] `s_(index+1)` from `s_index`."""
    return kdf("noise chain", value, *where.parts(index))


def chain(first: bytes, where: Where, m: int) -> list[bytes]:
    """`s_1` to `s_(m+1)`, at indices 0 to m. [noise.chain.end]"""
    values = [first]
    for index in range(1, m + 1):
        values.append(next_value(values[-1], where, index))
    return values


def component_key(value: bytes, where: Where, index: int) -> bytes:
    """[noise.chain.component]"""
    return kdf("noise component", value, *where.parts(index))


def member_noise(made: Plan, base_seed: bytes, first: bytes | None, where: Where, coordinates: int) -> list[int]:
    """[noise.member.adds]"""
    total = draws(made.base, base_key(base_seed, where), 0, coordinates)
    if made.chained:
        assert first is not None
        values = chain(first, where, len(made.components))
        for index, law in enumerate(made.components, 1):
            drawn = draws(law, component_key(values[index - 1], where, index), 0, coordinates)
            total = [a + b for a, b in zip(total, drawn, strict=True)]
    return total


def leads_to(value: bytes, index: int, end: bytes, made: Plan, where: Where) -> bool:
    """[noise.reveal.checked] Whether `s_index` ends in `s_(m+1)`."""
    for step in range(index, len(made.components) + 1):
        value = next_value(value, where, step)
    return value == end


def surplus(made: Plan, value: bytes, level: int, where: Where, coordinates: int) -> list[int]:
    """[noise.reveal.subtract] Components `level + 1` to `m` from `s_(level+1)`."""
    total = [0] * coordinates
    for index in range(level + 1, len(made.components) + 1):
        drawn = draws(made.components[index - 1], component_key(value, where, index), 0, coordinates)
        total = [a + b for a, b in zip(total, drawn, strict=True)]
        value = next_value(value, where, index)
    return total
