"""Computes every worked value and example of the pages anew and compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import comb, log2

from . import agreement, encoding, graph, merkle, noise, parameters, ring, session, tasks, wire
from .identity import Identity
from .octets import u8, u32, u64
from .pages import SPEC, hex_examples, page, section, table_rows, values, variants
from .parameters import COMPLETE, Demand
from .primitives import keystream, sha256
from .refusal import Refused
from .wire import PARAMETERS

Check = tuple[str, object, object]
"""What, as the page has it, as the model has it."""


def run() -> int:
    """Prints one line a mismatch and a count for each page; the number of mismatches."""
    wrong = 0
    for name, checks in (
        ("crypto.md", schedule()),
        ("wire.md", messages()),
        ("transport.md", transports()),
        ("parameters.md", numbers()),
        ("encoding.md", encodings()),
        ("noise.md", noises()),
        ("threat-model.md", threats()),
        ("security.md", draws()),
    ):
        done = 0
        for what, stated, found in checks:
            done += 1
            if stated != found:
                wrong += 1
                print(f"{name}: {what}: page {_show(stated)}, model {_show(found)}")
        print(f"{name}: {done} values checked")
    print("all equal" if not wrong else f"{wrong} differ")
    return wrong


def _show(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def seed(x: int) -> bytes:
    return bytes((x + i) % 256 for i in range(31)) + b"\x05"


def schedule() -> Iterator[Check]:
    """Section 10."""
    task, round_, attempt, sid, sid2 = b"\x11" * 32, 7, 1, b"\x22" * 32, b"\x33" * 32
    private = {slot: agreement.mask_private(seed(x), task, round_, attempt, slot) for slot, x in ((3, 1), (5, 101))}
    public = {slot: agreement.x25519_public(key) for slot, key in private.items()}
    pair = agreement.pair_seed(private[3], public[5], sid, 3, 5)
    pair_key = agreement.pair_mask_key(pair, sid2, 3, 5)
    self_key = agreement.self_mask_key(seed(201), sid2, 3)
    seal3, seal5 = b"\x41" * 32, b"\x42" * 32
    sealed = agreement.seal(agreement.seal_key(seal3, agreement.x25519_public(seal5), sid, 3, 5), sid, 3, 5, seed(31), seed(62))
    pair_hash = agreement.pair_hash(pair, sid, 3, 5)
    root_digest = agreement.root_share_digest(seed(31), sid, 3, 5)
    self_digest = agreement.self_share_digest(seed(62), sid, 3, 5)
    signer = Identity(b"\x51" * 32)
    slot, sum_, survivors = u32(3), b"\x66" * 32, b"\x0b"
    keys = (b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
    signed = signer.sign("sign advert", task, b"\x77" * 32, u64(round_), u32(attempt), slot, *keys, u8(0))
    advert = wire.Advert(task, b"\x77" * 32, round_, attempt, 3, *keys, None, signed)
    found = {
        "mask_public_3": public[3],
        "mask_public_5": public[5],
        "pair_seed": pair,
        "pair_hash": pair_hash,
        "pair_mask_0": keystream(pair_key, 0, 16),
        "pair_mask_1": keystream(pair_key, ring.BLOCK_BYTES, 16),
        "self_mask_0": keystream(self_key, 0, 16),
        "self_mask_1": keystream(self_key, ring.BLOCK_BYTES, 16),
        "commitment": agreement.commitment(seed(201), task, round_, attempt, 3),
        "seal_public_3": agreement.x25519_public(seal3),
        "seal_public_5": agreement.x25519_public(seal5),
        "sealed": sealed,
        "root_digest": root_digest,
        "self_digest": self_digest,
        "share_leaf": merkle.share_leaf(sid, 3, 5, sealed, root_digest, self_digest, pair_hash),
        "sid2": session.second_session_id(sid, b"\x0b"),
        "survivors": session.survivors_digest(sid2, b"\x03"),
        "empty": merkle.empty_leaf(),
        "root3": merkle.root(keys),
        "sign_shares": signer.sign("sign shares", sid, slot, sum_),
        "sign_accept": signer.sign("sign accept", sid, slot, u32(5), u8(1), u32(9), u8(4)),
        "sign_upload": signer.sign("sign upload", sid, sid2, slot, u64(5000)),
        "sign_confirm": signer.sign("sign confirm", sid, sid2, survivors),
        "sign_receipt": signer.sign("sign receipt", task, u64(round_), u32(attempt), sid, sid2, sum_, survivors),
        "sign_advert": signed,
        "advert_leaf": merkle.advert_leaf(wire.ADVERT.write(advert)),
    }
    stated = values("crypto.md")
    yield "names of the values", sorted(stated), sorted(found)
    for name, value in found.items():
        yield name, stated.get(name), value
    yield from _labels()
    yield from _receipt_order(signer, task, round_, attempt, sid, sid2, sum_, survivors, stated)


def _labels() -> Iterator[Check]:
    """Section 3: the model uses the labels of the table and no other."""
    stated = set()
    for row in table_rows(section("crypto.md", "## 3. Labels")):
        stated |= {name.removeprefix("veilsum/1 ") for name in re.findall(r"`([^`]+)`", row[0])}
    used = set()
    for path in SPEC.glob("reference/*.py"):
        if path.name != "check_spec.py":
            text = path.read_text(encoding="utf-8")
            used |= set(re.findall(r'(?:labelled_hash|kdf|rank_key|\.sign|label\(PREFIX \+)\(?\s*"([a-z ]+)"', text))
            used |= set(re.findall(r'"(sign [a-z]+)"', text))
    yield "labels of the table and of the model", sorted(stated), sorted(used)


def _receipt_order(signer: Identity, *fields: object) -> Iterator[Check]:
    """The table of labels and wire.md must say the same order of fields."""
    row = re.search(r"`veilsum/1 sign receipt`[^\n]*", page("crypto.md"))
    assert row is not None
    yield "order of the receipt's fields in the table of labels", True, row.group().index("digest of the sum") < row.group().rindex("S |")


def example_variants() -> dict[str, object]:
    """The messages of wire.md section 4.19: those of `example_messages` with what is optional."""
    m = example_messages()
    opened, advert, reveal = m["Open"], m["Advert"], m["Reveal"]
    assert isinstance(opened, wire.Open) and isinstance(advert, wire.Advert) and isinstance(reveal, wire.Reveal)
    ring = wire.Parameters(1000, 100, 100, 66, 31, 16, 145, 42, 94, 900, 100)
    return {
        "Open-of-a-ring-with-noise": replace(opened, parameters=ring),
        "Advert-with-a-chain-end": replace(advert, chain_end=bytes([0x64]) * 32),
        "Reveal-with-a-chain-value": replace(reveal, chain_value=bytes([0xB5]) * 32),
    }


def transport_examples() -> dict[str, bytes]:
    """The examples of transport.md section 2 to 4."""
    header = wire.encode(example_messages()["UploadHeader"])
    return {
        "hello": len(b"veilsum/1").to_bytes(4, "big") + b"veilsum/1",
        "upload": len(header).to_bytes(4, "big") + header + bytes(range(8)),
        "request": bytes([0x55]) * 32 + (65536).to_bytes(8, "big") + (1048576).to_bytes(8, "big"),
        "request-with-have": bytes([0x55]) * 32 + bytes(8) + (1048576).to_bytes(8, "big") + bytes([0x56]) * 32,
        "reply": b"\0" + (65540).to_bytes(8, "big") + b"tail",
        "reply-with-a-delta": b"\3" + (4).to_bytes(8, "big") + bytes([0x57]) * 32 + b"step",
    }


def example_messages() -> dict[str, object]:
    """The messages of wire.md section 4, of a roster of four slots."""

    def fill(byte: int, size: int = 32) -> bytes:
        return bytes([byte]) * size

    task, roster, sid, sid2 = fill(0x11), fill(0x22), fill(0x33), fill(0x44)

    def advert(slot: int) -> wire.Advert:
        return wire.Advert(task, roster, 7, 1, slot, fill(0x60), fill(0x61), fill(0x62), None, fill(0x63, 64))

    def part(to: int, first: int) -> wire.SealedShare:
        return wire.SealedShare(to, fill(first, 80), fill(first + 1), fill(first + 2), fill(first + 3))

    header = wire.UploadHeader(sid, sid2, 1, 5000, fill(0xA1, 64))
    survivors = wire.SurvivorSet(sid, sid2, b"\x03")
    proofs = (fill(0x73), fill(0x74))
    return {
        "Open": wire.Open(
            b"\x01\x02\x03",
            roster,
            7,
            1,
            fill(0x55),
            wire.Parameters(4, 1, 1, 3, 3, None, 4, 1, 3, 3, None),
            wire.Deadlines(60000, 30000, 30000, 120000, 30000, 30000),
        ),
        "Advert": advert(1),
        "Adverts": wire.Adverts(task, 7, 1, b"\x0b", fill(0x70), (fill(0x71), fill(0x72)), (wire.ProvenAdvert(advert(0), proofs),)),
        "SealedShares": wire.SealedShares(sid, 1, (part(0, 0x80), part(3, 0x84)), fill(0x88, 64)),
        "DeliveredShares": wire.DeliveredShares(
            sid,
            (
                wire.DeliveredShare(0, part(1, 0x80), (fill(0x90),), fill(0x91, 64)),
                wire.DeliveredShare(3, None, (fill(0x92),), fill(0x93, 64)),
            ),
        ),
        "Accept": wire.Accept(sid, 1, (wire.Cut(0, 1), wire.Cut(3, 4)), fill(0x94, 64)),
        "ShareSet": wire.ShareSet(sid, b"\x0b", (wire.Accept(sid, 3, (wire.Cut(1, 3),), fill(0x95, 64)),)),
        "UploadHeader": header,
        "UploadStored": wire.UploadStored(sid2, 1),
        "SurvivorSet": survivors,
        "Confirmation": wire.Confirmation(sid2, wire.SignedSlot(1, fill(0xA2, 64))),
        "Certificate": wire.Certificate(survivors, (wire.SignedSlot(0, fill(0xA3, 64)), wire.SignedSlot(1, fill(0xA4, 64)))),
        "Reveal": wire.Reveal(sid2, 1, fill(0xB1), (wire.PairSeedReveal(3, fill(0xB2)),), None),
        "ShareRequest": wire.ShareRequest(sid2, ((1, header), (2, 3))),
        "Shares": wire.Shares(sid2, 0, (wire.ShareAnswer(1, 1, fill(0xB3)), wire.ShareAnswer(2, 3, fill(0xB4)))),
        "Receipt": wire.Receipt(task, 7, 1, sid, sid2, b"\x03", fill(0xC1), fill(0xC2, 64)),
        "AbortNotice": wire.AbortNotice(task, 7, 1, b"below_quorum", b"confirm: 2 signatures arrived, the quorum is 3"),
        "FaultNotice": wire.FaultNotice(b"signature", b"signature on Advert does not verify"),
    }


def messages() -> Iterator[Check]:
    """Section 4, and that the reader takes each example under the caps of its roster."""
    yield from _caps()
    more = variants("wire.md")
    for name, made in example_variants().items():
        yield f"variant {name}", more.pop(name), wire.encode(made)
    yield "variants without a value", set(more), set()
    stated, found = hex_examples("wire.md"), example_messages()
    yield "names of the messages", sorted(stated), sorted(found)
    for name, message in found.items():
        data = stated.get(name, b"")
        yield name, data, wire.encode(message)
        try:
            yield f"{name}, read", message, wire.decode(data, 4, 3)
        except Refused as why:
            yield f"{name}, read", "a message", str(why)


def transports() -> Iterator[Check]:
    """Sections 2 to 4."""
    stated, found = variants("transport.md"), transport_examples()
    yield "names of the examples", sorted(stated), sorted(found)
    for name, data in found.items():
        yield name, stated.get(name), data


def _caps() -> Iterator[Check]:
    """Section 3, each formula of the table for several rosters."""
    for row in table_rows(section("wire.md", "## 3. Caps")):
        for number, formula in zip(row[::2], row[1::2], strict=True):
            written = re.sub(r"(\d+|[kb)]) (?=[ksb(])", r"\1 * ", formula)
            for s, k in ((3, 2), (4, 3), (1000, 66), (5, 9)):
                degree = min(s, k)
                value = eval(written, {"s": s, "k": degree, "b": -(-s // 8) + 8})
                yield f"cap of type {number}, s={s} k={k}", value, wire.cap(int(number), s, k)


def numbers() -> Iterator[Check]:
    """Sections 4, 7 and 9."""
    for row in table_rows(section("parameters.md", "## 9. Worked values")):
        if len(row) == 3 and re.match(r"\d", row[0]):
            yield from _derived(row)
    yield from _small()
    example = page("parameters.md").split("without differential privacy: `")[1].split("`")[0]
    made = parameters.derive(Demand(1000, 100, 100))
    yield "encoding of the parameters", bytes.fromhex(example), PARAMETERS.write(made)
    yield from _graph(made)


def _derived(row: list[str]) -> Iterator[Check]:
    n, c, d = (int(x) for x in row[0].split(","))
    made = parameters.derive(Demand(n, c, d))
    if made.h is None:
        shape = "complete"
        found = parameters.search_degree(n, c, d)
        by_hand = re.search(r"smallest degree that passes is (\d+)", row[1])
        # Auto falls back to complete only if no degree passes; the page then names the degree that no k <= n / 3 reaches.
        yield f"{row[0]}: no degree", None, found
        if by_hand:
            yield f"{row[0]}: degree beyond n / 3", int(by_hand.group(1)), _first_degree(n, c, d)
        yield f"{row[0]}: graph", True, row[1].startswith(shape)
    else:
        yield f"{row[0]}: k, t, h", [int(x) for x in re.findall(r"\d+", row[1])[:3]], [made.k, made.t, made.h]
        refused = re.search(r"(\d+) by hand is refused", row[1])
        if refused:
            try:
                parameters.derive(Demand(n, c, d, graph=int(refused.group(1))))
                yield f"{row[0]}: by hand", "refused", "derived"
            except Refused as why:
                yield f"{row[0]}: by hand", "params.ring.by-hand", why.requirement
    everyone = row[2].startswith("all")
    yield f"{row[0]}: m, q, c_m", [int(x) for x in re.findall(r"\d+", row[2])], [made.m, made.q, made.c_m]
    if everyone:
        yield f"{row[0]}: all electors", n, made.m


def _first_degree(n: int, c: int, d: int) -> int:
    k = 2
    while True:
        try:
            parameters.try_degree(n, c, d, k)
            return k
        except Refused:
            k += 2


def _small() -> Iterator[Check]:
    """[params.small] `n | c: q, t; x/y`, parted by dots."""
    for row in table_rows(section("parameters.md", "## 4. What a person is told")):
        if not re.fullmatch(r"\d", row[0]):
            continue
        n = int(row[0])
        for cell in row[1].split("·"):
            match = re.fullmatch(r"(\d): (\d), (\d); ([-\d])/([-\d])", cell.strip())
            assert match is not None, cell
            c, q, t = (int(x) for x in match.groups()[:3])
            possible = [d for d in range(n) if c + 2 * d < n and c + 2 <= n - d]
            made = parameters.derive(Demand(n, c, 0, COMPLETE))
            yield f"small, n={n} c={c}: q, t", [q, t], [made.q, made.t]
            answering = max(possible)
            refusing = [d for d in possible if q <= n - c - d]
            found = ["-" if not refusing else str(max(refusing)), str(answering)]
            yield f"small, n={n} c={c}: largest d", list(match.groups()[3:]), found


def _graph(made: wire.Parameters) -> Iterator[Check]:
    text = section("parameters.md", "## 9. Worked values")
    randomness, roster = b"\x07" * 32, b"\x2a" * 32
    built = graph.build(made, tuple(range(1000)), randomness, roster, 5)
    assert built.ring is not None

    def listed(pattern: str) -> list[int]:
        match = re.search(pattern, text, re.DOTALL)
        assert match is not None, pattern
        return [int(x) for x in re.findall(r"\d+", match.group(1))]

    def digest(slots: object) -> str:
        return sha256(*(u32(slot) for slot in slots)).hex()  # type: ignore[attr-defined]

    hashes = re.findall(r"`([0-9a-f]{64})`", text)
    yield "ring key", hashes[0], graph.rank_key("ring", randomness, roster, 5).hex()
    yield "first positions", listed(r"slots by position: ([\d, ]+)\.\.\."), list(built.ring[:8])
    yield "position of slot 0", listed(r"slot 0 is at\s+position (\d+)"), [built.ring.index(0)]
    yield "digest of the ring", hashes[1], digest(built.ring)
    near = built.neighbours(0)
    yield "first neighbours", listed(r"neighbours of slot 0, ascending: ([\d, ]+)\.\.\."), list(near[:6])
    yield "last neighbours", listed(r"74, 89, \.\.\., ([\d, ]+)"), list(near[-6:])
    committee = sorted(built.electorate)
    yield "committee", listed(r"committee, ascending: ([\d, ]+)\.\.\."), committee[:6]
    yield "digest of the committee", hashes[2], digest(committee)
    yield "cohort", listed(r"a cohort of 20: ([\d, \n]+)"), list(graph.cohort(20, 1000, randomness, roster, 5))


def small_task() -> tasks.Task:
    encoded = tasks.FloatEncoding(tasks.Clip(tasks.L2, tasks.bits_of(3.0)), 8, 1, (tasks.DEVIATIONS, 6), tasks.STOCHASTIC, 5)
    tensors = (tasks.Tensor(b"bias", (10,), tasks.F32), tasks.Tensor(b"weight", (4, 20), tasks.F16))
    return tasks.Task(b"small", tensors, (tasks.FLOAT, encoded), (tasks.COUNT, 0), (tasks.COUNT, 0))


def small_update() -> encoding.Update:
    raw = [((37 * i) % 101 - 50) / 64 for i in range(90)]
    return {b"bias": encoding.to_bytes(tasks.F32, raw[:10]), b"weight": encoding.to_bytes(tasks.F16, raw[10:])}


def encodings() -> Iterator[Check]:
    """Sections 3.1 and 10."""
    for row in table_rows(section("encoding.md", "### 3.1 Integers of a contribution")):
        q = int(row[0].split("=")[1])
        for n, bits in zip((100, 1000, 10000, 100000), row[1:], strict=True):
            yield f"lane bits, q={q} n={n}", int(bits), (n * (2**q - 1)).bit_length()
    yield from _small_vector()
    yield from _large_vector()


def _small_vector() -> Iterator[Check]:
    text = section("encoding.md", "## 10. Vectors")
    made = encoding.plan(small_task(), 3)
    update = small_update()
    x = [float(v) for v in encoding.coordinates(made, update)]
    yield "small: B, D', b, lanes, limbs", [32, 96, 12, 97, 19], [made.rows, made.padded, made.bits, made.lanes, made.limbs]
    _, norm = encoding.clip(tasks.L2, 3.0, x)
    yield "small: norm", "4.3214354892211455", repr(norm)
    q = encoding.integers(made, update, 4, b"\x52" * 32, [bytes(range(32))])
    data = encoding.contribution(made, q, 4)
    block = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert block is not None
    yield "small: blocks", bytes.fromhex(block.group(1)), data
    total = encoding.decode(made, data, 1)
    yield "small: sum", [32, -16, -272, -92], list(total.values[:4])
    hashes = re.findall(r"`([0-9a-f]{64})`", text)
    yield "small: digest of the sum", hashes[0], total.digest().hex()
    yield "small: manifest", hashes[1], encoding.manifest_digest(made.task).hex()
    yield "small: plan", hashes[2], encoding.plan_digest(made).hex()
    yield "small: update", hashes[3], encoding.update_digest(made.task, update).hex()


def _large_vector() -> Iterator[Check]:
    text = section("encoding.md", "## 10. Vectors")
    encoded = tasks.FloatEncoding(tasks.Clip(tasks.L2, tasks.bits_of(30.0)), 16, 1, (tasks.DEVIATIONS, 6), tasks.STOCHASTIC, 1)
    task = tasks.Task(b"large", (tasks.Tensor(b"w", (50000,), tasks.F64),), (tasks.FLOAT, encoded), (2, 0), (2, 0))
    made = encoding.plan(task, 1000)
    x = [((7919 * i) % 20011 - 10000) / 4096 for i in range(50000)]
    update = {b"w": encoding.to_bytes(tasks.F64, x)}
    yield "large: B, D', b", [4096, 53248, 26], [made.rows, made.padded, made.bits]
    yield "large: norm", "315.35999004472444", repr(encoding.clip(tasks.L2, 30.0, x)[1])
    data = encoding.contribution(made, encoding.integers(made, update, 1, b"\x01" * 32, [b"\x02" * 32]))
    yield "large: bytes", 173064, len(data)
    yield "large: digest", re.findall(r"`([0-9a-f]{64})`", text)[-1], sha256(data).hex()


def noises() -> Iterator[Check]:
    """noise.md has no worked values; what is checked are the equations that it states between its own numbers."""
    n, tolerated, c = 20, 17, 1
    raised = Fraction(n - tolerated, n - tolerated - c)
    made = noise.plan(tasks.SKELLAM, Fraction(1000), tasks.DROPOUT_EXACT, n, tolerated, c)
    carried = made.base.a
    for level, component in enumerate(made.components, 1):
        carried += component.a
        yield f"base and components 1 to {level}", raised / (n - made.levels[level]) * 1000, carried
    yield "D_m is T", tolerated, made.levels[-1]
    for law in (noise.Law("skellam", Fraction(1_500_000)), noise.Law("polya", Fraction(200)), noise.Law("gaussian", Fraction(1_500_000))):
        yield f"widest table of {law.kind} fits", True, noise.table(law).clamp <= noise.MAX_THRESHOLDS


IDS = re.compile(r"\[([a-z0-9-]+(?:\.[a-z0-9-]+)+)\]")
ARGUMENTS = ("threat-model.md", "security.md")


def _unknown_ids(name: str) -> list[str]:
    """Requirements that a page cites and no page of the norm has."""
    norm = {found for path in SPEC.glob("*.md") if path.name not in (*ARGUMENTS, "README.md") for found in IDS.findall(page(path.name))}
    return sorted(set(IDS.findall(page(name))) - norm)


def threats() -> Iterator[Check]:
    """Sections 4 and 5: what stops an attack is a requirement, and what shows it is a test that exists."""
    yield "requirements without a page", [], _unknown_ids("threat-model.md")
    root = SPEC.parent
    sources = [path for folder in ("crates", "tests") for path in (root / folder).rglob("*.rs") if "target" not in path.parts]
    functions = {found for path in sources for found in re.findall(r"fn ([a-z0-9_]+)", path.read_text(encoding="utf-8"))}
    named = {found for found in re.findall(r"`([a-z0-9_]{12,})`", page("threat-model.md")) if "_" in found}
    yield "tests without a function", [], sorted(named - functions)


def draws() -> Iterator[Check]:
    """Section 6: base-2 logarithms to one digit. And the inequalities that the proof uses, for all small numbers."""
    yield "requirements without a page", [], _unknown_ids("security.md")
    for row in table_rows(section("security.md", "## 6. The draw")):
        if re.fullmatch(r"\d+, \d+, \d+", row[0]):
            n, c, d = (int(x) for x in row[0].split(","))
            yield f"draw of {row[0]}", row[1:], _draw(parameters.derive(Demand(n, c, d)))
    wrong = []
    for n in range(3, 61):
        for c in range(n - 1):
            for d in range(n):
                if c + 2 <= n - d and c + 2 * d < n:
                    made = parameters.derive(Demand(n, c, d, COMPLETE))
                    good = 2 * made.q > n + c and made.t > c and made.q <= n - d and made.f - c >= 2
                    wrong += [] if good and _noise_is_enough(n, d, c) else [(n, c, d)]
    yield "complete graphs and noise plans that miss an inequality", [], wrong


def _noise_is_enough(n: int, tolerated: int, c: int) -> bool:
    """Section 8: the honest survivors of every number of drop-outs carry the target."""
    m = min(tolerated, 16)
    levels = [-(-i * tolerated // m) if m else 0 for i in range(m + 1)]
    least = [next(level for level in levels if level >= missing) for missing in range(tolerated + 1)]
    return all(
        (n - missing - c) * (n - tolerated) >= (n - tolerated - c) * (n - level) for missing, level in enumerate(least)
    )


def _draw(made: wire.Parameters) -> list[str]:
    n, w, c = made.n, made.k // 2, max(made.c, 1)
    assert made.h is not None
    thick = Fraction(n * parameters.Hyp(n, c, w).above(made.h), comb(n, w))
    around = Fraction(n * parameters.Hyp(n - 1, c, made.k).above(made.t - 1), comb(n - 1, made.k))
    signers = Fraction(parameters.Hyp(n, c, made.m).above(made.c_m), comb(n, made.m))
    both = sum(
        comb(c, a) * comb(n - c, w - a) * comb(c - a, b) * comb(n - c - w + a, w - b)
        for a in range(made.h + 1, w + 1)
        for b in range(made.h + 1, min(w, c - a) + 1)
    )
    pairs = n * (n - 2 * w + 1) // 2
    union = Fraction(pairs * both, comb(n, w) * comb(n - w, w))
    bound = thick * thick / 2
    return [_log2(x) for x in (thick, bound, union, around, bound + around, signers)]


def _log2(x: Fraction) -> str:
    shift = x.denominator.bit_length() - x.numerator.bit_length() + 60
    return f"{log2((x.numerator << max(shift, 0)) // x.denominator) - shift:.1f}"
