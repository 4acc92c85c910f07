"""A member or a coordinator alone on its standard input and output, and a relay between such programs.

A frame is `u32(length) || body`. Between relay and member a body is a message, or a vector behind its upload header. Between relay and
coordinator `u32(slot)` comes before it. An empty message says that a slot has nothing to answer: it is gone, or it refused.
"""

from __future__ import annotations

import json
import os
import queue
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from . import context, encoding, tasks, wire
from .coordinator import Coordinator, Ended
from .facts import Fields, unhex
from .facts.exchanges import COORDINATOR, MEMBER
from .facts.terms import roster_of
from .identity import Identity
from .ledger import Ledger
from .member import Member
from .octets import u32
from .primitives import sha256
from .refusal import Refused
from .rounds import DEADLINES, LENIENT, PHASES
from .vectoring import unfolded

PHASE_OF = {1: "advertise", 3: "share", 5: "accept", 7: "upload", 10: "confirm", 12: "reveal", 14: "shares"}
UPLOAD_HEADER, RECEIPT, ABORT = 8, 16, 17
HEAD = 5


def read_case(path: str, number: str) -> tuple[Fields, Fields]:
    """Input and output of one test of a file of the type `Round`."""
    group = json.loads(Path(path).read_text(encoding="ascii"))["testGroups"][0]
    test = next(test for test in group["tests"] if test["tcId"] == int(number))
    return unfolded(group["given"], test["input"]), test["output"]


def read_frame(stream: IO[bytes]) -> bytes | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    body = stream.read(size)
    return body if len(body) == size else None


def write_frame(stream: IO[bytes], body: bytes) -> None:
    stream.write(u32(len(body)) + body)
    stream.flush()


def kind(message: bytes) -> int:
    return message[4] if len(message) >= HEAD else 0


# A member.


def member(arguments: list[str]) -> int:
    """`member FILE TEST SLOT`: fresh secrets, the update of the file."""
    given, _ = read_case(arguments[0], arguments[1])
    slot = int(arguments[2])
    roster, mine = roster_of(given["roster"]), given["members"][slot]
    machine = Member(Identity(unhex(mine["identity"])), roster, Ledger(), lambda what, count: os.urandom(count), LENIENT)
    update = {each["name"].encode(): unhex(each["values"]) for each in mine["update"]}
    refused = 0
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        try:
            for answer in _answers(machine, frame, update, mine.get("weight", 1)):
                write_frame(sys.stdout.buffer, answer)
        except Refused as why:
            refused += 1
            print(f"slot {slot}: {why}", file=sys.stderr)
            write_frame(sys.stdout.buffer, b"")
        if kind(frame) in (RECEIPT, ABORT):
            break
    return refused


def _answers(machine: Member, frame: bytes, update: encoding.Update, weight: int) -> list[bytes]:
    slots = len(machine.roster.members)
    message = wire.decode(frame, slots, machine.context.parameters.k if machine.context else slots)
    answer = getattr(machine, MEMBER[type(message)])(message)
    if isinstance(message, wire.ShareSet):
        assert machine.context is not None
        digest = encoding.update_digest(machine.context.task, update)
        header, vector = machine.on_contribution(machine.contribution(update, weight), digest)
        return [wire.encode(header), vector]
    return [] if answer is None else [wire.encode(answer)]


# A coordinator.


class Served:
    """The coordinator's machine on one stream for all slots."""

    def __init__(self, given: Fields) -> None:
        where = (given["round"], given.get("attempt", 0), unhex(given.get("baseModel", "00" * 32)))
        made = context.derive(roster_of(given["roster"]), unhex(given["task"]), *where)
        self.machine = Coordinator(made, Identity(unhex(given["coordinatorIdentity"])))
        self.slots, self.k = made.slots, made.parameters.k

    def send(self, slot: int, message: Any) -> None:
        write_frame(sys.stdout.buffer, u32(slot) + wire.encode(message))

    def exchange(self, due: dict[int, Any]) -> None:
        """Sends what is due and takes one answer of each of these slots."""
        for slot, message in due.items():
            self.send(slot, message)
        waiting = set(due)
        while waiting:
            frame = read_frame(sys.stdin.buffer)
            if frame is None:
                raise EOFError("the relay is gone")
            slot, data = int.from_bytes(frame[:4], "big"), frame[4:]
            waiting.discard(slot)
            if data:
                self.take(slot, data)

    def take(self, slot: int, data: bytes) -> None:
        vector = b""
        if kind(data) == UPLOAD_HEADER:
            vector = (read_frame(sys.stdin.buffer) or b"")[4:]
        try:
            message = wire.decode(data, self.slots, self.k)
            if isinstance(message, wire.UploadHeader):
                self.send(slot, self.machine.on_upload(slot, message, vector))
            else:
                getattr(self.machine, COORDINATOR[type(message)])(slot, message)
        except Refused as why:
            print(f"coordinator: slot {slot}: {why}", file=sys.stderr)

    def run(self) -> None:
        machine = self.machine
        self.exchange({slot: machine.open(DEADLINES) for slot in machine.context.graph.population})
        self.exchange(machine.close_advertise())
        self.exchange(machine.close_share())
        self.exchange(machine.close_accept())
        self.exchange(machine.close_upload())
        self.exchange(machine.close_confirm())
        if any(machine.wanted()):
            self.exchange(machine.requests())
        total, _, due = machine.finish()
        print(json.dumps({"survivors": sorted(machine.survivors), "values": list(total.values)}), file=sys.stderr)
        for slot, message in due.items():
            self.send(slot, message)


def coordinator(arguments: list[str]) -> int:
    """`coordinator FILE TEST`"""
    served = Served(read_case(arguments[0], arguments[1])[0])
    try:
        served.run()
    except Ended as why:
        print(f"coordinator: {why}", file=sys.stderr)
        c = served.machine.context
        notice = wire.AbortNotice(c.task_digest, c.round, c.attempt, why.requirement.encode(), str(why).encode())
        for slot in c.graph.population:
            served.send(slot, notice)
        return 1
    return 0


# The relay.


class Relay:
    """One program for the coordinator and one for each slot."""

    def __init__(self, given: Fields, coordinator_command: list[str], member_commands: list[list[str]]) -> None:
        self.silent = {int(slot): phase for slot, phase in given["silent"].items()}
        self.coordinator = _start(coordinator_command)
        self.members = [_start(command) for command in member_commands]
        self.receipts: dict[int, wire.Receipt] = {}
        # A thread of its own writes to the coordinator, which may be busy writing: else both could wait for each other.
        self.answers: queue.Queue[bytes | None] = queue.Queue()
        self.writer = threading.Thread(target=self._write_answers, daemon=True)
        self.writer.start()

    def _write_answers(self) -> None:
        stream = self.coordinator.stdin
        assert stream
        try:
            while (body := self.answers.get()) is not None:
                write_frame(stream, body)
        except BrokenPipeError:
            print("relay: the coordinator is gone", file=sys.stderr)

    def run(self) -> None:
        assert self.coordinator.stdout and self.coordinator.stdin
        while (frame := read_frame(self.coordinator.stdout)) is not None:
            slot, message = int.from_bytes(frame[:4], "big"), frame[4:]
            self.pass_on(slot, message)
        self.answers.put(None)
        self.writer.join(timeout=60)
        for process in (self.coordinator, *self.members):
            try:
                if process.stdin:
                    process.stdin.close()
            except BrokenPipeError:
                pass
            process.wait(timeout=60)

    def pass_on(self, slot: int, message: bytes) -> None:
        phase = PHASE_OF.get(kind(message))
        if phase and slot in self.silent and PHASES.index(phase) >= PHASES.index(self.silent[slot]):
            self.answer(slot, b"")
            return
        if kind(message) == RECEIPT:
            self.receipts[slot] = wire.decode(message, len(self.members), len(self.members))
            if slot in self.silent:
                return
        target = self.members[slot]
        assert target.stdin and target.stdout
        try:
            write_frame(target.stdin, message)
        except BrokenPipeError:
            print(f"relay: slot {slot} is gone", file=sys.stderr)
        if phase is not None:
            answer = read_frame(target.stdout) or b""
            self.answer(slot, answer)
            if kind(answer) == UPLOAD_HEADER:
                self.answer(slot, read_frame(target.stdout) or b"")

    def answer(self, slot: int, message: bytes) -> None:
        self.answers.put(u32(slot) + message)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def cross_run(arguments: list[str]) -> int:
    """`cross-run FILE TEST [coordinator=COMMAND] [members=COMMAND] [SLOT=COMMAND ...]`; the model where no command is given.

    A command may hold `{file}`, `{test}` and `{slot}`.
    """
    path, number = arguments[:2]
    given, output = read_case(path, number)
    chosen = dict(argument.split("=", 1) for argument in arguments[2:])
    here = f"{shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).resolve().parent))}"

    def command(text: str, slot: int | None = None) -> list[str]:
        return [part.replace("{file}", path).replace("{test}", number).replace("{slot}", str(slot)) for part in shlex.split(text)]

    everyone = chosen.get("members", here + " member {file} {test} {slot}")
    members = [command(chosen.get(str(slot), everyone), slot) for slot in range(len(given["members"]))]
    relay = Relay(given, command(chosen.get("coordinator", here + " coordinator {file} {test}")), members)
    relay.run()
    codes = [process.returncode for process in (relay.coordinator, *relay.members)]
    wanted, found = sha256(unhex(output["packed"])), {receipt.sum for receipt in relay.receipts.values()}
    task = tasks.decode(unhex(given["task"]))
    exact = task.noise is None and task.encoding[0] == tasks.INTEGER
    good = len(relay.receipts) > 0 and not any(codes) and len(found) == 1 and (not exact or found == {wanted})
    print(f"{len(relay.receipts)} receipts, exit codes {codes}, sum {'as in the vector' if found == {wanted} else 'another'}")
    print("passed" if good else "FAILED")
    return not good
