"""From updates to packed contributions and back; noise."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from .. import encoding, noise, ring, tasks
from ..check_spec import small_task, small_update
from ..primitives import sha256
from ..rounds import bytes_of, integer_task, integer_update
from ..tasks import F16, F32, F64, Clip, FloatEncoding, IntegerEncoding, Task, Tensor, bits_of
from . import Case, Fact, Fields, Type, fill, unhex


def _plan(i: Fields) -> encoding.Plan:
    return encoding.plan(tasks.decode(unhex(i["task"])), i["n"], i.get("noiseBound", 0))


def plan(i: Fields) -> Fields:
    made = _plan(i)
    return {
        "rows": made.rows,
        "padded": made.padded,
        "lanes": made.lanes,
        "bits": made.bits,
        "limbs": made.limbs,
        "offset": made.offset,
        "laneMax": made.lane_max,
        "rangeBits": struct.pack(">d", made.range).hex() if made.levels else None,
        "manifestDigest": encoding.manifest_digest(made.task).hex(),
        "planDigest": encoding.plan_digest(made).hex(),
    }


def out_of_range() -> bytes:
    """Values of an i32 tensor of 8 in a task from -1000 to 1000."""
    values = (2**31 - 1, -(2**31), 1000, -1000, 1001, -1001, 0, 1)
    return b"".join(v.to_bytes(4, "little", signed=True) for v in values)


def contribution(i: Fields) -> Fields:
    made = _plan(i)
    update = {each["name"].encode("utf-8"): unhex(each["values"]) for each in i["update"]}
    keys = [unhex(key) for key in i.get("roundingKeys", [])]
    values = encoding.integers(made, update, i.get("weight", 1), unhex(i.get("rotationSeed", "")), keys)
    values = encoding.noised(made, values, i.get("noise"))
    packed = encoding.contribution(made, values, i.get("weight", 1))
    return {"integers": values, "packed": packed.hex(), "updateDigest": encoding.update_digest(made.task, update).hex()}


def decode(i: Fields) -> Fields:
    made = _plan(i)
    total = encoding.decode(made, unhex(i["packed"]), i["contributors"])
    seed = unhex(i.get("rotationSeed", ""))
    means = total.tensors(seed, mean=True)
    out: Fields = {
        "values": list(total.values),
        "weight": total.weight,
        "digest": total.digest().hex(),
        "mean": [struct.pack(">d", v).hex() for v in means],
    }
    if made.levels:
        out["sum"] = [struct.pack(">d", v).hex() for v in total.tensors(seed, mean=False)]
        at, typed = 0, []
        for tensor in made.task.tensors:
            count = tasks.coordinates_of(tensor)
            typed.append({"name": tensor.name.decode("utf-8"), "values": encoding.to_bytes(tensor.dtype, means[at : at + count]).hex()})
            at += count
        out["meanTyped"] = typed
    return out


def law_of(i: Fields) -> noise.Law:
    return noise.Law(i["law"], Fraction(i["a"]), Fraction(i.get("b", "1")))


def table(i: Fields) -> Fields:
    made = noise.table(law_of(i))
    raw = b"".join(t.to_bytes(16, "little") for t in made.thresholds)
    first = [f"{t:032x}" for t in made.thresholds[:4]]
    return {"clamp": made.clamp, "thresholds": len(made.thresholds), "first": first, "sha256": sha256(raw).hex()}


def drawn(i: Fields) -> Fields:
    law = law_of(i)
    noise.check_law(law)
    parts = [{"law": p.law.kind, "a": str(p.law.a), "b": str(p.law.b), "factor": p.factor} for p in noise.parts(law)]
    return {"parts": parts, "bound": noise.bound(law), "draws": noise.draws(law, unhex(i["key"]), i["first"], i["count"])}


_LAWS = {"laplace": 1, "skellam": 2, "gaussian": 3}
_SHARING = {"local": 1, "shared": 2, "dropout-exact": 3}


def noise_plan_of(i: Fields) -> noise.Plan:
    return noise.plan(_LAWS[i["law"]], Fraction(i["parameter"]), _SHARING[i["sharing"]], i["n"], i["tolerated"], i["corrupt"])


def noise_plan(i: Fields) -> Fields:
    made = noise_plan_of(i)
    show = [{"law": law.kind, "a": str(law.a), "b": str(law.b)} for law in (made.base, *made.components)]
    out: Fields = {"shares": show, "bound": made.bound}
    if made.chained:
        out |= {"levels": list(made.levels), "levelOf": [made.level(missing) for missing in range(made.tolerated + 1)]}
    return out


def member_noise(i: Fields) -> Fields:
    made = noise_plan_of(i)
    where = noise.Where(unhex(i["task"]), i["round"], i["attempt"], i["slot"])
    first = unhex(i["chainFirst"])
    values = noise.chain(first, where, len(made.components))
    level = i["level"]
    out: Fields = {
        "baseKey": noise.base_key(unhex(i["baseSeed"]), where).hex(),
        "chain": [value.hex() for value in values],
        "componentKeys": [noise.component_key(values[k - 1], where, k).hex() for k in range(1, len(made.components) + 1)],
        "noise": noise.member_noise(made, unhex(i["baseSeed"]), first, where, i["coordinates"]),
    }
    if level < len(made.components):
        out["revealed"] = values[level].hex()
        out["surplus"] = noise.surplus(made, values[level], level, where, i["coordinates"])
    return out


TYPES = {
    "Plan": Type("plan", plan),
    "Contribution": Type("encode", contribution),
    "DecodeSum": Type("decode", decode),
    "NoiseTable": Type("noise", table),
    "NoiseDraws": Type("noise", drawn),
    "NoisePlan": Type("noise", noise_plan),
    "MemberNoise": Type("noise", member_noise),
}


def show(update: encoding.Update) -> list[Fields]:
    return [{"name": name.decode("utf-8"), "values": values.hex()} for name, values in update.items()]


def floats(size: int = 8, dtype: int = F32, **more: Any) -> Task:
    base = FloatEncoding(Clip(tasks.L2, bits_of(1.0)), 10, 0, (tasks.FULL, None), tasks.STOCHASTIC, 1)
    return Task(b"floats", (Tensor(b"x", (size,), dtype),), (1, replace(base, **more)), (2, 1), (2, 1))


def facts() -> Iterator[Fact]:
    yield from _plans()
    yield from _contributions()
    yield from _noised()
    yield from _sums()
    yield from _noises()


def _plans() -> Iterator[Fact]:
    def case(what: str, task: Task, n: int, bound: int = 0, refused_by: str | None = None) -> Case:
        return Case(what, {"task": tasks.encode(task).hex(), "n": n, "noiseBound": bound}, refused_by)

    def ints(low: int, high: int) -> Task:
        return replace(integer_task("ints", 3, 0, 0), encoding=(2, IntegerEncoding(low % (1 << 64), high % (1 << 64))), tensors=(Tensor(b"t", (3,), 8),))

    rotated: dict[str, Any] = {"rotation": 1, "range": (tasks.DEVIATIONS, 6)}
    yield Fact(
        "encoding",
        "a-plan-is-derived-without-overflow",
        "Plan",
        "Lane bits of n lane_max, rows, limbs, range and digests; sums that do not fit are refused.",
        "encoding.md 3 [encode.plan.bound] [encode.plan.bits] [encode.plan.range], 9 [encode.digest.plan]",
        [
            case("the small vector of the page", small_task(), 3),
            case("16 bits, 1000 members", floats(precision_bits=16), 1000),
            case("16 bits, 1000 members, noise", floats(precision_bits=16), 1000, 5000),
            case("weights", floats(max_weight=100), 10),
            case("rotated, an L1 clip", floats(5000, clip=Clip(tasks.L1, bits_of(3.0)), **rotated), 10),
            case("rotated, an L-infinity clip", floats(5000, clip=Clip(tasks.LINF, bits_of(0.3)), **rotated), 10),
            case("rotated, full range", floats(100, rotation=1), 10),
            *[case(f"{d} coordinates rotated", floats(d, **rotated), 10) for d in (1, 2, 7, 8, 9, 31, 4096, 4097, 40000)],
            case("lanes of 64 bits", ints(-(2**62), 2**62 - 1), 1, 2**61),
            case("integers from 0 to 1", ints(0, 1), 100),
            case("sums above i64", ints(0, 2**62), 2, 0, "encode.plan.bound"),
            case("sums at the end of i64", ints(-(2**62), 2**62 - 1), 2),
            case("an offset of 2^63", ints(-(2**63), 2**63 - 1), 1, 0, "encode.plan.bound"),
            case("noise counts twice", ints(-(2**61), 2**61), 2, 2**61, "encode.plan.bound"),
            case("noise and weights", floats(max_weight=2), 10, 5, "encode.plan.noise"),
        ],
    )


def _contributions() -> Iterator[Fact]:
    seed, key = fill(0x52).hex(), bytes(range(32)).hex()

    def case(what: str, task: Task, update: encoding.Update, refused_by: str | None = None, **more: Any) -> Case:
        base = {"task": tasks.encode(task).hex(), "n": 3, "update": show(update), "rotationSeed": seed, "roundingKeys": [key]}
        return Case(what, {**base, **more}, refused_by)

    def raw(values: list[float], dtype: int = F32) -> encoding.Update:
        return {b"x": encoding.to_bytes(dtype, values)}

    eighths = [0.125, -0.25, 0.0, 0.5, -0.5, 0.3, -0.0625, 2.0**-20]
    large = [3.0e38, -3.0e38, 1.0, 0.0, -0.0, 1e-40, 5.0, 7.0]
    huge = [1e300, -1e300, 1e-300, 0.0, 1e200, 3.0, 1e308, -1e308]
    yield Fact(
        "encoding",
        "the-same-blocks-from-the-same-floats",
        "Contribution",
        "Clip, rotation, rounding and packing, to the bit.",
        "encoding.md 4 to 7",
        [
            case("the small vector of the page", small_task(), small_update(), weight=4),
            case("within the clip", floats(), raw(eighths)),
            case("clipped by the L2 norm", floats(), raw([x * 7 for x in eighths])),
            case("clipped by the L1 norm", floats(clip=Clip(tasks.L1, bits_of(1.5))), raw([x * 7 for x in eighths])),
            case("clipped by the L-infinity norm", floats(clip=Clip(tasks.LINF, bits_of(0.3))), raw(eighths)),
            case("large singles", floats(), raw(large)),
            case("squares beyond the largest float", floats(dtype=F64), raw(huge, F64)),
            case("subnormal doubles", floats(dtype=F64), raw([5e-324, -5e-324] * 4, F64)),
            case("halves", floats(dtype=F16), raw(eighths, F16)),
            case("bfloats", floats(dtype=tasks.BF16), raw(eighths, tasks.BF16)),
            case("a range that saturates", floats(range=(tasks.FIXED, bits_of(0.25))), raw(eighths)),
            case("52 bits", floats(precision_bits=52, dtype=F64), raw(eighths, F64)),
            case("two bits", floats(precision_bits=2), raw(eighths)),
            case("9 coordinates rotated", floats(9, rotation=1), raw([*eighths, 0.7])),
            case("one coordinate rotated", floats(1, rotation=1), raw([0.7])),
            case("more than a page of coordinates", floats(4100), raw([((i * 37) % 101 - 50) / 64 for i in range(4100)])),
            case("integers", integer_task("ints", 5, 0, 0), integer_update(1, 5)),
            case("integers out of range", integer_task("ints", 8, 0, 0), {b"values": out_of_range()}),
        ],
    )
    nan, inf = float("nan"), float("inf")
    yield Fact(
        "encoding",
        "an-update-that-does-not-fit-is-refused",
        "Contribution",
        "Other tensors, other lengths, NaN and infinities, weights out of range.",
        "encoding.md 4 and 6",
        [
            case("a NaN", floats(), raw([nan, *eighths[1:]]), "encode.nan"),
            case("an infinity", floats(), raw([*eighths[:7], inf]), "encode.nan"),
            case("minus infinity of an f16", floats(dtype=F16), raw([-inf, *eighths[1:]], F16), "encode.nan"),
            case("a tensor of another name", floats(), {b"y": raw(eighths)[b"x"]}, "encode.update.tensors"),
            case("a tensor too many", floats(), {**raw(eighths), b"y": b"\0\0\0\0"}, "encode.update.tensors"),
            case("no tensor", floats(), {}, "encode.update.tensors"),
            case("a value less", floats(), raw(eighths[:7]), "encode.update.tensors"),
            case("a value more", floats(), raw([*eighths, 0.0]), "encode.update.tensors"),
            case("weight 6 of 5", small_task(), small_update(), "encode.weight.range", weight=6),
            case("weight 0", small_task(), small_update(), "encode.weight.range", weight=0),
            case("weight 2 in a task without weights", floats(), raw(eighths), "encode.weight.range", weight=2),
        ],
    )


def _noised() -> Iterator[Fact]:
    nan, inf = float("nan"), float("inf")
    added = [5, -5, 0, 1, -1, 2, 0, 3]

    def case(what: str, task: Task, update: encoding.Update, refused_by: str | None = None, **more: Any) -> Case:
        base = {"task": tasks.encode(task).hex(), "n": 3, "noiseBound": 5, "update": show(update), "roundingKeys": [fill(3).hex()], "noise": added}
        return Case(what, {**base, **more}, refused_by)

    ints, update = integer_task("ints", 8, 0, 0), integer_update(1, 8)
    wild = out_of_range()
    values = encoding.to_bytes(F32, [nan, inf, -inf, 0.25, -0.25, 0.5, 0.0, 0.125])
    bare = {**case("", ints, update).input}
    del bare["noise"]
    yield Fact(
        "encoding",
        "with-noise-no-update-is-refused-for-its-values",
        "Contribution",
        "NaN and infinities become 0, integers out of range the nearest in range; noise is there exactly if the plan has a bound.",
        "encoding.md 4 [encode.noise.values] [encode.integer.range], 6 [encode.noise.bound]",
        [
            case("integers in range", ints, update),
            case("integers out of range", ints, {b"values": wild}),
            case("NaN and infinities", floats(), {b"x": values}),
            Case("no noise where there is a bound", bare, "encode.noise.bound"),
            case("noise where there is no bound", ints, update, "encode.noise.bound", noiseBound=0),
            case("a value less is still refused", ints, {b"values": wild[4:]}, "encode.update.tensors"),
        ],
    )
    conditional = floats(64, F64, rounding=tasks.CONDITIONAL, precision_bits=3)
    flat = {b"x": encoding.to_bytes(F64, [0.125 * (-1) ** i for i in range(64)])}
    tried = [bytes_of(f"rounding {k}", 32) for k in range(400)]
    limit = encoding.conditional_bound(encoding.plan(conditional, 3))
    z, _ = encoding.scaled(encoding.plan(conditional, 3), [float(v) for v in encoding.coordinates(encoding.plan(conditional, 3), flat)])
    above = [key for key in tried if sum(q * q for q in encoding.rounded(z, key)) > limit]
    fits = next(key for key in tried if key not in above)
    good = {"task": tasks.encode(conditional).hex(), "n": 3, "update": show(flat)}
    yield Fact(
        "encoding",
        "conditional-rounding-takes-the-first-key-that-fits",
        "Contribution",
        "Rounded again under the next key while the squared norm is above the bound.",
        "encoding.md 6 [encode.round.conditional], noise.md 7 [noise.sensitivity.conditional]",
        [
            Case("within the bound at once", {**good, "roundingKeys": [fits.hex()]}),
            Case("within the bound at the third key", {**good, "roundingKeys": [above[0].hex(), above[1].hex(), fits.hex()]}),
            Case("above the bound 64 times: toward zero", {**good, "roundingKeys": [above[k % len(above)].hex() for k in range(64)]}),
        ],
    )


def _sums() -> Iterator[Fact]:
    task, n = floats(5, F16, max_weight=3), 4
    made = encoding.plan(task, n)
    lanes = [40, 1200, 3000, 1533 * 2, 0]

    def case(what: str, values: list[int], weight: int, contributors: int, refused_by: str | None = None) -> Case:
        packed = ring.pack([*values, weight], made.bits)
        return Case(what, {"task": tasks.encode(task).hex(), "n": n, "contributors": contributors, "packed": packed.hex()}, refused_by)

    top = made.lane_max
    ints = integer_task("ints", 4, 0, 0)
    int_plan = encoding.plan(ints, 3, 7)
    int_packed = ring.pack([v + 2 * int_plan.offset for v in (-5, 0, 3, 2000)], int_plan.bits)
    int_input = {"task": tasks.encode(ints).hex(), "n": 3, "noiseBound": 7, "contributors": 2, "packed": int_packed.hex()}
    yield Fact(
        "encoding",
        "a-sum-decodes-or-is-refused",
        "DecodeSum",
        "Contributors, lanes and weight in range; the offset comes off once a contributor.",
        "encoding.md 8",
        [
            case("two contributors", lanes, 5, 2),
            case("all of the lanes at their ends", [2 * top] * 5, 6, 2),
            case("all four", [4 * top] * 5, 12, 4),
            Case("integers with room for noise", int_input),
            case("nobody", lanes, 5, 0, "encode.decode.contributors"),
            case("five of four", lanes, 5, 5, "encode.decode.contributors"),
            case("a lane above what two reach", [2 * top + 1, *lanes[1:]], 5, 2, "encode.decode.lane"),
            case("a weight above what two reach, by the lane", lanes, 2 * top + 1, 2, "encode.decode.lane"),
            case("a weight below the contributors", lanes, 1, 2, "encode.decode.weight"),
            case("a weight above the largest", lanes, 7, 2, "encode.decode.weight"),
        ],
    )


def _noises() -> Iterator[Fact]:
    key = bytes_of("noise", 32).hex()
    narrow = [("polya", "3/2", "1"), ("polya", "20", "1/7"), ("polya", "199", "3/40"), ("skellam", "1/3"), ("skellam", "10"), ("skellam", "4000")]
    narrow += [("gaussian", "1/4"), ("gaussian", "100"), ("gaussian", "25000"), ("digit", "450", "3"), ("polya", "1/64", "1")]
    above = [("polya", "201", "1/2"), ("polya", "211", "2"), ("polya", "235", "1/100")]
    wide = [("polya", "450", "1"), ("polya", "20", "5/2"), ("skellam", "4000000"), ("gaussian", "2000000"), ("gaussian", "50000000")]

    def law(each: tuple[str, ...]) -> Fields:
        return {"law": each[0], "a": each[1], "b": each[2] if len(each) > 2 else "1"}

    yield Fact(
        "noise",
        "thresholds-are-floors-of-exact-masses",
        "NoiseTable",
        "T_k is the floor of 2^127 P(|X| <= k); the clamp leaves at most 2^-112. sha256 is over all thresholds, 16 bytes each, little-endian.",
        "noise.md 3 [noise.table.exact] [noise.table.clamp]",
        [Case(" ".join(each), law(each)) for each in narrow],
    )
    yield Fact(
        "noise",
        "draws-are-seekable-and-the-same-everywhere",
        "NoiseDraws",
        "Sixteen bytes of keystream a draw; laws wider than a table are sums of parts.",
        "noise.md 4 [noise.draw] [noise.draw.seek] [noise.parts.sum] [noise.parts.polya] [noise.parts.shares] [noise.parts.gaussian]",
        [Case(" ".join(each), {**law(each), "key": key, "first": 0, "count": 24}) for each in narrow[:9] + wide]
        + [Case(" ".join(each), {**law(each), "key": key, "first": 0, "count": 8}) for each in above]
        + [
            Case("coordinates 1000 to 1007 alone", {**law(wide[0]), "key": key, "first": 1000, "count": 8}),
            Case("shares of a scale that fits no table", {**law(("polya", "236", "1/100")), "key": key, "first": 0, "count": 1}, "noise.parts.shares"),
            Case("two of shape 1 of a scale that fits no table", {**law(("polya", "212", "2")), "key": key, "first": 0, "count": 1}, "noise.parts.shares"),
            Case("more than 64 parts", {**law(("skellam", "97000000")), "key": key, "first": 0, "count": 1}, "noise.parts.sum"),
            Case("b above 16000", {**law(("polya", "3200001", "1")), "key": key, "first": 0, "count": 1}, "noise.parts.polya"),
            Case("a parameter above 2^40", {**law(("gaussian", str(2**40 + 1))), "key": key, "first": 0, "count": 1}, "noise.law.parameters"),
            Case("a parameter below 2^-64", {**law(("skellam", f"1/{2**65}")), "key": key, "first": 0, "count": 1}, "noise.law.parameters"),
            *[
                Case(f"{kind} of {what}", {**law((kind, a)), "key": key, "first": 0, "count": 1}, "noise.law.parameters")
                for kind in ("polya", "skellam", "gaussian")
                for what, a in (("2^40 + 1", str(2**40 + 1)), ("2^40 and a half", f"{2**41 + 1}/2"), ("2^-65", f"1/{2**65}"), ("0", "0"))
            ],
            Case("gaussian above the largest that parts reach", {**law(("gaussian", str(2**40))), "key": key, "first": 0, "count": 1}, "noise.parts.gaussian"),
            Case("one step above 64 parts", {**law(("skellam", "96000001")), "key": key, "first": 0, "count": 1}, "noise.parts.sum"),
        ],
    )
    plans: list[tuple[str, Fields]] = [
        ("local", {"law": "skellam", "sharing": "local", "n": 10, "tolerated": 3, "corrupt": 1}),
        ("shared", {"law": "gaussian", "sharing": "shared", "n": 10, "tolerated": 3, "corrupt": 1}),
        ("dropout-exact", {"law": "skellam", "sharing": "dropout-exact", "n": 10, "tolerated": 3, "corrupt": 1}),
        ("dropout-exact, T = 0", {"law": "skellam", "sharing": "dropout-exact", "n": 10, "tolerated": 0, "corrupt": 1}),
        ("dropout-exact, T = 17 in 16 levels", {"law": "laplace", "sharing": "dropout-exact", "n": 60, "tolerated": 17, "corrupt": 6}),
        ("dropout-exact, T = 40", {"law": "skellam", "sharing": "dropout-exact", "n": 100, "tolerated": 40, "corrupt": 10}),
    ]
    yield Fact(
        "noise",
        "a-plan-splits-the-target-exactly",
        "NoisePlan",
        "Base, components and levels as rationals; a is scale, variance or parameter, b the shape.",
        "noise.md 5 [noise.plan.factor] [noise.plan.levels] [noise.plan.shares] [noise.plan.shared] [noise.plan.level]",
        [Case(what, {**fields, "parameter": "50"}) for what, fields in plans]
        + [
            Case("a discrete Gaussian", {**plans[2][1], "law": "gaussian", "parameter": "50"}, "noise.plan.gaussian"),
            Case("a discrete Gaussian, T = 0", {**plans[3][1], "law": "gaussian", "parameter": "50"}, "noise.plan.gaussian"),
        ],
    )
    where = {"task": fill(0x11).hex(), "round": 7, "attempt": 1, "slot": 3, "baseSeed": bytes_of("base", 32).hex(), "chainFirst": bytes_of("s1", 32).hex()}
    yield Fact(
        "noise",
        "the-chain-takes-off-what-too-few-drop-outs-left-over",
        "MemberNoise",
        "Keys, chain, noise of one member, and the surplus of the components above a level.",
        "noise.md 6 [noise.chain.labels] [noise.chain.next] [noise.chain.component] [noise.reveal.subtract]",
        [
            Case(f"{what}, level {level}", {**fields, **where, "parameter": "50", "coordinates": 12, "level": level})
            for what, fields in plans[2:5]
            for level in (0, 1, 3)
            if level <= min(int(fields["tolerated"]), 16)
        ],
    )
