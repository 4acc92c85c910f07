"""The member's machine: every check in the order of protocol.md, sections 8 to 16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import agreement, encoding, merkle, noise, ring, rosters, session, sharing, wire
from .context import Context, accept_parts, derive, receipt_parts
from .identity import Identity, verifies
from .ledger import Entry, Ledger
from .octets import u32, u64
from .parameters import cut_limit
from .refusal import Refused, require

Draw = Callable[[str, int], bytes]
"""Fresh random bytes: what for, and how many."""


@dataclass(frozen=True)
class Site:
    """[join.policy] [join.ledger] [upload.reuse]"""

    min_survivors: int = 3
    min_corrupt: int | None = None
    unlisted: str = "complete-graph"
    noise_required: bool = False
    retries: bool = True
    reuse: bool = False
    bounded: bool = False
    """Whether the site bounds epsilon per task or in total."""


class Member:
    """One member in one attempt. A refused message leaves it where it was."""

    def __init__(self, identity: Identity, roster: rosters.Roster, ledger: Ledger, draw: Draw, site: Site = Site()) -> None:
        self.identity = identity
        self.roster = roster
        self.ledger = ledger
        self.draw = draw
        self.site = site
        self.context: Context | None = None
        self.closed = False
        self.adverts_seen: wire.Adverts | None = None
        self.sealed: wire.SealedShares | None = None
        self.delivered_seen: wire.DeliveredShares | None = None
        self.accepted: wire.Accept | None = None
        self.share_set_seen: wire.ShareSet | None = None
        self.upload: tuple[wire.UploadHeader, bytes] | None = None
        self.stored = False
        self.confirmed: tuple[bytes, wire.Confirmation] | None = None
        self.revealed: wire.Reveal | None = None
        self.certified: bytes | None = None

    # Section 8.

    def on_open(self, message: wire.Open) -> wire.Advert:
        require(message.roster == rosters.digest(self.roster), "open.roster", "another roster")
        context = derive(self.roster, message.task, message.round, message.attempt, message.base_model)
        require(message.parameters == context.parameters, "open.parameters", "other parameters")
        require(message.round >= 1, "open.round", "round 0")
        require(message.round <= self.roster.last_round, "open.round", f"round {message.round}")
        require(message.attempt < context.task.max_attempts, "open.attempt", f"attempt {message.attempt}")
        slot = next((e.slot for e in self.roster.members if e.key == self.identity.public), None)
        require(slot in context.graph.population, "open.slot", "no slot in this round")
        assert slot is not None
        self._check_site(context)
        self._check_join(context)
        return self._advertise(context, slot)

    def _check_site(self, context: Context) -> None:
        listed = rosters.task_digests(self.roster)
        if listed:
            require(context.task_digest in listed, "open.task-signed", "a task that the roster does not list")
        else:
            require(self.site.unlisted != "refuse", "open.task-drawn", "an unlisted task")
            require(self.site.unlisted == "any" or not context.drawn(), "open.task-drawn", "an unlisted task with a drawn graph")
        require(context.parameters.f >= self.site.min_survivors, "join.policy", f"floor {context.parameters.f}")
        wanted = self.site.min_corrupt if self.site.min_corrupt is not None else max(1, context.slots // 10)
        require(self._corrupt_of_roster(context) >= wanted, "join.policy", "too few corrupt members reckoned with")
        require(context.noise is not None or not self.site.noise_required, "join.policy", "no noise")

    def _corrupt_of_roster(self, context: Context) -> int:
        kind, amount = context.task.corrupt
        return int(amount if kind == 2 else amount.value * context.slots // 1)

    def _check_join(self, context: Context) -> None:
        where = (context.task_digest, context.roster_digest, context.round, context.attempt)
        self.ledger.check_join(*where, self.site.retries)

    # Section 9.

    def _advertise(self, context: Context, slot: int) -> wire.Advert:
        """[advertise.record] [advertise.fresh] [advertise.noise]"""
        task, roster, round_, attempt = context.task_digest, context.roster_digest, context.round, context.attempt
        self.ledger.record(Entry("advert", task, round_, roster=roster, attempt=attempt))
        self.context, self.slot = context, slot
        self.seal_private = self.draw("seal key", 32)
        self.root_seed = sharing.reduce_wide(self.draw("root seed", 64))
        self.self_seed = sharing.scalar_bytes(sharing.reduce_wide(self.draw("self seed", 64)))
        self.mask_private = agreement.mask_private(sharing.scalar_bytes(self.root_seed), task, round_, attempt, slot)
        self.base_seed = self.draw("noise base seed", 32) if context.noise else b""
        self.chain_values: list[bytes] = []
        if context.chained:
            assert context.noise is not None
            self.chain_values = noise.chain(self.draw("noise chain", 32), context.where(slot), len(context.noise.components))
        advert = wire.Advert(
            task,
            roster,
            round_,
            attempt,
            slot,
            agreement.x25519_public(self.seal_private),
            agreement.x25519_public(self.mask_private),
            agreement.commitment(self.self_seed, task, round_, attempt, slot),
            self.chain_values[-1] if context.chained else None,
            bytes(64),
        )
        signature = self.identity.sign("sign advert", *context.advert_parts(advert))
        self.advert = wire.Advert(**{**advert.__dict__, "signature": signature})
        return self.advert

    def _open(self) -> Context:
        require(self.context is not None and not self.closed, "close.record", "no open attempt")
        assert self.context is not None
        return self.context

    # Section 10.

    def on_adverts(self, message: wire.Adverts) -> wire.SealedShares:
        context = self._open()
        if self.adverts_seen is not None:
            require(message == self.adverts_seen, "advert.once", "another Adverts")
            assert self.sealed is not None
            return self.sealed
        found = (message.task, message.round, message.attempt)
        require(found == (context.task_digest, context.round, context.attempt), "advert.attempt", "another attempt")
        advertised = context.read(message.advertised)
        context.check_floor(advertised)
        require(self.slot in advertised, "advertise.floor", "U1 without the member")
        near = context.neighbours(self.slot, advertised)
        require([each.advert.slot for each in message.neighbours] == near, "advert.neighbours", "others than the neighbours in U1")
        self._check_tree(context, message)
        for each in message.neighbours:
            try:
                context.check_advert(each.advert)
            except Refused as why:
                raise Refused("advert.signature", why.text) from why
        self.adverts_seen = message
        self.advertised = advertised
        self._begin_session(context, message)
        self.sealed = self._deal(context, [each.advert for each in message.neighbours])
        return self.sealed

    def _check_tree(self, context: Context, message: wire.Adverts) -> None:
        """[advert.tree] [advert.own-leaf] [advert.proof]"""
        own = merkle.advert_leaf(wire.ADVERT.write(self.advert))
        if context.graph.ring is None:
            leaves: list[bytes | None] = [None] * context.slots
            leaves[self.slot] = own
            for each in message.neighbours:
                leaves[each.advert.slot] = merkle.advert_leaf(wire.ADVERT.write(each.advert))
            require(merkle.root(leaves) == message.root, "advert.tree", "another root")
            return
        self._proven(context, own, self.slot, message.own_proof, message.root, "advert.own-leaf")
        for each in message.neighbours:
            leaf = merkle.advert_leaf(wire.ADVERT.write(each.advert))
            self._proven(context, leaf, each.advert.slot, each.proof, message.root, "advert.proof")

    def _proven(self, context: Context, leaf: bytes, slot: int, proof: tuple[bytes, ...], root: bytes, requirement: str) -> None:
        try:
            reached = merkle.root_of_proof(leaf, slot, context.slots, proof)
        except Refused as why:
            raise Refused(requirement, why.text) from why
        require(reached == root, requirement, f"proof of slot {slot}")

    def _begin_session(self, context: Context, message: wire.Adverts) -> None:
        self.sid = session.session_id(
            context.task_digest,
            context.roster_digest,
            context.round,
            context.attempt,
            context.base_model,
            self.roster.randomness,
            context.parameters,
            context.slots,
            message.advertised,
            message.root,
        )

    def _deal(self, context: Context, adverts: list[wire.Advert]) -> wire.SealedShares:
        """[advert.key] [share.cut-key] [share.threshold] [share.once]"""
        own_keys = (self.advert.seal_key, self.advert.mask_key)
        self.cuts: dict[int, int] = {}
        self.pair_seeds: dict[int, bytes] = {}
        self.seal_publics = {advert.slot: advert.seal_key for advert in adverts}
        sealing: dict[int, bytes] = {}
        for advert in adverts:
            try:
                copied = advert.seal_key in own_keys or advert.mask_key in own_keys
                require(not copied, "advert.key", "a copy of an own key")
                pair = agreement.pair_seed(self.mask_private, advert.mask_key, self.sid, self.slot, advert.slot)
                sealing[advert.slot] = agreement.seal_key(self.seal_private, advert.seal_key, self.sid, self.slot, advert.slot)
                self.pair_seeds[advert.slot] = pair
            except Refused:
                self.cuts[advert.slot] = wire.CUT_KEY
        holders = context.graph.neighbours(self.slot)
        further = context.parameters.t - 1
        root_shares = sharing.share_out(self.root_seed, self._coefficients("root", further), holders)
        secret = int.from_bytes(self.self_seed, "little")
        self_shares = sharing.share_out(secret, self._coefficients("self", further), holders)
        parts = []
        for to, key in sealing.items():
            root_share, self_share = sharing.scalar_bytes(root_shares[to]), sharing.scalar_bytes(self_shares[to])
            parts.append(
                wire.SealedShare(
                    to,
                    agreement.seal(key, self.sid, self.slot, to, root_share, self_share),
                    agreement.root_share_digest(root_share, self.sid, self.slot, to),
                    agreement.self_share_digest(self_share, self.sid, self.slot, to),
                    agreement.pair_hash(self.pair_seeds[to], self.sid, self.slot, to),
                )
            )
        root = merkle.root(part_leaves(self.sid, self.slot, context.neighbours(self.slot, self.advertised), parts))
        self.root_seed = 0
        return wire.SealedShares(self.sid, self.slot, tuple(parts), self.identity.sign("sign shares", self.sid, u32(self.slot), root))

    def _coefficients(self, of: str, count: int) -> list[int]:
        return [sharing.reduce_wide(self.draw(f"{of} coefficient {i}", 64)) for i in range(1, count + 1)]

    # Section 11.

    def on_delivered(self, message: wire.DeliveredShares) -> wire.Accept:
        context = self._open()
        require(self.sealed is not None and message.sid == self.sid, "share.delivered", "another session")
        if self.delivered_seen is not None:
            require(message == self.delivered_seen, "accept.once", "another DeliveredShares")
            assert self.accepted is not None
            return self.accepted
        near = context.neighbours(self.slot, self.advertised)
        senders = [each.from_ for each in message.shares]
        ascending = all(a < b for a, b in zip(senders, senders[1:]))
        require(ascending and set(senders) <= set(near), "share.delivered", "entries of others, or out of order")
        self.delivered_seen = message
        self.held: dict[int, tuple[bytes, bytes]] = {}
        for each in message.shares:
            if self._signed_by_dealer(context, each):
                reason = self._judge(each)
                if reason is not None:
                    self.cuts.setdefault(each.from_, reason)
        cuts = tuple(wire.Cut(slot, reason) for slot, reason in sorted(self.cuts.items()))
        unsigned = wire.Accept(self.sid, self.slot, cuts, bytes(64))
        signature = self.identity.sign("sign accept", *accept_parts(unsigned))
        self.accepted = wire.Accept(self.sid, self.slot, cuts, signature)
        return self.accepted

    def _signed_by_dealer(self, context: Context, entry: wire.DeliveredShare) -> bool:
        """[share.signature]"""
        dealer = entry.from_
        around = context.neighbours(dealer, self.advertised)
        if entry.part is None:
            leaf = merkle.empty_leaf()
        elif entry.part.to != self.slot:
            return False
        else:
            leaf = leaf_of(self.sid, dealer, entry.part)
        try:
            root = merkle.root_of_proof(leaf, around.index(self.slot), len(around), entry.proof)
        except Refused:
            return False
        return verifies(context.key(dealer), entry.signature, "sign shares", self.sid, u32(dealer), root)

    def _judge(self, entry: wire.DeliveredShare) -> int | None:
        """[share.cut-pair] [share.cut-share]"""
        dealer, part = entry.from_, entry.part
        if dealer in self.cuts:
            return None
        if part is None or part.pair_hash != agreement.pair_hash(self.pair_seeds[dealer], self.sid, self.slot, dealer):
            return wire.CUT_PAIR_SEED
        key = agreement.seal_key(self.seal_private, self.seal_publics[dealer], self.sid, dealer, self.slot)
        try:
            root_share, self_share = agreement.open_sealed(key, self.sid, dealer, self.slot, part.ciphertext)
        except Refused:
            return wire.CUT_SHARE
        good = (
            sharing.canonical(root_share)
            and sharing.canonical(self_share)
            and agreement.root_share_digest(root_share, self.sid, dealer, self.slot) == part.root_digest
            and agreement.self_share_digest(self_share, self.sid, dealer, self.slot) == part.self_digest
        )
        if not good:
            return wire.CUT_SHARE
        self.held[dealer] = (root_share, self_share)
        return None

    # Section 12.

    def on_share_set(self, message: wire.ShareSet) -> None:
        context = self._open()
        require(self.accepted is not None, "share.set-session", "no session")
        if self.share_set_seen is not None:
            if message != self.share_set_seen:
                self._close()
                raise Refused("share.set-once", "a second, different Share set")
            return
        require(message.sid == self.sid, "share.set-session", "another session")
        shared = context.read(message.shared)
        context.check_share_set(shared, self.advertised)
        require(self.slot in shared, "share.set", "U2 without the member")
        cut = set(self.cuts) | self._shown_cuts(context, message)
        limit = cut_limit(context.parameters)
        require(len(cut) <= limit, "share.cut-limit", f"{len(cut)} edges cut, limit {limit}")
        near = context.neighbours(self.slot, shared)
        unseen = [slot for slot in near if slot not in cut and slot not in self.held]
        require(not unseen, "share.unseen", f"no Share of {unseen}")
        self.share_set_seen = message
        self.shared = shared
        self.masked_with = [slot for slot in near if slot not in cut]
        self.sid2 = session.second_session_id(self.sid, message.shared)
        self.pair_seeds = {slot: self.pair_seeds[slot] for slot in self.masked_with}
        self.held = {slot: self.held[slot] for slot in self.masked_with}

    def _shown_cuts(self, context: Context, message: wire.ShareSet) -> set[int]:
        """[share.cut-order] [share.cut-signed]"""
        slots = [accept.slot for accept in message.accepts]
        require(all(a < b for a, b in zip(slots, slots[1:])), "share.cut-order", "accepts out of order")
        near = context.neighbours(self.slot, self.advertised)
        for accept in message.accepts:
            require(accept.slot in near, "share.cut-signed", f"slot {accept.slot} is no neighbour in U1")
            require(accept.sid == self.sid, "share.cut-signed", "another session")
            require(any(cut.slot == self.slot for cut in accept.cuts), "share.cut-signed", "does not cut this member")
            good = verifies(context.key(accept.slot), accept.signature, "sign accept", *accept_parts(accept))
            require(good, "share.cut-signed", f"signature of slot {accept.slot}")
        return set(slots)

    def noise(self) -> list[int] | None:
        """The noise of this attempt, for each padded coordinate."""
        context = self._open()
        if context.noise is None:
            return None
        first = self.chain_values[0] if self.chain_values else None
        return noise.member_noise(context.noise, self.base_seed, first, context.where(self.slot), context.plan.padded)

    def contribution(self, update: encoding.Update, weight: int = 1) -> bytes:
        """Packed blocks of an update, noise included."""
        context = self._open()
        keys = [self.draw("rounding key", 32)] if context.task.encoding[0] == 1 else []
        values = encoding.integers(context.plan, update, weight, context.rotation_seed, keys)
        return encoding.contribution(context.plan, encoding.noised(context.plan, values, self.noise()), weight)

    def on_contribution(self, packed: bytes, update_digest: bytes) -> tuple[wire.UploadHeader, bytes]:
        """[upload.record] [upload.mask] [upload.base] [upload.duplicate]"""
        context = self._open()
        require(self.share_set_seen is not None, "upload.after-set", "no Share set yet")
        require(self.upload is None, "upload.duplicate", "a second contribution")
        require(len(packed) == 8 * context.plan.limbs, "upload.plan-length", "another length than the plan's")
        task, round_ = context.task_digest, context.round
        self.ledger.check_superseded(task, round_, context.attempt)
        self.ledger.check_update(task, round_, update_digest, self.site.reuse, context.noise is not None and self.site.bounded)
        if context.noise is not None and not self.ledger.of(task, round_, "charged"):
            self.ledger.record(Entry("charged", task, round_))
        self.ledger.record(Entry("update", task, round_, attempt=context.attempt, digest=update_digest))
        masked = ring.apply_mask(packed, agreement.self_mask_key(self.self_seed, self.sid2, self.slot), 1)
        for slot in self.masked_with:
            key = agreement.pair_mask_key(self.pair_seeds[slot], self.sid2, self.slot, slot)
            masked = ring.apply_mask(masked, key, ring.pair_sign(self.slot, slot))
        self.base_seed = b""
        limbs = len(masked) // 8
        signature = self.identity.sign("sign upload", self.sid, self.sid2, u32(self.slot), u64(limbs))
        self.upload = (wire.UploadHeader(self.sid, self.sid2, self.slot, limbs, signature), masked)
        return self.upload

    def on_stored(self, message: wire.UploadStored) -> None:
        self._open()
        require(self.upload is not None, "confirm.after-upload", "nothing was uploaded")
        require((message.sid2, message.slot) == (self.sid2, self.slot), "upload.stored", "another session or slot")
        self.stored = True

    # Section 13.

    def on_survivor_set(self, message: wire.SurvivorSet) -> wire.Confirmation:
        context = self._open()
        require(self.upload is not None and self.stored, "confirm.after-upload", "no whole upload")
        require((message.sid, message.sid2) == (self.sid, self.sid2), "confirm.session", "another session")
        if self.confirmed is not None:
            require(message.survivors == self.confirmed[0], "confirm.one-set", "another set")
            return self.confirmed[1]
        require(self.slot in context.graph.electorate, "confirm.electorate", "not an elector")
        survivors = context.read(message.survivors)
        context.check_survivors(survivors, self.shared)
        require(self.slot in survivors, "confirm.check", "a set without this member")
        task, round_ = context.task_digest, context.round
        self.ledger.check_superseded(task, round_, context.attempt)
        require(not self.ledger.survivors(task, round_), "confirm.once", "survivors of this round are in the ledger")
        digest = session.survivors_digest(self.sid2, message.survivors)
        self.ledger.record(Entry("signed", task, round_, sid2=self.sid2, digest=digest))
        signature = self.identity.sign("sign confirm", self.sid, self.sid2, message.survivors)
        self.confirmed = (message.survivors, wire.Confirmation(self.sid2, wire.SignedSlot(self.slot, signature)))
        return self.confirmed[1]

    # Section 14.

    def on_certificate(self, message: wire.Certificate) -> wire.Reveal:
        context = self._open()
        require(self.upload is not None and self.stored, "confirm.after-upload", "no whole upload")
        require((message.set.sid, message.set.sid2) == (self.sid, self.sid2), "reveal.certificate", "another session")
        raw = message.set.survivors
        survivors = context.read(raw)
        context.check_survivors(survivors, self.shared)
        require(len(message.signatures) >= context.parameters.q, "reveal.certificate", f"{len(message.signatures)} signatures")
        slots = [signed.slot for signed in message.signatures]
        require(all(a < b for a, b in zip(slots, slots[1:])), "reveal.certificate", "signers out of order")
        for signed in message.signatures:
            context.check_signature(self.sid, self.sid2, raw, signed)
        require(self.slot in survivors, "confirm.check", "a set without this member")
        task, round_ = context.task_digest, context.round
        self.ledger.check_superseded(task, round_, context.attempt)
        named = (self.sid2, session.survivors_digest(self.sid2, raw))
        known = self.ledger.survivors(task, round_)
        require(all(each == named for each in known), "reveal.record", "other survivors are in the ledger")
        if self.revealed is not None:
            return self.revealed
        if not known:
            self.ledger.record(Entry("certified", task, round_, sid2=self.sid2, digest=named[1]))
        self.certified, self.survivors = raw, survivors
        self.revealed = self._reveal(context, survivors)
        return self.revealed

    def _reveal(self, context: Context, survivors: frozenset[int]) -> wire.Reveal:
        """[reveal.direct] [reveal.chain]"""
        gone = [slot for slot in self.masked_with if slot not in survivors]
        value = None
        if context.chained:
            assert context.noise is not None
            level = context.noise.level(context.parameters.n - len(survivors))
            if level < len(context.noise.components):
                value = self.chain_values[level]
            self.chain_values = []
        seeds = tuple(wire.PairSeedReveal(slot, self.pair_seeds[slot]) for slot in gone)
        return wire.Reveal(self.sid2, self.slot, self.self_seed, seeds, value)

    # Section 15.

    def on_share_request(self, message: wire.ShareRequest) -> wire.Shares:
        """[reveal.shares] One entry that may not be given refuses all."""
        context = self._open()
        require(self.certified is not None, "reveal.certificate", "no certificate yet")
        require(message.sid2 == self.sid2, "reveal.own-peers", "another session")
        answers = []
        for kind, content in message.wanted:
            slot = content.slot if kind == wire.SELF_SEED else content
            if kind == wire.SELF_SEED:
                require(slot in self.survivors, "reveal.self-of-survivor", f"slot {slot} is no survivor")
                own = (content.sid, content.sid2) == (self.sid, self.sid2)
                require(own and context.header_is_signed(content), "reveal.header", f"no signed header of slot {slot}")
            else:
                require(slot in self.shared and slot not in self.survivors, "reveal.root-of-dropped", f"slot {slot}")
            require(slot in self.masked_with, "reveal.own-peers", f"not masked with slot {slot}")
            answers.append(wire.ShareAnswer(kind, slot, self.held[slot][0 if kind == wire.ROOT_SEED else 1]))
        return wire.Shares(self.sid2, self.slot, tuple(answers))

    # Sections 16 and 17.

    def on_receipt(self, message: wire.Receipt) -> None:
        """[receipt.check]"""
        context = self._open()
        found = (message.task, message.round, message.attempt)
        require(found == (context.task_digest, context.round, context.attempt), "receipt.check", "another attempt")
        good = verifies(self.roster.coordinator, message.signature, "sign receipt", *receipt_parts(message))
        require(good, "receipt.check", "signature does not verify")
        context.read(message.survivors)
        if self.certified is not None:
            same = (message.sid, message.sid2, message.survivors) == (self.sid, self.sid2, self.certified)
            require(same, "receipt.check", "other sessions or survivors than the certificate's")
        self._close()

    def on_abort(self, message: wire.AbortNotice) -> None:
        """[close.abort]"""
        context = self._open()
        found = (message.task, message.round, message.attempt)
        require(found == (context.task_digest, context.round, context.attempt), "close.abort", "another attempt")
        self._close()

    def _close(self) -> None:
        """[close.record] The model wipes nothing; it forgets."""
        assert self.context is not None
        self.ledger.record(Entry("closed", self.context.task_digest, self.context.round, attempt=self.context.attempt))
        self.closed = True
        self.seal_private = self.self_seed = self.mask_private = self.base_seed = b""
        self.pair_seeds, self.held, self.chain_values = {}, {}, []


def leaf_of(sid: bytes, dealer: int, part: wire.SealedShare) -> bytes:
    return merkle.share_leaf(sid, dealer, part.to, part.ciphertext, part.root_digest, part.self_digest, part.pair_hash)


def part_leaves(sid: bytes, dealer: int, around: list[int], parts: list[wire.SealedShare]) -> list[bytes | None]:
    """The leaves of a dealer's tree: `around` are its neighbours in U1."""
    by_slot = {part.to: leaf_of(sid, dealer, part) for part in parts}
    return [by_slot.get(slot) for slot in around]
