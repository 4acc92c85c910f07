"""What an honest coordinator blames on a member, and what ends an attempt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .. import merkle, sharing, tasks, wire
from ..context import accept_parts
from ..identity import L
from ..member import part_leaves
from ..octets import u32, u64
from ..coordinator import Ended
from ..rounds import Runner, Script, Step
from . import Case, Fact, fill
from .exchanges import Bench, _identity, _updates, message
from .terms import NOISE, fields_of


class Coordinators:
    """The honest round of seven, slot 5 silent from upload on, slot 3 from reveal on, as the coordinator takes it."""

    def __init__(self, bench: Bench | None = None) -> None:
        self.bench = bench or Bench()
        self.steps = self.bench.outcome.steps
        self.c = self.bench.outcome.coordinator
        self.closes = {step["close"]: at for at, step in enumerate(self.steps) if "close" in step}

    def case(self, what: str, steps: list[Step], refused_by: str | None = None) -> Case:
        given = {
            "identity": _identity(self.bench.federation, "coordinator"),
            "roster": fields_of(self.bench.federation.roster),
            "task": tasks.encode(self.bench.task).hex(),
            "round": 1,
            "attempt": 0,
            "steps": steps,
        }
        return Case(what, given, refused_by)

    def upto(self, phase: str, slots: int | None = None) -> list[Step]:
        """The steps before a phase is closed; only its first `slots` messages."""
        end = self.closes[phase]
        before = max((at + 1 for at in self.closes.values() if at < end), default=0)
        return self.steps[:end] if slots is None else self.steps[: before + slots]

    def last(self, phase: str, what: str, made: Any, refused_by: str | None, slot: int = 2, **more: Any) -> Case:
        """In a phase in which nothing has come yet, one message."""
        return self.case(what, [*self.upto(phase, 0), message(made, slot=slot, **more)], refused_by)

    def sign(self, slot: int, purpose: str, *parts: bytes) -> bytes:
        return self.bench.sign(slot, purpose, *parts)

    def facts(self) -> Iterator[Fact]:
        def fact(name: str, text: str, source: str, cases: list[Case]) -> Fact:
            return Fact("coordinator", name, "CoordinatorSteps", text, source, cases, self.steps)

        yield fact(
            "an-honest-round",
            "All messages of a round, what is emitted as each phase closes, and the sum.",
            "protocol.md 9 to 16",
            [self.case("as it was", self.steps), self.case("each message twice", self.doubled()), self.case("each phase backwards", self.backwards())],
        )
        yield fact("adverts-that-are-blamed", "Advertise, and its floor.", "protocol.md 9", self.adverts())
        yield fact("shares-that-are-blamed", "Share, trip 1.", "protocol.md 10", self.sealed())
        yield fact("accepts-that-are-blamed", "Share, trip 2.", "protocol.md 11", self.accepts())
        yield fact("cuts-and-exclusion", "Who is excluded, and which accepts are shown to whom.", "protocol.md 11 [share.exclude] [share.cuts-shown]", self.cut())
        yield fact("uploads-that-are-blamed", "Upload and its quorum.", "protocol.md 12", self.uploads())
        yield fact("signatures-that-do-not-count", "Confirm and its quorum.", "protocol.md 13", self.confirmations())
        yield fact("reveals-that-are-blamed", "Reveal.", "protocol.md 14", self.reveals())
        yield fact("shares-that-do-not-count", "Recover.", "protocol.md 15", self.shares())
        yield fact("sums-that-are-refused", "Masked updates of random limbs destroy the sum and nobody can be named.", "protocol.md 16 [finish.range]", self.sums())

    def doubled(self) -> list[Step]:
        out: list[Step] = []
        for step in self.steps:
            out += [step] if "close" in step else [step, step]
        return out

    def backwards(self) -> list[Step]:
        """[message] Order of arrival within a phase does not matter."""
        out: list[Step] = []
        phase: list[Step] = []
        for step in self.steps:
            if "close" in step:
                out += [*phase[::-1], step]
                phase = []
            else:
                phase.append(step)
        return out

    def adverts(self) -> list[Case]:
        a = self.c.adverts[2]

        def resigned(**more: Any) -> wire.Advert:
            changed = replace(a, **more)
            return replace(changed, signature=self.sign(2, "sign advert", *self.c.context.advert_parts(changed)))

        def case(what: str, made: wire.Advert, refused_by: str | None, slot: int = 2) -> Case:
            return self.last("Advertise", what, made, refused_by, slot)

        again = [message(a, slot=2), message(resigned(commitment=fill(1)), slot=2)]
        return [
            case("of another slot", a, "message.sender", 3),
            case("of another task", resigned(task=fill(1)), "advert.session"),
            case("under another roster", resigned(roster=fill(1)), "advert.session"),
            case("of another round", resigned(round=2), "advert.session"),
            case("of another attempt", resigned(attempt=1), "advert.session"),
            case("the end of a chain without noise", resigned(chain_end=fill(1)), "advert.session"),
            case("a signature that does not verify", replace(a, commitment=fill(1)), "advert.session"),
            self.case("another one after the first", again, "message.second"),
            self.case("one that comes late", [*self.upto("Share", 0), message(a, slot=2)], "message.sender"),
            self.last("Advertise", "a message that only coordinators send", wire.UploadStored(fill(1), 2), "message.sender"),
            self.last("Advertise", "a message of a later phase", self.c.accepts[2], "message.sender"),
            self.case("fewer than the floor", [*self.steps[:4], {"close": "Advertise"}], "advertise.floor"),
            self.case("exactly the floor", [*self.steps[:5], {"close": "Advertise"}]),
        ]

    def sealed(self) -> list[Case]:
        s = self.c.sealed[2]

        def resigned(parts: tuple[wire.SealedShare, ...]) -> wire.SealedShares:
            near = self.c.context.neighbours(2, self.c.advertised)
            root = merkle.root(part_leaves(self.c.sid, 2, near, list(parts)))
            return replace(s, parts=parts, signature=self.sign(2, "sign shares", self.c.sid, u32(2), root))

        def case(what: str, made: wire.SealedShares, refused_by: str | None, slot: int = 2) -> Case:
            return self.last("Share", what, made, refused_by, slot)

        few = [step for step in self.upto("Share") if "close" in step or step["slot"] in (0, 1, 2, 3) or step in self.upto("Advertise")]
        own = replace(s.parts[0], to=2)
        return [
            case("a dealer that deals one part only", resigned(s.parts[:1]), None),
            case("of another slot", s, "message.sender", 3),
            case("of another session", replace(s, sid=fill(1)), "message.sender"),
            case("a part for the dealer itself", resigned((*s.parts[:2], own, *s.parts[2:])), "share.parts"),
            case("a part for a slot beyond the roster", resigned((*s.parts, replace(s.parts[0], to=7))), "share.parts"),
            case("parts out of order", resigned(s.parts[::-1]), "share.parts"),
            case("a part twice", resigned((s.parts[0], *s.parts)), "share.parts"),
            case("a signature over another root", replace(s, parts=s.parts[1:]), "share.relay"),
            self.case("another one after the first", [*self.upto("Share"), message(resigned(s.parts[:1]), slot=2)], "message.second"),
            self.case("too few dealers", [*few, {"close": "Share"}], "share.set"),
        ]

    def accept(self, slot: int, *cuts: int, signer: int | None = None) -> wire.Accept:
        made = wire.Accept(self.c.sid, slot, tuple(wire.Cut(each, 1) for each in cuts), bytes(64))
        return replace(made, signature=self.sign(slot if signer is None else signer, "sign accept", *accept_parts(made)))

    def accepts(self) -> list[Case]:
        def case(what: str, made: wire.Accept, refused_by: str | None, slot: int = 2) -> Case:
            return self.last("Accept", what, made, refused_by, slot)

        return [
            case("a cut", self.accept(2, 4), None),
            case("of another slot", self.accept(2), "message.sender", 3),
            case("of another session", replace(self.accept(2), sid=fill(1)), "message.sender"),
            case("a cut of itself", self.accept(2, 2), "accept.cuts"),
            case("a cut of a slot beyond the roster", self.accept(2, 7), "accept.cuts"),
            case("cuts out of order", self.accept(2, 4, 3), "accept.cuts"),
            case("a cut twice", self.accept(2, 3, 3), "accept.cuts"),
            case("signed by another", self.accept(2, signer=3), "accept.signature"),
            self.case("another one after the first", [*self.upto("Accept"), message(self.accept(2, 4), slot=2)], "message.second"),
        ]

    def with_accepts(self, *made: wire.Accept) -> list[Step]:
        by_slot = {accept.slot: accept for accept in made}
        begin = self.upto("Accept", 0)
        accepts = [by_slot.get(slot, self.c.accepts[slot]) for slot in sorted(self.c.accepts)]
        return [*begin, *[message(accept, slot=accept.slot) for accept in accepts], {"close": "Accept"}]

    def cut(self) -> list[Case]:
        """c_nb is 1 in this round."""
        return [
            self.case("one edge cut by one end", self.with_accepts(self.accept(2, 4))),
            self.case("one edge cut by both ends", self.with_accepts(self.accept(2, 4), self.accept(4, 2))),
            self.case("a member cut by two others is excluded", self.with_accepts(self.accept(2, 4), self.accept(3, 4))),
            self.case("a member that cuts two others is excluded, they are not", self.with_accepts(self.accept(4, 2, 3))),
            self.case("a member that cuts everyone is alone excluded", self.with_accepts(self.accept(4, 0, 1, 2, 3, 5, 6))),
            self.case("three excluded are too many", self.with_accepts(self.accept(0, 1, 2), self.accept(1, 0, 2), self.accept(2, 0, 1)), "share.set"),
        ]

    def uploads(self) -> list[Case]:
        begin = self.upto("Upload", 0)
        step = next(step for step in self.upto("Upload")[len(begin) :] if step["slot"] == 2)
        h = self.c.headers[2]

        def header(**more: Any) -> wire.UploadHeader:
            made = replace(h, **more)
            signature = self.sign(2, "sign upload", made.sid, made.sid2, u32(made.slot), u64(made.limbs))
            return replace(made, signature=signature)

        def case(what: str, made: wire.UploadHeader, refused_by: str | None, vector: str = step["vector"], slot: int = 2) -> Case:
            return self.last("Upload", what, made, refused_by, slot, vector=vector)

        few = self.upto("Upload", 4)
        return [
            case("whole", h, None),
            case("of another slot", h, "message.sender", slot=3),
            case("of another session", header(sid=fill(1)), "upload.signed-header"),
            case("of another second session", header(sid2=fill(1)), "upload.signed-header"),
            case("another number of limbs", header(limbs=h.limbs + 1), "upload.signed-header", step["vector"] + "00" * 8),
            case("a signature that does not verify", replace(h, signature=fill(1, 64)), "upload.signed-header"),
            case("a byte too few", h, "wire.vector", step["vector"][:-2]),
            case("a byte too many", h, "wire.vector", step["vector"] + "00"),
            self.case("fewer than the floor, and too few to be certified", [*few, {"close": "Upload"}], "confirm.set"),
            *self.electors(),
        ]

    def electors(self) -> Iterator[Case]:
        """With a floor of 3 given by hand, below the quorum of 5."""
        low = Coordinators(Bench(replace(self.bench.task, floor=3)))
        for count, refused_by in ((2, "confirm.set"), (3, "upload.quorum"), (4, "upload.quorum"), (5, None)):
            yield low.case(f"{count} of a floor of 3 and a quorum of 5", [*low.upto("Upload", count), {"close": "Upload"}], refused_by)

    def confirmations(self) -> list[Case]:
        s = self.c.signatures[2]

        def case(what: str, made: wire.Confirmation, refused_by: str | None, slot: int = 2) -> Case:
            return self.last("Confirm", what, made, refused_by, slot)

        def confirmation(slot: int, over: bytes, signer: int | None = None) -> wire.Confirmation:
            signature = self.sign(slot if signer is None else signer, "sign confirm", self.c.sid, self.c.sid2, over)
            return wire.Confirmation(self.c.sid2, wire.SignedSlot(slot, signature))

        survivors = self.c.set.survivors
        return [
            case("a survivor that was not asked", confirmation(6, survivors), None, 6),
            case("of another slot", wire.Confirmation(self.c.sid2, s), "message.sender", 3),
            case("of a slot that is no survivor", confirmation(5, survivors), "message.sender", 5),
            case("of another second session", wire.Confirmation(fill(1), s), "message.sender"),
            case("over another set", confirmation(2, b"\x1f"), "confirm.electorate"),
            case("signed by another", confirmation(2, survivors, 3), "confirm.electorate"),
            self.case("one signature too few", [*self.upto("Confirm", 4), {"close": "Confirm"}], "confirm.quorum"),
        ]

    def reveals(self) -> list[Case]:
        r = self.c.reveals[2]
        seed = r.pair_seeds[0]

        def case(what: str, made: wire.Reveal, refused_by: str | None, slot: int = 2) -> Case:
            return self.last("Reveal", what, made, refused_by, slot)

        over = (int.from_bytes(r.self_seed, "little") + L).to_bytes(32, "little")
        noisy = Coordinators(Bench(self._noised()))
        chained = noisy.c.reveals[2]

        def with_value(value: bytes | None) -> list[Step]:
            steps = list(noisy.steps)
            wrong = message(replace(chained, chain_value=value), slot=2)
            return [wrong if step == message(chained, slot=2) else step for step in steps]

        return [
            case("as it is owed", r, None),
            case("of another slot", r, "message.sender", 3),
            case("of another second session", replace(r, sid2=fill(1)), "message.sender"),
            case("a self seed that was not committed to", replace(r, self_seed=bytes(32)), "reveal.verify"),
            case("a self seed that is not canonical", replace(r, self_seed=over), "reveal.verify"),
            case("no pair seed", replace(r, pair_seeds=()), "reveal.verify"),
            case("a pair seed with a survivor", replace(r, pair_seeds=(replace(seed, slot=3),)), "reveal.verify"),
            case("a pair seed twice", replace(r, pair_seeds=(seed, seed)), "reveal.verify"),
            case("another pair seed", replace(r, pair_seeds=(replace(seed, seed=fill(1)),)), "reveal.verify"),
            noisy.case("a wrong chain value: blamed, and the surplus stays", with_value(fill(1))),
            noisy.case("no chain value: blamed, and the surplus stays", with_value(None)),
            self.case("a chain value without noise: blamed, and the seeds count", self._unasked()),
            self._needless(),
        ]

    def _needless(self) -> Case:
        """As many are missing as are tolerated: no component is left over, and no value is wanted."""
        noisy = Coordinators(Bench(self._noised(), silent={1: "advertise", 5: "upload"}))
        r = noisy.c.reveals[2]
        assert r.chain_value is None
        wrong = message(replace(r, chain_value=fill(1)), slot=2)
        steps = [wrong if step == message(r, slot=2) else step for step in noisy.steps]
        return noisy.case("a chain value where nothing is over: blamed, and the seeds count", steps)

    def _noised(self) -> tasks.Task:
        noise = replace(NOISE, parameter=tasks.Decimal(400, 0))
        return replace(self.bench.task, noise=noise)

    def _unasked(self) -> list[Step]:
        r = self.c.reveals[2]
        wrong = message(replace(r, chain_value=fill(1)), slot=2)
        return [wrong if step == message(r, slot=2) else step for step in self.steps]

    def answered(self, **changed: wire.Shares) -> list[Step]:
        by_slot = {made.slot: made for made in changed.values()}
        out = []
        for step in self.steps:
            slot = step.get("slot")
            made = by_slot.get(slot) if slot is not None and step == message(self.c.answered.get(slot, self.c.reveals[0]), slot=slot) else None
            out.append(step if made is None else message(made, slot=slot))
        return out

    def shares(self) -> list[Case]:
        good = {slot: self.c.answered[slot] for slot in sorted(self.c.answered)}
        wrong = {slot: replace(made, answers=tuple(replace(a, share=bytes(32)) for a in made.answers)) for slot, made in good.items()}
        over = replace(good[0], answers=tuple(replace(a, share=fill(0xFF)) for a in good[0].answers))
        swapped = replace(good[0], answers=tuple(replace(a, kind=3 - a.kind) for a in good[0].answers))
        stranger = replace(good[0], answers=(wire.ShareAnswer(1, 9, bytes(32)), *good[0].answers))
        begin = self.closes["Reveal"] - len(good)
        return [
            self.case("what each holder is asked for", [*self.steps[:begin], {"requests": True}]),
            self.case("exactly as many as the threshold", self.steps),
            self.case("a share of a slot beyond the roster: blamed, the others count", self.answered(a=stranger)),
            self.case("one wrong share below the threshold", self.answered(a=wrong[0]), "recover.rebuild"),
            self.case("a share that is not canonical", self.answered(a=over), "recover.rebuild"),
            self.case("shares under the other kind", self.answered(a=swapped), "recover.rebuild"),
            self.case("nobody answers", [*self.steps[:begin], {"close": "Reveal"}], "recover.rebuild"),
            *self.late(self.steps[:begin]),
            self.inconsistent("the shares of a survivor make another b than the one it committed to", 3, "self_seed", bytes(32)),
            self.inconsistent("the shares of a dropped slot make another r than that of its mask key", 5, "root_seed", 7),
        ]

    def late(self, begun: list[Step]) -> Iterator[Case]:
        """[recover.late] Slot 3 comes back with its reveal while shares of its secrets are gathered."""
        asked: Step = {"requests": True}
        reveal = self.bench.outcome.members[3].on_certificate(self.c.certificate)
        late, end = message(reveal, slot=3), {"close": "Reveal"}
        shares = [step for step in self.steps[len(begun) :] if "close" not in step]
        yield self.case("a late reveal spares all shares", [*begun, asked, late, asked, end])
        yield self.case("a late reveal after some shares", [*begun, asked, *shares[:2], late, asked, end])
        yield self.case("shares after a late reveal cost nothing", [*begun, asked, late, *shares[:1], end])
        yield self.case("a holder that has answered is asked no more", [*begun, asked, *shares[:1], asked], None)
        wrong = message(replace(reveal, self_seed=bytes(32)), slot=3)
        yield self.case("a late reveal that does not stand spares nothing", [*begun, asked, {**wrong, "refused": True}, asked, *shares, end])
        yield self.case("a late reveal that does not stand", [*begun, asked, wrong], "reveal.verify")

    def inconsistent(self, what: str, dealer: int, field: str, value: Any) -> Case:
        """[recover.advertised] The dealer shares out another secret than the one of its advert, and signs all digests."""
        runner: Runner

        def swap(reply: Any) -> Any:
            setattr(runner.members[dealer], field, value)
            return reply

        runner = Runner(self.bench.federation, self.bench.task, _updates(self.bench.count), Script(self.bench.silent, {(dealer, "advertise"): swap}))
        try:
            runner.run()
        except Ended:
            return self.case(what, runner.steps, "recover.advertised")
        raise AssertionError("the round has a sum")

    def sums(self) -> list[Case]:
        begin = self.closes["Accept"] + 1

        def spoiled(vector: str) -> list[Step]:
            steps = list(self.steps)
            at = next(i for i in range(begin, len(steps)) if steps[i].get("slot") == 2 and "vector" in steps[i])
            steps[at] = {**steps[at], "vector": vector}
            return steps

        limbs = self.c.context.plan.limbs
        return [
            self.case("limbs of zero instead of a masked update", spoiled("00" * 8 * limbs), "finish.range"),
            self.case("limbs of ones instead of a masked update", spoiled("ff" * 8 * limbs), "finish.range"),
        ]
