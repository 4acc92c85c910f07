"""Each message, and each way in which its bytes can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from .. import wire
from ..check_spec import example_messages
from ..octets import varint
from . import Case, Fact, Fields, Type, fill, unhex

SLOTS, DEGREE = 4, 3


def decode(i: Fields) -> Fields:
    """`run` and `rest` follow the bytes of `message`, where a long run of one byte is part of it."""
    run = i.get("run", {"byte": 0, "count": 0})
    data = unhex(i["message"]) + bytes([run["byte"]]) * run["count"] + unhex(i.get("rest", ""))
    message = wire.decode(data, i["rosterSlots"], i["degree"])
    return {"type": wire.TYPES[type(message)], "name": type(message).__name__}


TYPES = {"Decode": Type("wire", decode)}


def case(
    comment: str, data: bytes, refused_by: str | None = None, slots: int = SLOTS, degree: int = DEGREE, either: tuple[str, ...] = ()
) -> Case:
    return Case(comment, {"message": data.hex(), "rosterSlots": slots, "degree": degree}, refused_by, either)


def examples() -> dict[str, bytes]:
    return {name: wire.encode(message) for name, message in example_messages().items()}


def variants() -> dict[str, list[tuple[str, object]]]:
    """Further good messages: what is optional present, what may be empty empty."""
    m = example_messages()
    opened, advert = m["Open"], m["Advert"]
    assert isinstance(opened, wire.Open) and isinstance(advert, wire.Advert)
    ring = wire.Parameters(1000, 100, 100, 66, 31, 16, 145, 42, 94, 900, 100)
    sid, sid2 = fill(0x33), fill(0x44)
    return {
        "Open": [
            ("a ring with noise", wire.Open(**{**opened.__dict__, "parameters": ring, "task": fill(5, 100)})),
            ("a long task", wire.Open(**{**opened.__dict__, "task": fill(5, 20000)})),
        ],
        "Advert": [("with the end of a chain", wire.Advert(**{**advert.__dict__, "chain_end": fill(7)}))],
        "Adverts": [("alone", wire.Adverts(fill(1), 2**64 - 1, 2**32 - 1, b"\x01", fill(2), (), ()))],
        "SealedShares": [("no part", wire.SealedShares(sid, 3, (), fill(1, 64)))],
        "DeliveredShares": [("nothing", wire.DeliveredShares(sid, ()))],
        "Accept": [("no cut", wire.Accept(sid, 3, (), fill(1, 64)))],
        "ShareSet": [("no accept", wire.ShareSet(sid, b"\x0f", ()))],
        "SurvivorSet": [("an empty bitmap is for the phase to refuse", wire.SurvivorSet(sid, sid2, b""))],
        "Certificate": [("no signature is for the phase to refuse", wire.Certificate(wire.SurvivorSet(sid, sid2, b"\x03"), ()))],
        "Reveal": [("with a chain value, no pair seed", wire.Reveal(sid2, 1, fill(1), (), fill(2)))],
        "ShareRequest": [("nothing", wire.ShareRequest(sid2, ()))],
        "Shares": [("nothing", wire.Shares(sid2, 1, ()))],
        "AbortNotice": [("no words", wire.AbortNotice(fill(1), 1, 0, b"", b""))],
        "FaultNotice": [("no words", wire.FaultNotice(b"", b""))],
    }


def facts() -> Iterator[Fact]:
    for name, data in examples().items():
        good = [case("the example of wire.md", data)] + [case(what, wire.encode(m)) for what, m in variants().get(name, [])]
        # A type, a length or a code is hit by no single byte alone: cut, lengthen, and leave nothing of the structure.
        bad = [
            case("one byte less", data[:-1], "wire.lengths"),
            case("nothing behind the head", data[:5], "wire.lengths"),
            case("one byte more", data + b"\0", _longer(name, data)),
        ]
        yield Fact(
            "messages",
            f"{_kebab(name)}-has-one-encoding",
            "Decode",
            f"{name}: what is read, and cut or lengthened bytes.",
            "wire.md 2 and 4",
            good + bad,
        )
    yield from _head()
    yield from _caps()
    yield from _at_caps()
    yield from _codes()
    yield from _lengths()


def _kebab(name: str) -> str:
    return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")


def _longer(name: str, data: bytes) -> str:
    number = data[4]
    return "wire.leftover" if len(data) + 1 - 5 <= wire.cap(number, SLOTS, DEGREE) else "wire.cap"


def _head() -> Iterator[Fact]:
    data = examples()["UploadStored"]
    yield Fact(
        "messages",
        "a-head-is-version-suite-and-type",
        "Decode",
        "Fewer than five bytes, another version or another suite is refused first.",
        "wire.md 2 [wire.version]",
        [
            *[case(f"{n} bytes", data[:n], "wire.version") for n in range(5)],
            case("version 0", b"\0\0" + data[2:], "wire.version"),
            case("version 2", b"\0\x02" + data[2:], "wire.version"),
            case("version 256", b"\x01\0" + data[2:], "wire.version"),
            case("suite 0", data[:2] + b"\0\0" + data[4:], "wire.version"),
            case("suite 2", data[:2] + b"\0\x02" + data[4:], "wire.version"),
            case("version 2 of an unknown type", b"\0\x02\0\x01\x63", "wire.version"),
        ],
    )


def _caps() -> Iterator[Fact]:
    head = wire.HEAD
    cases = []
    for number in sorted(wire.MESSAGES):
        if number == 1:
            continue  # Eight megabytes: too long for a file of examples.
        limit = wire.cap(number, SLOTS, DEGREE)
        cases.append(case(f"type {number}, a byte above its cap of {limit}", head + bytes([number]) + fill(0xFF, limit + 1), "wire.cap"))
    for slots, degree in ((3, 2), (1000, 66)):
        for number in (6, 10, 12, 13):
            limit = wire.cap(number, slots, degree)
            data = head + bytes([number]) + fill(0, limit + 1)
            cases.append(case(f"type {number} over {slots} slots, above {limit}", data, "wire.cap", slots, degree))
    at_cap = wire.encode(wire.FaultNotice(b"", fill(0x20, 4096 - 1 - 2)))
    cases.append(case("a notice of exactly 4096 bytes", at_cap))
    cases.append(case("a notice of 4097 bytes", wire.encode(wire.FaultNotice(b"", fill(0x20, 4096 - 2))), "wire.cap"))
    yield Fact(
        "messages",
        "messages-have-caps-that-follow-from-roster-and-degree",
        "Decode",
        "More bytes than the cap of the type are refused before anything behind the type is read.",
        "wire.md 2 [wire.cap], 3",
        cases,
    )


def _grown(number: int, size: int) -> bytes | None:
    """A message of this type with a field of any length grown until `size` bytes are behind the head; none if no field can grow."""
    m, sid, sid2 = example_messages(), fill(0x33), fill(0x44)
    adverts, shares, certificate, receipt = m["Adverts"], m["ShareSet"], m["Certificate"], m["Receipt"]
    assert isinstance(adverts, wire.Adverts) and isinstance(shares, wire.ShareSet)
    assert isinstance(certificate, wire.Certificate) and isinstance(receipt, wire.Receipt)
    with_field: dict[int, Callable[[bytes], object]] = {
        3: lambda field: replace(adverts, advertised=field),
        7: lambda field: replace(shares, shared=field),
        10: lambda field: wire.SurvivorSet(sid, sid2, field),
        12: lambda field: replace(certificate, set=wire.SurvivorSet(sid, sid2, field)),
        16: lambda field: replace(receipt, survivors=field),
        17: lambda field: wire.AbortNotice(fill(1), 1, 0, b"why", field),
        18: lambda field: wire.FaultNotice(b"why", field),
    }
    if number not in with_field:
        return None
    made = (wire.encode(with_field[number](fill(0x20, count))) for count in range(size))
    return next((data for data in made if len(data) - 5 == size), None)


def _at_caps() -> Iterator[Fact]:
    """Each type at its cap and a byte above: a message where one can be so long, else one with bytes behind it."""
    by_type = {data[4]: data for data in examples().values()}
    cases = []
    for number in sorted(set(wire.MESSAGES) - {1}):
        limit = wire.cap(number, SLOTS, DEGREE)
        grown, above = _grown(number, limit), _grown(number, limit + 1)
        if grown is not None and above is not None:
            cases.append(case(f"type {number}, a message of exactly {limit} bytes", grown))
            cases.append(case(f"type {number}, a message of {limit + 1} bytes", above, "wire.cap"))
        else:
            data = by_type[number]
            filled = data + bytes(limit + 5 - len(data))
            cases.append(case(f"type {number}, {limit} bytes, those behind the structure among them", filled, "wire.leftover"))
            cases.append(case(f"type {number}, {limit + 1} bytes, those behind the structure among them", filled + b"\0", "wire.cap"))
    yield Fact(
        "messages",
        "a-cap-is-the-last-length-that-is-read",
        "Decode",
        "At its cap a message is read, a byte above it is refused unread, whatever it holds.",
        "wire.md 2 [wire.cap], 3",
        [*cases, *_long_tasks()],
    )


def _long_tasks() -> Iterator[Case]:
    opened = example_messages()["Open"]
    assert isinstance(opened, wire.Open)
    fixed = len(wire.encode(opened)) - 5 - len(varint(len(opened.task)) + opened.task)
    limit = wire.cap(1, SLOTS, DEGREE)
    for what, size, refused_by in (("exactly", limit, None), ("a byte more than", limit + 1, "wire.cap")):
        count = size - fixed - 4
        data = wire.encode(replace(opened, task=b""))
        head, rest = data[:5] + varint(count), data[6:]
        more = {"run": {"byte": 5, "count": count}, "rest": rest.hex()}
        made = case(f"type 1, a task that makes {what} {limit} bytes", head, refused_by)
        yield Case(made.comment, made.input | more, refused_by)


def _codes() -> Iterator[Fact]:
    e = examples()

    def put(name: str, at: int, value: int) -> bytes:
        data = bytearray(e[name])
        data[at if at >= 0 else len(data) + at] = value
        return bytes(data)

    advert_option = 5 + 32 + 32 + 8 + 4 + 4 + 96
    # Parameters begin behind task (1 + 3), roster, round, attempt and model; `h` behind five numbers of four bytes, T behind four more.
    option_h = 5 + 4 + 32 + 8 + 4 + 32 + 20
    yield Fact(
        "messages",
        "unknown-codes-are-refused",
        "Decode",
        "A type, an option byte, a cut reason or a kind that the structures do not have is refused.",
        "wire.md 2 [wire.types]",
        [
            case("type 0, nothing behind it", wire.HEAD + b"\0", "wire.types"),
            case("type 19, nothing behind it", wire.HEAD + b"\x13", "wire.types"),
            case("type 255, nothing behind it", wire.HEAD + b"\xff", "wire.types"),
            case("type 19, a byte behind it", wire.HEAD + b"\x13\0", "wire.types"),
            case("type 19, more bytes than any message has", wire.HEAD + b"\x13" + bytes(9000), "wire.types"),
            case("option byte 2 before the end of a chain", put("Advert", advert_option, 2), "wire.types"),
            case("option byte 255 before the end of a chain", put("Advert", advert_option, 255), "wire.types"),
            case("option byte 2 before h", put("Open", option_h, 2), "wire.types"),
            case("option byte 2 before T", put("Open", option_h + 17, 2), "wire.types"),
            case("option byte 2 before a part", put("DeliveredShares", 5 + 32 + 2 + 4, 2), "wire.types"),
            case("option byte 2 before a chain value", put("Reveal", -1, 2), "wire.types"),
            case("reason 0", put("Accept", 5 + 32 + 4 + 1 + 4, 0), "wire.types"),
            case("reason 2, which is never listed", put("Accept", 5 + 32 + 4 + 1 + 4, 2), "wire.types"),
            case("reason 5", put("Accept", 5 + 32 + 4 + 1 + 4, 5), "wire.types"),
            case("reason 2 within a Share set", put("ShareSet", 5 + 32 + 2 + 2 + 36 + 1 + 4, 2), "wire.types"),
            case("kind 0 in a request", put("ShareRequest", 5 + 32 + 2, 0), "wire.types"),
            case("kind 3 in a request", put("ShareRequest", 5 + 32 + 2, 3), "wire.types"),
            case("kind 0 in an answer", put("Shares", 5 + 32 + 4 + 2, 0), "wire.types"),
            case("kind 3 in an answer", put("Shares", 5 + 32 + 4 + 2, 3), "wire.types"),
        ],
    )


def _lengths() -> Iterator[Fact]:
    sid, sid2 = fill(0x33), fill(0x44)
    head = wire.HEAD + b"\x0a" + sid + sid2
    accept = wire.HEAD + b"\x06" + sid + bytes(4)
    long = {2: b"\x40\x01", 4: b"\x80\0\0\x01"}
    yield Fact(
        "messages",
        "lengths-are-minimal",
        "Decode",
        "There is one encoding of each message: a length in more bytes than it needs is refused.",
        "wire.md 2 [wire.canonical]",
        [
            case("length 1 in one byte", head + b"\x01\x03"),
            case("length 1 in two bytes", head + long[2] + b"\x03", "wire.canonical"),
            case("length 1 in four bytes", head + long[4] + b"\x03", "wire.canonical"),
            case("length 0 in two bytes", head + b"\x40\0", "wire.canonical"),
            case("length 63 in two bytes", wire.HEAD + b"\x12" + b"\x40\x3f" + fill(0x61, 63) + b"\0", "wire.canonical"),
            case("length 64 in two bytes", wire.HEAD + b"\x12" + varint(64) + fill(0x61, 64) + b"\0"),
            case("length 64 in four bytes", wire.HEAD + b"\x12" + b"\x80\0\0\x40" + fill(0x61, 64) + b"\0", "wire.canonical"),
            case("no cuts, length in two bytes", accept + b"\x40\0" + fill(9, 64), "wire.canonical"),
        ],
    )
    yield Fact(
        "messages",
        "lengths-stay-within-the-bytes-that-are-there",
        "Decode",
        "A length beyond the bytes that are there is refused and sizes no allocation.",
        "wire.md 2 [wire.lengths]",
        [
            case("2 of 1 byte", head + b"\x02\x03", "wire.lengths"),
            case("16383 of 1 byte", head + b"\x7f\xff\x03", "wire.lengths"),
            case("2^30 - 1 of 1 byte", head + b"\xbf\xff\xff\xff\x03", "wire.lengths"),
            case("a length cut in half", head + b"\x40", "wire.lengths"),
            case("cuts that end within a cut", accept + b"\x06" + bytes([0, 0, 0, 0, 1, 0]) + fill(9, 64), "wire.lengths", either=("wire.types",)),
            case("cuts that end within a cut, read on it is one", accept + b"\x06" + bytes([0, 0, 0, 0, 1, 0]) + bytes([0, 0, 2, 1]) + fill(9, 64), "wire.lengths"),
            case("cuts that reach into the signature", accept + b"\x0a" + bytes([0, 0, 0, 0, 1]) + fill(9, 64), "wire.types"),
            case("an inner list longer than the outer", _inner_too_long(), "wire.lengths", either=("wire.types",)),
        ],
    )


def _inner_too_long() -> bytes:
    """Share set with one accept whose list of cuts claims more bytes than the list of accepts has."""
    accept = fill(0x33) + bytes(4) + b"\x3f" + fill(0, 20)
    return wire.HEAD + b"\x07" + fill(0x33) + b"\x01\x0b" + varint(len(accept)) + accept
