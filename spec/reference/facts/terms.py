"""Rosters and tasks: bytes, digests, what a reader refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .. import rosters, tasks, texts
from ..octets import varint
from ..rounds import Federation, integer_task
from ..tasks import Clip, Decimal, FloatEncoding, IntegerEncoding, Noise, Task, Tensor, bits_of
from . import Case, Fact, Fields, Type, fill, unhex


def read_task(i: Fields) -> Fields:
    task = tasks.decode(unhex(i["task"]))
    return {"name": task.name.decode("ascii"), "tensors": len(task.tensors), "digest": tasks.digest(task).hex()}


def roster_of(i: Fields) -> rosters.Roster:
    members = tuple(rosters.Entry(m["slot"], m["name"].encode("utf-8"), unhex(m["key"])) for m in i["members"])
    listed = None if i["tasks"] is None else rosters.TaskDigests(b"".join(map(unhex, i["tasks"])))
    federation, last = i["federation"].encode("utf-8"), i["lastRound"]
    return rosters.Roster(federation, unhex(i["authority"]), unhex(i["coordinator"]), last, listed, members, unhex(i["randomness"]))


def fields_of(roster: rosters.Roster) -> Fields:
    return {
        "federation": roster.federation.decode("ascii"),
        "authority": roster.authority.hex(),
        "coordinator": roster.coordinator.hex(),
        "lastRound": roster.last_round,
        "tasks": [digest.hex() for digest in rosters.task_digests(roster)] if roster.tasks else None,
        "members": [{"slot": m.slot, "name": m.name.decode("ascii"), "key": m.key.hex()} for m in roster.members],
        "randomness": roster.randomness.hex(),
    }


def read_roster(i: Fields) -> Fields:
    roster = roster_of(i["roster"])
    rosters.accept(roster, unhex(i["signature"]), unhex(i["acceptedAuthority"]))
    return {"bytes": rosters.encode(roster).hex(), "digest": rosters.digest(roster).hex()}


def task_text(i: Fields) -> Fields:
    task = texts.read_task(i["text"])
    return {"task": tasks.encode(task).hex(), "digest": tasks.digest(task).hex()}


def roster_text(i: Fields) -> Fields:
    roster, signature = texts.read_roster(i["text"])
    rosters.accept(roster, signature, unhex(i["acceptedAuthority"]))
    return {"digest": rosters.digest(roster).hex()}


TYPES = {
    "Task": Type("task", read_task),
    "Roster": Type("roster", read_roster),
    "TaskText": Type("task", task_text),
    "RosterText": Type("roster", roster_text),
}


def case(what: str, task: Task | bytes, refused_by: str | None = None) -> Case:
    return Case(what, {"task": (task if isinstance(task, bytes) else tasks.encode(task)).hex()}, refused_by)


def float_task(**more: Any) -> Task:
    encoding = FloatEncoding(Clip(tasks.L2, bits_of(1.0)), 16, 0, (tasks.FULL, None), tasks.STOCHASTIC, 1)
    encoding = replace(encoding, **{k: more.pop(k) for k in list(more) if hasattr(encoding, k)})
    tensors = (Tensor(b"a", (3, 4), tasks.F32), Tensor(b"b", (), tasks.F64))
    base = Task(b"floats", tensors, (tasks.FLOAT, encoding), (tasks.COUNT, 1), (tasks.RATE, Decimal(1, 1)))
    return replace(base, **more)


DOUBLES = (Tensor(b"a", (3, 4), tasks.F64), Tensor(b"b", (), tasks.F64))
NOISE = Noise(tasks.SKELLAM, Decimal(2500005, 1), tasks.DROPOUT_EXACT, tasks.MEMBER, tasks.ZERO_OUT, None, Decimal(1, 6))


def facts() -> Iterator[Fact]:
    integers = integer_task("integers", 10, 1, 1)
    yield Fact(
        "roster-task",
        "a-task-has-one-encoding-and-one-digest",
        "Task",
        "Tasks of each kind, as bytes, with their digests.",
        "roster-task.md 4.2 [task.canonical] [task.digest]",
        [
            case("integers", integers),
            case("floats", float_task()),
            case("weights, rotation, deviations", float_task(max_weight=1000, rotation=1, range=(tasks.DEVIATIONS, 6))),
            case("a fixed range, an L-infinity clip", float_task(clip=Clip(tasks.LINF, bits_of(0.5)), range=(tasks.FIXED, bits_of(0.25)))),
            case("an L1 clip, two bits", float_task(clip=Clip(tasks.L1, bits_of(2.0**-100)), precision_bits=2)),
            case("conditional rounding", float_task(rounding=tasks.CONDITIONAL, precision_bits=52)),
            case("a degree, all electors, a floor, a cohort", replace(integers, graph=(3, 66), electorate=2, floor=7, cohort=100, max_attempts=16)),
            case("noise of members", replace(integers, noise=NOISE)),
            case("noise of examples", float_task(tensors=DOUBLES, noise=replace(NOISE, unit=tasks.EXAMPLE, example_clip=Clip(tasks.L2, bits_of(0.01))))),
            case("a name of 64 characters", replace(integers, name=b"a" * 64)),
            case("a tensor name of 512 bytes", replace(integers, tensors=(Tensor("é".encode() * 256, (2,), 7),))),
            case("32 dimensions", replace(integers, tensors=(Tensor(b"t", (1,) * 32, 7),))),
            case("a rate of 0 and one of 1", replace(integers, corrupt=(tasks.RATE, Decimal(0, 0)), dropout=(tasks.RATE, Decimal(1, 0)))),
            case("all integers of i64 but the least", replace(integers, encoding=(2, IntegerEncoding((1 << 63) + 1, (1 << 63) - 1)))),
        ],
    )
    yield from _bytes(integers)
    yield from _content(integers)
    yield from _noise(integers)
    yield from _rosters()
    yield from _texts()


def _bytes(integers: Task) -> Iterator[Fact]:
    good = tasks.encode(integers)
    name = varint(8) + b"integers"
    yield Fact(
        "roster-task",
        "other-bytes-than-the-encoding-are-refused",
        "Task",
        "Another version, codes without meaning, left-over bytes, lengths that are not minimal.",
        "roster-task.md 4.2 [task.canonical]",
        [
            case("version 0", b"\0\0" + good[2:], "task.canonical"),
            case("version 2", b"\0\x02" + good[2:], "task.canonical"),
            case("no byte", b"", "task.canonical"),
            case("one byte less", good[:-1], "task.canonical"),
            case("one byte more", good + b"\0", "task.canonical"),
            case("a length that is not minimal", good.replace(name, b"\x40" + name), "task.canonical"),
            case("element type 0", replace(integers, tensors=(Tensor(b"t", (2,), 0),)), "task.canonical"),
            case("element type 13", replace(integers, tensors=(Tensor(b"t", (2,), 13),)), "task.canonical"),
            case("electorate 3", replace(integers, electorate=3), "task.canonical"),
            case("option byte 2", good[:-1] + b"\x02", "task.canonical"),
            case("rotation 2", float_task(rotation=2), "task.canonical"),
            case("rounding 3", float_task(rounding=3), "task.canonical"),
            case("a rate of 0.10 with a last digit of 0", replace(integers, corrupt=(tasks.RATE, Decimal(10, 2))), "task.canonical"),
            case("19 places", replace(integers, corrupt=(tasks.RATE, Decimal(1, 19))), "task.canonical"),
        ],
    )


def _content(integers: Task) -> Iterator[Fact]:
    def tensor(*made: Tensor) -> Task:
        return replace(integers, tensors=made)

    yield Fact(
        "roster-task",
        "a-task-out-of-range-is-refused",
        "Task",
        "Names, manifest, encoding, rates and attempts in range.",
        "roster-task.md 2 and 4.1, encoding.md 2 and 3 [task.encoding] [encode.plan.bound]",
        [
            case("no name", replace(integers, name=b""), "roster.name"),
            case("a name of 65 characters", replace(integers, name=b"a" * 65), "roster.name"),
            case("a name that starts with a point", replace(integers, name=b".a"), "roster.name"),
            case("a name with a slash", replace(integers, name=b"a/b"), "roster.name"),
            case("a name that ends with a line feed", replace(integers, name=b"a\n"), "roster.name"),
            case("no tensor", tensor(), "encode.manifest.coordinates"),
            case("a tensor without coordinates", tensor(Tensor(b"t", (3, 0), 7)), "encode.manifest.coordinates"),
            case("33 dimensions", tensor(Tensor(b"t", (1,) * 33, 7)), "encode.manifest.coordinates"),
            case("2^64 coordinates", tensor(Tensor(b"t", (2**32, 2**32), 7)), "encode.manifest.coordinates"),
            case("2^60 - 1 coordinates", tensor(Tensor(b"t", ((1 << 60) - 1,), 7))),
            case("2^60 coordinates", tensor(Tensor(b"t", (1 << 60,), 7)), "encode.plan.size"),
            case("0x7f00000000000001 coordinates", tensor(Tensor(b"t", (0x7F00000000000001,), 7)), "encode.plan.size"),
            case("2^64 - 1 coordinates", tensor(Tensor(b"t", ((1 << 64) - 1,), 7)), "encode.plan.size"),
            case("2^64 - 1 coordinates of floats, rotated", float_task(tensors=(Tensor(b"t", ((1 << 64) - 1,), 1),), rotation=1), "encode.plan.size"),
            case("2^60 - 1 coordinates and a weight", float_task(tensors=(Tensor(b"t", ((1 << 60) - 1,), 1),), max_weight=2), "encode.plan.size"),
            case("a tensor twice", tensor(Tensor(b"t", (2,), 7), Tensor(b"t", (2,), 7)), "encode.manifest.names"),
            case("a tensor without a name", tensor(Tensor(b"", (2,), 7)), "encode.manifest.names"),
            case("a tensor name of 513 bytes", tensor(Tensor(b"t" * 513, (2,), 7)), "encode.manifest.names"),
            case("a tensor name with a line feed", tensor(Tensor(b"t\n", (2,), 7)), "encode.manifest.names"),
            case("a tensor name that is not UTF-8", tensor(Tensor(b"\xff", (2,), 7)), "encode.manifest.names"),
            case("tensors in another order", tensor(Tensor(b"u", (2,), 7), Tensor(b"t", (2,), 7)), "task.canonical"),
            case("a float tensor in an integer task", tensor(Tensor(b"t", (2,), 1)), "encode.dtype.rule"),
            case("an integer tensor in a float task", float_task(tensors=(Tensor(b"t", (2,), 8),)), "encode.dtype.rule"),
            case("min not below max", replace(integers, encoding=(2, IntegerEncoding(5, 5))), "task.encoding"),
            case("all integers of i64, an offset of 2^63", replace(integers, encoding=(2, IntegerEncoding(1 << 63, (1 << 63) - 1))), "encode.plan.bound"),
            case("one bit", float_task(precision_bits=1), "task.encoding"),
            case("53 bits", float_task(precision_bits=53), "task.encoding"),
            case("largest weight 0", float_task(max_weight=0), "task.encoding"),
            case("65 deviations", float_task(range=(tasks.DEVIATIONS, 65)), "task.encoding"),
            case("0 deviations", float_task(range=(tasks.DEVIATIONS, 0)), "task.encoding"),
            *[
                case(f"a clip of {value}", float_task(clip=Clip(tasks.L2, bits_of(value))), "task.encoding")
                for value in (0.0, -1.0, float("inf"), float("nan"), 2.0**101, 2.0**-101)
            ],
            case("a fixed range of zero", float_task(range=(tasks.FIXED, bits_of(0.0))), "task.encoding"),
            case("conditional rounding under an L1 clip", float_task(clip=Clip(tasks.L1, bits_of(1.0)), rounding=2), "encode.round.conditional"),
            case("a rate above 1", replace(integers, dropout=(tasks.RATE, Decimal(11, 1))), "task.rates"),
            case("no attempt", replace(integers, max_attempts=0), "task.attempts"),
            case("17 attempts", replace(integers, max_attempts=17), "task.attempts"),
        ],
    )


def _noise(integers: Task) -> Iterator[Fact]:
    def noise(**more: Any) -> Task:
        return replace(integers, noise=replace(NOISE, **more))

    l1, l2, linf = (Clip(kind, bits_of(0.5)) for kind in (tasks.L1, tasks.L2, tasks.LINF))
    example = replace(NOISE, unit=tasks.EXAMPLE)
    pairs = []
    for clip, name in ((l2, "L2"), (linf, "L-infinity"), (l1, "L1")):
        for shown, of in ((l2, "L2"), (linf, "L-infinity"), (l1, "L1")):
            good = (name, of) in (("L2", "L2"), ("L-infinity", "L2"), ("L-infinity", "L1"), ("L-infinity", "L-infinity"))
            task = float_task(tensors=DOUBLES, clip=clip, noise=replace(example, example_clip=shown))
            pairs.append(case(f"examples clipped by {of}, the vector by {name}", task, None if good else "task.noise.unit"))
    yield Fact(
        "roster-task",
        "a-noise-that-promises-nothing-is-refused",
        "Task",
        "Parameter, sharing, weights, delta and unit of a noise.",
        "roster-task.md 4.1 [task.noise]",
        [
            case("the largest parameter", noise(parameter=Decimal(1 << 40, 0))),
            case("above the largest parameter", noise(parameter=Decimal((1 << 40) + 1, 0)), "task.noise.parameter"),
            case("a parameter of 0", noise(parameter=Decimal(0, 0)), "task.noise.parameter"),
            case("below the least parameter", noise(parameter=Decimal(54, 18 + 0)), None),
            case("discrete Gaussian, dropout-exact", noise(law=tasks.GAUSSIAN), "task.noise.sharing"),
            case("discrete Gaussian, shared", noise(law=tasks.GAUSSIAN, sharing=tasks.SHARED)),
            case("weights", float_task(max_weight=2, noise=NOISE), "task.noise.weights"),
            case("a delta of 0", noise(delta=Decimal(0, 0)), "task.noise.delta"),
            case("a delta of 1", noise(delta=Decimal(1, 0)), "task.noise.delta"),
            case("law 4", noise(law=4), "task.canonical"),
            case("unit 0", noise(unit=0), "task.canonical"),
            case("an example clip with the unit member", noise(example_clip=l2), "task.noise.unit"),
            case("the unit example without an example clip", noise(unit=tasks.EXAMPLE), "task.noise.unit"),
            case("conditional rounding with the unit example", float_task(tensors=DOUBLES, rounding=2, noise=replace(example, example_clip=l2)), "task.noise.unit"),
            case("an integer task takes an example clip of any norm", replace(integers, noise=replace(example, example_clip=Clip(tasks.L1, bits_of(1.0))))),
            case("an integer task with an example clip below 1", replace(integers, noise=replace(example, example_clip=l1)), "noise.sensitivity.whole"),
            case("examples in binary32", float_task(noise=replace(example, example_clip=l2)), "noise.sensitivity.dtype"),
            *pairs,
        ],
    )


def _rosters() -> Iterator[Fact]:
    federation = Federation(3)
    listing = Federation(3, tasks=(fill(2), fill(1)))

    def made(of: Federation, refused_by: str | None = None, what: str = "", signer: Any = None, **more: Any) -> Case:
        roster = replace(of.roster, **more)
        signature = rosters.sign(roster, signer or of.authority)
        shown = fields_of(roster)
        return Case(what, {"roster": shown, "signature": signature.hex(), "acceptedAuthority": of.authority.public.hex()}, refused_by)

    m = federation.roster.members
    changed = made(federation, "roster.signature", "a member changed after signing")
    changed.input["roster"]["members"][1]["name"] = "someone-else"
    drawn = made(federation, "roster.signature", "randomness changed after signing")
    drawn.input["roster"]["randomness"] = fill(1).hex()
    yield Fact(
        "roster-task",
        "a-roster-is-signed-by-the-accepted-authority",
        "Roster",
        "Canonical bytes, digest and signature of a roster, and what a reader refuses whoever signed.",
        "roster-task.md 3 [roster.canonical] [roster.digest] [roster.signature]",
        [
            made(federation, None, "three members"),
            made(listing, None, "three members, two tasks listed"),
            made(federation, None, "the last round of all", last_round=1 << 32),
            changed,
            drawn,
            made(federation, "roster.signature", "signed by the coordinator", federation.coordinator),
            made(Federation(3, "other"), "roster.signature", "another authority", None, authority=federation.authority.public),
            made(federation, "roster.parties", "no member", members=()),
            made(federation, "roster.slots", "a gap", members=(m[0], m[1], replace(m[2], slot=3))),
            made(federation, "roster.slots", "slots in another order", members=(m[1], m[0], m[2])),
            made(federation, "roster.unique", "a name twice", members=(m[0], replace(m[1], name=m[0].name), m[2])),
            made(federation, "roster.unique", "a key twice", members=(m[0], replace(m[1], key=m[0].key), m[2])),
            made(federation, "roster.name", "a name with a space", members=(m[0], replace(m[1], name=b"a b"), m[2])),
            made(federation, "identity.key", "a key of small order", members=(m[0], replace(m[1], key=bytes(32)), m[2])),
            made(federation, "roster.parties", "one key for authority and coordinator", coordinator=federation.authority.public),
            made(federation, "roster.parties", "the authority as a member", members=(m[0], replace(m[1], key=federation.authority.public), m[2])),
            made(federation, "roster.last-round", "last round 0", last_round=0),
            made(federation, "roster.last-round", "last round 2^32 + 1", last_round=(1 << 32) + 1),
            made(federation, "roster.tasks", "an empty list of tasks", tasks=rosters.TaskDigests(b"")),
            made(federation, "roster.tasks", "tasks in another order", tasks=rosters.TaskDigests(fill(2) + fill(1))),
            made(federation, "roster.tasks", "a task twice", tasks=rosters.TaskDigests(fill(1) + fill(1))),
        ],
    )


TASK_TEXT = """version = 1
name = "digits"
corrupt = 1
dropout = 0.1
floor = 5
graph = "auto"
electorate = "auto"
max_attempts = 3

[encoding]
kind = "float"
clip = { l2 = 1.0 }
precision_bits = 16
rotation = true
range = "auto"
rounding = "stochastic"
max_weight = 1

[noise]
law = "skellam"
parameter = 250000.5
sharing = "dropout-exact"
unit = "member"
adjacency = "zero-out"
delta = 0.000001

[[tensors]]
name = "weight"
shape = [10, 64]
dtype = "f32"
"""
BARE_TEXT = """version = 1
name = "digits"
corrupt = 1
dropout = 0
[encoding]
kind = "integer"
min = -5
max = 5
[[tensors]]
name = "b"
shape = []
dtype = "i8"
[[tensors]]
name = "a"
shape = [2, 3]
dtype = "i64"
"""


def _texts() -> Iterator[Fact]:
    def task(what: str, find: str = "", put: str = "", refused_by: str | None = None, text: str = TASK_TEXT) -> Case:
        assert find in text
        return Case(what, {"text": text.replace(find, put, 1) if find else text}, refused_by)

    unknown = "task.text"
    yield Fact(
        "roster-task",
        "a-task-file-means-one-task",
        "TaskText",
        "Defaults, amounts and decimals of task.toml; unknown keys are refused.",
        "roster-task.md 4.3 [task.text] [task.decimals], parameters.md 2 [params.counts]",
        [
            task("everything written out"),
            task("the defaults", text=BARE_TEXT),
            task("comments and space carry no meaning", "version = 1", "# a\n\n  version   =  1   # b"),
            task("a drop-out of 0.1 as a string", "dropout = 0.1", 'dropout = "0.1"'),
            task("0.1 with a zero behind it", "dropout = 0.1", 'dropout = "0.10"'),
            task("0.1 with many digits is the same float", "dropout = 0.1", "dropout = 0.10000000000000000555"),
            task("a drop-out of one", "dropout = 0.1", "dropout = 1"),
            task("a drop-out rate of one", "dropout = 0.1", "dropout = 1.0"),
            task("a delta in a string", "delta = 0.000001", 'delta = "0.000001"'),
            task("an integer as parameter", "parameter = 250000.5", "parameter = 250000"),
            task("a degree", 'graph = "auto"', "graph = 66"),
            task("auto without rotation is full", "rotation = true", "rotation = false"),
            task("six deviations are what auto stands for", 'range = "auto"', "range = { deviations = 6 }"),
            task("the sharing of a gaussian is shared", 'law = "skellam"\nparameter = 250000.5\nsharing = "dropout-exact"', 'law = "gaussian"\nparameter = 5'),
            task("an unknown key", "floor = 5", "floors = 5", unknown),
            task("an unknown key of the encoding", "precision_bits", "bits = 3\nprecision_bits", unknown),
            task("an unknown key of a tensor", 'dtype = "f32"', 'dtype = "f32"\nsize = 3', unknown),
            task("a key twice", "floor = 5", "floor = 5\nfloor = 6", unknown),
            task("a key of the other kind", "min = -5", "min = -5\nprecision_bits = 3", unknown, BARE_TEXT),
            task("no name", 'name = "digits"\n', "", unknown),
            task("version 2", "version = 1", "version = 2", unknown),
            task("version true", "version = 1", "version = true", unknown),
            task("version 1.0", "version = 1", "version = 1.0", unknown),
            task("a floor of true", "floor = 5", "floor = true", unknown),
            task("a floor of 5.0", "floor = 5", "floor = 5.0", unknown),
            task("a degree of true", 'graph = "auto"', "graph = true", unknown),
            task("a size of true", "shape = [10, 64]", "shape = [true, 64]", unknown),
            task("a size below zero", "shape = [10, 64]", "shape = [-10, 64]", unknown),
            task("min as a number with a point", "min = -5", "min = -5.0", unknown, BARE_TEXT),
            task("a name that is a number", 'name = "digits"', "name = 5", unknown),
            task("two norms", "{ l2 = 1.0 }", "{ l2 = 1.0, l1 = 1.0 }", unknown),
            task("an unknown element type", '"f32"', '"f128"', unknown),
            task("a rate above one", "dropout = 0.1", "dropout = 1.5", "params.counts"),
            task("a rate with an exponent, as a string", "dropout = 0.1", 'dropout = "1e-1"', "params.counts"),
            task("a rate with a sign", "dropout = 0.1", 'dropout = "-0.1"', "params.counts"),
            task("a float with a sign", "dropout = 0.1", "dropout = -0.0", "params.counts"),
            task("a rate with nothing behind its point", "dropout = 0.1", 'dropout = "0."', "params.counts"),
            task("a delta with an exponent, as a string", "delta = 0.000001", 'delta = "1e-6"', "task.decimals"),
        ],
    )
    federation = Federation(3)
    text = roster_file(federation)

    def roster(what: str, find: str = "", put: str = "", refused_by: str | None = None) -> Case:
        assert find in text
        changed = text.replace(find, put, 1) if find else text
        return Case(what, {"text": changed, "acceptedAuthority": federation.authority.public.hex()}, refused_by)

    key = federation.members[1].public.hex()
    yield Fact(
        "roster-task",
        "a-roster-file-means-one-roster",
        "RosterText",
        "roster.toml as signed; comments and layout are not signed, everything else is.",
        "roster-task.md 3.4 [roster.text]",
        [
            roster("as it was signed"),
            roster("comments and space carry no meaning", "last_round", "# a\n\n last_round"),
            roster("keys in upper case", key, key.upper()),
            roster("an unknown key", "last_round", "first_round = 1\nlast_round", "roster.text"),
            roster("an unknown key of a member", 'name = "member-1"', 'name = "member-1"\nrole = "a"', "roster.text"),
            roster("a key twice", "last_round", "version = 1\nlast_round", "roster.text"),
            roster("version 2", "version = 1", "version = 2", "roster.text"),
            roster("version true", "version = 1", "version = true", "roster.text"),
            roster("version 1.0", "version = 1", "version = 1.0", "roster.text"),
            roster("a last round of 1000.0", "last_round = 1000", "last_round = 1000.0", "roster.text"),
            roster("a slot of false", "slot = 0", "slot = false", "roster.text"),
            roster("a name that is a number", '"member-1"', "1", "roster.text"),
            roster("a key with a digit too few", key, key[:-1], "roster.text"),
            roster("another last round", "last_round = 1000", "last_round = 1001", "roster.signature"),
            roster("another name", '"member-1"', '"member-9"', "roster.signature"),
        ],
    )


def roster_file(federation: Federation) -> str:
    r = federation.roster
    lines = [
        "version = 1",
        f'federation = "{r.federation.decode()}"',
        f'authority = "{r.authority.hex()}"',
        f'coordinator = "{r.coordinator.hex()}"',
        f"last_round = {r.last_round}",
        f'randomness = "{r.randomness.hex()}"',
        f'signature = "{federation.signature.hex()}"',
    ]
    for entry in r.members:
        lines += ["", "[[members]]", f"slot = {entry.slot}", f'name = "{entry.name.decode()}"', f'key = "{entry.key.hex()}"']
    return "\n".join(lines) + "\n"
