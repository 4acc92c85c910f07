"""Whole rounds, and a member or a coordinator alone against what it is given step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from .. import context, encoding, rosters, rounds, tasks, wire
from ..coordinator import Coordinator, Ended
from ..identity import Identity
from ..ledger import Entry, Ledger
from ..member import Member, Site
from ..refusal import Refused
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
    raw: list[Fields] = [{k: unhex(v) if isinstance(v, str) and k != "act" else v for k, v in e.items()} for e in i["ledger"]]
    entries = [Entry(**each) for each in raw]
    ledger = Ledger(entries)
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


def _member_step(member: Member, roster: rosters.Roster, step: Step) -> Any:
    if "update" in step:
        update = {each["name"].encode(): unhex(each["values"]) for each in step["update"]}
        made = member.context
        assert made is not None
        packed = member.contribution(update) if "packed" not in step else unhex(step["packed"])
        header, vector = member.on_contribution(packed, encoding.update_digest(made.task, update))
        return {"header": _hex(header), "vector": vector.hex()}
    slots = len(roster.members)
    message = wire.decode(unhex(step["message"]), slots, slots)
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
        given, tasks.decode(unhex(i["task"])), updates, script, i["round"], lambda slot, log: lambda what, count: unhex(i["members"][slot]["draws"][what])
    )
    made = runner.run()
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


def round_input(count: int, task: tasks.Task, silent: dict[int, str]) -> Fields:
    """Runs the round once, to note every draw."""
    federation = Federation(count)
    runner = Runner(federation, task, _updates(count), Script(silent))
    runner.run()
    members = [
        {
            "identity": _identity(federation, f"member-{slot}"),
            "update": rounds.shown(integer_update(slot, SIZE)),
            "draws": {what: data.hex() for what, data in runner.draws[slot].items()},
        }
        for slot in range(count)
    ]
    return {
        "roster": fields_of(federation.roster),
        "rosterSignature": federation.signature.hex(),
        "coordinatorIdentity": _identity(federation, "coordinator"),
        "task": tasks.encode(task).hex(),
        "round": 1,
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
    yield from Members().facts()
    yield from RingMembers().facts()
    yield from Coordinators().facts()


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
