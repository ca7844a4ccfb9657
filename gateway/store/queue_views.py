"""Spool and outbox as admins look at them: what waits, what is held, what failed, what it is about.

Reads only. Instants are aware UTC. `raw_chunks` and `mail_chunks` give a mail's octets in pieces, so that a
large one is never in memory whole. Raises StoreTrouble.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.store.database import Database
from gateway.store.models import from_ms
from gateway.store.spool import Spool

SPOOL_STATES = ("received", "deferred", "hold", "quarantined", "done")
OUTBOX_STATES = ("queued", "failed", "sent", "dropped")
SPOOL_OPEN, OUTBOX_OPEN = SPOOL_STATES[:4], OUTBOX_STATES[:2]
_HEADER_OCTETS = 16 * 1024
_SPOOL = f"""SELECT s.id, s.key, s.source, s.mailbox, s.queue, s.state, s.attempts, s.reverse_path,
s.forward_paths, s.authenticated_as, s.client, s.outcome, s.error, s.ticket_id, s.entry_id, s.raw_mail_id,
r.size, s.lease_owner, s.lease_until, s.received_at, s.next_try_at, s.done_at,
substr(r.head, 1, {_HEADER_OCTETS}) FROM spool s JOIN raw_mail r ON r.id = s.raw_mail_id"""  # noqa: S608
_OUTBOX = """SELECT id, kind, audience, reverse_path, forward_path, message_id, subject, state, attempts,
uncertain, size, reply, enhanced_status, ticket_id, entry_id, lease_owner, lease_until, created_at,
next_try_at, expire_at, done_at FROM outbox"""


@dataclass(frozen=True, slots=True)
class SpoolItem:
    """A mail that came in. `reverse_path`: None unknown, "" null. `error`: traceback of the last try that
    failed. `head`: the first octets of the mail, for its header."""

    id: int
    key: str
    source: str
    mailbox: str
    queue: str | None
    state: str
    attempts: int
    reverse_path: str | None
    forward_paths: list[str]
    authenticated_as: str | None
    client: str
    outcome: str | None
    error: str | None
    ticket: int | None
    entry: int | None
    raw_id: int
    size: int
    lease_owner: str | None
    lease_until: datetime | None
    received_at: datetime
    next_try_at: datetime
    done_at: datetime | None
    head: bytes


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A mail to one recipient. `reply`: the peer's last one, or our reason."""

    id: int
    kind: str
    audience: str
    reverse_path: str
    forward_path: str
    message_id: str
    subject: str
    state: str
    attempts: int
    uncertain: bool
    size: int
    reply: str | None
    enhanced_status: str | None
    ticket: int | None
    entry: int | None
    lease_owner: str | None
    lease_until: datetime | None
    created_at: datetime
    next_try_at: datetime
    expire_at: datetime
    done_at: datetime | None


class QueueViews:
    """Reads for `ticketgate queue`."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self._db = database
        self._spool = spool

    def spool(self, states: Sequence[str], limit: int) -> tuple[list[SpoolItem], int]:
        """(at most `limit` mails in these states, the newest, in order of arrival; how many there are)."""
        rows, total = self._listed("spool", _SPOOL, "s.", states, limit)
        return [_spool(row) for row in rows], total

    def outbox(self, states: Sequence[str], limit: int) -> tuple[list[OutboxItem], int]:
        """The same of outgoing mail."""
        rows, total = self._listed("outbox", _OUTBOX, "", states, limit)
        return [_outbox(row) for row in rows], total

    def _listed(
        self, table: str, select: str, prefix: str, states: Sequence[str], limit: int
    ) -> tuple[list[Any], int]:
        if not states:
            return [], 0
        marks = ", ".join("?" for _ in states)
        with self._db.read():
            (total,) = self._db.sql(
                f"SELECT count(*) FROM {table} WHERE state IN ({marks})",  # noqa: S608
                states,
            ).fetchone()
            rows = self._db.sql(
                f"{select} WHERE {prefix}state IN ({marks}) ORDER BY {prefix}id DESC LIMIT ?",
                (*states, limit),
            ).fetchall()
        return rows[::-1], int(total)

    def spool_item(self, spool_id: int) -> SpoolItem | None:
        """One mail that came in."""
        with self._db.read():
            row = self._db.sql(f"{_SPOOL} WHERE s.id = ?", (spool_id,)).fetchone()
        return _spool(row) if row else None

    def outbox_item(self, outbox_id: int) -> OutboxItem | None:
        """One outgoing mail."""
        with self._db.read():
            row = self._db.sql(f"{_OUTBOX} WHERE id = ?", (outbox_id,)).fetchone()
        return _outbox(row) if row else None

    def raw_chunks(self, raw_id: int) -> Iterator[bytes]:
        """The octets of a mail that came in."""
        return self._spool.raw_chunks(raw_id)

    def mail_chunks(self, outbox_id: int) -> Iterator[bytes]:
        """The octets of an outgoing mail, as they are handed on. The mail must be there."""
        from gateway.mail.attachments import decode
        from gateway.mail.compose import assemble

        with self._db.read():
            skeleton, described = self._db.sql(
                "SELECT skeleton, attachments FROM outbox_mail WHERE outbox_id = ?", (outbox_id,)
            ).fetchone()
        attached: Any = json.loads(described) if described else {"parts": [], "tail": ""}
        parts = (
            (head.encode("latin-1"), decode(self._spool.raw_chunks(raw_id, start, stop), encoding))
            for head, raw_id, start, stop, encoding in attached["parts"]
        )
        return assemble(bytes(skeleton), parts, attached["tail"].encode("latin-1"))


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _spool(row: Sequence[Any]) -> SpoolItem:
    *values, lease_until, received_at, next_try_at, done_at, head = row
    values[8] = json.loads(values[8])
    values += [_instant(lease_until), from_ms(received_at), from_ms(next_try_at), _instant(done_at)]
    values.append(bytes(head))
    return SpoolItem(*values)


def _outbox(row: Sequence[Any]) -> OutboxItem:
    *values, lease_until, created_at, next_try_at, expire_at, done_at = row
    values[9] = bool(values[9])
    values += [_instant(lease_until), from_ms(created_at), from_ms(next_try_at), from_ms(expire_at)]
    values.append(_instant(done_at))
    return OutboxItem(*values)
