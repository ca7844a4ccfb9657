"""The outbox: mail to be handed on, one row a recipient (the two commits of transaction T3).

Guarantees: a row is given to one owner at a time; among rows of one ticket to one recipient the older
goes first; the octets of a row are the same at each reading, as skeleton, attachments, Message-ID and Date
are fixed when the row is written. `recorded` outcomes of a row whose lease went to another owner raise
LeaseLost and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.mail.attachments import decode
from gateway.mail.compose import assemble
from gateway.notices.values import AttachedPart, OutgoingMail
from gateway.store import models
from gateway.store.database import Database
from gateway.store.errors import LeaseLost
from gateway.store.models import from_ms, to_ms
from gateway.store.spool import Spool


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A leased row. `attempts`: earlier tries."""

    id: int
    ticket_id: int | None
    entry_id: int | None
    kind: str
    audience: str
    reverse_path: str
    forward_path: str
    recipient_key: str
    message_id: str
    attempts: int
    created_at: datetime
    expire_at: datetime
    uncertain: bool
    size: int
    needs_smtputf8: bool
    skeleton: bytes
    parts: tuple[AttachedPart, ...]
    tail: bytes
    spool: Spool

    def chunks(self) -> Iterator[bytes]:
        """The mail's octets, CRLF line ends, the same at each call."""
        return assemble(
            self.skeleton,
            (
                (part.head, decode(self.spool.raw_chunks(part.raw_id, part.start, part.stop), part.encoding))
                for part in self.parts
            ),
            self.tail,
        )


_DUE = """SELECT o.id FROM outbox o WHERE o.state = 'queued' AND o.next_try_at <= ?
 AND (o.lease_until IS NULL OR o.lease_until <= ? OR o.lease_owner = ?)
 AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.ticket_id = o.ticket_id AND e.recipient_key = o.recipient_key
  AND e.state = 'queued' AND e.id < o.id
  AND (e.next_try_at > ? OR (e.lease_until > ? AND e.lease_owner <> ?)))
 ORDER BY o.id LIMIT ?"""
_TRIED = "attempts = attempts + 1"
_COLUMNS = (
    "id", "ticket_id", "entry_id", "kind", "audience", "reverse_path", "forward_path", "recipient_key",
    "message_id", "attempts", "created_at", "expire_at", "uncertain", "size",
)  # fmt: skip


class Outbox:
    """The table of outgoing mail."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self._db = database
        self._spool = spool
        self.on_failure: Callable[[int, datetime, str, bool], None] = lambda *_: None
        """Runs inside the transaction of `failed`: (outbox id, at, reply, expired)."""

    def add(self, mail: OutgoingMail, entry_id: int | None, at: datetime, expire_at: datetime) -> int:
        """Put a mail into the outbox, inside a transaction; returns its id."""
        attachments = None
        if mail.attachments:
            attachments = {
                "parts": [
                    [part.head.decode("latin-1"), part.raw_id, part.start, part.stop, part.encoding]
                    for part in mail.attachments
                ],
                "tail": mail.tail.decode("latin-1"),
            }
        outbox_id = self._db.insert(
            models.Outbox,
            ticket=mail.ticket,
            entry=entry_id,
            kind=mail.kind,
            audience=mail.audience,
            reverse_path=mail.reverse_path,
            forward_path=mail.forward_path,
            recipient_key=mail.recipient_key,
            message_id=mail.message_id,
            subject=mail.subject,
            size=mail.size,
            state="queued",
            attempts=0,
            uncertain=False,
            created_at=at,
            next_try_at=at,
            expire_at=expire_at,
        )
        assert outbox_id is not None
        self._db.insert(models.OutboxMail, outbox=outbox_id, skeleton=mail.skeleton, attachments=attachments)
        return outbox_id

    def lease(self, owner: str, now: datetime, until: datetime, limit: int) -> list[Outgoing]:
        """Take up to `limit` mails that are due, oldest first, for `owner` until `until`. What `owner` still
        holds, from a round that broke off, is due. The commit is durable, and with it those of the changes
        that wrote the mails: nothing is sent that a power failure could undo."""
        at = to_ms(now)
        due = (at, at, owner, at, at, owner)
        with self._db.read():
            if not self._db.sql(_DUE, (*due, 1)).fetchone():
                return []
        with self._db.write():
            locked = "" if self._db.is_sqlite else " FOR UPDATE OF o SKIP LOCKED"
            if not self._db.is_sqlite:
                # two nodes that lease at once could else take the older and the newer mail of one recipient
                self._db.sql("SELECT pg_advisory_xact_lock(7135502)")
            ids = [row[0] for row in self._db.sql(_DUE + locked, (*due, limit)).fetchall()]
            if not ids:
                return []
            marks = ", ".join("?" * len(ids))
            self._db.sql(
                f"UPDATE outbox SET lease_owner = ?, lease_until = ? WHERE id IN ({marks})",  # noqa: S608
                (owner, to_ms(until), *ids),
            )
            rows = self._db.sql(
                f"SELECT skeleton, attachments, {', '.join(_COLUMNS)} FROM outbox"  # noqa: S608
                f" JOIN outbox_mail ON outbox_id = id WHERE id IN ({marks}) ORDER BY id",
                ids,
            ).fetchall()
        return [self._outgoing(row) for row in rows]

    def _outgoing(self, columns: Sequence[Any]) -> Outgoing:
        skeleton, described = bytes(columns[0]), models.OutboxMail.attachments.python_value(columns[1])
        described = described or {"parts": [], "tail": ""}
        row = dict(zip(_COLUMNS, columns[2:], strict=True))
        return Outgoing(
            **row
            | {
                "created_at": from_ms(row["created_at"]),
                "expire_at": from_ms(row["expire_at"]),
                "uncertain": bool(row["uncertain"]),
            },
            needs_smtputf8=not skeleton.split(b"\r\n\r\n", 1)[0].isascii(),
            skeleton=skeleton,
            parts=tuple(
                AttachedPart(head.encode("latin-1"), raw_id, start, stop, encoding)
                for head, raw_id, start, stop, encoding in described["parts"]
            ),
            tail=described["tail"].encode("latin-1"),
            spool=self._spool,
        )

    def _record(self, outbox_id: int, owner: str, assignments: str, values: Sequence[object]) -> None:
        found = self._db.sql(
            f"UPDATE outbox SET {assignments},"  # noqa: S608
            " lease_owner = NULL, lease_until = NULL WHERE id = ? AND lease_owner = ? AND state = 'queued'",
            (*values, outbox_id, owner),
        )
        if found.rowcount != 1:
            raise LeaseLost(f"outbox {outbox_id}")

    def sent(self, outbox_id: int, owner: str, at: datetime, reply: str) -> None:
        """The peer took the mail. Not durable: after a power failure it may be sent once more, with the same
        octets."""
        with self._db.write(durable=False):
            self._record(
                outbox_id,
                owner,
                f"{_TRIED}, state = 'sent', done_at = ?, reply = ?",
                (to_ms(at), reply[:1000]),
            )

    def deferred(
        self,
        outbox_id: int,
        owner: str,
        at: datetime,
        next_try_at: datetime,
        reply: str,
        uncertain: bool,
        counted: bool = True,
    ) -> None:
        """It is to be tried again at `next_try_at`; `uncertain` where it may have arrived all the same. Not
        `counted` where the way out as a whole could not be used, so that the mail's own waits do not grow."""
        true = "1" if self._db.is_sqlite else "TRUE"
        doubt = f"uncertain = {true}, " if uncertain else ""
        tried = f"{_TRIED}, " if counted else ""
        with self._db.write():
            self._record(
                outbox_id,
                owner,
                f"{doubt}{tried}next_try_at = ?, reply = ?",
                (to_ms(next_try_at), reply[:1000]),
            )

    def failed(
        self, outbox_id: int, owner: str, at: datetime, reply: str, enhanced_status: str, expired: bool
    ) -> None:
        """It will not be tried again: refused for good, or `expired`. Written on the ticket as an event, in
        the same transaction, which also puts the notices of it into the outbox."""
        with self._db.write():
            self._record(
                outbox_id,
                owner,
                f"{_TRIED}, state = 'failed', done_at = ?, reply = ?, enhanced_status = ?",
                (to_ms(at), reply[:1000], enhanced_status[:20]),
            )
            self.on_failure(outbox_id, at, reply, expired)

    def release(self, owner: str) -> None:
        """Give back what `owner` leased and has not recorded."""
        with self._db.write():
            self._db.sql(
                "UPDATE outbox SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = ?", (owner,)
            )

    def renew(self, process: str, until: datetime) -> None:
        """Prolong what the owners of one process (their names begin with it) hold, while it lives."""
        with self._db.write(durable=False):
            self._db.sql(
                "UPDATE outbox SET lease_until = ? WHERE state = 'queued' AND substr(lease_owner, 1, ?) = ?",
                (to_ms(until), len(process), process),
            )

    def next_due_at(self) -> datetime | None:
        """When the next queued mail is due (it may be in the past), or None where none is queued."""
        with self._db.read():
            ((value,),) = self._db.sql(
                "SELECT min(CASE WHEN lease_until > next_try_at THEN lease_until ELSE next_try_at END)"
                " FROM outbox WHERE state = 'queued'"
            ).fetchall()
        return None if value is None else from_ms(int(value))
