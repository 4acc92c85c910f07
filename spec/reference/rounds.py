"""Whole rounds in one process, with every random byte fixed by a seed, and drop-outs by script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import context, encoding, rosters, tasks, wire
from .coordinator import Coordinator
from .identity import Identity
from .ledger import Ledger
from .member import Draw, Member, Site
from .primitives import keystream, sha256

PHASES = ("advertise", "share", "accept", "upload", "confirm", "reveal", "shares")
CLOSE = {
    "Advertise": "close_advertise",
    "Share": "close_share",
    "Accept": "close_accept",
    "Upload": "close_upload",
    "Confirm": "close_confirm",
    "Reveal": "finish",
}
LENIENT = Site(min_corrupt=0, unlisted="any")
DEADLINES = wire.Deadlines(60000, 30000, 30000, 120000, 30000, 30000)


def bytes_of(text: str, count: int) -> bytes:
    """Bytes fixed by a text: the keystream of its SHA-256."""
    return keystream(sha256(text.encode("ascii")), 0, count)


def drawing(seed: str, log: dict[str, bytes]) -> Draw:
    """Draws fixed by a seed, each noted."""

    def draw(what: str, count: int) -> bytes:
        log[what] = bytes_of(f"{seed}/{what}", count)
        return log[what]

    return draw


@dataclass
class Federation:
    """Identities and a signed roster of `count` members."""

    count: int
    name: str = "reference"
    tasks: tuple[bytes, ...] = ()
    authority: Identity = field(init=False)
    coordinator: Identity = field(init=False)
    members: list[Identity] = field(init=False)
    roster: rosters.Roster = field(init=False)
    signature: bytes = field(init=False)

    def __post_init__(self) -> None:
        def identity(who: str) -> Identity:
            return Identity(bytes_of(f"{self.name}/identity/{who}", 32))

        self.authority, self.coordinator = identity("authority"), identity("coordinator")
        self.members = [identity(f"member-{i}") for i in range(self.count)]
        self.roster = rosters.Roster(
            self.name.encode("ascii"),
            self.authority.public,
            self.coordinator.public,
            1000,
            rosters.TaskDigests(b"".join(sorted(self.tasks))) if self.tasks else None,
            tuple(rosters.Entry(i, f"member-{i}".encode("ascii"), key.public) for i, key in enumerate(self.members)),
            bytes_of(f"{self.name}/randomness", 32),
        )
        self.signature = rosters.sign(self.roster, self.authority)


Step = dict[str, Any]
"""What a machine is given: a message (with a vector, of a slot), an update, or the end of a phase. As in the vectors, bytes in hex."""


@dataclass
class Script:
    """Who falls silent from which phase on, and who of the members takes no part at all. Hooks may change a member's answer."""

    silent: Mapping[int, str] = field(default_factory=dict)
    hooks: Mapping[tuple[int, str], Callable[[Any], Any]] = field(default_factory=dict)

    def speaks(self, slot: int, phase: str) -> bool:
        return slot not in self.silent or PHASES.index(phase) < PHASES.index(self.silent[slot])


@dataclass
class Outcome:
    coordinator: Coordinator
    members: dict[int, Member]
    draws: dict[int, dict[str, bytes]]
    contributions: dict[int, bytes]
    steps: list[Step]
    inboxes: dict[int, list[Step]]
    sum: encoding.Sum
    receipt: wire.Receipt


class Parties(Protocol):
    """Of a federation, what a round needs."""

    roster: rosters.Roster
    coordinator: Identity
    members: list[Identity]


class Runner:
    """Notes what each machine is given: `steps` for the coordinator, `inboxes` for the members."""

    def __init__(
        self,
        parties: Parties,
        task: tasks.Task,
        updates: Mapping[int, encoding.Update],
        script: Script,
        round_: int = 1,
        draws: Callable[[int, dict[str, bytes]], Draw] | None = None,
        attempt: int = 0,
        base_model: bytes = bytes(32),
        weights: Mapping[int, int] | None = None,
    ) -> None:
        self.context = context.derive(parties.roster, tasks.encode(task), round_, attempt, base_model)
        self.weights = weights or {}
        self.coordinator = Coordinator(self.context, parties.coordinator)
        self.updates, self.script = updates, script
        self.draws: dict[int, dict[str, bytes]] = {slot: {} for slot in self.context.graph.population}
        drawn = draws or (lambda slot, log: drawing(f"{parties.roster.federation.decode()}/round-{round_}/{slot}", log))
        self.members = {
            slot: Member(parties.members[slot], parties.roster, Ledger(), drawn(slot, log), LENIENT) for slot, log in self.draws.items()
        }
        self.steps: list[Step] = []
        self.inboxes: dict[int, list[Step]] = {slot: [] for slot in self.draws}
        self.contributions: dict[int, bytes] = {}

    def read(self, data: bytes) -> Any:
        return wire.decode(data, self.context.slots, self.context.parameters.k)

    def give_member(self, slot: int, message: Any) -> Any:
        data = wire.encode(message)
        self.inboxes[slot].append({"message": data.hex()})
        return self.read(data)

    def give_coordinator(self, slot: int, message: Any, vector: bytes | None = None) -> Any:
        data = wire.encode(message)
        self.steps.append({"slot": slot, "message": data.hex()} | ({} if vector is None else {"vector": vector.hex()}))
        return self.read(data)

    def close(self, phase: str) -> Any:
        self.steps.append({"close": phase})
        return getattr(self.coordinator, CLOSE[phase])()

    def exchange(self, phase: str, due: Mapping[int, Any], answer: str, take: Callable[[int, Any], None]) -> None:
        """Each member that still speaks answers what is due to it."""
        for slot, message in due.items():
            if self.script.speaks(slot, phase):
                reply = getattr(self.members[slot], answer)(self.give_member(slot, message))
                hook = self.script.hooks.get((slot, phase))
                if hook is not None:
                    reply = hook(reply)
                take(slot, self.give_coordinator(slot, reply))

    def upload(self, due: Mapping[int, wire.ShareSet]) -> None:
        for slot, message in due.items():
            if not self.script.speaks(slot, "upload"):
                continue
            member, update = self.members[slot], self.updates[slot]
            member.on_share_set(self.give_member(slot, message))
            packed = member.contribution(update, self.weights.get(slot, 1))
            self.contributions[slot] = packed
            self.inboxes[slot].append({"update": shown(update)})
            header, vector = member.on_contribution(packed, encoding.update_digest(self.context.task, update))
            hook = self.script.hooks.get((slot, "upload"))
            if hook is not None:
                vector = hook(vector)
            stored = self.coordinator.on_upload(slot, self.give_coordinator(slot, header, vector), vector)
            member.on_stored(self.give_member(slot, stored))

    def confirm(self, due: Mapping[int, wire.SurvivorSet]) -> None:
        """Electors are asked until there are `q` signatures."""
        coordinator, q = self.coordinator, self.context.parameters.q
        for slot, message in due.items():
            if len(coordinator.signatures) < q:
                self.exchange("confirm", {slot: message}, "on_survivor_set", coordinator.on_confirmation)

    def run(self) -> Outcome:
        c = self.coordinator
        opened = c.open(DEADLINES)
        self.exchange("advertise", {slot: opened for slot in self.members}, "on_open", c.on_advert)
        self.exchange("share", self.close("Advertise"), "on_adverts", c.on_sealed)
        self.exchange("accept", self.close("Share"), "on_delivered", c.on_accept)
        self.upload(self.close("Accept"))
        self.confirm(self.close("Upload"))
        self.exchange("reveal", self.close("Confirm"), "on_certificate", c.on_reveal)
        if any(c.wanted()):
            self.exchange("shares", c.requests(), "on_share_request", c.on_shares)
        total, receipt, due = self.close("Reveal")
        for slot, message in due.items():
            if self.members[slot].context is not None and self.script.speaks(slot, "shares"):
                self.members[slot].on_receipt(self.give_member(slot, message))
        return Outcome(c, self.members, self.draws, self.contributions, self.steps, self.inboxes, total, receipt)


def shown(update: encoding.Update) -> list[Step]:
    return [{"name": name.decode("utf-8"), "values": values.hex()} for name, values in update.items()]


def run(
    federation: Federation,
    task: tasks.Task,
    updates: Mapping[int, encoding.Update],
    silent: Mapping[int, str] | None = None,
    hooks: Mapping[tuple[int, str], Callable[[Any], Any]] | None = None,
    round_: int = 1,
) -> Outcome:
    return Runner(federation, task, updates, Script(silent or {}, hooks or {}), round_).run()


def integer_task(name: str, size: int, corrupt: int, dropout: int, **more: Any) -> tasks.Task:
    """One i32 tensor of values from -1000 to 1000."""
    encoded = tasks.IntegerEncoding(-1000 % (1 << 64), 1000)
    tensors = (tasks.Tensor(b"values", (size,), 7),)
    return tasks.Task(name.encode("ascii"), tensors, (tasks.INTEGER, encoded), (tasks.COUNT, corrupt), (tasks.COUNT, dropout), **more)


def integer_update(slot: int, size: int) -> encoding.Update:
    """Value `i` of slot `s` is ((31 s + 7 i) mod 2001) - 1000."""
    values = [(31 * slot + 7 * i) % 2001 - 1000 for i in range(size)]
    return {b"values": b"".join(v.to_bytes(4, "little", signed=True) for v in values)}
