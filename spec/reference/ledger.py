"""What a member remembers over restarts. Source: protocol.md section 6. Budgets (epsilon) are not here."""

from __future__ import annotations

from dataclasses import dataclass, field

from .refusal import require


@dataclass(frozen=True)
class Entry:
    act: str
    task: bytes
    round: int
    roster: bytes = b""
    attempt: int = 0
    sid2: bytes = b""
    digest: bytes = b""


@dataclass
class Ledger:
    entries: list[Entry] = field(default_factory=list)

    def of(self, task: bytes, round_: int, *acts: str) -> list[Entry]:
        return [e for e in self.entries if (e.task, e.round) == (task, round_) and (not acts or e.act in acts)]

    def record(self, entry: Entry) -> None:
        self.entries.append(entry)

    def check_join(self, task: bytes, roster: bytes, round_: int, attempt: int, retries: bool) -> None:
        """[join.ledger] [join.closed]"""
        later = [e for e in self.entries if e.task == task and e.round > round_]
        require(not later, "join.ledger", "a later round")
        adverts = self.of(task, round_, "advert")
        require(all(e.roster == roster for e in adverts), "join.ledger", "an advert under another roster")
        require(all(e.attempt < attempt for e in adverts), "join.ledger", "an advert in this or a later attempt")
        require(retries or not adverts, "join.ledger", "a retry")
        require(not self.of(task, round_, "signed", "certified"), "join.closed", "a certificate was signed or seen")

    def check_superseded(self, task: bytes, round_: int, attempt: int) -> None:
        """[attempt.superseded]"""
        later = [e for e in self.of(task, round_, "advert") if e.attempt > attempt]
        require(not later, "attempt.superseded", "a later attempt")

    def check_update(self, task: bytes, round_: int, update: bytes, reuse: bool, noise: bool) -> None:
        """[upload.reuse]"""
        for entry in self.entries:
            if entry.act != "update":
                continue
            if (entry.task, entry.round) == (task, round_):
                require(entry.digest == update, "upload.reuse", "another update than this round's")
            elif entry.digest == update and not reuse:
                charged = bool(self.of(entry.task, entry.round, "charged"))
                require(noise and charged, "upload.reuse", f"the update of round {entry.round}")

    def survivors(self, task: bytes, round_: int) -> list[tuple[bytes, bytes]]:
        return [(e.sid2, e.digest) for e in self.of(task, round_, "signed", "certified")]
