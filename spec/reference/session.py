"""Session ids. Source: crypto.md section 9."""

from __future__ import annotations

from .agreement import SUITE, VERSION
from .octets import u16, u32, u64
from .primitives import labelled_hash
from .wire import PARAMETERS, Parameters


def session_id(
    task: bytes,
    roster: bytes,
    round_: int,
    attempt: int,
    base_model: bytes,
    randomness: bytes,
    parameters: Parameters,
    roster_slots: int,
    advertised: bytes,
    root: bytes,
) -> bytes:
    """[session.sid] `advertised` is the bitmap of U1."""
    return labelled_hash(
        "session",
        u16(VERSION) + u16(SUITE),
        task,
        roster,
        u64(round_),
        u32(attempt),
        base_model,
        randomness,
        PARAMETERS.write(parameters),
        u32(roster_slots),
        advertised,
        root,
    )


def second_session_id(sid: bytes, shared: bytes) -> bytes:
    """[session.sid2] `shared` is the bitmap of U2."""
    return labelled_hash("second session", sid, shared)


def survivors_digest(sid2: bytes, survivors: bytes) -> bytes:
    """[session.survivors]"""
    return labelled_hash("survivors", sid2, survivors)
