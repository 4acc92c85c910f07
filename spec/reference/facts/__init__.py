"""What the vectors say: one module a topic. A *type* computes outputs from inputs, or refuses; a *fact* is a named list of inputs.

The same function writes a vector and verifies it, so an input must hold everything that the output depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]
Compute = Callable[[Fields], Fields]


@dataclass(frozen=True)
class Case:
    comment: str
    input: Fields
    refused_by: str | None = None
    """The requirement that must refuse; none for a good case."""
    either: tuple[str, ...] = ()
    """Others that may refuse instead, where the pages leave the order of two checks open."""


@dataclass
class Fact:
    """One file."""

    topic: str
    name: str
    type: str
    text: str
    source: str
    cases: list[Case] = field(default_factory=list)
    honest: list[Fields] = field(default_factory=list)
    """Steps that many cases begin with; written once for all of them."""


@dataclass(frozen=True)
class Type:
    layer: str
    compute: Compute


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


def fill(byte: int, count: int = 32) -> bytes:
    return bytes([byte]) * count
