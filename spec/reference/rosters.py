"""The roster: content, bytes, digest, signature. Source: roster-task.md section 3."""

from __future__ import annotations

from dataclasses import dataclass

from .codec import Fixed, Many, Maybe, Opaque, Refusals, Struct, Uint
from .identity import Identity, check_public_key, verifies
from .octets import u16
from .primitives import labelled_hash
from .refusal import require
from .tasks import check_name

_R = Refusals(code="roster.canonical", short="roster.canonical")
U32, U64, KEY = Uint(4), Uint(8), Fixed(32)


@dataclass(frozen=True)
class Entry:
    slot: int
    name: bytes
    key: bytes


@dataclass(frozen=True)
class TaskDigests:
    digests: bytes


@dataclass(frozen=True)
class Roster:
    federation: bytes
    authority: bytes
    coordinator: bytes
    last_round: int
    tasks: TaskDigests | None
    members: tuple[Entry, ...]
    randomness: bytes


_ROSTER = Struct(
    Roster,
    ("federation", Opaque()),
    ("authority", KEY),
    ("coordinator", KEY),
    ("last_round", U64),
    ("tasks", Maybe(Struct(TaskDigests, ("digests", Opaque())), _R)),
    ("members", Many(Struct(Entry, ("slot", U32), ("name", Opaque()), ("key", KEY)))),
    ("randomness", KEY),
)


def encode(roster: Roster) -> bytes:
    """[roster.canonical]"""
    return u16(1) + _ROSTER.write(roster)


def digest(roster: Roster) -> bytes:
    """[roster.digest]"""
    return labelled_hash("roster", encode(roster))


def sign(roster: Roster, authority: Identity) -> bytes:
    """[roster.signature]"""
    return authority.sign("sign roster", digest(roster))


def check(roster: Roster) -> None:
    """Sections 3.1 and 3.2."""
    check_name(roster.federation)
    for entry in roster.members:
        check_name(entry.name)
    for key in (roster.authority, roster.coordinator, *(entry.key for entry in roster.members)):
        check_public_key(key)
    require([entry.slot for entry in roster.members] == list(range(len(roster.members))), "roster.slots", "gaps or another order")
    names, keys = [entry.name for entry in roster.members], [entry.key for entry in roster.members]
    require(len(set(names)) == len(names), "roster.unique", "a name twice")
    require(len(set(keys)) == len(keys), "roster.unique", "a key twice")
    require(len(keys) <= 1 << 20, "roster.size", f"{len(keys)} members")
    require(len(keys) >= 1, "roster.parties", "no member")
    require(roster.authority != roster.coordinator, "roster.parties", "one key for authority and coordinator")
    require(roster.authority not in keys and roster.coordinator not in keys, "roster.parties", "a member with the key of another party")
    require(1 <= roster.last_round <= 1 << 32, "roster.last-round", f"found {roster.last_round}")
    if roster.tasks is not None:
        listed = task_digests(roster)
        require(len(roster.tasks.digests) % 32 == 0 and 1 <= len(listed) <= 256, "roster.tasks", f"{len(listed)} digests")
        require(all(a < b for a, b in zip(listed, listed[1:])), "roster.tasks", "not ascending, or one twice")


def task_digests(roster: Roster) -> list[bytes]:
    raw = roster.tasks.digests if roster.tasks else b""
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


def accept(roster: Roster, signature: bytes, authority: bytes) -> None:
    """[roster.signature] `authority` is the reader's own."""
    require(roster.authority == authority, "roster.signature", "another authority")
    require(verifies(authority, signature, "sign roster", digest(roster)), "roster.signature", "does not verify")
    check(roster)
