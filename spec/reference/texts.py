"""`roster.toml` and `task.toml`. Source: roster-task.md sections 3.4 and 4.3."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from decimal import Decimal as Plain
from typing import Any

from . import rosters, tasks
from .parameters import plain_decimal
from .refusal import Refused, require
from .tasks import Clip, Decimal, FloatEncoding, IntegerEncoding, Noise, Task, Tensor, bits_of

TASK, ROSTER, DECIMALS = "task.text", "roster.text", "task.decimals"


def _table(text: str, requirement: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as why:
        raise Refused(requirement, str(why)) from why


def _keys(table: Any, requirement: str, needed: set[str], optional: Collection[str] = ()) -> dict[str, Any]:
    require(isinstance(table, dict), requirement, "not a table")
    unknown, missing = set(table) - needed - set(optional), needed - set(table)
    require(not unknown, requirement, f"unknown keys {sorted(unknown)}")
    require(not missing, requirement, f"missing keys {sorted(missing)}")
    return dict(table)


def _integer(value: Any, requirement: str, least: int, end: int) -> int:
    """An integer of TOML from `least` to below `end`: neither `true`, which Python takes for 1, nor `1.0`."""
    require(type(value) is int and least <= value < end, requirement, f"found {value!r}")
    return int(value)


def _count(value: Any, requirement: str = TASK) -> int:
    return _integer(value, requirement, 0, 1 << 32)


def _text(value: Any, requirement: str) -> bytes:
    require(isinstance(value, str), requirement, f"found {value!r}")
    return bytes(value, "utf-8")


def decimal(value: Any, requirement: str) -> Decimal:
    """The exact decimal of a string, or the shortest that reads back as the same float."""
    if isinstance(value, str):
        ratio = plain_decimal(value, requirement).as_integer_ratio()
    else:
        require(isinstance(value, (int, float)) and not isinstance(value, bool), requirement, f"found {value!r}")
        exact = Plain(repr(value))
        require(exact.is_finite() and not exact.is_signed(), requirement, f"found {value!r}")
        ratio = exact.as_integer_ratio()
    places = 0
    while (ratio[0] * 10**places) % ratio[1]:
        places += 1
    units = ratio[0] * 10**places // ratio[1]
    require(places <= 18 and units < 1 << 64, requirement, f"found {value!r}")
    return Decimal(units, places)


def _amount(value: Any) -> tuple[int, Any]:
    if isinstance(value, int) and not isinstance(value, bool):
        return tasks.COUNT, _count(value)
    rate = decimal(value, "params.counts")
    require(rate.value <= 1, "params.counts", f"found {value!r}")
    return tasks.RATE, rate


def _choice(value: Any, codes: dict[str, int]) -> int:
    require(isinstance(value, str) and value in codes, TASK, f"found {value!r}")
    return codes[value]


def _number(value: Any) -> float:
    require(isinstance(value, (int, float)) and not isinstance(value, bool), TASK, f"found {value!r}")
    return float(value)


def _clip(table: Any) -> Clip:
    codes = {"l2": tasks.L2, "linf": tasks.LINF, "l1": tasks.L1}
    made = _keys(table, TASK, set(), set(codes))
    require(len(made) == 1, TASK, "a clip has one norm")
    ((norm, bound),) = made.items()
    return Clip(codes[norm], bits_of(_number(bound)))


def _range(value: Any, rotation: bool) -> tuple[int, Any]:
    if value == "auto":
        return (tasks.DEVIATIONS, 6) if rotation else (tasks.FULL, None)
    if value == "full":
        return tasks.FULL, None
    made = _keys(value, TASK, set(), {"deviations", "fixed"})
    require(len(made) == 1, TASK, "a range is one of deviations and fixed")
    if "fixed" in made:
        return tasks.FIXED, bits_of(_number(made["fixed"]))
    return tasks.DEVIATIONS, _count(made["deviations"])


def _encoding(table: Any) -> tuple[int, Any]:
    require(isinstance(table, dict) and table.get("kind") in ("float", "integer"), TASK, "kind of the encoding")
    if table["kind"] == "integer":
        made = _keys(table, TASK, {"kind", "min", "max"})
        low, high = (_integer(made[key], TASK, -(1 << 63), 1 << 63) for key in ("min", "max"))
        return tasks.INTEGER, IntegerEncoding(low % (1 << 64), high % (1 << 64))
    made = _keys(table, TASK, {"kind", "clip", "precision_bits"}, {"rotation", "range", "rounding", "max_weight"})
    rotation = made.get("rotation", False)
    require(isinstance(rotation, bool), TASK, "rotation is true or false")
    return tasks.FLOAT, FloatEncoding(
        _clip(made["clip"]),
        _count(made["precision_bits"]),
        int(rotation),
        _range(made.get("range", "auto"), rotation),
        _choice(made.get("rounding", "stochastic"), {"stochastic": 1, "conditional": 2}),
        _count(made.get("max_weight", 1)),
    )


def _noise(table: Any) -> Noise:
    made = _keys(table, TASK, {"law", "parameter", "unit", "delta"}, {"sharing", "adjacency", "example_clip"})
    law = _choice(made["law"], {"laplace": 1, "skellam": 2, "gaussian": 3})
    sharing = made.get("sharing", "shared" if law == tasks.GAUSSIAN else "dropout-exact")
    return Noise(
        law,
        decimal(made["parameter"], DECIMALS),
        _choice(sharing, {"local": 1, "shared": 2, "dropout-exact": 3}),
        _choice(made["unit"], {"example": 1, "member": 2}),
        _choice(made.get("adjacency", "zero-out"), {"zero-out": 1, "replace": 2}),
        _clip(made["example_clip"]) if "example_clip" in made else None,
        decimal(made["delta"], DECIMALS),
    )


def _tensor(table: Any) -> Tensor:
    made = _keys(table, TASK, {"name", "shape", "dtype"})
    require(isinstance(made["shape"], list), TASK, "shape of a tensor")
    shape = tuple(_integer(size, TASK, 0, 1 << 63) for size in made["shape"])
    codes = {name: code for code, name in tasks.DTYPES.items()}
    return Tensor(_text(made["name"], TASK), shape, _choice(made["dtype"], codes))


def read_task(text: str) -> Task:
    """[task.text] [task.decimals]"""
    optional = {"floor", "graph", "electorate", "cohort", "max_attempts", "noise"}
    made = _keys(_table(text, TASK), TASK, {"version", "name", "corrupt", "dropout", "encoding", "tensors"}, optional)
    require(_count(made["version"]) == 1, TASK, "another version")
    require(isinstance(made["tensors"], list), TASK, "tensors")
    graph: Any = made.get("graph", "auto")
    task = Task(
        _text(made["name"], TASK),
        tuple(sorted((_tensor(each) for each in made["tensors"]), key=lambda tensor: tensor.name)),
        _encoding(made["encoding"]),
        _amount(made["corrupt"]),
        _amount(made["dropout"]),
        _count(made["floor"]) if "floor" in made else None,
        (3, _count(graph)) if not isinstance(graph, str) else (_choice(graph, {"auto": 1, "complete": 2}), None),
        _choice(made.get("electorate", "auto"), {"auto": 1, "all": 2}),
        _count(made["cohort"]) if "cohort" in made else None,
        _count(made.get("max_attempts", 3)),
        _noise(made["noise"]) if "noise" in made else None,
    )
    tasks.check(task)
    return task


def _bytes(value: Any, size: int) -> bytes:
    require(isinstance(value, str) and value.isascii() and len(value) == 2 * size and value.isalnum(), ROSTER, f"found {value!r}")
    try:
        return bytes.fromhex(value)
    except ValueError as why:
        raise Refused(ROSTER, str(why)) from why


def read_roster(text: str) -> tuple[rosters.Roster, bytes]:
    """[roster.text] A signed roster and its signature, neither checked yet."""
    needed = {"version", "federation", "authority", "coordinator", "last_round", "randomness", "signature"}
    made = _keys(_table(text, ROSTER), ROSTER, needed, {"tasks", "members"})
    require(_count(made["version"], ROSTER) == 1, ROSTER, "another version")
    members = []
    for each in made.get("members", []):
        entry = _keys(each, ROSTER, {"slot", "name", "key"})
        members.append(rosters.Entry(_count(entry["slot"], ROSTER), _text(entry["name"], ROSTER), _bytes(entry["key"], 32)))
    listed = None
    if "tasks" in made:
        listed = rosters.TaskDigests(b"".join(_bytes(digest, 32) for digest in made["tasks"]))
    roster = rosters.Roster(
        _text(made["federation"], ROSTER),
        _bytes(made["authority"], 32),
        _bytes(made["coordinator"], 32),
        _integer(made["last_round"], ROSTER, 0, 1 << 63),
        listed,
        tuple(members),
        _bytes(made["randomness"], 32),
    )
    return roster, _bytes(made["signature"], 64)
