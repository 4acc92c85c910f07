"""Whole rounds, and a member or a coordinator alone against what it is given step by step."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from .. import context, encoding, rosters, rounds, tasks, wire
from ..coordinator import Coordinator, Ended
from ..identity import Identity
from ..ledger import Entry, Ledger
from ..member import Member, Site
from ..refusal import Refused, require
from ..rounds import CLOSE, Federation, Runner, Script, Step, integer_task, integer_update
from . import Case, Fact, Fields, Type, unhex
from .terms import NOISE, fields_of, roster_of

MEMBER = {
    wire.Open: "on_open",
    wire.Adverts: "on_adverts",
    wire.DeliveredShares: "on_delivered",
    wire.ShareSet: "on_share_set",
    wire.UploadStored: "on_stored",
    wire.SurvivorSet: "on_survivor_set",
    wire.Certificate: "on_certificate",
    wire.ShareRequest: "on_share_request",
    wire.Receipt: "on_receipt",
    wire.AbortNotice: "on_abort",
}
COORDINATOR = {
    wire.Advert: "on_advert",
    wire.SealedShares: "on_sealed",
    wire.Accept: "on_accept",
    wire.Confirmation: "on_confirmation",
    wire.Reveal: "on_reveal",
    wire.Shares: "on_shares",
}
SIZE = 8


def _hex(message: Any) -> str | None:
    return None if message is None else wire.encode(message).hex()


# A member alone.


def member_steps(i: Fields) -> Fields:
    roster = roster_of(i["roster"])
    ledger = Ledger([_entry(each) for each in i["ledger"]])
    site = Site(**i["site"])
    member = Member(Identity(unhex(i["identity"])), roster, ledger, lambda what, count: unhex(i["draws"][what]), site)
    answers = []
    for at, step in enumerate(i["steps"]):
        try:
            answers.append(_member_step(member, roster, step))
        except Refused as why:
            if at + 1 < len(i["steps"]) and not step.get("refused"):
                raise AssertionError(f"step {at} of an honest beginning is refused: {why}") from why
            if at + 1 == len(i["steps"]):
                raise
            answers.append({"refused": why.requirement})
    known = [{k: v.hex() if isinstance(v, bytes) else v for k, v in e.__dict__.items() if v not in (b"",)} for e in ledger.entries]
    return {"answers": answers, "ledger": known}


def _entry(given: Fields) -> Entry:
    return Entry(**{k: unhex(v) if isinstance(v, str) and k != "act" else v for k, v in given.items()})


def _member_step(member: Member, roster: rosters.Roster, step: Step) -> Any:
    if "recorded" in step:
        member.ledger.record(_entry(step["recorded"]))
        return None
    if "update" in step:
        update = {each["name"].encode(): unhex(each["values"]) for each in step["update"]}
        made = member.context
        assert made is not None
        packed = member.contribution(update) if "packed" not in step else unhex(step["packed"])
        header, vector = member.on_contribution(packed, encoding.update_digest(made.task, update))
        return {"header": _hex(header), "vector": vector.hex()}
    slots = len(roster.members)
    message = wire.decode(unhex(step["message"]), slots, slots)
    require(type(message) in MEMBER, "message.order", f"{type(message).__name__} to a member")
    return _hex(getattr(member, MEMBER[type(message)])(message))


# A coordinator alone.


def coordinator_steps(i: Fields) -> Fields:
    roster = roster_of(i["roster"])
    made = context.derive(roster, unhex(i["task"]), i["round"], i["attempt"])
    coordinator = Coordinator(made, Identity(unhex(i["identity"])))
    out: list[Any] = []
    for at, step in enumerate(i["steps"]):
        last = at + 1 == len(i["steps"])
        try:
            out.append(_coordinator_step(coordinator, step))
        except Ended as why:
            if not last:
                raise AssertionError(f"ended at step {at}: {why}") from why
            raise Refused(why.requirement, str(why)) from why
        except Refused as why:
            if not last and not step.get("refused"):
                raise AssertionError(f"step {at} is refused: {why}") from why
            if last:
                raise
            out.append({"refused": why.requirement})
    return {"emitted": out, "blamed": [{"slot": slot, "requirement": why} for slot, why in coordinator.blamed]}


def _coordinator_step(coordinator: Coordinator, step: Step) -> Any:
    if "requests" in step:
        return {str(slot): _hex(message) for slot, message in coordinator.requests().items()}
    if "close" in step:
        due = getattr(coordinator, CLOSE[step["close"]])()
        if step["close"] == "Reveal":
            total, receipt, _ = due
            return {"values": list(total.values), "packed": total.packed().hex(), "receipt": _hex(receipt)}
        return {str(slot): _hex(message) for slot, message in due.items()}
    slots = coordinator.context.slots
    message = wire.decode(unhex(step["message"]), slots, slots)
    if isinstance(message, wire.UploadHeader):
        return _hex(coordinator.on_upload(step["slot"], message, unhex(step["vector"])))
    require(type(message) in COORDINATOR, "message.sender", f"{type(message).__name__} to the coordinator")
    getattr(coordinator, COORDINATOR[type(message)])(step["slot"], message)
    return None


# Whole rounds.


@dataclass
class Given:
    roster: rosters.Roster
    coordinator: Identity
    members: list[Identity]


def whole_round(i: Fields) -> Fields:
    roster = roster_of(i["roster"])
    members = [Identity(unhex(m["identity"])) for m in i["members"]]
    given = Given(roster, Identity(unhex(i["coordinatorIdentity"])), members)
    updates = {s: {e["name"].encode(): unhex(e["values"]) for e in m["update"]} for s, m in enumerate(i["members"])}
    script = Script({int(slot): phase for slot, phase in i["silent"].items()})
    runner = Runner(
        given,
        tasks.decode(unhex(i["task"])),
        updates,
        script,
        i["round"],
        lambda slot, log: lambda what, count: unhex(i["members"][slot]["draws"][what]),
        i.get("attempt", 0),
        unhex(i.get("baseModel", "00" * 32)),
        {slot: m["weight"] for slot, m in enumerate(i["members"]) if "weight" in m},
    )
    try:
        made = runner.run()
    except Ended as why:
        raise Refused(why.requirement, str(why)) from why
    c = made.coordinator
    return {
        "sid": c.sid.hex(),
        "sid2": c.sid2.hex(),
        "advertised": sorted(c.advertised),
        "shared": sorted(c.shared),
        "survivors": sorted(c.survivors),
        "contributions": {str(slot): packed.hex() for slot, packed in made.contributions.items()},
        "coordinatorTakes": made.steps,
        "memberTakes": {str(slot): steps for slot, steps in made.inboxes.items()},
        "values": list(made.sum.values),
        "packed": made.sum.packed().hex(),
        "receipt": _hex(made.receipt),
        "weight": made.sum.weight,
        "mean": [struct.pack(">d", v).hex() for v in made.sum.tensors(c.context.rotation_seed, mean=True)],
    }


TYPES = {
    "Round": Type("round", whole_round),
    "MemberSteps": Type("member", member_steps),
    "CoordinatorSteps": Type("coordinator", coordinator_steps),
}


def _updates(count: int) -> dict[int, encoding.Update]:
    return {slot: integer_update(slot, SIZE) for slot in range(count)}


def _identity(federation: Federation, who: str) -> str:
    return rounds.bytes_of(f"{federation.name}/identity/{who}", 32).hex()


def round_input(
    count: int,
    task: tasks.Task,
    silent: dict[int, str],
    updates: dict[int, encoding.Update] | None = None,
    round_: int = 1,
    attempt: int = 0,
    base_model: bytes | None = None,
    weights: dict[int, int] | None = None,
) -> Fields:
    """Runs the round once, to note every draw."""
    federation = Federation(count)
    updates = updates or _updates(count)
    runner = Runner(federation, task, updates, Script(silent), round_, None, attempt, base_model or bytes(32), weights)
    with suppress(Ended):
        runner.run()
    members = [
        {
            "identity": _identity(federation, f"member-{slot}"),
            "update": rounds.shown(updates[slot]),
            "draws": {what: data.hex() for what, data in runner.draws.get(slot, {}).items()},
        }
        | ({"weight": weights[slot]} if weights else {})
        for slot in range(count)
    ]
    more: Fields = {"attempt": attempt} if attempt else {}
    more |= {"baseModel": base_model.hex()} if base_model else {}
    return more | {
        "roster": fields_of(federation.roster),
        "rosterSignature": federation.signature.hex(),
        "coordinatorIdentity": _identity(federation, "coordinator"),
        "task": tasks.encode(task).hex(),
        "round": round_,
        "members": members,
        "silent": {str(slot): phase for slot, phase in silent.items()},
    }


def facts() -> Iterator[Fact]:
    complete = integer_task("complete", SIZE, 1, 1)
    yield Fact(
        "rounds",
        "nobody-drops-out",
        "Round",
        "A round of four members, every random byte fixed.",
        "protocol.md 7 to 16",
        [Case("complete graph", round_input(4, complete, {}))],
    )
    yield Fact(
        "rounds",
        "one-member-falls-silent-in-each-phase",
        "Round",
        "Slot 2 of five answers nothing from a phase on.",
        "protocol.md 9 to 15",
        [Case(f"silent from {phase} on", round_input(5, complete, {2: phase})) for phase in rounds.PHASES],
    )
    yield Fact(
        "rounds",
        "secrets-of-silent-survivors-are-rebuilt-from-shares",
        "Round",
        "Slot 5 vanishes before its upload, slot 3 before its reveal: b of slot 3 and r of slot 5 come from shares.",
        "protocol.md 15 [recover.targets] [recover.rebuild]",
        [Case("seven members", round_input(7, integer_task("fallback", SIZE, 1, 2), {5: "upload", 3: "reveal"}))],
    )
    noised = integer_task("noised", SIZE, 1, 2, noise=replace(NOISE, parameter=tasks.Decimal(400, 0)))
    yield Fact(
        "rounds",
        "dropout-exact-noise-leaves-its-surplus",
        "Round",
        "The chain value of each survivor takes the components above the level off the sum.",
        "protocol.md 14 and 16 [reveal.chain] [finish.surplus]",
        [
            Case("nobody missing", round_input(7, noised, {})),
            Case("one missing, one silent at the end", round_input(7, noised, {1: "share", 4: "reveal"})),
            Case("as many missing as are tolerated: no value", round_input(7, noised, {1: "advertise", 4: "upload"})),
        ],
    )
    ring = integer_task("ring", SIZE, 0, 1, graph=(3, 6))
    yield Fact(
        "rounds",
        "a-ring-with-a-committee",
        "Round",
        "18 slots, six neighbours each; adverts come with proofs.",
        "protocol.md 10 [advert.own-leaf] [advert.proof], parameters.md 5",
        [Case("slot 11 silent from upload on", round_input(18, ring, {11: "upload"}))],
    )
    yield from _float_rounds()
    yield from _further_rounds(complete)
    yield from _ended_rounds(complete, noised)
    yield from Members().facts()
    yield from RingMembers().facts()
    yield from Coordinators().facts()


def _float_update(slot: int, size: int) -> encoding.Update:
    """Value `i` of slot `s` is (((31 s + 17 i) mod 101) - 50) / 128."""
    return {b"x": encoding.to_bytes(tasks.F64, [((31 * slot + 17 * i) % 101 - 50) / 128 for i in range(size)])}


def _float_rounds() -> Iterator[Fact]:
    def task(**more: Any) -> tasks.Task:
        clip = tasks.Clip(tasks.L2, tasks.bits_of(1.0))
        made = replace(tasks.FloatEncoding(clip, 12, 0, (tasks.FULL, None), tasks.STOCHASTIC, 1), **more)
        tensors = (tasks.Tensor(b"x", (20,), tasks.F64),)
        return tasks.Task(b"floats", tensors, (tasks.FLOAT, made), (tasks.COUNT, 1), (tasks.COUNT, 1))

    updates = {slot: _float_update(slot, 20) for slot in range(5)}
    rotated: dict[str, Any] = {"rotation": 1, "range": (tasks.DEVIATIONS, 6)}
    weights = {0: 3, 1: 1, 2: 100, 3: 7, 4: 20}

    def case(what: str, made: tasks.Task, silent: dict[int, str], **more: Any) -> Case:
        return Case(what, round_input(5, made, silent, updates, **more))

    yield Fact(
        "rounds",
        "floats-are-clipped-rotated-and-weighed",
        "Round",
        "Rounds of a float task: the rotation's seed is of task and round, the weight lane is summed, the mean is in the order of the tensors.",
        "encoding.md 4 to 8 [encode.rotation.signs] [encode.decode.mean], crypto.md 2 (veilsum/1 rotation)",
        [
            case("without rotation", task(), {}),
            case("rotated", task(**rotated), {1: "upload"}),
            case("rotated, round 2", task(**rotated), {}, round_=2),
            case("weights", task(max_weight=100), {}, weights=weights),
            case("rotated, with weights, one silent before its reveal", task(max_weight=100, **rotated), {3: "reveal"}, weights=weights),
            case("conditional rounding", task(rounding=tasks.CONDITIONAL), {}),
        ],
    )


def _further_rounds(complete: tasks.Task) -> Iterator[Fact]:
    drawn = integer_task("cohort", SIZE, 1, 1, cohort=6)
    yield Fact(
        "rounds",
        "round-attempt-and-model-are-bound",
        "Round",
        "A further attempt, a later round, a base model: another session, and other keys and masks from the same secrets.",
        "crypto.md 9 [session.sid], protocol.md 17 [attempt.retry]",
        [
            Case("attempt 2", round_input(4, complete, {}, attempt=2)),
            Case("round 7", round_input(4, complete, {}, round_=7)),
            Case("a base model", round_input(4, complete, {}, base_model=rounds.bytes_of("base model", 32))),
            Case("all three, one silent", round_input(4, complete, {1: "upload"}, round_=1000, attempt=1, base_model=rounds.bytes_of("base model", 32))),
        ],
    )
    yield Fact(
        "rounds",
        "a-cohort-is-drawn-from-the-roster",
        "Round",
        "Six of nine slots take part, others from round to round; bitmaps are those of the roster.",
        "parameters.md 6 [graph.cohort] [params.cohort]",
        [
            Case("round 1", round_input(9, drawn, {})),
            Case("round 2, one silent", round_input(9, drawn, {_of_cohort(9, drawn, 2)[1]: "upload"}, round_=2)),
        ],
    )


def _ended_rounds(complete: tasks.Task, noised: tasks.Task) -> Iterator[Fact]:
    low, low_noised = replace(complete, floor=3), replace(noised, floor=3)

    def case(what: str, refused_by: str, silent: dict[int, str], task: tasks.Task = complete, count: int = 5) -> Case:
        return Case(what, round_input(count, task, silent), refused_by)

    yield Fact(
        "rounds",
        "a-round-without-enough-members-ends",
        "Round",
        "Who falls silent when, and the requirement by which the attempt ends: five members, a floor and a quorum of four.",
        "protocol.md 9 to 15 and 17",
        [
            case("two never advertise", "advertise.floor", {1: "advertise", 3: "advertise"}),
            case("two share nothing", "share.set", {1: "share", 3: "share"}),
            case("two do not accept", "share.set", {1: "accept", 3: "accept"}),
            case("one shares nothing, another does not accept", "share.set", {1: "share", 3: "accept"}),
            case("two upload nothing", "confirm.set", {0: "upload", 4: "upload"}),
            case("a floor of three, and two upload nothing", "upload.quorum", {0: "upload", 4: "upload"}, low),
            case("two do not sign", "confirm.quorum", {2: "confirm", 3: "confirm"}),
            case("two reveal nothing", "recover.rebuild", {2: "reveal", 3: "reveal"}),
            case("one reveals nothing, another gives no share", "recover.rebuild", {2: "reveal", 3: "shares"}),
            case("one uploads nothing, another reveals nothing", "recover.rebuild", {2: "upload", 3: "reveal"}),
            case("noise for two missing, and three are", "confirm.noise", {0: "upload", 1: "share", 2: "upload"}, low_noised, 7),
        ],
    )


def _of_cohort(count: int, task: tasks.Task, round_: int) -> tuple[int, ...]:
    return context.derive(Federation(count).roster, tasks.encode(task), round_, 0).graph.population


class Bench:
    """An honest round, of seven unless said otherwise, and what is needed to forge within it."""

    def __init__(self, task: tasks.Task | None = None, count: int = 7, silent: dict[int, str] | None = None) -> None:
        self.count = count
        self.silent = {5: "upload", 3: "reveal"} if silent is None else silent
        self.federation = Federation(self.count)
        self.task = task or integer_task("fallback", SIZE, 1, 2)
        self.runner = Runner(self.federation, self.task, _updates(self.count), Script(self.silent))
        self.outcome = self.runner.run()

    def sign(self, slot: int, purpose: str, *parts: bytes) -> bytes:
        return self.federation.members[slot].sign(purpose, *parts)

    def read(self, step: Step) -> Any:
        return wire.decode(unhex(step["message"]), self.count, self.count)


def message(made: Any, **more: Any) -> Step:
    return {"message": wire.encode(made).hex(), **more}


from .coordinators import Coordinators
from .members import Members, RingMembers
