"""What was asked, as a member's ledger knows it. Source: member.md section 4.1, learning.md section 8."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from .deltas import sized, u64
from .primitives import sha256

BOUNDED = ("sum", "mean", "variance")


def numbers(*values: float) -> bytes:
    """-0 as 0."""
    return u64(len(values)) + b"".join(struct.pack("<d", value + 0.0) for value in values)


def asked(kind: str, columns: Sequence[str], bounds: Sequence[tuple[float, float]], edges: Sequence[float], threshold: float | None) -> bytes:
    """[answer.asked]"""
    named = [(name.encode("utf-8"), bounds[at] if kind in BOUNDED else ()) for at, name in enumerate(columns)]
    listed = [sized(name) + numbers(*pair) for name, pair in sorted(named)]
    last = () if threshold is None else (threshold,)
    return sha256(b"veilsum/v1 asked\0", sized(kind.encode("ascii")), u64(len(listed)), *listed, numbers(*edges), numbers(*last))


def first_threshold(low: float, high: float) -> float:
    """The middle of the bounds, as floats give it."""
    return low + (high - low) / 2


def trained(task: bytes, number: int, model: bytes) -> bytes:
    """[job.asked]"""
    return sha256(b"veilsum/v1 trained\0", task, u64(number), sha256(model))


def judged(digest: bytes) -> bytes:
    """[job.evaluation.once]"""
    return sha256(b"veilsum/v1 evaluation\0", digest)
