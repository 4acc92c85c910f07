"""Ring, windows, committee, cohort. Source: parameters.md sections 5 and 6."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .octets import u32, u64
from .primitives import labelled_hash, sha256
from .refusal import require
from .wire import Parameters


def rank_key(name: str, randomness: bytes, roster: bytes, round_: int) -> bytes:
    """[graph.key] `name` is `ring`, `committee` or `cohort`."""
    return labelled_hash(name, randomness, roster, u64(round_))


def ranked(key: bytes, slots: Iterable[int]) -> list[int]:
    """[graph.rank]"""
    return sorted(slots, key=lambda slot: (sha256(key, u32(slot)), slot))


def cohort(size: int | None, slots: int, randomness: bytes, roster: bytes, round_: int) -> tuple[int, ...]:
    """[graph.cohort] The slots that take part, ascending."""
    if size is None or size >= slots:
        return tuple(range(slots))
    return tuple(sorted(ranked(rank_key("cohort", randomness, roster, round_), range(slots))[:size]))


@dataclass(frozen=True)
class Graph:
    population: tuple[int, ...]
    ring: tuple[int, ...] | None
    degree: int
    electorate: frozenset[int]
    window_floor: int | None

    def neighbours(self, slot: int) -> tuple[int, ...]:
        """[graph.neighbours] ascending."""
        if self.ring is None:
            return tuple(other for other in self.population if other != slot)
        at, n = self.ring.index(slot), len(self.ring)
        steps = [s for s in range(-self.degree // 2, self.degree // 2 + 1) if s != 0]
        return tuple(sorted({self.ring[(at + step) % n] for step in steps}))

    def check_windows(self, chosen: Collection[int], requirement: str = "graph.window") -> None:
        """[graph.window]"""
        if self.ring is None:
            return
        assert self.window_floor is not None
        n, width = len(self.ring), self.degree // 2
        for position in range(n):
            found = sum(self.ring[(position + i) % n] in chosen for i in range(width))
            wanted = self.window_floor + 1
            require(found >= wanted, requirement, f"window at {position}: found {found}, wanted {wanted}")


def build(parameters: Parameters, population: tuple[int, ...], randomness: bytes, roster: bytes, round_: int) -> Graph:
    """[graph.slots] [graph.ring] [graph.committee] [graph.electorate.all]"""
    ring = None
    if parameters.h is not None:
        ring = tuple(ranked(rank_key("ring", randomness, roster, round_), population))
    electorate = frozenset(population)
    if parameters.m < parameters.n:
        electorate = frozenset(ranked(rank_key("committee", randomness, roster, round_), population)[: parameters.m])
    return Graph(population, ring, parameters.k, electorate, parameters.h)
