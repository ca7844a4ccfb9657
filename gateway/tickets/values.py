"""What is known of tickets before a mail is judged (facts), and what is to be done because of it
(changes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.mail.message import Address, Attachment
from gateway.screen.values import Mail, Screening
from gateway.tickets.states import State


@dataclass(frozen=True, slots=True)
class Said:
    """One earlier contribution, as notices show it. `kind`: public, note, silent. `author`: customer, agent,
    third_party, machine."""

    kind: str
    author: str
    name: str
    at: datetime
    text: str
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody on a ticket. `role`: requester and cc get its public mail; author may write and gets none (a
    sender whose Reply-To names the requester)."""

    address: Address
    role: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The texts of a ticket that its agents were shown, as notices show them, newest first: `public` by
    customers, `answers` by agents, `hidden` by everybody else (notes are in `TicketFacts.notes`).
    `complete`: these are all."""

    public: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """A ticket as it stands. `references`: Message-IDs of its customers' public mails, oldest first.
    `history`: newest first, no more than notices show. `notes`: all internal
    notes, uncut. `answered_at`: when agents answered, the latest thirty. `shown`: read for an agent's mail
    alone."""

    number: int
    queue: str
    state: State
    subject: str
    requester: Address
    participants: tuple[Participant, ...]
    assignee: str | None
    priority: str
    language: str | None
    created_at: datetime
    references: tuple[str, ...] = ()
    history: tuple[Said, ...] = ()
    notes: tuple[str, ...] = ()
    answered_at: tuple[datetime, ...] = ()
    shown: Shown = Shown()

    def participant(self, key: str) -> Participant | None:
        """The participant with this folded address."""
        return next((one for one in self.participants if one.address.key == key), None)


@dataclass(frozen=True, slots=True)
class ReportedMail:
    """The outgoing mail that a delivery report is about."""

    outbox_id: int
    ticket: int | None
    kind: str
    audience: str
    forward_path: str


@dataclass(frozen=True, slots=True)
class Clues:
    """What a mail gives to look up in the store. `tickets`: numbers that it names by any signal;
    `message_ids`: foreign ids that it refers to; `answer_key`: folded address that an automatic
    answer would go to, "" unknown;
    `dedup_key` with `queue`: identity of the wire mail; `reported_*`: from a delivery report;
    `by_agent`: the mail acts as an agent, who may quote all that agents were shown."""

    queue: str
    dedup_key: str
    answer_key: str
    tickets: tuple[int, ...]
    message_ids: tuple[str, ...]
    reported_message_ids: tuple[str, ...] = ()
    reported_recipients: tuple[str, ...] = ()
    by_agent: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store answers. `tickets` by number (merged ones are not in it: `merged` leads from their
    numbers to the target's); `known_ids`: foreign message id → ticket; `duplicate_of`: (ticket, entry) of the
    same wire mail at the same queue; `copies`: ticket → its entry of the same wire mail, whatever the queue
    that it came to; `seen_as`: spool row of the very
    same octets at the same mailbox, also where they made no entry; `next_number`: of a new ticket;
    `acknowledged_lately`: automatic answers to
    `answer_key` within the last hour."""

    next_number: int
    tickets: Mapping[int, TicketFacts] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    known_ids: Mapping[str, int] = field(default_factory=dict)
    duplicate_of: tuple[int, int] | None = None
    copies: Mapping[int, int] = field(default_factory=dict)
    seen_as: int | None = None
    acknowledged_lately: int = 0
    reported: tuple[ReportedMail, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One signal that points to a ticket. `signal`: signed_address, own_message_id, known_message_id,
    subject_tag. `accepted` and `why` say what the gate made of it."""

    signal: str
    value: str
    ticket: int
    accepted: bool
    why: str


@dataclass(frozen=True, slots=True)
class Match:
    """`ticket` that the mail belongs to, or None (then `related` is the one it may belong to). `role`: how
    the sender stands to it: agent, participant, stranger. `note`: it came to an agent's note address."""

    ticket: int | None
    related: int | None
    role: str
    note: bool
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why triage says what it says: where from, what matched, how much it weighs."""

    source: str
    evidence: str
    weight: float


@dataclass(frozen=True, slots=True)
class Triage:
    """What the request is, with reasons."""

    impact: str
    urgency: str
    priority: str
    category: str | None
    tags: tuple[str, ...]
    queue: str
    assignee: str | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to be made."""

    number: int
    queue: str
    subject: str
    requester: Address
    participants: tuple[Participant, ...]
    priority: str
    category: str | None
    assignee: str | None
    language: str | None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A contribution to be written. `kind`: public, note, silent. `author`: customer, agent, third_party,
    machine; `agent` by name. `new_text`: what this sender wrote now; of an agent's public answer, what its
    customers get of it."""

    kind: str
    author: str
    agent: str | None
    from_: Address
    dedup_key: str
    queue: str
    message_id: str | None
    subject: str
    text: str
    new_text: str
    quoted: str
    signature: str
    html: bool
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something to be written into a ticket's trail. `actor`: customer, agent:<name>, system, admin."""

    kind: str
    actor: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a mail does. `action`: new_ticket, append, duplicate, report, hold, discard. `ticket` is as it
    stands after the change; `state`, where not None, is its new state. `acknowledge`: whether the
    sender is answered by an automatic mail (the budget allows it). `had_directly`: folded addresses of people
    to whom the agent's own mail went, and no copy of ours goes. `left_out`: how many people in Cc were too
    many to be taken along."""

    action: str
    outcome: str
    ticket: TicketFacts | None = None
    new_ticket: NewTicket | None = None
    entry: NewEntry | None = None
    state: State | None = None
    add_participants: tuple[Participant, ...] = ()
    events: tuple[NewEvent, ...] = ()
    acknowledge: bool = False
    reported: ReportedMail | None = None
    related: int | None = None
    had_directly: frozenset[str] = frozenset()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """All that a decision is made of: what was understood of a mail, the facts, and the instant."""

    mail: Mail
    screening: Screening
    match: Match
    triage: Triage
    clues: Clues
    facts: Facts
    now: datetime
