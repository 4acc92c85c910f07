"""Shamir's scheme over the integers modulo the group order. Source: crypto.md section 8."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .identity import L
from .refusal import require


def reduce_wide(wide: bytes) -> int:
    """[key.uniform] 64 random bytes, little-endian, reduced."""
    assert len(wide) == 64
    return int.from_bytes(wide, "little") % L


def scalar_bytes(value: int) -> bytes:
    return value.to_bytes(32, "little")


def canonical(data: bytes) -> bool:
    return len(data) == 32 and int.from_bytes(data, "little") < L


def share_out(secret: int, coefficients: list[int], slots: Iterable[int]) -> dict[int, int]:
    """[share.threshold] `coefficients` are the `t - 1` further ones, of x, x^2, ...; the point of a slot is `slot + 1`."""
    shares = {}
    for slot in slots:
        value = 0
        for coefficient in reversed([secret, *coefficients]):
            value = (value * (slot + 1) + coefficient) % L
        shares[slot] = value
    return shares


def rebuild(shares: Mapping[int, int], threshold: int) -> int:
    """[recover.rebuild] Interpolation at 0 from the first `threshold` shares in order of slot."""
    require(len(shares) >= threshold, "recover.rebuild", f"found {len(shares)} shares, wanted {threshold}")
    used = sorted(shares)[:threshold]
    total = 0
    for i in used:
        numerator = denominator = 1
        for j in used:
            if j != i:
                numerator = numerator * (j + 1) % L
                denominator = denominator * (j - i) % L
        total = (total + shares[i] * numerator * pow(denominator, L - 2, L)) % L
    return total
