"""Small makers for tests of the pure rooms: a desk's policy, mails, and what the pipeline makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from gateway.mail.message import Address
from gateway.mail.signed import Signer
from gateway.pipeline import Policy, Work, conclude, understand
from gateway.screen.values import Envelope
from gateway.settings.model import Settings
from gateway.tickets.states import State
from gateway.tickets.values import Facts, Participant, TicketFacts

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SIGNER = Signer({"k": b"a key for tests, thirty-two bytes"}, "k")
DESK: dict[str, Any] = {
    "desk": {
        "name": "ACME Support",
        "domain": "acme.example",
        "address": "desk@acme.example",
        "ticket_prefix": "ACME",
        "admins": ["admin@acme.example"],
    },
    "queues": [
        {"name": "support", "addresses": ["support@acme.example", "help@acme.example"]},
        {"name": "sales", "addresses": ["sales@acme.example"], "agents": ["pavel"]},
    ],
    "agents": [
        {
            "name": "petra",
            "display_name": "Petra",
            "address": "petra@private.example",
            "aliases": ["petra@phone.example"],
        },
        {"name": "pavel", "display_name": "Pavel", "address": "pavel@private.example"},
    ],
    "security": {"agent_trust": "signed_and_authenticated", "authserv_ids": ["mx.acme.example"]},
    "delivery": {"via": {"type": "maildir"}},
}


class CountingIds:
    """Ids that can be told apart and foreseen."""

    def __init__(self) -> None:
        self.count = 0

    def token(self, length: int = 16) -> str:
        self.count += 1
        return f"{self.count:0{length}d}".translate(str.maketrans("0189", "abcd"))


def policy(**changes: Mapping[str, Any]) -> Policy:
    """The desk's policy; `changes` go over its sections."""
    desk = dict(DESK)
    for key, change in changes.items():
        desk[key] = {**desk.get(key, {}), **change} if isinstance(change, dict) else change
    return Policy(Settings.model_validate(desk), SIGNER, None)


POLICY = policy()


def mail(
    text: str = "The printer is on fire.\n",
    *,
    sender: str = "Jana <jana@customer.example>",
    to: str = "support@acme.example",
    subject: str = "Printer",
    message_id: str | None = "<m1@customer.example>",
    **headers: str,
) -> bytes:
    """A mail as octets; further headers by keyword, underscores for dashes."""
    one = EmailMessage()
    if sender:
        one["From"] = sender
    one["To"] = to
    one["Subject"] = subject
    if message_id:
        one["Message-ID"] = message_id
    one["Date"] = "Mon, 23 Nov 2026 09:00:00 +0000"
    for name, value in headers.items():
        one[name.replace("_", "-")] = value
    one.set_content(text)
    return one.as_bytes()


def envelope(**changes: Any) -> Envelope:
    return replace(Envelope("support", "jana@customer.example", ("support@acme.example",), None), **changes)


def ticket(number: int = 1042, **changes: Any) -> TicketFacts:
    """Jana's open ticket, with Otto in Cc."""
    jana, otto = Address("Jana", "jana@customer.example"), Address("Otto", "otto@customer.example")
    return replace(
        TicketFacts(
            number=number,
            queue="support",
            state=State.OPEN,
            subject="Printer",
            requester=jana,
            participants=(Participant(jana, "requester"), Participant(otto, "cc")),
            assignee=None,
            priority="normal",
            language=None,
            created_at=NOW,
            references=("first@customer.example",),
        ),
        **changes,
    )


def facts(*tickets: TicketFacts, **changes: Any) -> Facts:
    return replace(Facts(next_number=2000, tickets={one.number: one for one in tickets}), **changes)


def run(raw: bytes, known: Facts | None = None, env: Envelope | None = None, desk: Policy = POLICY) -> Work:
    """The whole pipeline over one mail."""
    work = understand(
        Work(
            policy=desk,
            ids=CountingIds(),
            now=NOW,
            raw=raw,
            raw_sha256="0" * 64,
            envelope=env or envelope(),
            raw_id=1,
        )
    )
    return conclude(work, known or facts())


def agent_address(role: str = "a", number: int = 1042, to: str = "petra@private.example") -> str:
    """The reply (a) or note (n) address that was given to an agent."""
    return SIGNER.address("support@acme.example", number, role, to)


def customer_address(number: int = 1042, to: str = "jana@customer.example") -> str:
    """The reply address that was given to a customer."""
    return SIGNER.address("support@acme.example", number, "c", to)


def all_text(work: Work, audience: str) -> str:
    """Everything that goes to one audience: headers and both bodies."""
    return "\n".join(
        one.skeleton.decode() + one.text + one.html for one in work.outgoing if one.audience == audience
    )
