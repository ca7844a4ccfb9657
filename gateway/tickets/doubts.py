"""What makes an agent's answer unsure: then it is held, nobody outside hears of it, and the agent is asked.

Each doubt is a function of the case, the ticket and the text that would go out. It gives its reason in words,
or None; `DOUBTS` is their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from gateway.mail.attachments import content
from gateway.mail.message import Attachment
from gateway.mail.quotes import MARKER
from gateway.mail.signed import AGENT, NOTE
from gateway.screen.rules.own_mail import LOOP_FIELD
from gateway.screen.trust import signed_recipients
from gateway.tickets.guards import holds_note, holds_private_address
from gateway.tickets.notice_lines import is_unmistakable
from gateway.tickets.people import carbon_copies
from gateway.tickets.values import Case, TicketFacts

_READABLE = 2_000_000
"""Largest attachment, in octets, that is looked into."""
_TEXTUAL = re.compile(r"text/|message/|application/(?:ics|json|xml|xhtml\+xml|rtf)", re.ASCII)
_ANSWERS_AN_HOUR = 20
_AWAY = re.compile(
    r"(?:automatic reply|auto(?:matic)?[- ]?reply|out of (?:the )?office|automatische antwort|abwesenheits"
    r"|r[ée]ponse automatique|respuesta autom[áa]tica|resposta autom[áa]tica|risposta automatica"
    r"|automatick[áa] odpov|samodejni odgovor|automatikus v[áa]lasz|autoodpowied|odpowied[źz] automatyczna"
    r"|автоматичен отговор|автоматический ответ|автоответ|автоматична відповідь)",
    re.IGNORECASE,
)


def doubt(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """The first reason why an agent's public answer, which would go out as `text`, must not, or None."""
    return next((reason for check in DOUBTS if (reason := check(case, ticket, text)) is not None), None)


def encrypted(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """What nobody here can read may hold anything."""
    how = {"pgp": "OpenPGP", "smime": "S/MIME"}.get(case.mail.message.encrypted or "")
    return f"it is encrypted ({how}) and cannot be read here; send it unencrypted" if how else None


def several_tickets(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """Reply addresses of two tickets: which customer is meant?"""
    numbers = {signed.ticket for _, signed in signed_recipients(case.mail) if signed.role in (AGENT, NOTE)}
    return "it is addressed to more than one ticket; write to each by itself" if len(numbers) > 1 else None


def away(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """A vacation reply without any mark of a machine's mail but its subject."""
    found = _AWAY.match(case.mail.message.subject.strip())
    return f"it looks like an automatic reply ({found[0]})" if found else None


def too_many(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """Two machines that talk look like an agent who answers without end."""
    lately = sum(at > case.now - timedelta(hours=1) for at in ticket.answered_at)
    if lately < _ANSWERS_AN_HOUR:
        return None
    return f"{lately} answers within an hour on one ticket look like two machines that talk"


def no_text(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """Nothing but the quoted notice, or nothing but a signature: then the new text is the whole mail."""
    message = case.mail.message
    if MARKER in message.new_text:
        return "it holds the quoted notice and no text of its own"
    lines = [line.strip() for line in message.new_text.splitlines() if line.strip()]
    if lines and lines[0] == "--":
        lines = []
    if any(not line.startswith(">") for line in lines):
        return None
    if not lines and message.attachments and not message.new_text.strip():
        return None
    return "it has no text of its own"


def holds_a_note(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """A client that quotes without marks must not carry a note to the customer."""
    if any(holds_note(one, ticket.notes) for one in (case.mail.message.new_text, text)):
        return "it holds text of an internal note; take that out and answer again"
    return None


def holds_a_notice(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """The same client's other lines of a notice, of which no mark tells that they are quoted."""
    if any(is_unmistakable(line) for line in text.splitlines()):
        return "it holds lines of our notice that are not marked as quoted; take them out and answer again"
    return None


def private_address(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """The addresses are taken out before; this is the second look."""
    if holds_private_address(case.mail.directory, text):
        return "it holds a private address"
    return None


def private_attachment(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """An attached notice, invitation or card can carry what no customer may see."""
    for attachment in case.mail.message.attachments:
        inside = _text_of(case, attachment)
        if inside is None:
            continue
        ours = MARKER in inside or LOOP_FIELD.lower() in inside.lower()
        if ours or holds_private_address(case.mail.directory, inside) or holds_note(inside, ticket.notes):
            name = attachment.filename or attachment.content_type
            return f"its attachment {name} holds a private address, a notice or a note"
    return None


def nobody(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """A ticket whose requester is unknown."""
    people = [one for one in ticket.participants if one.role != "author" and one.address.address]
    if people or carbon_copies(case.mail):
        return None
    return "nobody is on the ticket to whom it could go; put the customer in Cc"


def _text_of(case: Case, attachment: Attachment) -> str | None:
    if attachment.size > _READABLE or not _TEXTUAL.match(attachment.content_type.lower()):
        return None
    return b"".join(content(case.mail.raw, attachment)).decode("utf-8", "replace")


DOUBTS: tuple[Callable[[Case, TicketFacts, str], str | None], ...] = (
    encrypted,
    several_tickets,
    away,
    too_many,
    no_text,
    holds_a_note,
    holds_a_notice,
    private_address,
    private_attachment,
    nobody,
)
