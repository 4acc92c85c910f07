"""What both sides derive of a round from roster, task and the numbers of `Open`, and the checks that both make."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from . import encoding, graph, parameters, rosters, tasks, wire
from . import noise as noises
from .identity import verifies
from .octets import bitmap, read_bitmap, u8, u32, u64
from .primitives import labelled_hash
from .refusal import require


@dataclass(frozen=True)
class Context:
    roster: rosters.Roster
    roster_digest: bytes
    task: tasks.Task
    task_digest: bytes
    round: int
    attempt: int
    base_model: bytes
    parameters: wire.Parameters
    graph: graph.Graph
    noise: noises.Plan | None
    plan: encoding.Plan

    @property
    def slots(self) -> int:
        return len(self.roster.members)

    @property
    def chained(self) -> bool:
        """[task.noise.chain]"""
        return self.noise is not None and self.noise.chained

    @property
    def rotation_seed(self) -> bytes:
        return labelled_hash("rotation", self.task_digest, u64(self.round))

    def key(self, slot: int) -> bytes:
        return self.roster.members[slot].key

    def bitmap(self, slots: Collection[int]) -> bytes:
        return bitmap(slots, self.slots)

    def read(self, data: bytes) -> frozenset[int]:
        return read_bitmap(data, self.slots)

    def neighbours(self, slot: int, among: Collection[int]) -> list[int]:
        return [other for other in self.graph.neighbours(slot) if other in among]

    def drawn(self) -> bool:
        """Whether graph, committee or cohort come from the randomness."""
        return self.parameters.h is not None or self.parameters.m < self.parameters.n or self.parameters.n < self.slots

    def where(self, slot: int) -> noises.Where:
        return noises.Where(self.task_digest, self.round, self.attempt, slot)

    def check_floor(self, advertised: frozenset[int]) -> None:
        """[advertise.floor]"""
        require(advertised <= set(self.graph.population), "advertise.floor", "slots outside the population")
        require(len(advertised) >= self.parameters.f, "advertise.floor", f"{len(advertised)} slots")

    def check_share_set(self, shared: frozenset[int], advertised: frozenset[int]) -> None:
        """[share.set]"""
        require(shared <= advertised, "share.set", "slots outside U1")
        require(len(shared) >= self.parameters.f, "share.set", f"{len(shared)} slots")
        self.graph.check_windows(shared, "share.set")

    def check_survivors(self, survivors: frozenset[int], shared: frozenset[int]) -> None:
        """[confirm.set] [confirm.noise]"""
        require(survivors <= shared, "confirm.set", "slots outside U2")
        require(len(survivors) >= self.parameters.f, "confirm.set", f"{len(survivors)} slots")
        self.graph.check_windows(survivors, "confirm.set")
        if self.noise is not None:
            missing = self.parameters.n - len(survivors)
            require(missing <= (self.parameters.tolerated or 0), "confirm.noise", f"{missing} missing")

    def advert_parts(self, advert: wire.Advert) -> list[bytes]:
        """What `sign advert` covers. Section 9."""
        end = u8(0) if advert.chain_end is None else u8(1) + advert.chain_end
        return [
            advert.task,
            advert.roster,
            u64(advert.round),
            u32(advert.attempt),
            u32(advert.slot),
            advert.seal_key,
            advert.mask_key,
            advert.commitment,
            end,
        ]

    def check_advert(self, advert: wire.Advert) -> None:
        """[advert.session]"""
        found = (advert.task, advert.roster, advert.round, advert.attempt)
        require(found == (self.task_digest, self.roster_digest, self.round, self.attempt), "advert.session", "another attempt")
        require((advert.chain_end is not None) == self.chained, "advert.session", "a chain end where none belongs, or none")
        good = verifies(self.key(advert.slot), advert.signature, "sign advert", *self.advert_parts(advert))
        require(good, "advert.session", f"signature of slot {advert.slot}")

    def check_signature(self, sid: bytes, sid2: bytes, survivors: bytes, signed: wire.SignedSlot) -> None:
        """[confirm.electorate]"""
        inside = signed.slot in self.graph.electorate and signed.slot in self.read(survivors)
        require(inside, "confirm.electorate", f"slot {signed.slot} is not in K and S")
        good = verifies(self.key(signed.slot), signed.signature, "sign confirm", sid, sid2, survivors)
        require(good, "confirm.electorate", f"signature of slot {signed.slot}")

    def header_is_signed(self, header: wire.UploadHeader) -> bool:
        parts = (header.sid, header.sid2, u32(header.slot), u64(header.limbs))
        return header.slot < self.slots and verifies(self.key(header.slot), header.signature, "sign upload", *parts)


def accept_parts(accept: wire.Accept) -> list[bytes]:
    """What `sign accept` covers."""
    return [accept.sid, u32(accept.slot), *(u32(cut.slot) + u8(cut.reason) for cut in accept.cuts)]


def receipt_parts(receipt: wire.Receipt) -> list[bytes]:
    """What `sign receipt` covers."""
    numbers = u64(receipt.round) + u32(receipt.attempt)
    return [receipt.task, numbers, receipt.sid, receipt.sid2, receipt.sum, receipt.survivors]


def derive(roster: rosters.Roster, task_bytes: bytes, round_: int, attempt: int, base_model: bytes = bytes(32)) -> Context:
    """[open.parameters] [task.noise.round]"""
    task = tasks.decode(task_bytes)
    roster_digest = rosters.digest(roster)
    made = parameters.derive(tasks.demand(task, len(roster.members)))
    population = graph.cohort(task.cohort, len(roster.members), roster.randomness, roster_digest, round_)
    noise_plan = None
    if task.noise is not None:
        wanted = task.noise
        noise_plan = noises.plan(wanted.law, wanted.parameter.value, wanted.sharing, made.n, made.tolerated or 0, made.c)
    return Context(
        roster,
        roster_digest,
        task,
        tasks.digest(task),
        round_,
        attempt,
        base_model,
        made,
        graph.build(made, population, roster.randomness, roster_digest, round_),
        noise_plan,
        encoding.plan(task, made.n, noise_plan.bound if noise_plan else 0),
    )
