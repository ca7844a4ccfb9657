"""Tickets as admins look at them: lists, one ticket with all that belongs to it, search.

Reads only. Instants are aware UTC. Search is a scan: nothing is indexed for it, so its cost grows with all
text that is kept. Letters are compared folded (`fold`), on SQLite and PostgreSQL alike, but for two limits:
letters that Unicode does not take apart (ł, ø, đ, ß) are only themselves, and a PostgreSQL database with the
locale C folds the case of no letters but Latin ones.

Raises StoreTrouble.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.store.database import Database
from gateway.store.models import from_ms

_MARKS = re.compile("[\u0300-\u036f]")
_FOLDED = {
    True: "ticketgate_fold({})",
    False: r"lower(regexp_replace(normalize({}, NFKD), '[\u0300-\u036f]', '', 'g'))",
}
_TICKET = """SELECT t.id, t.queue, t.state, t.priority, t.subject, t.requester_name, t.requester_address,
t.assignee, t.category, t.language, t.created_at, t.updated_at, t.merged_into_id, t.continues_id
FROM ticket t"""
_ENTRY_TEXT = "e.subject || ' ' || e.from_name || ' ' || e.from_address || ' ' || e.text"
_TICKET_TEXT = "t.subject || ' ' || t.requester_name || ' ' || t.requester_address"


@dataclass(frozen=True, slots=True)
class Person:
    """`role`: requester, cc, author; "" where it is of no matter."""

    name: str
    address: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket in a list."""

    number: int
    queue: str
    state: str
    priority: str
    subject: str
    requester: Person
    assignee: str | None
    category: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime
    merged_into: int | None
    continues: int | None


@dataclass(frozen=True, slots=True)
class MailOut:
    """A mail that went out (or is to go out). `reported`: what delivery reports said later, as
    "delivery_failure 5.1.1 user unknown"."""

    id: int
    entry: int | None
    kind: str
    audience: str
    to: str
    subject: str
    state: str
    attempts: int
    reply: str | None
    created_at: datetime
    next_try_at: datetime
    done_at: datetime | None
    reported: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntryView:
    """A contribution. `evidence`: {signal, value, ticket, accepted, why}; `screening`: {verdict, signals,
    trust}, as they were when the mail came."""

    id: int
    kind: str
    author: str
    agent: str | None
    from_: Person
    queue: str
    message_id: str | None
    subject: str
    text: str
    new_text: str
    quoted: str
    signature: str
    attachments: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    screening: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventView:
    """What happened. `actor`: customer, agent:<name>, system, admin."""

    at: datetime
    kind: str
    actor: str
    entry: int | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket with all that belongs to it, each part in order of time."""

    ticket: TicketRow
    participants: tuple[Person, ...]
    entries: tuple[EntryView, ...]
    mails: tuple[MailOut, ...]
    events: tuple[EventView, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A ticket that search found; the entry and line that hold the first word, where it is not in the
    ticket's subject or requester alone."""

    ticket: TicketRow
    entry: int | None
    line: str


def fold(text: str | None) -> str:
    """`text` without case and accents."""
    if text is None:
        return ""
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower()


class AdminViews:
    """Reads for the commands."""

    def __init__(self, database: Database) -> None:
        self._db = database
        if database.is_sqlite:
            database.peewee.register_function(fold, "ticketgate_fold", 1)

    def tickets(self, states: Sequence[str], queue: str | None, limit: int) -> tuple[list[TicketRow], int]:
        """(at most `limit` tickets, last changed first; how many there are). Empty `states`: all."""
        wanted, values = [], list[Any](states)
        if states:
            wanted.append(f"t.state IN ({', '.join('?' for _ in states)})")
        if queue is not None:
            wanted.append("t.queue = ?")
            values.append(queue)
        where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
        with self._db.read():
            (total,) = self._db.sql(f"SELECT count(*) FROM ticket t{where}", values).fetchone()  # noqa: S608
            rows = self._db.sql(
                f"{_TICKET}{where} ORDER BY t.updated_at DESC, t.id DESC LIMIT ?", (*values, limit)
            ).fetchall()
        return [_ticket(row) for row in rows], int(total)

    def search(self, words: Sequence[str], limit: int) -> list[Found]:
        """Tickets of which each word is somewhere in subject, requester, or an entry's subject, sender or
        text; last changed first."""
        where = " AND ".join(
            f"({self._holds(_TICKET_TEXT)} OR EXISTS (SELECT 1 FROM entry e WHERE e.ticket_id = t.id"  # noqa: S608
            f" AND {self._holds(_ENTRY_TEXT)}))"
            for _ in words
        )
        folded = [fold(word) for word in words]
        values = [word for word in folded for _ in range(2)]
        with self._db.read():
            rows = self._db.sql(
                f"{_TICKET} WHERE {where} ORDER BY t.updated_at DESC, t.id DESC LIMIT ?", (*values, limit)
            ).fetchall()
            return [self._found(_ticket(row), folded[0]) for row in rows]

    def _holds(self, expression: str) -> str:
        folded = _FOLDED[self._db.is_sqlite].format(expression)
        return f"instr({folded}, ?) > 0" if self._db.is_sqlite else f"strpos({folded}, ?) > 0"

    def _found(self, ticket: TicketRow, word: str) -> Found:
        row = self._db.sql(
            "SELECT e.id, e.subject, e.from_name, e.from_address, e.text FROM entry e"  # noqa: S608
            f" WHERE e.ticket_id = ? AND {self._holds(_ENTRY_TEXT)} ORDER BY e.id DESC LIMIT 1",
            (ticket.number, word),
        ).fetchone()
        if row is None:
            return Found(ticket, None, "")
        lines = (*row[4].splitlines(), row[1], f"{row[2]} <{row[3]}>")
        return Found(ticket, int(row[0]), next((line.strip() for line in lines if word in fold(line)), ""))

    def ticket(self, number: int) -> TicketView | None:
        """All of one ticket, or None where there is none of the number."""
        with self._db.read():
            row = self._db.sql(f"{_TICKET} WHERE t.id = ?", (number,)).fetchone()
            if row is None:
                return None
            people = self._db.sql(
                "SELECT name, address, role FROM participant WHERE ticket_id = ? ORDER BY added_at, key",
                (number,),
            ).fetchall()
            entries = self._db.sql(
                "SELECT id, kind, author, agent, from_name, from_address, queue, message_id, subject, text,"
                " new_text, quoted, signature, attachments, evidence, screening, created_at FROM entry"
                " WHERE ticket_id = ? ORDER BY id",
                (number,),
            ).fetchall()
            events = tuple(
                EventView(from_ms(at), kind, actor, entry, json.loads(data))
                for at, kind, actor, entry, data in self._db.sql(
                    "SELECT at, kind, actor, entry_id, data FROM event WHERE ticket_id = ? ORDER BY id",
                    (number,),
                ).fetchall()
            )
            mails = self._db.sql(
                "SELECT id, entry_id, kind, audience, forward_path, subject, state, attempts, reply,"
                " created_at, next_try_at, done_at FROM outbox WHERE ticket_id = ? ORDER BY id",
                (number,),
            ).fetchall()
        return TicketView(
            _ticket(row),
            tuple(Person(*one) for one in people),
            tuple(_entry(one) for one in entries),
            tuple(_mail(one, events) for one in mails),
            events,
        )


def _ticket(row: Sequence[Any]) -> TicketRow:
    number, queue, state, priority, subject, name, address, *rest = row
    assignee, category, language, created_at, updated_at, merged_into, continues = rest
    return TicketRow(
        number, queue, state, priority, subject, Person(name, address, "requester"), assignee, category,
        language, from_ms(created_at), from_ms(updated_at), merged_into, continues,
    )  # fmt: skip


def _entry(row: Sequence[Any]) -> EntryView:
    entry_id, kind, author, agent, name, address, *texts, attachments, evidence, screening, at = row
    parsed = [json.loads(one) for one in (attachments, evidence, screening)]
    values = [entry_id, kind, author, agent, Person(name, address), *texts, *parsed, from_ms(at)]
    return EntryView(*values)


def _mail(row: Sequence[Any], events: Sequence[EventView]) -> MailOut:
    *values, created_at, next_try_at, done_at = row
    reports = tuple(
        " ".join(str(part) for part in (one.kind, one.data["status"], one.data["diagnostic"]) if part)
        for one in events
        if one.data.get("outbox") == values[0] and {"status", "diagnostic"} <= one.data.keys()
    )
    values += [from_ms(created_at), from_ms(next_try_at), done_at if done_at is None else from_ms(done_at)]
    values.append(reports)
    return MailOut(*values)
