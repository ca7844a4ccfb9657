"""Everything outside the desk: mail on its way, the IMAP account, and a ledger of all that was written.

The ledger is what the invariants hold the database against: it knows of each mail who wrote it, what it
answers, and who may ever read its text.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from tests.simulation.chance import VirtualClock
from tests.simulation.desk import AGENT_ADDRESSES, BORDER
from tests.simulation.imap import Folder
from tests.simulation.letters import Pen, Received, changed_by_a_relay
from tests.simulation.smarthost import Taken
from tests.simulation.trace import Trace


@dataclass(eq=False, slots=True)
class Conversation:
    """What one person began, and all who take part in it."""

    subject: str
    people: set[str]
    opener: Posted | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """What a token in a text stands for. `sort` as in `letters.TOKEN`."""

    sort: str
    author: str
    conversation: Conversation | None


@dataclass(eq=False, slots=True)
class Posted:
    """A mail that somebody sent to the desk. `kind`: new, reply, follow_up, stranger, machine, vacation, dsn,
    answer, note, agent_vacation, forged, poison. `ticket`: number of the ticket that it answers to."""

    number: int
    kind: str
    author: str
    message_id: str | None
    queues: tuple[str, ...]
    conversation: Conversation | None
    ticket: int | None
    sent_at: datetime
    copies: list[bytes] = field(default_factory=list)
    """SHA-256 of each copy that was brought to the desk."""
    stumbles: bool = False
    """The pipeline raises once on each copy."""

    @property
    def opens(self) -> bool:
        """A person's mail that makes a ticket of its own."""
        return self.kind in ("new", "stranger")


class Inhabitant(Protocol):
    """Somebody with a mailbox."""

    relay: bool
    gone: bool

    def receive(self, mail: Received) -> None:
        """A mail of the desk has come."""
        ...


Submit = Callable[[bytes, str, tuple[str, ...], str | None], bool]
"""Bring (octets, reverse path, forward paths, authenticated agent) to the desk's listener; True at 250."""


class World:
    """`limit`: no more mails are written than these."""

    def __init__(self, clock: VirtualClock, chance: random.Random, trace: Trace, limit: int) -> None:
        self.clock = clock
        self.chance = chance
        self.pen = Pen(chance)
        self.trace = trace
        self.limit = limit
        self.folders = {"support": Folder("seen"), "sales": Folder("delete")}
        self.posted: list[Posted] = []
        self.marks: dict[str, Mark] = {}
        self.inhabitants: dict[str, Inhabitant] = {}
        self.by_subject: dict[str, Conversation] = {}
        self.submit: Submit = lambda *_: False
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something after a while."""
        at = self.clock.now() + timedelta(seconds=seconds)
        heapq.heappush(self._events, (at, next(self._numbers), what))

    @property
    def next_at(self) -> datetime | None:
        """When something happens next."""
        return self._events[0][0] if self._events else None

    def happen(self) -> None:
        """Let the next thing happen."""
        heapq.heappop(self._events)[2]()

    @property
    def full(self) -> bool:
        """Whether all the mails that were asked for are written."""
        return len(self.posted) >= self.limit

    def delay(self, mean: float) -> float:
        return self.chance.expovariate(1 / mean)

    def mark(self, sort: str, author: str, conversation: Conversation | None) -> str:
        """A new token for a piece of text."""
        token = self.pen.token(sort)
        self.marks[token] = Mark(sort, author, conversation)
        return token

    def message_id(self, domain: str) -> str:
        return f"{self.pen.token('b')[2:-1]}.{len(self.posted)}@{domain}"

    def post(
        self,
        kind: str,
        octets: bytes,
        to: tuple[str, ...],
        *,
        author: str,
        message_id: str | None,
        conversation: Conversation | None = None,
        ticket: int | None = None,
        reverse_path: str | None = None,
        agent: str | None = None,
        authentic: bool = True,
        ways: tuple[str, ...] | None = None,
    ) -> Posted:
        """Send a mail to addresses of the desk. `ways`: imap or smtp, one for each copy."""
        queues = tuple(sorted({one.partition("@")[0].partition("+")[0] for one in to}))
        posted = Posted(
            len(self.posted), kind, author, message_id, queues, conversation, ticket, self.clock.now()
        )
        self.posted.append(posted)
        if conversation is not None and conversation.opener is None:
            conversation.opener = posted
        self.trace.note("posted", posted.number, kind, author, *to)
        if ways is None:
            ways = ("imap",) if self.chance.random() < 0.6 else ("smtp",)
        sender = author if reverse_path is None else reverse_path
        for way in ways:
            transit = self.delay(30 if self.chance.random() < 0.9 else 3000)
            if way == "smtp":
                self.later(transit, _Session(self, posted, octets, sender, to, agent))
                continue
            for recipient in to:
                self.later(transit, self._into_folder(posted, octets, sender, recipient, authentic))
        return posted

    def _into_folder(
        self, posted: Posted, octets: bytes, sender: str, recipient: str, authentic: bool
    ) -> Callable[[], None]:
        domain = posted.author.rpartition("@")[2]
        relay = f"mx{self.chance.randint(1, 9)}.far.test"
        head = (
            f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n"
            f"Received: from {relay} by {BORDER} id {self.pen.token('b')[2:-1]}\r\n"
            f"Authentication-Results: {BORDER}; dmarc={'pass' if authentic else 'fail'}"
            f" header.from={domain}\r\n"
        )
        copy = head.encode("ascii") + octets
        folder = self.folders[recipient.partition("@")[0].partition("+")[0]]

        def arrive() -> None:
            posted.copies.append(hashlib.sha256(copy).digest())
            folder.add(copy, self.clock.now())

        return arrive

    def on_mail(self, taken: Taken) -> None:
        """The smarthost took a mail: it comes to its recipient after a while."""
        person = self.inhabitants.get(taken.forward_path.lower())
        if person is None:
            return
        octets, message_id = taken.octets, taken.message_id
        if person.relay:
            message_id = f"{hashlib.sha256(message_id.encode()).hexdigest()[:24]}@relay.far.test"
            octets = changed_by_a_relay(octets, message_id)
        mail = Received(octets, taken.reverse_path, message_id)
        self.later(self.delay(20), lambda: person.receive(mail))

    def refuses(self, address: str) -> bool:
        """Whether the smarthost refuses the address for good."""
        person = self.inhabitants.get(address.lower())
        return person is not None and person.gone

    def conversation_of(self, mail: Received) -> Conversation | None:
        """The conversation that a mail of the desk is about, by the token in its subject."""
        subject = mail.field("Subject")
        return next((self.by_subject[word] for word in subject.split() if word in self.by_subject), None)

    def is_private(self, address: str) -> bool:
        return address.lower() in AGENT_ADDRESSES


@dataclass(eq=False, slots=True)
class _Session:
    """A mail server that brings a mail to our listener, and comes again until it hears 250."""

    world: World
    posted: Posted
    octets: bytes
    reverse_path: str
    forward_paths: tuple[str, ...]
    agent: str | None

    def __call__(self) -> None:
        digest = hashlib.sha256(self.octets).digest()
        if digest not in self.posted.copies:
            self.posted.copies.append(digest)
        if not self.world.submit(self.octets, self.reverse_path, self.forward_paths, self.agent):
            self.world.later(self.world.delay(300), self)
