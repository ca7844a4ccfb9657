"""Notices on their way to becoming mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.mail.message import Address, Attachment


@dataclass(frozen=True, slots=True)
class Notice:
    """One mail to one person. `kind` names the templates; `audience`: customer, agent, admin; `role` is the
    role that its reply address is signed for (c, a, or x for no reply address); `variables` are the
    templates'.
    `shown_to` and `shown_cc` are what To and Cc show. `attachments` come out of raw mail `raw_id`."""

    kind: str
    audience: str
    role: str
    recipient: Address
    shown_to: tuple[Address, ...]
    shown_cc: tuple[Address, ...]
    from_name: str
    subject: str
    ticket: int | None
    variables: Mapping[str, object]
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    raw_id: int | None = None
    auto_submitted: str | None = None
    null_reverse_path: bool = False
    base: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class AttachedPart:
    """An attachment of an outgoing mail: its MIME head with the separator before it, and where its encoded
    octets stand in which raw mail."""

    head: bytes
    raw_id: int
    start: int
    stop: int
    encoding: str


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail as it goes into the outbox: all of it fixed but the octets of its attachments, which are read
    out of the raw mail when it is sent. `size` of the whole mail in octets. `text` is the plain body, for
    people who look on."""

    ticket: int | None
    kind: str
    audience: str
    reverse_path: str
    forward_path: str
    recipient_key: str
    message_id: str
    subject: str
    skeleton: bytes
    attachments: Sequence[AttachedPart]
    tail: bytes
    size: int
    text: str = field(default="", compare=False)
    html: str = field(default="", compare=False)
