"""What must hold when a simulation has come to rest, one function each.

Each yields a line for each breach. They hold the database and what the smarthost took against the ledger
of the world, which knows who wrote what to whom.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gateway.mail.message import address_key
from tests.simulation.desk import AGENT_ADDRESSES
from tests.simulation.letters import TOKEN, Received
from tests.simulation.world import Posted

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

_AGENTS_SIGNED = re.compile(r"\+\d{1,12}-[an][a-z2-7]{6}-[a-z][a-z2-7]{16}@", re.IGNORECASE)
_FINISHED = ("done", "hold", "quarantined")
_SILENT_KINDS = ("machine", "vacation", "agent_vacation", "dsn", "forged", "poison")


@dataclass(frozen=True, slots=True)
class Spooled:
    """A row of the spool. `opened`: its entry is its ticket's first one. `unlucky`: three times it
    was not finished, as its node died or lost its database, or stumbled over it."""

    posted: Posted
    queue: str
    state: str
    outcome: str
    ticket: int | None
    entry: int | None
    kind: str | None
    author: str | None
    opened: bool
    unlucky: bool


class Findings:
    """The ledger and the database side by side."""

    def __init__(self, simulation: Simulation) -> None:
        self.world = simulation.world
        self.smarthost = simulation.smarthost
        self.rows = simulation.rows
        self._left_in_hand = simulation.left_in_hand
        self.posted_by_digest = {
            digest: posted for posted in simulation.world.posted for digest in posted.copies
        }

    @cached_property
    def strangers(self) -> list[bytes]:
        """Digests of spooled mail that nobody wrote."""
        return [
            digest for (digest,) in self.rows("SELECT sha256 FROM raw_mail") if self._posted(digest) is None
        ]

    def _posted(self, digest: Any) -> Posted | None:
        return self.posted_by_digest.get(bytes(digest))

    @cached_property
    def spooled(self) -> dict[Posted, list[Spooled]]:
        """What became of each posted mail."""
        first = dict(self.rows("SELECT ticket_id, min(id) FROM entry GROUP BY ticket_id"))
        found: dict[Posted, list[Spooled]] = defaultdict(list)
        query = (
            "SELECT s.id, r.sha256, s.queue, s.state, s.outcome, e.ticket_id, e.id, e.kind, e.author"
            " FROM spool s JOIN raw_mail r ON r.id = s.raw_mail_id LEFT JOIN entry e ON e.id = s.entry_id"
            " ORDER BY s.id"
        )
        for number, digest, queue, state, outcome, ticket, entry, kind, author in self.rows(query):
            posted = self._posted(digest)
            if posted is not None:
                opened = entry is not None and first[ticket] == entry
                unlucky = self._left_in_hand[number] + posted.stumbles >= 3
                found[posted].append(
                    Spooled(posted, queue, state, outcome or "", ticket, entry, kind, author, opened, unlucky)
                )
        return found

    def entries(self, posted: Posted) -> list[Spooled]:
        """The spool rows of a mail that became entries."""
        return [row for row in self.spooled[posted] if row.entry is not None]

    @cached_property
    def outbox(self) -> list[dict[str, Any]]:
        columns = "id ticket_id entry_id kind audience forward_path recipient_key message_id state created_at"
        query = f"SELECT {', '.join(columns.split())} FROM outbox ORDER BY id"
        return [dict(zip(columns.split(), row, strict=True)) for row in self.rows(query)]


def every_mail_is_accounted_for(found: Findings) -> Iterator[str]:
    """No mail is lost: each copy that was brought to the desk is in the spool and finished; each mail has
    an entry in each of its queues, or is held, quarantined or a report, as its kind says."""
    held_raw = {bytes(digest) for (digest,) in found.rows("SELECT sha256 FROM raw_mail")}
    for posted in found.world.posted:
        rows = found.spooled[posted]
        for digest in posted.copies:
            if digest not in held_raw:
                yield f"mail {posted.number} ({posted.kind}): a copy never reached the spool"
        for row in rows:
            if row.state not in _FINISHED:
                yield f"mail {posted.number} ({posted.kind}): left {row.state}"
        for queue in posted.queues:
            mine = [row for row in rows if row.queue == queue]
            fates = {_fate(row) for row in mine if not (row.unlucky and row.state == "quarantined")}
            expected = _expected_fate(posted)
            if mine and not fates:
                continue
            if expected not in fates or not fates <= {expected, "duplicate"}:
                outcomes = [(row.state, row.outcome) for row in mine]
                yield f"mail {posted.number} ({posted.kind}) in {queue}: {outcomes}"


def _fate(row: Spooled) -> str:
    if row.state != "done":
        return row.state
    if row.entry is not None:
        return "entry"
    if row.outcome.startswith("the same octets"):
        return "duplicate"
    return "report" if row.outcome.startswith("delivery report") else row.outcome.split()[0]


def _expected_fate(posted: Posted) -> str:
    return {"poison": "quarantined", "forged": "hold", "dsn": "report"}.get(posted.kind, "entry")


def nothing_came_out_of_nowhere(found: Findings) -> Iterator[str]:
    """All raw mail was written by somebody, and each ticket was opened by a mail that may open one."""
    for digest in found.strangers:
        yield f"raw mail {bytes(digest).hex()[:16]} was never written"
    openers = {row.ticket for rows in found.spooled.values() for row in rows if row.opened}
    for (number,) in found.rows("SELECT id FROM ticket"):
        if number not in openers:
            yield f"ticket {number} has no mail that opened it"


def no_ticket_is_doubled(found: Findings) -> Iterator[str]:
    """One mail is one entry in each queue, and opens one ticket there at most."""
    for posted in found.world.posted:
        per_queue = Counter(row.queue for row in found.entries(posted))
        for queue, count in per_queue.items():
            if count > 1:
                yield f"mail {posted.number} ({posted.kind}) has {count} entries in {queue}"


def each_new_matter_has_its_ticket(found: Findings) -> Iterator[str]:
    """A person's new mail, a stranger's with copied references too, and a machine's open their own ticket."""
    for posted in found.world.posted:
        if posted.opens or posted.kind == "machine":
            for row in found.entries(posted):
                if not row.opened:
                    yield f"mail {posted.number} ({posted.kind}) was put to ticket {row.ticket}"


def replies_are_on_their_ticket(found: Findings) -> Iterator[str]:
    """What answers a mail of the desk stands on that mail's ticket; what follows an earlier mail of its
    writer stands with it, unless it was taken before that one."""
    kinds = {
        "answer": ("public", "agent"),
        "note": ("note", "agent"),
        "agent_vacation": ("silent", "machine"),
    }
    for posted in found.world.posted:
        for row in found.entries(posted):
            if posted.ticket is not None and row.ticket != posted.ticket:
                yield f"mail {posted.number} ({posted.kind}) to {posted.ticket} stands on {row.ticket}"
            if posted.kind in kinds and (row.kind, row.author) != kinds[posted.kind]:
                yield f"mail {posted.number} ({posted.kind}) became {row.kind} by {row.author}"
            if posted.kind == "follow_up":
                assert posted.conversation is not None
                assert posted.conversation.opener is not None
                before = found.entries(posted.conversation.opener)
                earlier = [one for one in before if (one.entry or 0) < (row.entry or 0)]
                if earlier and row.ticket not in {one.ticket for one in before}:
                    yield f"mail {posted.number} (follow_up) stands on {row.ticket}"


def each_persons_ticket_is_acknowledged_once(found: Findings) -> Iterator[str]:
    """One acknowledgement for a ticket that a person opened, to that person, or an event that says why not;
    no more than four an hour to one address."""
    by_ticket = defaultdict(list)
    for row in found.outbox:
        if row["kind"] == "acknowledgement":
            by_ticket[row["ticket_id"]].append(row)
    held_back = Counter(
        ticket
        for (ticket,) in found.rows("SELECT ticket_id FROM event WHERE kind = 'acknowledgement_held_back'")
    )
    for posted in found.world.posted:
        for entry in found.entries(posted):
            if not entry.opened:
                continue
            rows = by_ticket.pop(entry.ticket, [])
            by_person = posted.opens or posted.kind == "follow_up"
            if by_person and len(rows) + held_back[entry.ticket] != 1:
                yield f"ticket {entry.ticket} (mail {posted.number}): {len(rows)} acknowledgements"
            if not by_person and rows:
                yield f"ticket {entry.ticket} of a machine (mail {posted.number}) was acknowledged"
            for row in rows:
                if row["forward_path"] != posted.author:
                    yield f"ticket {entry.ticket} of {posted.author} acknowledged to {row['forward_path']}"
    for ticket in by_ticket:
        yield f"an acknowledgement without a ticket: {ticket}"
    yield from _too_many_acknowledgements(found)


def _too_many_acknowledgements(found: Findings) -> Iterator[str]:
    times = defaultdict(list)
    for row in found.outbox:
        if row["kind"] == "acknowledgement":
            times[row["recipient_key"]].append(row["created_at"])
    for address, instants in times.items():
        for first, fifth in zip(instants, instants[4:], strict=False):
            if fifth - first < 3_600_000:
                yield f"{address} got more than four acknowledgements within an hour"


def repeats_are_identical(found: Findings) -> Iterator[str]:
    """A row is handed over again only after its sender could not know that it was taken, with the same
    octets; two rows never share a Message-ID."""
    digests: dict[int, str] = {}
    owners: dict[str, int] = {}
    for taken in found.smarthost.taken:
        if digests.setdefault(taken.outbox_id, taken.digest) != taken.digest:
            yield f"outbox {taken.outbox_id}: other octets at the repeat"
        if taken.repeated and not taken.excused:
            yield f"outbox {taken.outbox_id}: handed over again without need"
        if owners.setdefault(taken.message_id, taken.outbox_id) != taken.outbox_id:
            yield f"outbox {taken.outbox_id}: the Message-ID of outbox {owners[taken.message_id]}"


def machines_are_not_answered(found: Findings) -> Iterator[str]:
    """No mail to a customer follows from a machine's, a forged or a quarantined mail."""
    machine = {
        row.entry for posted, rows in found.spooled.items() if posted.kind in _SILENT_KINDS for row in rows
    } - {None}
    for row in found.outbox:
        if row["audience"] == "customer" and row["entry_id"] in machine:
            yield f"outbox {row['id']} ({row['kind']}) to {row['forward_path']} follows from a machine's mail"


def answers_reach_all_participants(found: Findings) -> Iterator[str]:
    """An agent's answer goes to each of its ticket's people once; a note goes to no customer."""
    rows_of: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in found.outbox:
        if row["audience"] == "customer" and row["entry_id"] is not None:
            rows_of[row["entry_id"]].append(row)
    for posted in found.world.posted:
        for entry in found.entries(posted):
            rows = [row for row in rows_of[entry.entry or 0] if row["kind"] != "acknowledgement"]
            recipients = [row["recipient_key"] for row in rows]
            if posted.kind != "answer":
                if rows:
                    yield f"mail {posted.number} ({posted.kind}) went to customers: {recipients}"
                continue
            assert posted.conversation is not None
            assert posted.conversation.opener is not None
            if posted.conversation.opener.kind == "machine":
                continue
            if len(set(recipients)) != len(recipients):
                yield f"mail {posted.number}: somebody gets the answer twice: {recipients}"
            if address_key(posted.conversation.opener.author) not in recipients:
                yield f"mail {posted.number}: the requester does not get the answer: {recipients}"


def nothing_private_reached_a_customer(found: Findings) -> Iterator[str]:
    """No note, no agent's address or signed address, no text of an exception, and nothing of a
    conversation to somebody outside it, in any mail to anybody but agents and admins."""
    audience = {row["id"]: row["audience"] for row in found.outbox}
    seen: set[int] = set()
    for taken in found.smarthost.taken:
        if audience[taken.outbox_id] != "customer" or taken.outbox_id in seen:
            continue
        seen.add(taken.outbox_id)
        where = f"outbox {taken.outbox_id} to {taken.forward_path}"
        if found.world.is_private(taken.forward_path):
            yield f"{where}: an agent was written to as a customer"
            continue
        text = Received(taken.octets, taken.reverse_path, taken.message_id).everything
        text = f"{text}\n{taken.reverse_path}"
        low = text.lower()
        yield from (f"{where}: the agent's address {one}" for one in AGENT_ADDRESSES if one in low)
        if signed := _AGENTS_SIGNED.search(text):
            yield f"{where}: the agent's signed address {signed[0]}"
        for token in sorted(set(TOKEN.findall(text)) & found.world.marks.keys()):
            mark = found.world.marks[token]
            if mark.sort in "nsx":
                yield f"{where}: internal text {token} by {mark.author}"
            elif mark.conversation is None or taken.forward_path not in mark.conversation.people:
                yield f"{where}: {token}, of a conversation of others"


def order_is_kept(found: Findings) -> Iterator[str]:
    """Mails of one ticket to one recipient are handed over in the order in which they were made."""
    of = {row["id"]: (row["ticket_id"], row["recipient_key"]) for row in found.outbox if row["ticket_id"]}
    last: dict[tuple[int, str], int] = {}
    for taken in found.smarthost.taken:
        key = of.get(taken.outbox_id)
        if key is None:
            continue
        if taken.outbox_id < last.get(key, 0):
            yield f"outbox {taken.outbox_id} came after {last[key]}"
        last[key] = max(taken.outbox_id, last.get(key, 0))


def every_outgoing_mail_has_an_end(found: Findings) -> Iterator[str]:
    """Nothing is queued; what is recorded as sent was taken, what failed was refused or has expired, and
    stands on its ticket."""
    failures = Counter(
        ticket for (ticket,) in found.rows("SELECT ticket_id FROM event WHERE kind = 'delivery_failure'")
    )
    for row in found.outbox:
        if row["state"] == "sent" and row["id"] not in found.smarthost.rows:
            yield f"outbox {row['id']} is recorded as sent and was never taken"
        if row["state"] == "failed":
            if row["id"] not in found.smarthost.refused:
                yield f"outbox {row['id']} failed without a refusal"
            if row["ticket_id"] is not None and not failures[row["ticket_id"]]:
                yield f"outbox {row['id']} failed and ticket {row['ticket_id']} does not tell"
        if row["state"] not in ("sent", "failed"):
            yield f"outbox {row['id']} is {row['state']}"


def nothing_is_left_behind(found: Findings) -> Iterator[str]:
    """No lease, no unsettled mail, no message left in a folder for a reason."""
    for table in ("spool", "outbox"):
        for (number,) in found.rows(f"SELECT id FROM {table} WHERE lease_owner IS NOT NULL"):
            yield f"{table} {number} is leased"
    for name, owner in found.rows("SELECT name, owner FROM lease"):
        yield f"lease {name} is held by {owner}"
    for account, left in found.rows("SELECT account, left_there FROM folder"):
        if left != "{}":
            yield f"mailbox {account}: {left} were left"
    for name, folder in found.world.folders.items():
        if folder.unsettled():
            yield f"mailbox {name}: {folder.unsettled()} mails not settled"


INVARIANTS: tuple[Callable[[Findings], Iterator[str]], ...] = (
    every_mail_is_accounted_for,
    nothing_came_out_of_nowhere,
    no_ticket_is_doubled,
    each_new_matter_has_its_ticket,
    replies_are_on_their_ticket,
    each_persons_ticket_is_acknowledged_once,
    repeats_are_identical,
    machines_are_not_answered,
    answers_reach_all_participants,
    nothing_private_reached_a_customer,
    order_is_kept,
    every_outgoing_mail_has_an_end,
    nothing_is_left_behind,
)


def violations(simulation: Simulation, most: int = 5) -> list[str]:
    """The breaches, each under the name of its invariant, at most `most` of one."""
    found = Findings(simulation)
    lines = []
    for invariant in INVARIANTS:
        breaches = list(invariant(found))
        lines += [f"{invariant.__name__}: {line}" for line in breaches[:most]]
        if len(breaches) > most:
            lines.append(f"{invariant.__name__}: and {len(breaches) - most} more")
    return lines
