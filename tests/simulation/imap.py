"""An IMAP account of one folder, held by the world, and connections to it that break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.ports import Listed, SourceTrouble
from gateway.store.spool import BytesRaw
from tests.simulation.chance import VirtualClock
from tests.simulation.faults import Faults

KEPT = 40
"""Seen mails that stay in a folder whose mails are only flagged: somebody tidies it."""


@dataclass
class Message:
    octets: bytes
    internal_date: datetime
    seen: bool = False


@dataclass
class Folder:
    """`after`: what settling does, "seen" or "delete"."""

    after: str
    uidvalidity: int = 1
    next_uid: int = 1
    messages: dict[int, Message] = field(default_factory=dict)

    def add(self, octets: bytes, at: datetime) -> None:
        self.messages[self.next_uid] = Message(octets, at)
        self.next_uid += 1

    def settle(self, uid: int) -> None:
        if self.after == "delete":
            self.messages.pop(uid, None)
        elif uid in self.messages:
            self.messages[uid].seen = True
            seen = [one for one, message in self.messages.items() if message.seen]
            for old in seen[:-KEPT]:
                del self.messages[old]

    def renumber(self) -> None:
        """What a restore or a move of the server does: all UIDs are others (RFC 3501 section 2.3.1.1)."""
        messages = list(self.messages.values())
        self.uidvalidity += 1
        self.messages = dict(enumerate(messages, 1))
        self.next_uid = len(messages) + 1

    def unsettled(self) -> int:
        return sum(not message.seen for message in self.messages.values())


class Connection:
    """`ports.MailSource`."""

    def __init__(self, folder: Folder, faults: Faults, clock: VirtualClock) -> None:
        self._folder = folder
        self._faults = faults
        self._clock = clock
        self._broken = False
        self._uidvalidity = folder.uidvalidity

    def _call(self, point: str) -> None:
        faults = self._faults
        faults.at(point)
        if self._broken or faults.hits(faults.rates.disconnect, f"imap {point}"):
            self._broken = True
            raise SourceTrouble("imap.desk.test: the connection was closed")
        if self._folder.uidvalidity != self._uidvalidity:
            # UIDs do not change under a session: the server ends it
            self._broken = True
            raise SourceTrouble("imap.desk.test: the mailbox was replaced")
        self._clock.pass_(0.05)

    def open(self) -> int:
        self._call("select")
        return self._uidvalidity

    def list_after(self, uid: int) -> Sequence[Listed]:
        self._call("list")
        return [
            Listed(number, len(message.octets), message.internal_date)
            for number, message in self._folder.messages.items()
            if number > uid
        ]

    def fetch(self, uids: Sequence[int]) -> Iterator[tuple[int, BytesRaw]]:
        self._call("fetch")
        for uid in uids:
            message = self._folder.messages.get(uid)
            if message is None:
                continue
            yield uid, BytesRaw(message.octets)
            if self._faults.chance.random() < 0.2:
                self._call("fetch goes on")

    def settle(self, uids: Sequence[int]) -> None:
        for uid in uids:
            self._faults.at("settle")
            self._folder.settle(uid)
        self._call("settled")

    def wait(self, seconds: float) -> bool:
        self._call("idle")
        return False

    def close(self) -> None:
        self._broken = True
