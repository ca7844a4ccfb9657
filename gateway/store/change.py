"""Transaction T2: claim the spool row, see that the facts still hold, write what the pipeline decided,
commit.

Either everything of a mail is written (ticket, entry, participants, events, outgoing mail, the spool row as
done) or nothing. Raises LeaseLost where another node has the row, Conflict where another node wrote the same
mail in this moment (doing it again finds its entry), StoreTrouble; anything else that comes out is a bug of
ours, and the caller's three tries and the quarantine are for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from gateway.mail.message import Address
from gateway.notices.values import OutgoingMail
from gateway.pipeline import Work, judge, renumber, tell
from gateway.store import models
from gateway.store.database import Database
from gateway.store.facts import FactsReader
from gateway.store.models import to_ms
from gateway.store.outbox import Outbox
from gateway.store.spool import Spool, Spooled
from gateway.tickets.values import Decision, Facts, NewEntry, NewTicket, Participant


@dataclass(frozen=True, slots=True)
class Changed:
    """What a mail has done: `action` and `outcome` of its decision, ids of what was written."""

    action: str
    outcome: str
    ticket_id: int | None
    entry_id: int | None
    outbox_ids: tuple[int, ...]


class Change:
    """Applies decisions."""

    def __init__(self, database: Database, spool: Spool, outbox: Outbox, facts: FactsReader) -> None:
        self._db = database
        self._spool = spool
        self._outbox = outbox
        self._facts = facts
        self.on_hold: Callable[[int, str, datetime], None] = lambda *_: None
        """Runs inside the transaction that holds a mail: (spool id, reason, now)."""

    def apply(self, row: Spooled, owner: str, work: Work, expiry: timedelta, ahead: int = 0) -> Changed:
        """Take the mail of `row`, understood in `work`, through the rest of the pipeline, in one
        transaction. `ahead`: how many more mails wait in this round, each perhaps a new ticket."""
        facts = self._conclude(work, row, ahead)
        # not durable by itself: nobody outside hears of it before the durable commit of Outbox.lease, and
        # the mail itself is safe since T1
        with self._db.write(durable=False):
            self._spool.claim(row, owner)
            done = self._confirm(work, row, facts)
            decision = done.decision
            assert decision is not None
            ticket_id = decision.ticket.number if decision.ticket else None
            if decision.new_ticket is not None:
                self._new_ticket(decision.new_ticket, work.now)
            entry_id = self._entry(done, decision.entry, ticket_id, row.raw_id)
            self._after(decision, ticket_id, entry_id, work.now)
            outbox_ids = tuple(self.add_mail(mail, entry_id, work.now, expiry) for mail in done.outgoing)
            state = "hold" if decision.action == "hold" else "done"
            if state == "hold":
                self.on_hold(row.id, decision.outcome, work.now)
            self._spool.done(row, state, decision.outcome, ticket_id, entry_id)
        return Changed(decision.action, decision.outcome, ticket_id, entry_id, outbox_ids)

    def _conclude(self, work: Work, row: Spooled, ahead: int) -> Facts:
        """Judge and compose on what is known now, before the transaction; returns the facts."""
        assert work.clues is not None
        with self._db.read():
            facts = self._facts.read(work.clues, work.now, row, lock=False)
        judge(work, facts)
        self._number(work, ahead)
        tell(work)
        return facts

    def _confirm(self, work: Work, row: Spooled, facts: Facts) -> Work:
        """Inside the transaction: where the facts have changed meanwhile, judge and compose anew."""
        assert work.clues is not None
        assert work.facts is not None
        fresh = self._facts.read(work.clues, work.now, row, lock=True)
        if fresh != facts:
            judge(work, replace(fresh, next_number=work.facts.next_number))
            self._number(work)
            tell(work)
        return work

    def _number(self, work: Work, ahead: int = 0) -> None:
        """Give a new ticket its number, if it has none yet."""
        assert work.decision is not None
        assert work.facts is not None
        if work.decision.new_ticket is None or work.facts.next_number:
            return
        renumber(work, self._facts.new_number(ahead))

    def _new_ticket(self, new: NewTicket, now: datetime) -> None:
        self._db.insert(
            models.Ticket,
            id=new.number,
            queue=new.queue,
            state="new",
            subject=new.subject,
            requester_name=new.requester.name,
            requester_address=new.requester.address,
            requester_key=new.requester.key,
            assignee=new.assignee,
            priority=new.priority,
            category=new.category,
            language=new.language,
            created_at=now,
            updated_at=now,
        )
        self._participants(new.number, new.participants, now)

    def _entry(self, done: Work, entry: NewEntry | None, ticket_id: int | None, raw_id: int) -> int | None:
        if entry is None:
            return None
        assert done.match is not None
        assert done.screening is not None
        screening = done.screening
        return self._db.insert(
            models.Entry,
            ticket=ticket_id,
            kind=entry.kind,
            author=entry.author,
            agent=entry.agent,
            from_name=entry.from_.name,
            from_address=entry.from_.address,
            raw_mail=raw_id,
            queue=entry.queue,
            dedup_key=entry.dedup_key,
            message_id=entry.message_id,
            subject=entry.subject,
            text=entry.text,
            new_text=entry.new_text,
            quoted=entry.quoted,
            signature=entry.signature,
            html=entry.html,
            attachments=[asdict(one) for one in entry.attachments],
            evidence=[asdict(one) for one in done.match.evidence],
            screening={
                "verdict": screening.verdict.value,
                "signals": [[signal.rule, signal.evidence] for signal in screening.signals],
                "trust": [screening.trust.level, *screening.trust.why],
            },
            created_at=done.now,
        )

    def _after(self, decision: Decision, ticket_id: int | None, entry_id: int | None, now: datetime) -> None:
        if ticket_id is None:
            return
        if decision.state is not None:
            self._db.sql("UPDATE ticket SET state = ? WHERE id = ?", (decision.state.value, ticket_id))
        if decision.entry is not None and decision.new_ticket is None:
            self._db.sql("UPDATE ticket SET updated_at = ? WHERE id = ?", (to_ms(now), ticket_id))
        self._participants(ticket_id, decision.add_participants, now)
        for event in decision.events:
            self.add_event(ticket_id, entry_id, event.kind, event.actor, dict(event.data), now)

    def _participants(self, ticket_id: int, people: tuple[Participant, ...], now: datetime) -> None:
        for one in people:
            self._person(one.address, now)
            self._db.sql(
                "INSERT INTO participant (ticket_id, key, name, address, role, added_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (ticket_id, key) DO NOTHING",
                (ticket_id, one.address.key, one.address.name, one.address.address, one.role, to_ms(now)),
            )

    def _person(self, address: Address, now: datetime) -> None:
        if self._db.sql("SELECT 1 FROM person_address WHERE key = ?", (address.key,)).fetchone():
            return
        person_id = self._db.insert(models.Person, name=address.name, created_at=now)
        self._db.insert(
            models.PersonAddress,
            key=address.key,
            address=address.address,
            person=person_id,
            created_at=now,
        )

    def add_event(
        self,
        ticket_id: int,
        entry_id: int | None,
        kind: str,
        actor: str,
        data: dict[str, object],
        now: datetime,
    ) -> None:
        """Write one event into a ticket's trail, inside a transaction."""
        self._db.insert(
            models.Event, ticket=ticket_id, entry=entry_id, kind=kind, actor=actor, at=now, data=data
        )

    def add_mail(self, mail: OutgoingMail, entry_id: int | None, now: datetime, expiry: timedelta) -> int:
        """Put a mail into the outbox, inside a transaction; returns its id."""
        return self._outbox.add(mail, entry_id, now, now + expiry)
