"""What an honest member refuses, with the message that comes one step too far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .. import agreement, merkle, rosters, session, sharing, tasks, wire
from ..context import accept_parts, receipt_parts
from ..identity import L
from ..member import part_leaves
from ..octets import u32, u64
from ..rounds import Federation, LENIENT, Runner, Script, Step, integer_task
from . import Case, Fact, Fields, fill
from .exchanges import Bench, _identity, _updates, message
from .terms import NOISE, fields_of

SITE = LENIENT.__dict__


class Members:
    """Slot 0 of the bench is the member. Steps: 0 Open, 1 Adverts, 2 DeliveredShares, 3 ShareSet, 4 update, 5 UploadStored,
    6 SurvivorSet, 7 Certificate, 8 ShareRequest, 9 Receipt."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.steps = self.bench.outcome.inboxes[0]
        self.c = self.bench.outcome.coordinator
        assert len(self.steps) == 10, [list(step) for step in self.steps]

    def case(self, what: str, steps: list[Step], refused_by: str | None = None, **more: Any) -> Case:
        base: Fields = {
            "identity": _identity(self.bench.federation, "member-0"),
            "roster": fields_of(self.bench.federation.roster),
            "site": SITE,
            "ledger": [],
            "draws": {what: data.hex() for what, data in self.bench.outcome.draws[0].items()},
            "steps": steps,
        }
        return Case(what, {**base, **more}, refused_by)

    def after(self, count: int, what: str, last: Any, refused_by: str | None = None, **more: Any) -> Case:
        """The first `count` honest steps, then one more."""
        step = last if isinstance(last, dict) else message(last)
        return self.case(what, [*self.steps[:count], step], refused_by, **more)

    def honest(self, step: int) -> Any:
        return self.bench.read(self.steps[step])

    def facts(self) -> Iterator[Fact]:
        def fact(name: str, text: str, source: str, cases: list[Case]) -> Fact:
            return Fact("member", name, "MemberSteps", text, source, cases, self.steps)

        yield fact(
            "an-honest-round",
            "All steps of one member, with its answers and its ledger; each message again gives the same bytes again, or nothing.",
            "protocol.md 7 to 16",
            [
                self.case("as it was", self.steps),
                *[self.case(f"step {k} twice", [*self.steps[: k + 1], self.steps[k]]) for k in (1, 2, 3, 5, 6, 7, 8)],
            ],
        )
        yield fact("an-invitation-that-is-refused", "Open, in the order of its checks.", "protocol.md 8", self.opens())
        yield fact("a-ledger-that-forbids-to-join", "What the member did before.", "protocol.md 6 and 8.8", self.ledgers())
        yield fact("adverts-that-are-refused", "Adverts, in the order of its checks.", "protocol.md 10", self.adverts())
        yield fact("edges-cut-before-sharing", "Keys that are copies or of low order cut their edge.", "protocol.md 10 [share.cut-key]", self.keys())
        yield fact("parts-that-cut-their-edge", "What a dealer signed decides; what nobody signed does not.", "protocol.md 11", self.delivered())
        yield fact("share-sets-that-are-refused", "ShareSet, in the order of its checks.", "protocol.md 12", self.share_sets())
        yield fact("uploads-that-are-refused", "The update and the ledger.", "protocol.md 12, 6 [upload.reuse]", self.uploads())
        yield fact("survivors-that-are-not-signed", "SurvivorSet, in the order of its checks.", "protocol.md 13", self.survivors())
        yield fact("certificates-that-reveal-nothing", "Certificate, in the order of its checks.", "protocol.md 14", self.certificates())
        yield fact("shares-that-are-never-given", "One entry that may not be given refuses the request.", "protocol.md 15", self.requests())
        yield fact(
            "what-another-process-recorded-is-obeyed",
            "A second process with the same ledger went on: with a further attempt, or with survivors of the round.",
            "protocol.md 6 [attempt.superseded] [confirm.once], 14 [reveal.record]",
            self.meanwhile(),
        )
        yield fact("receipts-that-are-refused", "The coordinator's word for a sum.", "protocol.md 16 [receipt.check]", self.receipts())

    # Open.

    def opens(self) -> list[Case]:
        o: wire.Open = self.honest(0)
        listed = Federation(7, tasks=(fill(1),))
        outsider = Federation(7, name="outsiders")
        other = replace(o.parameters, t=o.parameters.t - 1)

        def site(**more: Any) -> Fields:
            return {"site": {**SITE, **more}}

        ring = Runner(Federation(18), integer_task("ring", 8, 0, 1, graph=(3, 6)), _updates(18), Script())
        drawn = ring.coordinator.open(o.deadlines)
        roster18 = {"roster": fields_of(ring.context.roster), "identity": _identity(Federation(18), "member-0")}
        return [
            self.after(0, "another roster", replace(o, roster=fill(1)), "open.roster"),
            self.after(0, "a task that does not decode", replace(o, task=o.task + b"\0"), "task.canonical"),
            self.after(0, "a lower threshold", replace(o, parameters=other), "open.parameters"),
            self.after(0, "a lower quorum", replace(o, parameters=replace(o.parameters, q=4)), "open.parameters"),
            self.after(0, "a T without noise", replace(o, parameters=replace(o.parameters, tolerated=2)), "open.parameters"),
            self.after(0, "round 0", replace(o, round=0), "open.round"),
            self.after(0, "the last round", replace(o, round=1000)),
            self.after(0, "a round behind the last", replace(o, round=1001), "open.round"),
            self.after(0, "the last attempt", replace(o, attempt=2)),
            self.after(0, "an attempt too many", replace(o, attempt=3), "open.attempt"),
            self.after(0, "a member that is not on the roster", o, "open.slot", identity=_identity(outsider, "member-0")),
            self.after(
                0,
                "a task that the roster does not list",
                replace(o, roster=rosters.digest(listed.roster)),
                "open.task-signed",
                roster=fields_of(listed.roster),
            ),
            self.after(0, "an unlisted task with a drawn graph", drawn, "open.task-drawn", **roster18, **site(unlisted="complete-graph")),
            self.after(0, "an unlisted task with a complete graph", o, None, **site(unlisted="complete-graph")),
            self.after(0, "an unlisted task at a site that wants none", o, "open.task-drawn", **site(unlisted="refuse")),
            self.after(1, "a message that members send", self.c.adverts[1], "message.order"),
            self.after(7, "a confirmation of another member", wire.Confirmation(self.c.sid2, self.c.signatures[1]), "message.order"),
            self.after(0, "a floor below the site's", o, "join.policy", **site(min_survivors=6)),
            self.after(0, "too few corrupt members reckoned with", o, "join.policy", **site(min_corrupt=2)),
            self.after(0, "no noise at a site that demands it", o, "join.policy", **site(noise_required=True)),
        ]

    def ledgers(self) -> list[Case]:
        o = self.honest(0)
        task, roster = self.c.context.task_digest.hex(), self.c.context.roster_digest.hex()
        advert = {"act": "advert", "task": task, "round": 1, "roster": roster, "attempt": 0}
        named = {"task": task, "round": 1, "sid2": fill(1).hex(), "digest": fill(2).hex()}

        def case(what: str, entry: Fields, refused_by: str | None, opened: wire.Open = o, **more: Any) -> Case:
            return self.after(0, what, opened, refused_by, ledger=[entry], **more)

        again = replace(o, attempt=1)
        return [
            case("a later round of the task", {**advert, "round": 2}, "join.ledger"),
            case("a later round of another task", {**advert, "task": fill(9).hex(), "round": 2}, None),
            case("an earlier round", {**advert, "round": 0}, None),
            case("this attempt", advert, "join.ledger"),
            case("a later attempt", {**advert, "attempt": 1}, "join.ledger"),
            case("an earlier attempt", advert, None, again),
            case("an earlier attempt, under another roster", {**advert, "roster": fill(3).hex()}, "join.ledger", again),
            case("an earlier attempt, at a site without retries", advert, "join.ledger", again, site={**SITE, "retries": False}),
            case("survivors signed in the round", {"act": "signed", **named}, "join.closed", again),
            case("a certificate accepted in the round", {"act": "certified", **named}, "join.closed", again),
            case("survivors signed in an earlier round", {"act": "signed", **named, "round": 0}, None),
        ]

    # Adverts.

    def rebuilt(self, made: wire.Adverts, adverts: list[wire.Advert]) -> wire.Adverts:
        """With the root over these adverts and the member's own."""
        leaves: list[bytes | None] = [None] * self.bench.count
        for advert in [self.c.adverts[0], *adverts]:
            leaves[advert.slot] = merkle.advert_leaf(wire.ADVERT.write(advert))
        return replace(made, root=merkle.root(leaves), neighbours=tuple(wire.ProvenAdvert(advert, ()) for advert in adverts))

    def resigned(self, slot: int, **more: Any) -> wire.Advert:
        changed = replace(self.c.adverts[slot], **more)
        return replace(changed, signature=self.bench.sign(slot, "sign advert", *self.c.context.advert_parts(changed)))

    def with_advert(self, changed: wire.Advert) -> wire.Adverts:
        a: wire.Adverts = self.honest(1)
        return self.rebuilt(a, [changed if each.advert.slot == changed.slot else each.advert for each in a.neighbours])

    def adverts(self) -> list[Case]:
        a: wire.Adverts = self.honest(1)
        near = [each.advert for each in a.neighbours]
        unsigned = replace(near[1], commitment=fill(9))

        def case(what: str, made: wire.Adverts, refused_by: str) -> Case:
            return self.after(1, what, made, refused_by)

        few = self.rebuilt(replace(a, advertised=b"\x0f"), near[:3])
        return [
            case("of another task", replace(a, task=fill(1)), "advert.attempt"),
            case("of another round", replace(a, round=2), "advert.attempt"),
            case("of another attempt", replace(a, attempt=1), "advert.attempt"),
            case("a bitmap of two bytes", replace(a, advertised=b"\x7f\0"), "bitmap.exact"),
            case("a bit beyond the last slot", replace(a, advertised=b"\xff"), "bitmap.exact"),
            case("fewer than the floor", few, "advertise.floor"),
            case("without the member", replace(a, advertised=b"\x7e"), "advertise.floor"),
            case("a neighbour left out", self.rebuilt(a, near[1:]), "advert.neighbours"),
            case("a neighbour twice", replace(a, neighbours=(a.neighbours[0], *a.neighbours)), "advert.neighbours"),
            case("in another order", replace(a, neighbours=a.neighbours[::-1]), "advert.neighbours"),
            case("a neighbour outside U1", replace(a, advertised=b"\x3f"), "advert.neighbours"),
            case("another root", replace(a, root=fill(1)), "advert.tree"),
            case("a root over another advert of the member", self._own_replaced(a, near), "advert.tree"),
            case("an advert that its slot did not sign", self.with_advert(unsigned), "advert.signature"),
            case("an advert of another attempt", self.with_advert(self.resigned(2, attempt=1)), "advert.signature"),
            case("an advert of another round", self.with_advert(self.resigned(2, round=2)), "advert.signature"),
            case("an advert under another roster", self.with_advert(self.resigned(2, roster=fill(1))), "advert.signature"),
            case("the end of a chain without noise", self.with_advert(self.resigned(2, chain_end=fill(1))), "advert.signature"),
            self.after(2, "other Adverts after those that stood", self.with_advert(self.resigned(2, commitment=fill(9))), "advert.once"),
        ]

    def _own_replaced(self, made: wire.Adverts, near: list[wire.Advert]) -> wire.Adverts:
        leaves: list[bytes | None] = [None] * self.bench.count
        for advert in [self.resigned(0, commitment=fill(9)), *near]:
            leaves[advert.slot] = merkle.advert_leaf(wire.ADVERT.write(advert))
        return replace(made, root=merkle.root(leaves))

    def keys(self) -> list[Case]:
        """Not refused: the answer deals the slot no part."""
        own = self.c.adverts[0]
        cases = []
        for what, more in (
            ("a mask key copied from the member's mask key", {"mask_key": own.mask_key}),
            ("a mask key copied from the member's seal key", {"mask_key": own.seal_key}),
            ("a seal key copied from the member's seal key", {"seal_key": own.seal_key}),
            ("a seal key copied from the member's mask key", {"seal_key": own.mask_key}),
            ("a mask key of low order", {"mask_key": bytes(32)}),
            ("a seal key of low order", {"seal_key": b"\x01" + bytes(31)}),
        ):
            cases.append(self.after(1, what, self.with_advert(self.resigned(2, **more))))
        return cases

    # DeliveredShares.

    def dealt(self, dealer: int, parts: list[wire.SealedShare]) -> wire.DeliveredShares:
        """What arrives when `dealer` signed these parts."""
        near = self.c.context.neighbours(dealer, self.c.advertised)
        leaves = part_leaves(self.c.sid, dealer, near, parts)
        signature = self.bench.sign(dealer, "sign shares", self.c.sid, u32(dealer), merkle.root(leaves))
        mine = next((part for part in parts if part.to == 0), None)
        entry = wire.DeliveredShare(dealer, mine, merkle.proof(leaves, near.index(0)), signature)
        d: wire.DeliveredShares = self.honest(2)
        return replace(d, shares=tuple(entry if each.from_ == dealer else each for each in d.shares))

    def part_of(self, dealer: int, **more: Any) -> list[wire.SealedShare]:
        parts = list(self.c.sealed[dealer].parts)
        return [replace(part, **more) if part.to == 0 else part for part in parts]

    def sealed_anew(self, dealer: int, root: bytes, own: bytes) -> list[wire.SealedShare]:
        member = self.bench.outcome.draws[dealer]["seal key"]
        key = agreement.seal_key(member, self.c.adverts[0].seal_key, self.c.sid, dealer, 0)
        return self.part_of(
            dealer,
            ciphertext=agreement.seal(key, self.c.sid, dealer, 0, root, own),
            root_digest=agreement.root_share_digest(root, self.c.sid, dealer, 0),
            self_digest=agreement.self_share_digest(own, self.c.sid, dealer, 0),
        )

    def delivered(self) -> list[Case]:
        d: wire.DeliveredShares = self.honest(2)
        over, one = L.to_bytes(32, "little"), (1).to_bytes(32, "little")
        none = [part for part in self.c.sealed[2].parts if part.to != 0]
        entry = d.shares[1]
        assert entry.part is not None
        tampered = replace(entry, part=replace(entry.part, ciphertext=bytes(80)))
        foreign = replace(entry, signature=self.bench.sign(4, "sign shares", self.c.sid, u32(2), fill(1)))
        transplanted = replace(d.shares[0], from_=2)

        def with_entry(made: wire.DeliveredShare) -> wire.DeliveredShares:
            return replace(d, shares=tuple(made if each.from_ == 2 else each for each in d.shares))

        def case(what: str, made: wire.DeliveredShares, refused_by: str | None = None) -> Case:
            return self.after(2, what, made, refused_by)

        return [
            case("cut for reason a: the dealer signed that it dealt none", self.dealt(2, none)),
            case("cut for reason a: another pair-seed hash", self.dealt(2, self.part_of(2, pair_hash=fill(1)))),
            case("cut for reason c: a part that does not open", self.dealt(2, self.part_of(2, ciphertext=bytes(80)))),
            case("cut for reason c: a share of r that is not canonical", self.dealt(2, self.sealed_anew(2, over, one))),
            case("cut for reason c: a share of b that is not canonical", self.dealt(2, self.sealed_anew(2, one, over))),
            case("cut for reason c: another digest of the share of r", self.dealt(2, self.part_of(2, root_digest=fill(1)))),
            case("cut for reason c: another digest of the share of b", self.dealt(2, self.part_of(2, self_digest=fill(1)))),
            case("no cut: a share of 1 is as good as another until it is needed", self.dealt(2, self.sealed_anew(2, one, one))),
            case("no cut: a part that nobody signed", with_entry(tampered)),
            case("no cut: an empty leaf that nobody signed", with_entry(replace(entry, part=None))),
            case("no cut: signed by another", with_entry(foreign)),
            case("no cut: the part of another dealer", with_entry(transplanted)),
            case("no cut: a proof too short", with_entry(replace(entry, proof=entry.proof[:-1]))),
            case("no cut: the entry left out", replace(d, shares=tuple(each for each in d.shares if each.from_ != 2))),
            case("of another session", replace(d, sid=fill(1)), "share.delivered"),
            case("out of order", replace(d, shares=d.shares[::-1]), "share.delivered"),
            case("an entry twice", replace(d, shares=(d.shares[0], *d.shares)), "share.delivered"),
            case("an entry of the member itself", replace(d, shares=(replace(d.shares[0], from_=0), *d.shares)), "share.delivered"),
            self.after(3, "other parts after those that stood", with_entry(tampered), "accept.once"),
        ]

    # ShareSet.

    def accept(self, slot: int, cuts: tuple[int, ...], sid: bytes | None = None, signer: int | None = None) -> wire.Accept:
        made = wire.Accept(sid or self.c.sid, slot, tuple(wire.Cut(each, 1) for each in cuts), bytes(64))
        return replace(made, signature=self.bench.sign(slot if signer is None else signer, "sign accept", *accept_parts(made)))

    def share_sets(self) -> list[Case]:
        s: wire.ShareSet = self.honest(3)
        a2, a4 = self.accept(2, (0,)), self.accept(4, (0,))

        def case(what: str, made: wire.ShareSet, refused_by: str | None = None) -> Case:
            return self.after(3, what, made, refused_by)

        def shown(*accepts: wire.Accept) -> wire.ShareSet:
            return replace(s, accepts=accepts)

        unseen = self.honest(2)
        unseen = replace(unseen, shares=tuple(each for each in unseen.shares if each.from_ != 2))
        return [
            case("an accept that cuts the member", shown(a2)),
            case("of another session", replace(s, sid=fill(1)), "share.set-session"),
            case("a bitmap of two bytes", replace(s, shared=b"\x7f\0"), "bitmap.exact"),
            case("fewer than the floor", replace(s, shared=b"\x0f"), "share.set"),
            case("without the member", replace(s, shared=b"\x7e"), "share.set"),
            case("accepts out of order", shown(a4, a2), "share.cut-order"),
            case("an accept twice", shown(a2, a2), "share.cut-order"),
            case("out of order comes before a bad signature", shown(a4, replace(a2, signature=fill(1, 64))), "share.cut-order"),
            case("an accept that nobody signed", shown(replace(a2, signature=fill(1, 64))), "share.cut-signed"),
            case("an accept that another signed", shown(self.accept(2, (0,), None, 4)), "share.cut-signed"),
            case("an accept of another session", shown(self.accept(2, (0,), fill(1))), "share.cut-signed"),
            case("an accept that cuts another", shown(self.accept(2, (1,))), "share.cut-signed"),
            case("an accept without cuts", shown(self.accept(2, ())), "share.cut-signed"),
            case("an accept of the member itself", shown(self.accept(0, (0,))), "share.cut-signed"),
            case("more cuts than c_nb", shown(a2, a4), "share.cut-limit"),
            self.case("a slot whose Share was never seen", [*self.steps[:2], message(unseen), message(s)], "share.unseen"),
            self.case("unless its edge is cut", [*self.steps[:2], message(unseen), message(shown(a2))]),
            self.after(4, "another Share set after the first", replace(s, shared=b"\x3f"), "share.set-once"),
            self.after(4, "one of another session after the first", replace(s, sid=fill(1)), "share.set-once"),
            self.case(
                "after another Share set nothing is left",
                [*self.steps[:4], message(replace(s, shared=b"\x3f"), refused=True), self.steps[4]],
                "close.record",
            ),
        ]

    # Upload.

    def uploads(self) -> list[Case]:
        update: Step = self.steps[4]
        digest = self._update_digest()
        task, other = self.c.context.task_digest.hex(), fill(9).hex()
        limbs = self.c.context.plan.limbs

        def earlier(what: str, entry: Fields, refused_by: str | None, **more: Any) -> Case:
            return self.after(4, what, update, refused_by, ledger=[{"act": "update", "attempt": 0, **entry}], **more)

        return [
            self.after(3, "before a Share set", update, "upload.after-set"),
            self.after(5, "a second contribution", update, "upload.duplicate"),
            self.after(4, "a limb too few", {**update, "packed": "00" * 8 * (limbs - 1)}, "upload.plan-length"),
            self.after(4, "a limb too many", {**update, "packed": "00" * 8 * (limbs + 1)}, "upload.plan-length"),
            earlier("the update of an earlier round", {"task": task, "round": 0, "digest": digest}, "upload.reuse"),
            earlier("the update of another task", {"task": other, "round": 7, "digest": digest}, "upload.reuse"),
            earlier("at a site that allows it", {"task": task, "round": 0, "digest": digest}, None, site={**SITE, "reuse": True}),
            earlier("the same update in an earlier attempt", {"task": task, "round": 1, "digest": digest}, None),
            earlier("another update than in an earlier attempt", {"task": task, "round": 1, "digest": other}, "upload.reuse"),
            self.after(5, "stored, says the word for another slot", replace(self.honest(5), slot=1), "upload.stored"),
            self.after(5, "stored, says the word for another Share set", replace(self.honest(5), sid2=fill(1)), "upload.stored"),
        ]

    def _update_digest(self) -> str:
        entries = self.bench.outcome.members[0].ledger.entries
        return next(entry.digest for entry in entries if entry.act == "update").hex()

    # SurvivorSet.

    def survivors(self) -> list[Case]:
        s: wire.SurvivorSet = self.honest(6)

        def case(what: str, made: wire.SurvivorSet, refused_by: str | None = None, **more: Any) -> Case:
            return self.after(6, what, made, refused_by, **more)

        noisy = NoisyMember()
        return [
            self.after(5, "before the upload is said to be whole", s, "confirm.after-upload"),
            self.after(4, "before the upload", s, "confirm.after-upload"),
            case("of another session", replace(s, sid=fill(1)), "confirm.session"),
            case("of another second session", replace(s, sid2=fill(1)), "confirm.session"),
            case("a bit beyond the last slot", replace(s, survivors=b"\xdf"), "bitmap.exact"),
            case("fewer than the floor", replace(s, survivors=b"\x0f"), "confirm.set"),
            case("without the member", replace(s, survivors=b"\x7e"), "confirm.check"),
            case("exactly the floor", replace(s, survivors=b"\x1f")),
            self.after(7, "another set after one was signed", replace(s, survivors=b"\x1f"), "confirm.one-set"),
            noisy.too_many_missing(self),
        ]

    # Certificate.

    def certificate(self, survivors: bytes, slots: list[int], sid2: bytes | None = None, over: bytes | None = None) -> wire.Certificate:
        named = wire.SurvivorSet(self.c.sid, sid2 or self.c.sid2, survivors)
        over = survivors if over is None else over
        made = [wire.SignedSlot(slot, self.bench.sign(slot, "sign confirm", named.sid, named.sid2, over)) for slot in slots]
        return wire.Certificate(named, tuple(made))

    def certificates(self) -> list[Case]:
        s = self.c.set.survivors
        electors = sorted(self.c.survivors)[: self.c.context.parameters.q]
        good = self.certificate(s, electors)
        forged = replace(good, signatures=(*good.signatures[:-1], replace(good.signatures[-1], signature=fill(1, 64))))

        def case(what: str, made: wire.Certificate, refused_by: str | None = None) -> Case:
            return self.after(6, what, made, refused_by)

        twice = replace(good, signatures=(good.signatures[0], *good.signatures[:-1]))
        return [
            case("a member that was not asked to sign", good),
            self.after(7, "by other electors than before", self.certificate(s, sorted(self.c.survivors)[1:])),
            self.after(5, "before the upload is said to be whole", good, "confirm.after-upload"),
            case("of another second session", self.certificate(s, electors, fill(1)), "reveal.certificate"),
            case("one signature too few", self.certificate(s, electors[:-1]), "reveal.certificate"),
            case("no signature", self.certificate(s, []), "reveal.certificate"),
            case("a signer twice", twice, "reveal.certificate"),
            case("signers in another order", replace(good, signatures=good.signatures[::-1]), "reveal.certificate"),
            case("a signature that does not verify", forged, "confirm.electorate"),
            case("signatures over another set", self.certificate(s, electors, None, b"\x1f"), "confirm.electorate"),
            case("a signer outside S", self.certificate(s, [*electors[:-1], 5]), "confirm.electorate"),
            case("fewer survivors than the floor", self.certificate(b"\x0f", electors), "confirm.set"),
            case("survivors without the member", self.certificate(b"\x5e", [1, 2, 3, 4, 6]), "confirm.check"),
            self.after(7, "other survivors than it signed", self.certificate(b"\x1f", [0, 1, 2, 3, 4]), "reveal.record"),
        ]

    # A second process.

    def meanwhile(self) -> list[Case]:
        task, roster = self.c.context.task_digest.hex(), self.c.context.roster_digest.hex()
        advert = {"act": "advert", "task": task, "round": 1, "roster": roster, "attempt": 1}
        named = {"task": task, "round": 1, "sid2": self.c.sid2.hex()}
        these = session.survivors_digest(self.c.sid2, self.c.set.survivors).hex()

        def case(what: str, at: int, recorded: Fields, refused_by: str | None = None) -> Case:
            return self.case(what, [*self.steps[:at], {"recorded": recorded}, self.steps[at]], refused_by)

        other = {**named, "digest": fill(2).hex()}
        others = {**advert, "task": fill(9).hex()}
        return [
            case("a further attempt before the upload", 4, advert, "attempt.superseded"),
            case("a further attempt before the signature", 6, advert, "attempt.superseded"),
            case("a further attempt before the reveal", 7, advert, "attempt.superseded"),
            case("a further attempt of another task before the upload", 4, others),
            case("a further attempt of another task before the signature", 6, others),
            case("a further attempt of another task before the reveal", 7, others),
            case("other survivors signed, before the signature", 6, {"act": "signed", **other}, "confirm.once"),
            case("these survivors signed, before the signature", 6, {"act": "signed", **named, "digest": these}, "confirm.once"),
            case("other survivors certified, before the signature", 6, {"act": "certified", **other}, "confirm.once"),
            case("survivors of another round signed, before the signature", 6, {"act": "signed", **other, "round": 2}),
            case("other survivors certified, before the reveal", 7, {"act": "certified", **other}, "reveal.record"),
            case("these survivors of another session certified", 7, {"act": "certified", **named, "sid2": fill(1).hex(), "digest": these}, "reveal.record"),
            case("these survivors certified, before the reveal", 7, {"act": "certified", **named, "digest": these}),
        ]

    # ShareRequest.

    def requests(self) -> list[Case]:
        headers, sid2 = self.c.headers, self.c.sid2

        def request(*wanted: tuple[int, Any], of: bytes | None = None) -> wire.ShareRequest:
            return wire.ShareRequest(of or sid2, wanted)

        def case(what: str, made: wire.ShareRequest, refused_by: str | None = None) -> Case:
            return self.after(8, what, made, refused_by)

        def header(slot: int, signer: int, sid: bytes, second: bytes) -> wire.UploadHeader:
            limbs = self.c.context.plan.limbs
            signature = self.bench.sign(signer, "sign upload", sid, second, u32(slot), u64(limbs))
            return wire.UploadHeader(sid, second, slot, limbs, signature)

        sid = self.c.sid
        return [
            case("b of every other survivor, r of the one that is gone", request(*[(1, headers[w]) for w in (1, 2, 3, 4, 6)], (2, 5))),
            case("the same entry twice", request((2, 5), (2, 5))),
            case("nothing", request()),
            self.after(7, "before a certificate", request((2, 5)), "reveal.certificate"),
            case("of another second session", request((2, 5), of=fill(1)), "reveal.own-peers"),
            case("r of a survivor", request((2, 3)), "reveal.root-of-dropped"),
            case("b of a slot that is gone", request((1, header(5, 5, sid, sid2))), "reveal.self-of-survivor"),
            case("b with a header that another signed", request((1, header(3, 4, sid, sid2))), "reveal.header"),
            case("b with a header of another session", request((1, header(3, 3, fill(1), sid2))), "reveal.header"),
            case("b with a header of another second session", request((1, header(3, 3, sid, fill(1)))), "reveal.header"),
            case("r of the member itself", request((2, 0)), "reveal.root-of-dropped"),
            case("b of the member itself, with its own header", request((1, headers[0])), "reveal.own-peers"),
            case("r of a slot beyond the roster", request((2, 7)), "reveal.root-of-dropped"),
            case("b of a slot beyond the roster", request((1, header(7, 6, sid, sid2))), "reveal.self-of-survivor"),
            self.cut_off(request((2, 5))),
            case("one good entry, then a bad one", request((2, 5), (2, 3)), "reveal.root-of-dropped"),
            self.case("after the round is closed", [*self.steps, message(request((2, 5)))], "close.record"),
        ]

    def cut_off(self, asked: wire.ShareRequest) -> Case:
        """Slot 5 cut its edge to the member, who did not mask with it then."""
        s: wire.ShareSet = self.honest(3)
        shown = message(replace(s, accepts=(self.accept(5, (0,)),)))
        steps = [*self.steps[:3], shown, *self.steps[4:8], message(asked)]
        return self.case("r of a slot whose edge is cut", steps, "reveal.own-peers")

    # Receipt.

    def receipts(self) -> list[Case]:
        r: wire.Receipt = self.honest(9)
        coordinator = self.bench.federation.coordinator

        def signed(by: Any = None, **more: Any) -> wire.Receipt:
            made = replace(r, **more)
            return replace(made, signature=(by or coordinator).sign("sign receipt", *receipt_parts(made)))

        def case(what: str, made: wire.Receipt, refused_by: str | None = None) -> Case:
            return self.after(9, what, made, refused_by)

        return [
            case("another sum has the coordinator's word too", signed(sum=fill(1))),
            case("a bit of the sum changed", replace(r, sum=fill(1)), "receipt.check"),
            case("signed by a member", signed(self.bench.federation.members[1]), "receipt.check"),
            case("other survivors than certified", signed(survivors=b"\x1f"), "receipt.check"),
            case("another second session", signed(sid2=fill(1)), "receipt.check"),
            case("another attempt", signed(attempt=1), "receipt.check"),
            self.after(7, "without a certificate the coordinator's word stands", signed(survivors=b"\x1f")),
            self.after(7, "but not for a set that is none of this roster", signed(survivors=b"\x9f"), "bitmap.exact"),
        ]


class NoisyMember:
    """A round with noise, a floor below n - T, and T = 2."""

    def too_many_missing(self, of: Members) -> Case:
        noise = replace(NOISE, parameter=tasks.Decimal(400, 0))
        bench = Bench(integer_task("noised", 8, 1, 2, noise=noise, floor=3))
        c = bench.outcome.coordinator
        three = wire.SurvivorSet(c.sid, c.sid2, b"\x07")
        assert session.second_session_id(c.sid, c.context.bitmap(c.shared)) == c.sid2
        draws = {what: data.hex() for what, data in bench.outcome.draws[0].items()}
        steps = [*bench.outcome.inboxes[0][:6], message(three)]
        return of.case("more missing than the noise reckons with", steps, "confirm.noise", draws=draws)




class RingMembers:
    """A ring of 18 with six neighbours each: windows of three, two of them wanted. A committee of some slots signs."""

    def __init__(self) -> None:
        task = integer_task("ring", 8, 0, 1, graph=(3, 6))
        self.bench = Bench(task, 18, {})
        self.c = self.bench.outcome.coordinator
        graph = self.c.context.graph
        assert graph.ring is not None
        self.ring = graph.ring
        self.elector = min(graph.electorate)
        self.other = min(set(self.ring) - graph.electorate)

    def case(self, what: str, slot: int, count: int, last: Any, refused_by: str | None = None) -> Case:
        steps = [*self.bench.outcome.inboxes[slot][:count], message(last)]
        given = {
            "identity": _identity(self.bench.federation, f"member-{slot}"),
            "roster": fields_of(self.bench.federation.roster),
            "site": SITE,
            "ledger": [],
            "draws": {name: data.hex() for name, data in self.bench.outcome.draws[slot].items()},
            "steps": steps,
        }
        return Case(what, given, refused_by)

    def honest(self, slot: int, kind: type) -> Any:
        read = [self.bench.read(step) for step in self.bench.outcome.inboxes[slot] if "message" in step]
        return next(made for made in read if isinstance(made, kind))

    def facts(self) -> Iterator[Fact]:
        def fact(name: str, text: str, source: str, cases: list[Case]) -> Fact:
            return Fact("member", name, "MemberSteps", text, source, cases)

        source = "protocol.md 10 [advert.own-leaf] [advert.proof], 12 to 14, parameters.md 5 [graph.window]"
        yield fact("adverts-of-a-ring-are-proven", "The own advert and each neighbour's are proven at their slots.", source, self.proofs())
        yield fact("sets-of-a-ring-have-no-thin-window", "Share set, survivors and certificate pass the window rule.", source, self.windows())

    def proofs(self) -> list[Case]:
        a: wire.Adverts = self.honest(0, wire.Adverts)
        first, second = a.neighbours[:2]

        def case(what: str, made: wire.Adverts, refused_by: str | None) -> Case:
            return self.case(what, 0, 1, made, refused_by)

        def with_first(**more: Any) -> wire.Adverts:
            return replace(a, neighbours=(replace(first, **more), *a.neighbours[1:]))

        return [
            case("as they were sent", a, None),
            case("the own proof of another slot", replace(a, own_proof=first.proof), "advert.own-leaf"),
            case("no own proof", replace(a, own_proof=()), "advert.own-leaf"),
            case("an own proof a hash too long", replace(a, own_proof=(*a.own_proof, fill(1))), "advert.own-leaf"),
            case("another root", replace(a, root=fill(1)), "advert.own-leaf"),
            case("a neighbour's proof of another slot", with_first(proof=second.proof), "advert.proof"),
            case("a neighbour's proof a hash too short", with_first(proof=first.proof[:-1]), "advert.proof"),
            case("a neighbour's advert changed", with_first(advert=replace(first.advert, commitment=fill(1))), "advert.proof"),
            case("a neighbour left out", replace(a, neighbours=a.neighbours[1:]), "advert.neighbours"),
        ]

    def windows(self) -> list[Case]:
        bitmap = self.c.context.bitmap
        everyone = set(self.ring)
        slot = self.elector
        at = self.ring.index(slot)
        # The floor is 17, so two missing are refused by it before any window is looked at.
        pair = {self.ring[(at + 8) % 18], self.ring[(at + 9) % 18]}
        one = {self.ring[(at + 8) % 18]}
        share: wire.ShareSet = self.honest(slot, wire.ShareSet)
        chosen: wire.SurvivorSet = self.honest(slot, wire.SurvivorSet)
        certificate: wire.Certificate = self.honest(self.other, wire.Certificate)
        lone = certificate.signatures[:-1]
        return [
            self.case("a Share set with one missing", slot, 3, replace(share, shared=bitmap(everyone - one))),
            self.case("a Share set with two missing is below the floor", slot, 3, replace(share, shared=bitmap(everyone - pair)), "share.set"),
            self.case("survivors with one missing", slot, 6, replace(chosen, survivors=bitmap(everyone - one))),
            self.case("a slot outside the committee is asked to sign", self.other, 6, chosen, "confirm.electorate"),
            self.case("a slot outside the committee reveals on a certificate", self.other, 6, certificate),
            self.case("a certificate with a signature too few", self.other, 6, replace(certificate, signatures=lone), "reveal.certificate"),
            self.case("signed by a survivor outside the committee", self.other, 6, self.signed_outside(certificate), "confirm.electorate"),
            *self.thin(),
        ]

    def signed_outside(self, certificate: wire.Certificate) -> wire.Certificate:
        own = self.bench.sign(self.other, "sign confirm", self.c.sid, self.c.sid2, certificate.set.survivors)
        kept = certificate.signatures[:-1]
        signed = sorted([*kept, wire.SignedSlot(self.other, own)], key=lambda each: each.slot)
        return replace(certificate, signatures=tuple(signed))

    def thin(self) -> list[Case]:
        """With a floor of 3 given by hand only the window rule is left to refuse."""
        bench = RingMembers.__new__(RingMembers)
        task = integer_task("ring", 8, 0, 1, graph=(3, 6), floor=3)
        bench.bench = Bench(task, 18, {})
        bench.c = bench.bench.outcome.coordinator
        slot = self.elector
        at = self.ring.index(slot)
        pair = {self.ring[(at + 8) % 18], self.ring[(at + 9) % 18]}
        apart = {self.ring[(at + 8) % 18], self.ring[(at + 11) % 18]}
        bitmap, everyone = bench.c.context.bitmap, set(self.ring)
        share: wire.ShareSet = bench.honest(slot, wire.ShareSet)
        chosen: wire.SurvivorSet = bench.honest(slot, wire.SurvivorSet)
        thin = wire.SurvivorSet(chosen.sid, chosen.sid2, bitmap(everyone - pair))
        electors = sorted(bench.c.context.graph.electorate - pair)
        parts = (thin.sid, thin.sid2, thin.survivors)
        signed = tuple(wire.SignedSlot(each, bench.bench.sign(each, "sign confirm", *parts)) for each in electors)
        assert len(signed) >= bench.c.context.parameters.q
        return [
            bench.case("two missing apart leave no thin window", slot, 6, replace(chosen, survivors=bitmap(everyone - apart))),
            bench.case("a Share set with a thin window", slot, 3, replace(share, shared=bitmap(everyone - pair)), "share.set"),
            bench.case("survivors with a thin window", slot, 6, thin, "confirm.set"),
            bench.case("a certificate over a thin window", slot, 6, wire.Certificate(thin, signed), "confirm.set"),
        ]
