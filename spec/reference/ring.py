"""Blocks of 4096 limbs, masks, lanes. Source: protocol.md [mask.*], encoding.md sections 7 and 8."""

from __future__ import annotations

from collections.abc import Sequence

from .primitives import keystream
from .refusal import require

BLOCK_LIMBS = 4096
BLOCK_BYTES = 8 * BLOCK_LIMBS


def blocks(data: bytes) -> list[bytes]:
    return [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]


def add(a: bytes, b: bytes, sign: int = 1) -> bytes:
    """`a + b` or `a - b`, block by block, each modulo 2^(8 x bytes)."""
    assert len(a) == len(b)
    out = []
    for left, right in zip(blocks(a), blocks(b), strict=True):
        total = int.from_bytes(left, "little") + sign * int.from_bytes(right, "little")
        out.append((total % (1 << 8 * len(left))).to_bytes(len(left), "little"))
    return b"".join(out)


def apply_mask(data: bytes, key: bytes, sign: int) -> bytes:
    """[mask.keystream] Block `i` takes the keystream from byte 32768 i on."""
    return add(data, keystream(key, 0, len(data)), sign)


def pair_sign(own: int, other: int) -> int:
    """[mask.sign] The lower slot adds, the higher subtracts."""
    return 1 if own < other else -1


def lanes_per_block(bits: int) -> int:
    return 64 * BLOCK_LIMBS // bits


def limbs_of(lanes: int, bits: int) -> int:
    """[encode.layout.border] [encode.layout.last]"""
    full, rest = divmod(lanes, lanes_per_block(bits))
    return full * BLOCK_LIMBS + (rest * bits + 63) // 64


def pack(lanes: Sequence[int], bits: int) -> bytes:
    """[encode.layout.order] Little-endian limbs, lane `j` of a block at bits `j b` to `(j + 1) b - 1`."""
    out = []
    each = lanes_per_block(bits)
    for first in range(0, len(lanes), each):
        part = lanes[first : first + each]
        size = BLOCK_BYTES if len(part) == each else 8 * limbs_of(len(part), bits)
        total = 0
        for j, lane in enumerate(part):
            assert 0 <= lane < 1 << bits
            total |= lane << j * bits
        out.append(total.to_bytes(size, "little"))
    return b"".join(out)


def unpack(data: bytes, lanes: int, bits: int) -> list[int]:
    """[encode.decode.length] [encode.decode.padding]"""
    require(len(data) == 8 * limbs_of(lanes, bits), "encode.decode.length", f"found {len(data)} bytes")
    out: list[int] = []
    each = lanes_per_block(bits)
    for block in blocks(data):
        total = int.from_bytes(block, "little")
        count = min(each, lanes - len(out))
        require(total >> count * bits == 0, "encode.decode.padding", "a bit above the last lane")
        out += [total >> j * bits & (1 << bits) - 1 for j in range(count)]
    return out
