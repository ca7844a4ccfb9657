"""Reading what is known about the tickets that a mail names: the facts of transaction T2.

They are read twice: before the transaction, so that judging and composing hold nobody up, and inside it, to
see that they still hold. On PostgreSQL the second reading locks the tickets, so that two mails of one ticket
follow one another.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.mail.message import Address, address_key
from gateway.store.database import Database
from gateway.store.models import from_ms, to_ms
from gateway.store.spool import Spooled
from gateway.tickets.states import State
from gateway.tickets.values import Clues, Facts, Participant, ReportedMail, Said, Shown, TicketFacts

_TICKET = """SELECT id, queue, state, subject, requester_name, requester_address, assignee, priority,
language, created_at, merged_into_id FROM ticket WHERE id IN ({})"""
_COUNT = "UPDATE counter SET value = value + ? WHERE name = 'ticket' RETURNING value"
_HISTORY = 5
_SHOWN = 4000
_MOST_ENTRIES = 200
_MOST_CHARACTERS = 1_000_000
# notices show a first mail, and a third party's, with what it quotes
_AS_SHOWN = """CASE WHEN author = 'third_party'
OR id = (SELECT min(id) FROM entry WHERE ticket_id = ?) THEN text ELSE new_text END"""


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


class FactsReader:
    """Looks up clues."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._numbers: deque[int] = deque()

    def read(self, clues: Clues, now: datetime, row: Spooled, lock: bool) -> Facts:
        """Everything that the pipeline wants to know about the mail of `row` with these clues, but for the
        number of a new ticket. `lock`: inside the transaction that will write the decision; the tickets
        found are then locked where the database can."""
        known = self._known_ids(clues.message_ids)
        reported = self._reported(clues)
        numbers = [*clues.tickets, *known.values(), *(one.ticket for one in reported if one.ticket)]
        duplicate = self._duplicate(clues)
        if duplicate is not None:
            numbers.append(duplicate[0])
        tickets, merged = self.tickets(numbers, lock, whole=clues.by_agent)
        return Facts(
            next_number=0,
            tickets=tickets,
            merged=merged,
            known_ids=known,
            duplicate_of=duplicate,
            # only now: where the tickets are locked, another node's entry of this mail is seen
            copies=self._copies(clues.dedup_key, tickets),
            seen_as=self._seen_as(row),
            acknowledged_lately=self._acknowledged(clues.answer_key, now),
            reported=reported,
        )

    def new_number(self, ahead: int = 0) -> int:
        """A number for a new ticket, never given twice. Inside or outside a transaction. `ahead`: outside, so
        many more are drawn for the tickets to come, as much mail waits. What is not used (we end, or the mail
        turns out to belong to a ticket) leaves a gap."""
        with contextlib.suppress(IndexError):
            return self._numbers.popleft()
        if self._db.peewee.in_transaction():
            return self._draw(1)[0]
        with self._db.write(durable=False):
            first, *more = self._draw(1 + ahead)
        self._numbers.extend(more)
        return first

    def _draw(self, many: int) -> Sequence[int]:
        if self._db.is_sqlite:
            last = int(self._db.sql(_COUNT, (many,)).fetchone()[0])
            return range(last - many + 1, last + 1)
        drawn = self._db.sql("SELECT nextval('ticket_id_seq') FROM generate_series(1, ?)", (many,))
        return [int(row[0]) for row in drawn.fetchall()]

    def _known_ids(self, message_ids: tuple[str, ...]) -> dict[str, int]:
        if not message_ids:
            return {}
        rows = self._db.sql(
            f"SELECT message_id, ticket_id FROM entry WHERE message_id IN ({_marks(message_ids)})"  # noqa: S608
            " ORDER BY id DESC",
            message_ids,
        ).fetchall()
        return {message_id: int(ticket) for message_id, ticket in rows}

    def _duplicate(self, clues: Clues) -> tuple[int, int] | None:
        row = self._db.sql(
            "SELECT ticket_id, id FROM entry WHERE queue = ? AND dedup_key = ?",
            (clues.queue, clues.dedup_key),
        ).fetchone()
        return (int(row[0]), int(row[1])) if row else None

    def _copies(self, dedup_key: str, tickets: Iterable[int]) -> dict[int, int]:
        """Ticket → its entry of the same wire mail, which may have come to another queue."""
        numbers = sorted(tickets)
        if not numbers:
            return {}
        rows = self._db.sql(
            f"SELECT ticket_id, id FROM entry WHERE ticket_id IN ({_marks(numbers)}) AND dedup_key = ?",  # noqa: S608
            (*numbers, dedup_key),
        ).fetchall()
        return {int(ticket): int(entry) for ticket, entry in rows}

    def _seen_as(self, row: Spooled) -> int | None:
        """The spool row by which the very same octets came to the same place and were worked on."""
        found = self._db.sql(
            "SELECT id, queue FROM spool WHERE raw_mail_id = ? AND id <> ? AND state IN ('done', 'hold')"
            " AND mailbox = ?",
            (row.raw_id, row.id, row.mailbox),
        ).fetchall()
        return next((int(other) for other, queue in found if queue == row.queue), None)

    def _acknowledged(self, answer_key: str, now: datetime) -> int:
        if not answer_key:
            return 0
        row = self._db.sql(
            "SELECT count(*) FROM outbox WHERE recipient_key = ? AND created_at > ?"
            " AND kind IN ('acknowledgement', 'held')",
            (answer_key, to_ms(now - timedelta(hours=1))),
        ).fetchone()
        return int(row[0])

    def _reported(self, clues: Clues) -> tuple[ReportedMail, ...]:
        if not clues.reported_message_ids and not (clues.reported_recipients and clues.tickets):
            return ()
        columns = "SELECT id, ticket_id, kind, audience, forward_path FROM outbox WHERE "
        rows: list[Any] = []
        if clues.reported_message_ids:
            ids = clues.reported_message_ids
            rows = self._db.sql(
                columns + f"message_id IN ({_marks(ids)}) ORDER BY id DESC LIMIT 5", ids
            ).fetchall()
        if not rows and clues.tickets and clues.reported_recipients:
            keys = [address_key(address) for address in clues.reported_recipients]
            rows = self._db.sql(
                columns + f"ticket_id IN ({_marks(clues.tickets)}) AND recipient_key IN ({_marks(keys)})"
                " AND state = 'sent' ORDER BY id DESC LIMIT 5",
                (*clues.tickets, *keys),
            ).fetchall()
        return tuple(ReportedMail(*row) for row in rows)

    def tickets(
        self, numbers: Iterable[int], lock: bool = False, whole: bool = False
    ) -> tuple[dict[int, TicketFacts], dict[int, int]]:
        """(tickets by number, merged number → number of the target) of all that exist; follows merges.
        `whole`: with all texts that their agents were shown."""
        wanted = set(numbers)
        found: dict[int, TicketFacts] = {}
        merged: dict[int, int] = {}
        for _ in range(10):
            missing = sorted(wanted - found.keys() - merged.keys())
            if not missing:
                break
            wanted.clear()
            locking = " ORDER BY id FOR UPDATE" if lock and not self._db.is_sqlite else ""
            for row in self._db.sql(_TICKET.format(_marks(missing)) + locking, missing).fetchall():
                if row[10] is not None:
                    merged[int(row[0])] = int(row[10])
                    wanted.add(int(row[10]))
                else:
                    found[int(row[0])] = self._ticket(row, whole)
        flat = {number: self._end(number, merged) for number in merged}
        return found, flat

    @staticmethod
    def _end(number: int, merged: dict[int, int]) -> int:
        for _ in range(10):
            number = merged.get(number, number)
        return number

    def _ticket(self, row: Any, whole: bool) -> TicketFacts:
        number = int(row[0])
        people = self._db.sql(
            "SELECT name, address, role FROM participant WHERE ticket_id = ? ORDER BY added_at, key",
            (number,),
        ).fetchall()
        ids = self._db.sql(
            "SELECT message_id FROM entry WHERE ticket_id = ? AND kind = 'public' AND author = 'customer'"
            " AND message_id IS NOT NULL ORDER BY id",
            (number,),
        ).fetchall()
        said = self._db.sql(
            "SELECT kind, author, from_name, from_address, created_at, new_text, agent FROM entry"
            " WHERE ticket_id = ? ORDER BY id DESC LIMIT ?",
            (number, _HISTORY),
        ).fetchall()
        notes = self._db.sql(
            "SELECT new_text FROM entry WHERE ticket_id = ? AND kind = 'note' ORDER BY id", (number,)
        ).fetchall()
        answered = self._db.sql(
            "SELECT created_at FROM entry WHERE ticket_id = ? AND kind = 'public' AND author = 'agent'"
            " ORDER BY id DESC LIMIT 30",
            (number,),
        ).fetchall()
        return TicketFacts(
            number=number,
            queue=row[1],
            state=State(row[2]),
            subject=row[3],
            requester=Address(row[4], row[5]),
            participants=tuple(Participant(Address(name, address), role) for name, address, role in people),
            assignee=row[6],
            priority=row[7],
            language=row[8],
            created_at=from_ms(row[9]),
            references=tuple(message_id for (message_id,) in ids),
            history=tuple(
                Said(kind, author, name or address, from_ms(at), text[:_SHOWN], agent)
                for kind, author, name, address, at, text, agent in said
            ),
            notes=tuple(text for (text,) in notes),
            answered_at=tuple(from_ms(at) for (at,) in answered),
            shown=self._shown(number) if whole else Shown(),
        )

    def _shown(self, number: int) -> Shown:
        """The texts of a ticket but for its notes, newest first, as many as the bounds allow."""
        sizes = self._db.sql(
            f"SELECT id, length({_AS_SHOWN}) FROM entry WHERE ticket_id = ? AND kind <> 'note'"  # noqa: S608
            " ORDER BY id DESC LIMIT ?",
            (number, number, _MOST_ENTRIES + 1),
        ).fetchall()
        taken: list[int] = []
        room = _MOST_CHARACTERS
        for entry, size in sizes[:_MOST_ENTRIES]:
            room -= int(size)
            if room < 0:
                break
            taken.append(int(entry))
        texts: dict[str, list[str]] = {"public": [], "answers": [], "hidden": []}
        if taken:
            rows = self._db.sql(
                f"SELECT kind, author, {_AS_SHOWN} FROM entry WHERE id IN ({_marks(taken)})"  # noqa: S608
                " ORDER BY id DESC",
                (number, *taken),
            ).fetchall()
            for kind, author, text in rows:
                texts[_class_of(kind, author)].append(text)
        return Shown(
            tuple(texts["public"]), tuple(texts["answers"]), tuple(texts["hidden"]), len(taken) == len(sizes)
        )


def _class_of(kind: str, author: str) -> str:
    if kind == "public" and author in ("customer", "agent"):
        return "public" if author == "customer" else "answers"
    return "hidden"
