"""What screening takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.mail.message import DeliveryReport, Message
from gateway.mail.signed import Signer
from gateway.screen.directory import Directory
from gateway.settings.model import Settings

ANY_AGENT = "*"
"""`Envelope.authenticated_as` where it is sure that an agent wrote, but not which (a mailbox only for
agents)."""


class Verdict(StrEnum):
    """Whether a mail comes in: a person's mail, a machine's (nothing automatic follows), a delivery report,
    one that a person must look at, our own come back."""

    ACCEPT = "accept"
    SILENT = "silent"
    DSN = "dsn"
    HOLD = "hold"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a mail came: `queue` by name where its recipient says it, `reverse_path` None where unknown and ""
    where null, `authenticated_as` an agent's name. `released`: an admin has looked at it and let it in."""

    queue: str | None
    reverse_path: str | None
    forward_paths: tuple[str, ...]
    authenticated_as: str | None
    released: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """A parsed mail in its envelope, and what is needed to judge it."""

    message: Message
    envelope: Envelope
    settings: Settings
    directory: Directory
    signer: Signer
    raw: bytes | memoryview = b""


@dataclass(frozen=True, slots=True)
class Signal:
    """What a rule found: its name, and the words or values that made it say so."""

    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Trust:
    """`level`: agent (may act as `agent`), claimed_agent (From is an agent's, proof is missing), unknown.
    Participants are found by matching. `why`: each step in words."""

    level: str
    agent: str | None
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Screening:
    """The four answers: `verdict`, `may_reply`, what may change a ticket (by `verdict`), `trust`.
    `auto_submitted` is the field's keyword (RFC 3834 section 5), or None."""

    verdict: Verdict
    may_reply: bool
    auto_submitted: str | None
    signals: tuple[Signal, ...]
    report: DeliveryReport | None
    trust: Trust
