"""The coordinator's machine: phases, checks, recovery and the sum. Source: protocol.md sections 7 to 17.

A method that takes a message raises `Refused` when the message is the sender's fault; nothing of it counts then. A method that
closes a phase raises `Ended` when the attempt or round ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import agreement, encoding, merkle, noise, ring, session, sharing, wire
from .context import Context, accept_parts, receipt_parts
from .identity import Identity, verifies
from .member import part_leaves
from .octets import u32
from .parameters import cut_limit
from .primitives import sha256
from .refusal import Refused, require
from .tasks import encode as encode_task


class Ended(Exception):
    """The end of an attempt or round: the requirement, and whether a further attempt may follow."""

    def __init__(self, phase: str, why: Refused, again: bool) -> None:
        super().__init__(f"{phase}: {why}")
        self.phase, self.requirement, self.again = phase, why.requirement, again


@dataclass
class Coordinator:
    context: Context
    identity: Identity
    adverts: dict[int, wire.Advert] = field(default_factory=dict)
    sealed: dict[int, wire.SealedShares] = field(default_factory=dict)
    accepts: dict[int, wire.Accept] = field(default_factory=dict)
    headers: dict[int, wire.UploadHeader] = field(default_factory=dict)
    masked: dict[int, bytes] = field(default_factory=dict)
    signatures: dict[int, wire.SignedSlot] = field(default_factory=dict)
    reveals: dict[int, wire.Reveal] = field(default_factory=dict)
    answered: dict[int, wire.Shares] = field(default_factory=dict)
    blamed: list[tuple[int, str]] = field(default_factory=list)
    phase: str = "Advertise"

    # Open and Advertise.

    def open(self, deadlines: wire.Deadlines) -> wire.Open:
        c = self.context
        return wire.Open(encode_task(c.task), c.roster_digest, c.round, c.attempt, c.base_model, c.parameters, deadlines)

    def _due(self, kept: dict[int, object], sender: int, named: int, message: object, listens: bool, phase: str) -> bool:
        """[message.sender] [message.second] Whether the message is new."""
        require(self.phase == phase and listens, "message.sender", f"slot {sender} is not listened to in {self.phase}")
        require(named == sender, "message.sender", f"slot {named} named by slot {sender}")
        if sender in kept:
            require(kept[sender] == message, "message.second", f"another message of slot {sender}")
            return False
        return True

    def on_advert(self, sender: int, message: wire.Advert) -> None:
        if self._due(dict(self.adverts), sender, message.slot, message, sender in self.context.graph.population, "Advertise"):
            self.context.check_advert(message)
            self.adverts[sender] = message

    def close_advertise(self) -> dict[int, wire.Adverts]:
        c = self.context
        self.advertised = frozenset(self.adverts)
        self._end_unless("Advertise", True, lambda: c.check_floor(self.advertised))
        leaves: list[bytes | None] = [None] * c.slots
        for slot, advert in self.adverts.items():
            leaves[slot] = merkle.advert_leaf(wire.ADVERT.write(advert))
        root, paths = merkle.root(leaves), merkle.proofs(leaves)
        u1 = c.bitmap(self.advertised)
        self.sid = session.session_id(
            c.task_digest, c.roster_digest, c.round, c.attempt, c.base_model, c.roster.randomness, c.parameters, c.slots, u1, root
        )
        self.phase = "Share"
        out = {}
        for slot in sorted(self.advertised):
            near = c.neighbours(slot, self.advertised)
            proven = c.graph.ring is not None
            shown = tuple(wire.ProvenAdvert(self.adverts[i], paths[i] if proven else ()) for i in near)
            out[slot] = wire.Adverts(c.task_digest, c.round, c.attempt, u1, root, paths[slot] if proven else (), shown)
        return out

    def _end_unless(self, phase: str, again: bool, check) -> None:  # type: ignore[no-untyped-def]
        try:
            check()
        except Refused as why:
            self.phase = "Aborted"
            raise Ended(phase, why, again) from why

    # Share.

    def on_sealed(self, sender: int, message: wire.SealedShares) -> None:
        c = self.context
        if not self._due(dict(self.sealed), sender, message.slot, message, sender in self.advertised, "Share"):
            return
        require(message.sid == self.sid, "message.sender", "another session")
        near = c.neighbours(sender, self.advertised)
        to = [part.to for part in message.parts]
        require(set(to) <= set(near) and all(a < b for a, b in zip(to, to[1:])), "share.parts", "parts of others, or out of order")
        root = merkle.root(part_leaves(self.sid, sender, near, list(message.parts)))
        good = verifies(c.key(sender), message.signature, "sign shares", self.sid, u32(sender), root)
        require(good, "share.relay", f"signature of slot {sender}")
        self.sealed[sender] = message

    def close_share(self) -> dict[int, wire.DeliveredShares]:
        c = self.context
        dealers = frozenset(self.sealed)
        self._end_unless("Share", True, lambda: c.check_share_set(dealers, self.advertised))
        proofs, parts = {}, {}
        for dealer, message in self.sealed.items():
            near = c.neighbours(dealer, self.advertised)
            proofs[dealer] = dict(zip(near, merkle.proofs(part_leaves(self.sid, dealer, near, list(message.parts))), strict=True))
            parts[dealer] = {part.to: part for part in message.parts}
        self.phase = "Accept"
        return {
            slot: wire.DeliveredShares(
                self.sid,
                tuple(
                    wire.DeliveredShare(dealer, parts[dealer].get(slot), proofs[dealer][slot], self.sealed[dealer].signature)
                    for dealer in c.neighbours(slot, dealers)
                ),
            )
            for slot in sorted(dealers)
        }

    def on_accept(self, sender: int, message: wire.Accept) -> None:
        c = self.context
        if not self._due(dict(self.accepts), sender, message.slot, message, sender in self.sealed, "Accept"):
            return
        require(message.sid == self.sid, "message.sender", "another session")
        slots = [cut.slot for cut in message.cuts]
        near = c.neighbours(sender, self.advertised)
        require(set(slots) <= set(near) and all(a < b for a, b in zip(slots, slots[1:])), "accept.cuts", "others, or out of order")
        good = verifies(c.key(sender), message.signature, "sign accept", *accept_parts(message))
        require(good, "accept.signature", f"signature of slot {sender}")
        self.accepts[sender] = message

    def close_accept(self) -> dict[int, wire.ShareSet]:
        """[share.exclude] [share.fix] [share.cuts-shown]"""
        c = self.context
        self.cut: dict[int, set[int]] = {slot: set() for slot in c.graph.population}
        for slot, accept in self.accepts.items():
            for cut in accept.cuts:
                self.cut[slot].add(cut.slot)
                self.cut[cut.slot].add(slot)
        limit = cut_limit(c.parameters)
        self.shared = frozenset(slot for slot in self.accepts if len(self.cut[slot]) <= limit)
        self._end_unless("Share", True, lambda: c.check_share_set(self.shared, self.advertised))
        u2 = c.bitmap(self.shared)
        self.sid2 = session.second_session_id(self.sid, u2)
        self.masked_with = {slot: [v for v in c.neighbours(slot, self.shared) if v not in self.cut[slot]] for slot in self.shared}
        self.phase = "Upload"
        out = {}
        for slot in sorted(self.shared):
            cutting = [self.accepts[i] for i in sorted(self.accepts) if any(cut.slot == slot for cut in self.accepts[i].cuts)]
            out[slot] = wire.ShareSet(self.sid, u2, tuple(cutting))
        return out

    # Upload.

    def on_upload(self, sender: int, header: wire.UploadHeader, vector: bytes) -> wire.UploadStored:
        """[upload.signed-header] [upload.whole] [upload.once]"""
        c = self.context
        stored = wire.UploadStored(self.sid2, sender)
        if not self._due(dict(self.headers), sender, header.slot, header, sender in self.shared, "Upload"):
            return stored
        require((header.sid, header.sid2) == (self.sid, self.sid2), "upload.signed-header", "another session")
        require(header.limbs == c.plan.limbs, "upload.signed-header", f"{header.limbs} limbs")
        require(c.header_is_signed(header), "upload.signed-header", f"signature of slot {sender}")
        require(len(vector) == 8 * header.limbs, "wire.vector", f"{len(vector)} bytes")
        self.headers[sender], self.masked[sender] = header, vector
        return stored

    def close_upload(self) -> dict[int, wire.SurvivorSet]:
        """[upload.fix] [upload.quorum]"""
        c = self.context
        self.survivors = frozenset(self.masked)
        electors = sorted(self.survivors & c.graph.electorate)

        def check() -> None:
            c.check_survivors(self.survivors, self.shared)
            require(len(electors) >= c.parameters.q, "upload.quorum", f"{len(electors)} electors uploaded")

        self._end_unless("Upload", True, check)
        self.set = wire.SurvivorSet(self.sid, self.sid2, c.bitmap(self.survivors))
        self.phase = "Confirm"
        return {slot: self.set for slot in electors}

    # Confirm.

    def on_confirmation(self, sender: int, message: wire.Confirmation) -> None:
        signed = message.signed
        listens = sender in self.survivors
        if self._due(dict(self.signatures), sender, signed.slot, signed, listens, "Confirm"):
            require(message.sid2 == self.sid2, "message.sender", "another session")
            self.context.check_signature(self.sid, self.sid2, self.set.survivors, signed)
            self.signatures[sender] = signed

    def close_confirm(self) -> dict[int, wire.Certificate]:
        """[confirm.quorum]"""
        q = self.context.parameters.q
        found = len(self.signatures)
        self._end_unless("Confirm", False, lambda: require(found >= q, "confirm.quorum", f"{found} signatures"))
        self.certificate = wire.Certificate(self.set, tuple(self.signatures[slot] for slot in sorted(self.signatures)))
        self.phase = "Reveal"
        return {slot: self.certificate for slot in sorted(self.survivors)}

    # Reveal and Recover.

    def gone(self, slot: int) -> list[int]:
        """Of the slots that `slot` masked with, those that are no survivors."""
        return [v for v in self.masked_with[slot] if v not in self.survivors]

    def on_reveal(self, sender: int, message: wire.Reveal) -> None:
        """[reveal.verify] [reveal.chain-checked]"""
        c = self.context
        if not self._due(dict(self.reveals), sender, message.slot, message, sender in self.survivors, "Reveal"):
            return
        require(message.sid2 == self.sid2, "message.sender", "another session")
        require(sharing.canonical(message.self_seed), "reveal.verify", "a self seed that is not canonical")
        committed = agreement.commitment(message.self_seed, c.task_digest, c.round, c.attempt, sender)
        require(committed == self.adverts[sender].commitment, "reveal.verify", "a self seed that was not committed to")
        require([each.slot for each in message.pair_seeds] == self.gone(sender), "reveal.verify", "other pair seeds than those owed")
        signed = {part.to: part.pair_hash for part in self.sealed[sender].parts}
        for each in message.pair_seeds:
            same = agreement.pair_hash(each.seed, self.sid, sender, each.slot) == signed[each.slot]
            require(same, "reveal.verify", f"the pair seed with slot {each.slot}")
        self.reveals[sender] = message
        if not self._chain_stands(sender, message.chain_value):
            self.blamed.append((sender, "reveal.chain-checked"))

    def _level(self) -> int:
        assert self.context.noise is not None
        return self.context.noise.level(self.context.parameters.n - len(self.survivors))

    def _chain_wanted(self) -> bool:
        plan = self.context.noise
        return plan is not None and plan.chained and self._level() < len(plan.components)

    def _chain_stands(self, slot: int, value: bytes | None) -> bool:
        if value is None or not self._chain_wanted():
            return value is None and not self._chain_wanted()
        c, end = self.context, self.adverts[slot].chain_end
        assert c.noise is not None and end is not None
        return noise.leads_to(value, self._level() + 1, end, c.noise, c.where(slot))

    def wanted(self) -> tuple[list[int], list[int]]:
        """[recover.targets] Slots whose `b` is wanted, and whose `r`."""
        silent = [slot for slot in sorted(self.survivors) if slot not in self.reveals]
        roots = sorted({v for slot in silent for v in self.gone(slot)})
        return silent, roots

    def holders(self, target: int) -> list[int]:
        return [slot for slot in self.masked_with[target] if slot in self.survivors]

    def requests(self) -> dict[int, wire.ShareRequest | wire.Certificate]:
        """[recover.targets] What each holder is asked for. [recover.silent] Who has not revealed gets the certificate again instead."""
        silent, roots = self.wanted()
        wanted = [(wire.SELF_SEED, slot, self.headers[slot]) for slot in silent] + [(wire.ROOT_SEED, slot, slot) for slot in roots]
        out: dict[int, wire.ShareRequest | wire.Certificate] = {}
        for holder in sorted(self.survivors - set(self.answered)):
            entries = tuple((kind, content) for kind, target, content in wanted if holder in self.holders(target))
            if holder not in self.reveals:
                out[holder] = self.certificate
            elif entries:
                out[holder] = wire.ShareRequest(self.sid2, entries)
        return out

    def on_shares(self, sender: int, message: wire.Shares) -> None:
        """[recover.verify] Good shares count beside bad ones."""
        if not self._due(dict(self.answered), sender, message.slot, message, sender in self.survivors, "Reveal"):
            return
        require(message.sid2 == self.sid2, "message.sender", "another session")
        self.answered[sender] = message
        for answer in message.answers:
            if not self._good_share(sender, answer):
                self.blamed.append((sender, "recover.verify"))

    def _good_share(self, holder: int, answer: wire.ShareAnswer) -> bool:
        dealer = answer.slot
        if dealer not in self.masked_with or holder not in self.holders(dealer) or not sharing.canonical(answer.share):
            return False
        part = next(part for part in self.sealed[dealer].parts if part.to == holder)
        if answer.kind == wire.SELF_SEED:
            return agreement.self_share_digest(answer.share, self.sid, dealer, holder) == part.self_digest
        return agreement.root_share_digest(answer.share, self.sid, dealer, holder) == part.root_digest

    def _rebuilt(self, kind: int, target: int) -> bytes:
        """[recover.rebuild]"""
        shares = {
            holder: int.from_bytes(answer.share, "little")
            for holder, message in self.answered.items()
            for answer in message.answers
            if (answer.kind, answer.slot) == (kind, target) and self._good_share(holder, answer)
        }
        return sharing.scalar_bytes(sharing.rebuild(shares, self.context.parameters.t))

    def _self_seed(self, slot: int) -> bytes:
        if slot in self.reveals:
            return self.reveals[slot].self_seed
        c, seed = self.context, self._rebuilt(wire.SELF_SEED, slot)
        same = agreement.commitment(seed, c.task_digest, c.round, c.attempt, slot) == self.adverts[slot].commitment
        require(same, "recover.advertised", f"the self seed of slot {slot}")
        return seed

    def _pair_seed(self, survivor: int, gone: int) -> bytes:
        if survivor in self.reveals:
            return next(each.seed for each in self.reveals[survivor].pair_seeds if each.slot == gone)
        c, seed = self.context, self._rebuilt(wire.ROOT_SEED, gone)
        private = agreement.mask_private(seed, c.task_digest, c.round, c.attempt, gone)
        same = agreement.x25519_public(private) == self.adverts[gone].mask_key
        require(same, "recover.advertised", f"the root seed of slot {gone}")
        return agreement.pair_seed(private, self.adverts[survivor].mask_key, self.sid, gone, survivor)

    # Sum and receipt. Section 16.

    def finish(self) -> tuple[encoding.Sum, wire.Receipt, dict[int, wire.Receipt]]:
        found: list[encoding.Sum] = []
        self._end_unless("Reveal", False, lambda: found.append(self._sum()))
        total = found[0]
        c = self.context
        unsigned = wire.Receipt(
            c.task_digest, c.round, c.attempt, self.sid, self.sid2, self.set.survivors, sha256(total.packed()), bytes(64)
        )
        signature = self.identity.sign("sign receipt", *receipt_parts(unsigned))
        receipt = wire.Receipt(**{**unsigned.__dict__, "signature": signature})
        self.phase = "Finished"
        return total, receipt, {slot: receipt for slot in c.graph.population}

    def unmasked(self) -> bytes:
        """[finish.unmask]"""
        total = bytes(8 * self.context.plan.limbs)
        for slot in sorted(self.survivors):
            total = ring.add(total, self.masked[slot])
        for slot in sorted(self.survivors):
            total = ring.apply_mask(total, agreement.self_mask_key(self._self_seed(slot), self.sid2, slot), -1)
            for other in self.gone(slot):
                key = agreement.pair_mask_key(self._pair_seed(slot, other), self.sid2, slot, other)
                total = ring.apply_mask(total, key, -ring.pair_sign(slot, other))
        return total

    def _sum(self) -> encoding.Sum:
        """[finish.range] [finish.surplus]"""
        c = self.context
        limbs = self.unmasked()
        try:
            total = encoding.decode(c.plan, limbs, len(self.survivors))
        except Refused as why:
            raise Refused("finish.range", str(why)) from why
        if self._chain_wanted():
            assert c.noise is not None
            for slot, reveal in sorted(self.reveals.items()):
                if self._chain_stands(slot, reveal.chain_value):
                    assert reveal.chain_value is not None
                    total = total.without(noise.surplus(c.noise, reveal.chain_value, self._level(), c.where(slot), c.plan.padded))
        try:
            total.packed()
        except Refused as why:
            raise Refused("finish.range", str(why)) from why
        return total
