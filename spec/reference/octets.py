"""Bytes: integers, labels, bitmaps, and a strict reader. Source: protocol.md section 1, crypto.md section 2, wire.md sections 1 and 2."""

from __future__ import annotations

from collections.abc import Iterable

from .refusal import Refused, require


def u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def label(text: str) -> bytes:
    """[label.prefix]"""
    raw = text.encode("ascii")
    return u8(len(raw)) + raw


def bitmap(slots: Iterable[int], roster_slots: int) -> bytes:
    """Slot `i` at bit `i mod 8`, from the least significant, of byte `i // 8`."""
    out = bytearray((roster_slots + 7) // 8)
    for slot in slots:
        out[slot // 8] |= 1 << (slot % 8)
    return bytes(out)


def read_bitmap(data: bytes, roster_slots: int) -> frozenset[int]:
    """[bitmap.exact]"""
    require(len(data) == (roster_slots + 7) // 8, "bitmap.exact", f"found {len(data)} bytes")
    slots = frozenset(i for i in range(8 * len(data)) if data[i // 8] >> (i % 8) & 1)
    require(all(slot < roster_slots for slot in slots), "bitmap.exact", "a bit beyond the last slot")
    return slots


def varint(value: int) -> bytes:
    """The length of a vector, in the least number of bytes of RFC 9000, section 16; 1, 2 or 4."""
    if value < 1 << 6:
        return value.to_bytes(1, "big")
    if value < 1 << 14:
        return (value | 1 << 14).to_bytes(2, "big")
    if value < 1 << 30:
        return (value | 2 << 30).to_bytes(4, "big")
    raise ValueError("a vector longer than 2^30 - 1 bytes has no length")


def vector(data: bytes) -> bytes:
    return varint(len(data)) + data


class Reader:
    """Takes bytes from the front. `short` is the requirement that refuses a length beyond the bytes that are there."""

    def __init__(self, data: bytes, short: str) -> None:
        self.data = data
        self.at = 0
        self.short = short

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        require(count <= self.left(), self.short, f"wanted {count} bytes, {self.left()} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def varint(self) -> int:
        first = self.uint(1)
        form = first >> 6
        if form == 3:
            raise Refused(self.short, "a length of eight bytes")
        size = 1 << form
        rest = self.take(size - 1)
        return int.from_bytes(bytes([first & 0x3F]) + rest, "big")

    def vector(self) -> bytes:
        return self.take(self.varint())
