"""The spool: mail that was accepted, and what has become of it (transaction T1 and the leases of T2).

`accept` is T1: the raw bytes and the envelope under a unique key, in one durable commit; only after it
may anybody say 250 or flag a message. Raw mail is stored once, whatever the number of rows that name it.
Attachments are read out of it by offset, never written to disk.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import SQL

from gateway.ports import Clock, Raw
from gateway.store import models
from gateway.store.database import Database
from gateway.store.errors import LeaseLost
from gateway.store.models import to_ms

CHUNK = 1024 * 1024
_TAKE = "UPDATE spool SET lease_owner = ?, lease_until = ?, attempts = attempts + 1 WHERE id IN ({})"
RELEASED = "released"
"""Outcome of a row that an admin has let in."""


@dataclass(frozen=True, slots=True)
class Accept:
    """One mail for T1. `key` is unique: "imap/<account>/<folder>/<uidvalidity>/<uid>",
    "smtp/<session>/<n>/<queue>", "pipe/<token>". `reverse_path`: None unknown, "" null. `authenticated_as`:
    name of the agent whom SMTP AUTH or an agents-only mailbox vouches for."""

    key: str
    source: str
    mailbox: str
    queue: str | None
    raw: Raw
    reverse_path: str | None
    forward_paths: tuple[str, ...]
    authenticated_as: str | None
    client: str


@dataclass(frozen=True, slots=True)
class Spooled:
    """A spool row under lease, ready to be worked on. `size` in octets; `attempts` counts this one."""

    id: int
    key: str
    source: str
    mailbox: str
    queue: str | None
    raw_id: int
    raw_sha256: str
    size: int
    reverse_path: str | None
    forward_paths: tuple[str, ...]
    authenticated_as: str | None
    attempts: int
    received_at: datetime
    released: bool


class BytesRaw:
    """`ports.Raw` over bytes in memory."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @property
    def size(self) -> int:
        return len(self._octets)

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self._octets).digest()

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self._octets), CHUNK):
            yield self._octets[start : start + CHUNK]


_DUE = """SELECT id, attempts FROM spool WHERE state IN ('received', 'deferred') AND next_try_at <= ?
 AND (lease_until IS NULL OR lease_until <= ? OR lease_owner = ?) ORDER BY id LIMIT ?"""
_LEASED = """SELECT s.id, s.key, s.source, s.mailbox, s.queue, s.raw_mail_id, r.sha256, r.size,
s.reverse_path, s.forward_paths, s.authenticated_as, s.attempts, s.received_at, s.outcome
 FROM spool s JOIN raw_mail r ON r.id = s.raw_mail_id WHERE s.id IN ({}) ORDER BY s.id"""


class Spool:
    """The table of accepted mail."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock
        self._owed: dict[str, set[int]] = {}
        self._owing = threading.Lock()

    def accept(self, mails: Sequence[Accept]) -> list[int | None]:
        """T1: store all of `mails` in one durable commit. Returns a spool id each, None where the key was
        there already. Raises StoreTrouble (and Conflict, where another node took the same mail in this very
        moment; doing it again answers None for it); then nothing is stored."""
        now = self._clock.now()
        with self._db.write():
            return [self._accept_one(mail, now) for mail in mails]

    def _accept_one(self, mail: Accept, now: datetime) -> int | None:
        if self._db.sql("SELECT 1 FROM spool WHERE key = ?", (mail.key,)).fetchone():
            return None
        return self._db.insert(
            models.Spool,
            or_ignore="key",
            key=mail.key,
            source=mail.source,
            mailbox=mail.mailbox,
            queue=mail.queue,
            raw_mail=self.store_raw(mail.raw, now),
            reverse_path=mail.reverse_path,
            forward_paths=list(mail.forward_paths),
            authenticated_as=mail.authenticated_as,
            client=mail.client,
            state="received",
            attempts=0,
            received_at=now,
            next_try_at=now,
            settled=mail.source != "imap",
        )

    def store_raw(self, raw: Raw, now: datetime) -> int:
        """Id of the raw mail with these bytes, stored if it is not yet there. Inside a transaction."""
        digest = raw.sha256
        chunks = iter(raw.chunks())
        raw_id = self._db.insert(
            models.RawMail,
            or_ignore="sha256",
            sha256=digest,
            size=raw.size,
            head=next(chunks, b""),
            created_at=now,
        )
        if raw_id is None:
            return int(self._db.sql("SELECT id FROM raw_mail WHERE sha256 = ?", (digest,)).fetchone()[0])
        for seq, chunk in enumerate(chunks, 1):
            self._db.insert(models.RawChunk, raw_mail=raw_id, seq=seq, data=chunk)
        return raw_id

    def lease(self, owner: str, until: datetime, limit: int) -> list[Spooled]:
        """Take up to `limit` mails that are due, oldest first, for `owner` until `until`. What `owner` still
        holds, from a round that broke off, is due. Taking counts as a try, so that a mail which kills the
        process is known by its count; one that was tried before is taken alone, so that it takes no others
        with it."""
        self.give_back()
        now = to_ms(self._clock.now())
        with self._db.read():
            if not self._db.sql(_DUE, (now, now, owner, 1)).fetchone():
                return []
        with self._db.write(durable=False):
            locked = "" if self._db.is_sqlite else " FOR UPDATE SKIP LOCKED"
            due = self._db.sql(_DUE + locked, (now, now, owner, limit)).fetchall()
            fresh = list(itertools.takewhile(lambda row: row[1] == 0, due))
            ids = [row[0] for row in fresh or due[:1]]
            if not ids:
                return []
            marks = ", ".join("?" * len(ids))
            self._db.sql(
                _TAKE.format(marks),
                (owner, to_ms(until), *ids),
            )
            rows = self._db.sql(_LEASED.format(marks), ids).fetchall()
        return [self._spooled(*row) for row in rows]

    def row(self, spool_id: int) -> Spooled:
        """The row as a worker would get it, without taking it. It must be there."""
        with self._db.read():
            columns = self._db.sql(_LEASED.format("?"), (spool_id,)).fetchone()
        return self._spooled(*columns)

    @staticmethod
    def _spooled(*columns: Any) -> Spooled:
        row_id, key, source, mailbox, queue, raw_id, sha256, size, reverse_path, *rest = columns
        forward_paths, authenticated_as, attempts, received_at, outcome = rest
        return Spooled(
            id=row_id,
            key=key,
            source=source,
            mailbox=mailbox,
            queue=queue,
            raw_id=raw_id,
            raw_sha256=bytes(sha256).hex(),
            size=size,
            reverse_path=reverse_path,
            forward_paths=tuple(models.Spool.forward_paths.python_value(forward_paths)),
            authenticated_as=authenticated_as,
            attempts=attempts,
            received_at=models.from_ms(received_at),
            released=outcome == RELEASED,
        )

    def release(self, owner: str) -> None:
        """Give back what `owner` leased and has not worked on."""
        with self._db.write():
            self._db.sql(
                "UPDATE spool SET lease_owner = NULL, lease_until = NULL, attempts = attempts - 1"
                " WHERE lease_owner = ?",
                (owner,),
            )

    def broken_off(self, owner: str, ids: Iterable[int]) -> None:
        """Trouble with the database ended a round of `owner`; `ids` are the mails that it had in hand. Their
        tries say nothing about them, and are given back before anybody of this process takes a mail, also
        where another process has them by then. Touches no database."""
        with self._owing:
            self._owed.setdefault(owner, set()).update(ids)

    def give_back(self) -> None:
        """Give the tries back that `broken_off` has told of, where there are any."""
        if not self._owed:
            return
        # an owner that begins its next round waits here, so that what it leases then stays its own
        with self._owing:
            for owner in list(self._owed):
                self._give_back(owner, self._owed[owner])
                del self._owed[owner]

    def _give_back(self, owner: str, ids: Collection[int]) -> None:
        among = f"id IN ({', '.join('?' * len(ids))}) OR " if ids else ""
        with self._db.write():
            # what is the owner's and not among the ids: its lease was committed, but the answer was lost
            self._db.sql(
                "UPDATE spool SET attempts = attempts - 1,"  # noqa: S608
                " lease_until = CASE WHEN lease_owner = ? THEN NULL ELSE lease_until END,"
                " lease_owner = CASE WHEN lease_owner = ? THEN NULL ELSE lease_owner END"
                f" WHERE ({among}lease_owner = ?) AND attempts > 0 AND state IN ('received', 'deferred')",
                (owner, owner, *ids, owner),
            )

    def renew(self, process: str, until: datetime) -> None:
        """Prolong what the owners of one process (their names begin with it) hold, while it lives."""
        with self._db.write(durable=False):
            self._db.sql(
                "UPDATE spool SET lease_until = ? WHERE state IN ('received', 'deferred')"
                " AND substr(lease_owner, 1, ?) = ?",
                (to_ms(until), len(process), process),
            )

    def claim(self, row: Spooled, owner: str) -> None:
        """Inside T2's transaction: make sure that the row is still ours. Raises LeaseLost."""
        found = self._db.sql(
            "UPDATE spool SET lease_until = lease_until"
            " WHERE id = ? AND lease_owner = ? AND state IN ('received', 'deferred')",
            (row.id, owner),
        )
        if found.rowcount != 1:
            raise LeaseLost(f"spool {row.id}")

    def done(
        self, row: Spooled, state: str, outcome: str, ticket_id: int | None, entry_id: int | None
    ) -> None:
        """Inside T2's transaction: the row is finished ("done") or waits for a person ("hold")."""
        self._db.sql(
            "UPDATE spool SET state = ?, outcome = ?, ticket_id = ?, entry_id = ?, done_at = ?,"
            " lease_owner = NULL, lease_until = NULL WHERE id = ?",
            (state, outcome, ticket_id, entry_id, to_ms(self._clock.now()), row.id),
        )

    def failed(self, row: Spooled, owner: str, error: str, next_try_at: datetime | None) -> None:
        """Working on the row raised `error` (a traceback). It is tried again at `next_try_at`, or goes to
        quarantine where that is None. A lost lease is no matter: the new owner decides."""
        with self._db.write():
            self._db.sql(
                "UPDATE spool SET state = ?, error = ?, next_try_at = ?,"
                " lease_owner = NULL, lease_until = NULL WHERE id = ? AND lease_owner = ?",
                (
                    "quarantined" if next_try_at is None else "deferred",
                    error.replace("\0", ""),
                    to_ms(next_try_at or self._clock.now()),
                    row.id,
                    owner,
                ),
            )

    def raw(self, raw_id: int, size: int | None = None) -> bytes:
        """All octets of a raw mail, never held twice (as joining a list of pieces would). `size`: how many
        there are, where that is known."""
        octets = io.BytesIO()
        for chunk in self.raw_chunks(raw_id, stop=size):
            octets.write(chunk)
        return octets.getvalue()

    def raw_chunks(self, raw_id: int, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The octets from `start` to `stop` in pieces of at most 1 MiB, each read when it is wanted."""
        if stop is None:
            with self._db.read():
                size = self._db.sql("SELECT size FROM raw_mail WHERE id = ?", (raw_id,)).fetchone()
            if size is None:
                return
            stop = int(size[0])
        for seq in range(start // CHUNK, (stop + CHUNK - 1) // CHUNK):
            with self._db.read():
                statement, parameters = (
                    ("SELECT head FROM raw_mail WHERE id = ?", (raw_id,))
                    if seq == 0
                    else ("SELECT data FROM raw_chunk WHERE raw_mail_id = ? AND seq = ?", (raw_id, seq))
                )
                row = self._db.sql(statement, parameters).fetchone()
            if row is None:
                return
            first = seq * CHUNK
            yield bytes(row[0][max(start - first, 0) : stop - first])

    def waiting(self) -> int:
        """Number of mails that wait to be worked on."""
        with self._db.read():
            found = self._db.sql("SELECT count(*) FROM spool WHERE state IN ('received', 'deferred')")
            return int(found.fetchone()[0])

    def next_due_at(self) -> datetime | None:
        """When the next waiting mail is due (it may be in the past), or None where none waits. A mail under
        lease is due when its lease ends."""
        query = models.Spool.select(
            SQL("min(CASE WHEN lease_until > next_try_at THEN lease_until ELSE next_try_at END)")
        ).where(models.Spool.state.in_(("received", "deferred")))
        with self._db.read():
            ((value,),) = self._db.rows(query.tuples())
        return None if value is None else models.from_ms(int(value))
