"""The presentation language of wire.md and roster-task.md, as codecs that write and read Python values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .octets import Reader, u8, vector
from .refusal import Refused, require


class Codec(Protocol):
    def write(self, value: Any) -> bytes: ...

    def read(self, reader: Reader) -> Any: ...


class Refusals:
    """The requirements that refuse what a codec cannot read: `code` for unknown codes, `short` for lengths."""

    def __init__(self, code: str, short: str) -> None:
        self.code = code
        self.short = short


class Uint:
    def __init__(self, size: int) -> None:
        self.size = size

    def write(self, value: int) -> bytes:
        return value.to_bytes(self.size, "big")

    def read(self, reader: Reader) -> int:
        return reader.uint(self.size)


class Fixed:
    def __init__(self, size: int) -> None:
        self.size = size

    def write(self, value: bytes) -> bytes:
        assert len(value) == self.size
        return value

    def read(self, reader: Reader) -> bytes:
        return reader.take(self.size)


class Opaque:
    def write(self, value: bytes) -> bytes:
        return vector(value)

    def read(self, reader: Reader) -> bytes:
        return reader.vector()


class Code:
    """A byte out of a table."""

    def __init__(self, allowed: tuple[int, ...], refusals: Refusals) -> None:
        self.allowed = allowed
        self.refusals = refusals

    def write(self, value: int) -> bytes:
        return u8(value)

    def read(self, reader: Reader) -> int:
        value = reader.uint(1)
        require(value in self.allowed, self.refusals.code, f"code {value}")
        return value


class Maybe:
    """`optional<T>`"""

    def __init__(self, inner: Codec, refusals: Refusals) -> None:
        self.inner = inner
        self.refusals = refusals

    def write(self, value: Any) -> bytes:
        return u8(0) if value is None else u8(1) + self.inner.write(value)

    def read(self, reader: Reader) -> Any:
        present = reader.uint(1)
        require(present <= 1, self.refusals.code, f"option byte {present}")
        return self.inner.read(reader) if present else None


class Many:
    """`T name<V>`: items one after the other, the length in bytes before them."""

    def __init__(self, inner: Codec, at_most: int | None = None, cap: str = "") -> None:
        self.inner = inner
        self.at_most = at_most
        self.cap = cap

    def write(self, value: tuple[Any, ...]) -> bytes:
        return vector(b"".join(self.inner.write(item) for item in value))

    def read(self, reader: Reader) -> tuple[Any, ...]:
        inside = Reader(reader.vector(), reader.short)
        items: list[Any] = []
        while inside.left():
            if self.at_most is not None and len(items) == self.at_most:
                raise Refused(self.cap, "one item too many")
            items.append(self.inner.read(inside))
        return tuple(items)


class Struct:
    """Fields in order; the value is an object with these attributes."""

    def __init__(self, make: Callable[..., Any], *fields: tuple[str, Codec]) -> None:
        self.make = make
        self.fields = fields

    def write(self, value: Any) -> bytes:
        return b"".join(codec.write(getattr(value, name)) for name, codec in self.fields)

    def read(self, reader: Reader) -> Any:
        return self.make(**{name: codec.read(reader) for name, codec in self.fields})


class Select:
    """A `uint8 kind`, then what the kind selects. The value is `(kind, content)`."""

    def __init__(self, cases: dict[int, Codec | None], refusals: Refusals) -> None:
        self.cases = cases
        self.refusals = refusals

    def write(self, value: tuple[int, Any]) -> bytes:
        kind, content = value
        codec = self.cases[kind]
        return u8(kind) + (codec.write(content) if codec else b"")

    def read(self, reader: Reader) -> tuple[int, Any]:
        kind = reader.uint(1)
        require(kind in self.cases, self.refusals.code, f"kind {kind}")
        codec = self.cases[kind]
        return kind, (codec.read(reader) if codec else None)
