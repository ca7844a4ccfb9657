"""The doors to the outside: time, ids, chance, raw mail, mail sources and submitters, as Protocols.

Real makers stand in `gateway/runtime.py`; tests and the simulation hand in their own. Nothing else in
the house reads a clock, draws a number or opens a connection on its own account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time. `now` is for what is written down, `monotonic` for measuring how long something took."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never runs backwards."""
        ...


class Ids(Protocol):
    """Identifiers that nobody can guess."""

    def token(self, length: int = 16) -> str:
        """`length` characters out of a-z and 2-7 (RFC 4648 section 6, lower case): 5 bits each."""
        ...


class Jitter(Protocol):
    """Chance in waiting times, so that many clients do not retry in step."""

    def spread(self, seconds: float) -> float:
        """A number between 0.75 and 1.25 times `seconds`."""
        ...


class Raw(Protocol):
    """The bytes of one mail as they came over the wire, in memory or in a temporary file."""

    @property
    def size(self) -> int:
        """Octets."""
        ...

    @property
    def sha256(self) -> bytes:
        """Digest of all octets, 32 bytes."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The octets in order, each piece at most 1 MiB. May be called more than once."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """One message that a folder holds: its UID, RFC822.SIZE in octets, INTERNALDATE (aware UTC)."""

    uid: int
    size: int
    internal_date: datetime


class MailSource(Protocol):
    """One folder of one IMAP account, connected. Used by a single thread. Every call may raise
    `SourceTrouble` (a sick neighbour: disconnect, back off, try again)."""

    def open(self) -> int:
        """Select the folder; returns its UIDVALIDITY (RFC 3501 section 2.3.1.1)."""
        ...

    def list_after(self, uid: int) -> Sequence[Listed]:
        """Messages whose UID is greater than `uid`, ascending, flags of no matter."""
        ...

    def fetch(self, uids: Sequence[int]) -> Iterator[tuple[int, Raw]]:
        """(uid, raw) of those messages that still exist, without setting \\Seen."""
        ...

    def settle(self, uids: Sequence[int]) -> None:
        """Do with accepted messages what the account's `after` says (seen, move, delete, leave).
        Doing it twice, or for messages that are gone, is no mistake."""
        ...

    def wait(self, seconds: float) -> bool:
        """Idle (RFC 2177) up to `seconds`; True when the server hinted at news. A hint, never the truth."""
        ...

    def close(self) -> None:
        """Log out; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail for one recipient, ready for the wire.

    `outbox_id` names the row; `reverse_path` is "" for the null reverse path; `size` is the number of
    octets `chunks` gives; `chunks` gives CRLF-terminated RFC 5322 octets, the same ones each time.
    """

    outbox_id: int
    reverse_path: str
    forward_path: str
    message_id: str
    size: int
    chunks: Iterable[bytes]
    needs_smtputf8: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one hand-over.

    `outcome`: "sent" (the peer took the responsibility), "deferred" (try again later), "failed" (will
    never work: do not try again), "uncertain" (the connection ended after the end of DATA and before the
    reply: it may or may not be delivered, RFC 1047). `reply` is the peer's reply or our reason, one line.
    `enhanced_status` is RFC 3463's, or "".
    """

    outcome: str
    reply: str
    enhanced_status: str = ""


class Submitter(Protocol):
    """A way out for mail: SMTP smarthost, LMTP, sendmail or a Maildir. Used by a single thread."""

    def submit(self, delivery: Delivery) -> Receipt:
        """Hand one mail over. Never raises for what the neighbour does; that is the receipt's matter."""
        ...

    def close(self) -> None:
        """Give back connections; never raises."""
        ...


class SourceTrouble(Exception):
    """A mail source cannot be read now. `public` may be told to admins; it holds no secret."""

    def __init__(self, public: str) -> None:
        super().__init__(public)
        self.public = public
