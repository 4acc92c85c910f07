"""Trees over adverts and over a dealer's parts. Source: crypto.md section 7."""

from __future__ import annotations

from collections.abc import Sequence

from .octets import u32
from .primitives import labelled_hash
from .refusal import require


def empty_leaf() -> bytes:
    return labelled_hash("empty leaf")


def advert_leaf(advert: bytes) -> bytes:
    """`advert` is the `Advert` of wire.md, signature included, without the head of a message."""
    return labelled_hash("advert leaf", advert)


def share_leaf(sid: bytes, dealer: int, holder: int, sealed: bytes, root_digest: bytes, self_digest: bytes, pair: bytes) -> bytes:
    return labelled_hash("share leaf", sid, u32(dealer), u32(holder), sealed, root_digest, self_digest, pair)


def _node(left: bytes, right: bytes) -> bytes:
    return labelled_hash("node", left, right)


def places(leaves: int) -> int:
    """[merkle.tree] The least power of two that is at least `leaves`; 1 for none."""
    count = 1
    while count < leaves:
        count *= 2
    return count


def _levels(leaves: Sequence[bytes | None]) -> list[list[bytes]]:
    bottom = [leaf if leaf is not None else empty_leaf() for leaf in leaves]
    bottom += [empty_leaf()] * (places(len(leaves)) - len(leaves))
    levels = [bottom]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([_node(below[i], below[i + 1]) for i in range(0, len(below), 2)])
    return levels


def root(leaves: Sequence[bytes | None]) -> bytes:
    return _levels(leaves)[-1][0]


def proof(leaves: Sequence[bytes | None], position: int) -> tuple[bytes, ...]:
    return proofs(leaves)[position]


def proofs(leaves: Sequence[bytes | None]) -> list[tuple[bytes, ...]]:
    """The siblings of each leaf, from the leaf upwards."""
    levels = _levels(leaves)
    return [tuple(level[(position >> depth) ^ 1] for depth, level in enumerate(levels[:-1])) for position in range(len(leaves))]


def root_of_proof(leaf: bytes, position: int, leaves: int, siblings: Sequence[bytes]) -> bytes:
    """[merkle.depth] The root that a proof leads to."""
    require(0 <= position < leaves, "merkle.depth", f"position {position} of {leaves}")
    require(1 << len(siblings) == places(leaves), "merkle.depth", f"found {len(siblings)} hashes")
    for sibling in siblings:
        leaf = _node(sibling, leaf) if position & 1 else _node(leaf, sibling)
        position >>= 1
    return leaf
