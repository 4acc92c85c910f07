"""(k, t, h, m, c_m, q, f) from (n, c, d), in integers. Source: parameters.md sections 1 to 3 and 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, comb, floor

from .refusal import Refused, require
from .wire import Parameters

AUTO, COMPLETE = "auto", "complete"


@dataclass(frozen=True)
class Demand:
    """`corrupt` and `dropout` are counts (int) or rates (Fraction); `graph` is AUTO, COMPLETE or a degree."""

    n: int
    corrupt: int | Fraction
    dropout: int | Fraction
    graph: str | int = AUTO
    all_electors: bool = False
    floor: int | None = None
    private: bool = False
    cohort: int | None = None


def decimal_rate(text: str) -> Fraction:
    """[params.counts] A rate as the exact decimal that is written."""
    value = plain_decimal(text, "params.counts")
    require(value <= 1, "params.counts", f"{text} is above 1")
    return value


def plain_decimal(text: str, requirement: str) -> Fraction:
    """Digits with at most one point, one digit at least after it; zeros at the end count for nothing."""
    whole, point, places = text.partition(".")
    digits = whole + places
    ok = digits.isdecimal() and digits.isascii() and (places or not point) and len(places.rstrip("0")) <= 18
    require(bool(ok), requirement, f"{text!r} is not a decimal")
    return Fraction(int(digits), 10 ** len(places))


@lru_cache(maxsize=64)
def _row(n: int) -> tuple[int, ...]:
    """C(n, 0), ..., C(n, n)."""
    row = [1]
    for y in range(n):
        row.append(row[-1] * (n - y) // (y + 1))
    return tuple(row)


class Hyp:
    """Hyp(N, M, x): the number of marked among x drawn of N, M of which are marked."""

    def __init__(self, total: int, marked: int, drawn: int) -> None:
        self.all_ways = comb(total, drawn)
        self.marked, self.unmarked, self.drawn = _row(marked), _row(total - marked), drawn

    def ways(self, y: int) -> int:
        rest = self.drawn - y
        if not (0 <= y < len(self.marked) and 0 <= rest < len(self.unmarked)):
            return 0
        return self.marked[y] * self.unmarked[rest]

    def at_most(self, bound: int) -> int:
        """Ways with at most `bound` marked."""
        return sum(self.ways(y) for y in range(bound + 1))

    def above(self, bound: int) -> int:
        """Ways with more than `bound` marked."""
        return sum(self.ways(y) for y in range(bound + 1, self.drawn + 1))

    def rare(self, times: int, ways: int, exponent: int) -> bool:
        """[params.integers] Whether `times * ways / all <= 2^-exponent`."""
        return times * ways << exponent <= self.all_ways

    def smallest(self, start: int, passes: Callable[[int], bool]) -> int:
        while not passes(start):
            start += 1
        return start


@dataclass(frozen=True)
class Ring:
    k: int
    t: int
    h: int


def try_degree(n: int, c: int, d: int, k: int) -> Ring:
    """[params.ring.window] [params.ring.threshold] for one degree."""
    c1, w = max(c, 1), k // 2
    corrupt = Hyp(n, c1, w)
    h = corrupt.smallest(0, lambda h: corrupt.rare(n, corrupt.above(h), 20))
    require(h + 1 <= w, "params.ring.window", f"h = {h} of windows of {w}")
    present = Hyp(n, n - d, w)
    require(present.rare(n, present.at_most(h), 20), "params.ring.window", "windows too thin")
    around = Hyp(n - 1, c1, k)
    t = around.smallest(2, lambda t: around.rare(n, around.above(t - 1), 41))
    require(t <= k, "params.ring.threshold", f"t = {t} of {k}")
    require(n - c1 - d >= 0, "params.ring.threshold", "nobody stays")
    staying = Hyp(n - 1, n - c1 - d, k)
    require(staying.rare(n, staying.at_most(t - 1), 20), "params.ring.threshold", "too few neighbours stay")
    return Ring(k, t, h)


def search_degree(n: int, c: int, d: int) -> Ring | None:
    """[params.ring.search] The first degree that passes."""
    for k in range(2, n // 3 + 1, 2):
        try:
            return try_degree(n, c, d, k)
        except Refused:
            continue
    return None


@dataclass(frozen=True)
class Electorate:
    m: int
    c_m: int


def search_committee(n: int, c: int, d: int) -> Electorate | None:
    """[params.committee] `c_m` never falls when `m` grows, so the search for it goes on where it was."""
    c1, c_m = max(c, 1), 0
    if n - c1 - d < 0:
        return None
    for m in range(1, n // 2 + 1):
        corrupt = Hyp(n, c1, m)
        c_m = corrupt.smallest(c_m, lambda x: corrupt.rare(1, corrupt.above(x), 41))
        q = quorum(m, c_m)
        if q <= m:
            staying = Hyp(n, n - c1 - d, m)
            if staying.rare(1, staying.at_most(q - 1), 20):
                return Electorate(m, c_m)
    return None


def quorum(m: int, c_m: int) -> int:
    """[params.quorum]"""
    return (m + c_m) // 2 + 1


def counts(demand: Demand) -> tuple[int, int, int]:
    """[params.counts] [params.cohort] `n`, `c`, `d` of those who take part."""
    n = demand.n
    c = demand.corrupt if isinstance(demand.corrupt, int) else floor(demand.corrupt * n)
    if demand.cohort is not None and demand.cohort < n:
        require(c <= n, "params.counts", "more corrupt members than slots")
        drawn = Hyp(n, c, demand.cohort)
        c = drawn.smallest(0, lambda x: drawn.rare(1, drawn.above(x), 41))
        n = demand.cohort
    d = demand.dropout if isinstance(demand.dropout, int) else ceil(demand.dropout * n)
    return n, c, d


def derive(demand: Demand) -> Parameters:
    """Section 3, in order."""
    n, c, d = counts(demand)
    require(n >= 3, "params.enough", f"{n} members")
    require(c + 2 <= n - d, "params.enough", f"n={n} c={c} d={d}: needs c + 2 <= n - d")
    f = demand.floor if demand.floor is not None else max(c + 2, n - d)
    require(c + 2 <= f <= n - d, "params.floor", f"floor {f}")
    tolerated = d if demand.private else None

    ring = None
    if isinstance(demand.graph, int):
        k = demand.graph
        require(k % 2 == 0 and k >= 2 and 3 * k <= n, "params.ring.by-hand", f"degree {k}")
        try:
            ring = try_degree(n, c, d, k)
        except Refused as why:
            raise Refused("params.ring.by-hand", why.text) from why
    elif demand.graph == AUTO and n > 200:
        ring = search_degree(n, c, d)
    if ring is None:
        require(c + 2 * d < n, "params.complete", f"n={n} c={c} d={d}: needs c + 2d < n")
        q = quorum(n, c)
        return Parameters(n, c, d, n - 1, min(q, n - 1), None, n, c, q, f, tolerated)

    committee = None if demand.all_electors else search_committee(n, c, d)
    if committee is None:
        q = quorum(n, c)
        require(q <= n - c - d, "params.electorate.all", f"n={n} c={c} d={d}: the ring needs 3c + 2d < n")
        committee = Electorate(n, c)
    q = quorum(committee.m, committee.c_m)
    return Parameters(n, c, d, ring.k, ring.t, ring.h, committee.m, committee.c_m, q, f, tolerated)


def cut_limit(parameters: Parameters) -> int:
    """[params.neighbours] `c_nb`."""
    return parameters.c if parameters.h is None else parameters.t - 1
