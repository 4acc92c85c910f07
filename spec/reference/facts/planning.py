"""Parameters and graphs."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .. import graph, parameters
from ..octets import u32
from ..parameters import Demand
from ..primitives import sha256
from ..rounds import bytes_of
from ..wire import PARAMETERS, Parameters
from . import Case, Fact, Fields, Type, fill, unhex


def _amount(value: int | str) -> int | Fraction:
    return value if isinstance(value, int) else parameters.decimal_rate(value)


def derive(i: Fields) -> Fields:
    made = parameters.derive(
        Demand(
            i["n"],
            _amount(i["corrupt"]),
            _amount(i["dropout"]),
            i.get("graph", "auto"),
            i.get("electorate", "auto") == "all",
            i.get("floor"),
            i.get("noise", False),
            i.get("cohort"),
        )
    )
    return {"parameters": made.__dict__, "encoded": PARAMETERS.write(made).hex(), "cutLimit": parameters.cut_limit(made)}


def rate(i: Fields) -> Fields:
    value = parameters.decimal_rate(i["text"])
    return {"floorOf": {str(n): value * n // 1 for n in (3, 7, 100, 1000)}, "ceilOf": {str(n): -(-value * n // 1) for n in (3, 7, 100, 1000)}}


def _built(i: Fields) -> graph.Graph:
    randomness, roster = unhex(i["randomness"]), unhex(i["rosterDigest"])
    population = graph.cohort(i.get("cohort"), i["rosterSlots"], randomness, roster, i["round"])
    return graph.build(Parameters(**i["parameters"]), population, randomness, roster, i["round"])


def draw(i: Fields) -> Fields:
    made = _built(i)
    out: Fields = {
        "population": list(made.population),
        "ring": list(made.ring) if made.ring else None,
        "electorate": sorted(made.electorate),
        "neighboursOfFirst": list(made.neighbours(made.population[0])),
    }
    every = [slot for member in made.population for slot in (member, *made.neighbours(member))]
    out["neighboursSha256"] = sha256(*map(u32, every)).hex()
    return out


def windows(i: Fields) -> Fields:
    _built(i).check_windows(frozenset(i["set"]))
    return {}


TYPES = {
    "Derive": Type("parameters", derive),
    "Rate": Type("parameters", rate),
    "Graph": Type("graph", draw),
    "Windows": Type("graph", windows),
}


def facts() -> Iterator[Fact]:
    small = []
    for n in range(3, 9):
        for c in range(0, n - 1):
            for d in range(0, n):
                few = c + 2 > n - d
                refusal = "params.enough" if few else None if c + 2 * d < n else "params.complete"
                small.append(Case(f"n={n} c={c} d={d}", {"n": n, "corrupt": c, "dropout": d}, refusal))
    small += [Case(f"n={n}", {"n": n, "corrupt": 0, "dropout": 0}, "params.enough") for n in (0, 1, 2)]
    yield Fact("parameters", "small-complete-graphs", "Derive", "All counts of 3 to 8 members.", "parameters.md 3 and 4 [params.complete]", small)
    rings = [(201, 20, 21), (256, 25, 26), (300, 30, 30), (300, 30, 90), (307, 23, 1), (500, 25, 25), (500, 50, 150), (1000, 0, 100)]
    rings += [(1000, 50, 50), (1000, 100, 100), (1000, 200, 100), (202, 1, 1), (240, 0, 0), (201, 0, 30), (333, 7, 90)]
    yield Fact(
        "parameters",
        "rings-are-the-first-degree-that-passes",
        "Derive",
        "k, t, h and the committee of auto above 200 members, decided exactly.",
        "parameters.md 3 [params.ring.search] [params.committee] [params.integers]",
        [Case(f"n={n} c={c} d={d}", {"n": n, "corrupt": c, "dropout": d}) for n, c, d in rings]
        + [
            Case("200 members are complete", {"n": 200, "corrupt": 20, "dropout": 20}),
            Case("all electors", {"n": 300, "corrupt": 30, "dropout": 30, "electorate": "all"}),
            Case("complete by choice", {"n": 300, "corrupt": 30, "dropout": 30, "graph": "complete"}),
            Case("with noise there is a T", {"n": 300, "corrupt": 30, "dropout": 30, "noise": True}),
            Case("a ring, but 3c + 2d < n fails", {"n": 1000, "corrupt": 300, "dropout": 60, "electorate": "all"}, "params.electorate.all"),
        ],
    )
    yield Fact(
        "parameters",
        "a-degree-by-hand-passes-the-same-conditions",
        "Derive",
        "A degree of the task that fails a condition is refused, not replaced.",
        "parameters.md 3 [params.ring.by-hand]",
        [
            Case("the degree of the search", {"n": 1000, "corrupt": 100, "dropout": 100, "graph": 66}),
            Case("passing is not monotone", {"n": 1000, "corrupt": 100, "dropout": 100, "graph": 68}, "params.ring.by-hand"),
            Case("a larger one", {"n": 1000, "corrupt": 100, "dropout": 100, "graph": 80}),
            Case("odd", {"n": 1000, "corrupt": 100, "dropout": 100, "graph": 67}, "params.ring.by-hand"),
            Case("zero", {"n": 1000, "corrupt": 100, "dropout": 100, "graph": 0}, "params.ring.by-hand"),
            Case("above n / 3", {"n": 1000, "corrupt": 100, "dropout": 100, "graph": 334}, "params.ring.by-hand"),
            Case("a ring of 36", {"n": 36, "corrupt": 0, "dropout": 1, "graph": 12}),
            Case("36 members, degree 14 is above n / 3", {"n": 36, "corrupt": 0, "dropout": 1, "graph": 14}, "params.ring.by-hand"),
        ],
    )
    yield Fact(
        "parameters",
        "the-floor-lies-between-c-plus-two-and-n-minus-d",
        "Derive",
        "f as the task gives it, else max(c + 2, n - d).",
        "parameters.md 3 [params.floor]",
        [Case(f"floor {f}", {"n": 10, "corrupt": 2, "dropout": 1, "floor": f}, None if 4 <= f <= 9 else "params.floor") for f in (0, 3, 4, 9, 10)],
    )
    rates = [("0", None), ("1", None), ("0.29", None), ("0.1", None), ("1.0", None), ("0.333333333333333333", None), ("0.07", None)]
    rates += [(".1", None), ("00.1", None), ("0.1000000000000000000", None)]
    bad = [("1.1", "params.counts"), ("1e-1", "params.counts"), ("-0.1", "params.counts"), ("0.1.2", "params.counts"), ("", "params.counts")]
    bad += [("0.1234567890123456789", "params.counts"), ("0,1", "params.counts"), (" 0.1", "params.counts"), ("2", "params.counts"), ("1.", "params.counts"), (".", "params.counts")]
    yield Fact(
        "parameters",
        "rates-are-exact-decimals",
        "Rate",
        "Digits with at most one point, one at least after it, no sign, no exponent, at most 18 after the point but for zeros at the end, 0 to 1.",
        "parameters.md 2 [params.counts]",
        [Case(repr(text), {"text": text}, refusal) for text, refusal in rates + bad],
    )
    yield Fact(
        "parameters",
        "rates-become-counts-once",
        "Derive",
        "c = floor(rate n), d = ceil(rate n); with a cohort c' from the roster's c, d' of the cohort.",
        "parameters.md 2 and 6 [params.counts] [params.cohort]",
        [
            Case("0.29 of 100 is 29", {"n": 100, "corrupt": "0.29", "dropout": "0.07"}),
            Case("a tenth of 7", {"n": 7, "corrupt": "0.1", "dropout": "0.1"}),
            Case("a third of 30", {"n": 30, "corrupt": "0.333333333333333333", "dropout": "0"}),
            Case("a cohort of 100 of 1000", {"n": 1000, "corrupt": "0.05", "dropout": "0.05", "cohort": 100}),
            Case("a cohort of 250 of 1000", {"n": 1000, "corrupt": 20, "dropout": 10, "cohort": 250}),
            Case("a cohort as large as the roster is the roster", {"n": 50, "corrupt": 5, "dropout": 5, "cohort": 50}),
        ],
    )
    yield from _graphs()


def _window(given: Fields) -> tuple[int, ...]:
    """Positions 3 to k / 2 + 2 of the ring."""
    ring = _built(given).ring
    assert ring is not None
    return ring[3 : 3 + given["parameters"]["k"] // 2]


def _graphs() -> Iterator[Fact]:
    def base(n: int, c: int, d: int, **more: object) -> Fields:
        made = derive({"n": n, "corrupt": c, "dropout": d, **more})["parameters"]
        return {"parameters": made, "rosterSlots": n, "randomness": bytes_of("randomness", 32).hex(), "rosterDigest": fill(0x2A).hex(), "round": 5}

    ring, complete = base(42, 0, 2, graph=14), base(5, 1, 1)
    committee, large = base(201, 20, 21), base(307, 23, 1)
    drawn = {"n": 1000, "corrupt": 20, "dropout": 10, "cohort": 250}
    cohort = {**ring, "parameters": derive(drawn)["parameters"], "rosterSlots": 1000, "cohort": 250}
    yield Fact(
        "graph",
        "ring-committee-and-cohort-are-drawn-from-ranks",
        "Graph",
        "Positions, neighbours, electorate and cohort of all slots.",
        "parameters.md 5 and 6 [graph.key] [graph.rank] [graph.ring] [graph.neighbours] [graph.committee] [graph.cohort]",
        [
            Case("a complete graph", complete),
            Case("a ring of 42", ring),
            Case("in another round", {**ring, "round": 6}),
            Case("with other randomness", {**ring, "randomness": fill(1).hex()}),
            Case("under another roster", {**ring, "rosterDigest": fill(0x2B).hex()}),
            Case("a ring of 201 with a committee", committee),
            Case("a ring of 307 with a committee", large),
            Case("a cohort of 250 of 1000", cohort),
        ],
    )
    made = _built(ring)
    assert made.ring is not None
    floor, width = ring["parameters"]["h"] + 1, ring["parameters"]["k"] // 2
    hole = set(made.ring[10 : 10 + width - floor + 1])
    wrapped = {made.ring[(i - 2) % 42] for i in range(width - floor + 1)}
    everyone = set(range(42))
    yield Fact(
        "graph",
        "each-window-holds-more-than-h-survivors",
        "Windows",
        "Each of the n windows of k / 2 positions, over the end of the ring too, holds at least h + 1 of the set.",
        "parameters.md 5 [graph.window]",
        [
            Case("everyone", {**ring, "set": sorted(everyone)}),
            Case("a hole that leaves h + 1", {**ring, "set": sorted(everyone - set(list(made.ring[10 : 10 + width - floor])))}),
            Case("a hole that leaves h", {**ring, "set": sorted(everyone - hole)}, "graph.window"),
            Case("a hole over the end of the ring", {**ring, "set": sorted(everyone - wrapped)}, "graph.window"),
            Case("nobody", {**ring, "set": []}, "graph.window"),
            Case("nobody of a complete graph", {**complete, "set": []}),
            *[
                Case(f"a hole at position {at} that leaves h", {**ring, "set": sorted(everyone - {made.ring[(at + i) % 42] for i in range(width - floor + 1)})}, "graph.window")
                for at in (0, 1, 20, 35, 41)
            ],
            *[
                Case(f"every slot of a window but {left}", {**ring, "set": sorted(everyone - {made.ring[i] for i in range(width - left)})}, None if left >= floor else "graph.window")
                for left in range(floor + 1)
            ],
            Case("one window of a committee's ring", {**committee, "set": sorted(set(range(201)) - set(_window(committee)))}, "graph.window"),
            Case("one window of a cohort's ring", {**cohort, "set": sorted(set(_built(cohort).population) - set(_window(cohort)))}, "graph.window"),
            Case("all slots of a cohort, nobody else", {**cohort, "set": list(_built(cohort).population)}),
            Case("all slots outside a cohort, nobody of it", {**cohort, "set": sorted(set(range(1000)) - set(_built(cohort).population))}, "graph.window"),
        ],
    )
