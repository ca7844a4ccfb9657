"""What the IMAP tests share: a clock that is set by hand, a store in memory, a folder in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from gateway.intake.fetch import FetchReport, fetch_round
from gateway.ports import Listed, Raw, SourceTrouble
from gateway.settings.model import Mailbox
from gateway.store.errors import StoreTrouble
from gateway.store.mailboxes import FolderState, spool_key
from gateway.store.spool import Accept, BytesRaw

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Killed(BaseException):
    """Stands for SIGKILL in the middle of a round."""


class HandClock:
    """Time moves by `pass_` alone."""

    def __init__(self, start: datetime = START) -> None:
        self.instant = start

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return (self.instant - START).total_seconds()

    def pass_(self, **span: float) -> None:
        self.instant += timedelta(**span)


class NoJitter:
    def spread(self, seconds: float) -> float:
        return seconds


def a_mailbox(**changes: Any) -> Mailbox:
    values: dict[str, Any] = {"name": "desk", "host": "imap.example.test", "user": "desk", **changes}
    return Mailbox.model_validate(values)


def a_mail(number: int, body: str = "Hello.") -> bytes:
    return (
        f"From: anna{number}@example.test\r\nTo: support@example.test\r\nSubject: question {number}\r\n"
        f"Message-ID: <{number}@example.test>\r\n\r\n{body}\r\n"
    ).encode()


@dataclass
class Memory:
    """A store in memory. `before` and `after` are called with the name of each effect: they may raise."""

    taken: dict[str, Accept] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    states: dict[tuple[str, str], FolderState] = field(default_factory=dict)
    settled_keys: set[str] = field(default_factory=set)
    alerts_raised: list[tuple[str, str, str]] = field(default_factory=list)
    before: Callable[[str], None] = lambda _effect: None
    after: Callable[[str], None] = lambda _effect: None

    @property
    def spool(self) -> Any:
        return self

    @property
    def mailboxes(self) -> Any:
        return self

    @property
    def alerts(self) -> Any:
        return SimpleNamespace(raise_=lambda *alert: self.alerts_raised.append(alert))

    def accept(self, mails: Sequence[Accept]) -> list[int | None]:
        self.before("accept")
        bodies = [b"".join(mail.raw.chunks()) for mail in mails]
        ids: list[int | None] = []
        for mail, body in zip(mails, bodies, strict=True):
            if mail.key in self.taken:
                ids.append(None)
                continue
            self.taken[mail.key] = mail
            self.bodies[mail.key] = body
            ids.append(len(self.taken))
        self.after("accept")
        return ids

    def state(self, account: str, folder: str) -> FolderState | None:
        return self.states.get((account, folder))

    def save(self, state: FolderState) -> None:
        self.before("save")
        self.states[state.account, state.folder] = FolderState(
            state.account,
            state.folder,
            state.uidvalidity,
            state.last_uid,
            state.first_contact_at,
            dict(state.left),
        )
        self.after("save")

    def unsettled(self, account: str, folder: str, uidvalidity: int, limit: int) -> list[int]:
        prefix = spool_key(account, folder, uidvalidity, "")
        keys = [key for key in self.taken if key.startswith(prefix) and key not in self.settled_keys]
        return [int(key.rsplit("/", 1)[1]) for key in keys][:limit]

    def settled(self, account: str, folder: str, uidvalidity: int, uids: Sequence[int]) -> None:
        self.before("settled")
        self.settled_keys.update(spool_key(account, folder, uidvalidity, uid) for uid in uids)
        self.after("settled")

    def uids(self, uidvalidity: int = 1) -> list[int]:
        """UIDs in the order of their acceptance."""
        parts = [key.split("/") for key in self.taken]
        return [int(part[-1]) for part in parts if int(part[-2]) == uidvalidity]


class Folder:
    """`ports.MailSource` over a dict. `break_on` holds UIDs that break the connection when they are asked
    for, `withhold` those that the server just does not give."""

    def __init__(self, uidvalidity: int = 1) -> None:
        self.uidvalidity = uidvalidity
        self.mails: dict[int, tuple[bytes, datetime]] = {}
        self.settled: list[int] = []
        self.fetched: list[list[int]] = []
        self.break_on: set[int] = set()
        self.withhold: set[int] = set()
        self.sizes: dict[int, int] = {}
        self.junk: list[Listed] = []
        self.before: Callable[[str], None] = lambda _call: None
        self.settle_error: SourceTrouble | None = None
        self.hints: list[bool] = []
        self.waited: list[float] = []
        self.closed = 0

    def add(self, *uids: int, at: datetime = START) -> None:
        for uid in uids:
            self.mails[uid] = (a_mail(uid), at)

    def open(self) -> int:
        self.before("open")
        return self.uidvalidity

    def list_after(self, uid: int) -> Sequence[Listed]:
        self.before("list")
        return [
            *self.junk,
            *(
                Listed(number, self.sizes.get(number, len(octets)), at)
                for number, (octets, at) in sorted(self.mails.items())
                if number > uid
            ),
        ]

    def fetch(self, uids: Sequence[int]) -> Iterator[tuple[int, Raw]]:
        self.before("fetch")
        self.fetched.append(list(uids))
        for uid in uids:
            if uid in self.break_on:
                raise SourceTrouble("the connection is lost")
            if uid in self.mails and uid not in self.withhold:
                yield uid, BytesRaw(self.mails[uid][0])

    def settle(self, uids: Sequence[int]) -> None:
        self.before("settle")
        if self.settle_error is not None:
            raise self.settle_error
        self.settled.extend(uids)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return self.hints.pop(0) if self.hints else False

    def close(self) -> None:
        self.closed += 1


def a_round(
    source: Folder, store: Memory, clock: HandClock | None = None, mailbox: Mailbox | None = None, **more: Any
) -> FetchReport:
    return fetch_round(
        source, mailbox or a_mailbox(), "INBOX", store, clock or HandClock(), lambda: None, **more
    )


def store_down(_effect: str) -> None:
    raise StoreTrouble("the database cannot be used now")
