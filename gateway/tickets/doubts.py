"""What makes an agent's answer unsure: then it is held, nobody outside hears of it, and the agent is asked.

Each doubt is a function of the case, the ticket and the text that would go out. It gives its reason in words,
or None; `DOUBTS` is their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from gateway.mail.quotes import MARKER
from gateway.mail.signed import AGENT, NOTE
from gateway.screen.trust import signed_recipients
from gateway.tickets import commands
from gateway.tickets.attached import cut_text, goes_out, private_attachment
from gateway.tickets.guards import holds_note, holds_private_address
from gateway.tickets.inside_quote import answers_inside
from gateway.tickets.notice_facts import agents_names, holds_facts
from gateway.tickets.notice_lines import is_public, is_unmistakable
from gateway.tickets.people import carbon_copies
from gateway.tickets.values import Case, TicketFacts

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
    attached = any(goes_out(one) for one in message.attachments)
    if not text.strip() and not attached:
        return "it has no text of its own"
    lines = [line.strip() for line in message.new_text.splitlines() if line.strip()]
    if lines and lines[0] == "--":
        lines = []
    if any(not line.startswith(">") for line in lines):
        return None
    if not lines and attached and not message.new_text.strip():
        return None
    return "it has no text of its own"


def holds_a_note(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """A client that quotes without marks must not carry a note to the customer."""
    public = (*(said.text for said in ticket.history if is_public(said)), *ticket.shown.public)
    public += ticket.shown.answers
    texts = (case.mail.message.new_text, text)
    if any(holds_note(one, ticket.notes, public, agents_names(case.mail)) for one in texts):
        return "it holds text of an internal note; take that out and answer again"
    return None


def holds_a_notice(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """The same client's other lines of a notice, of which no mark tells that they are quoted."""
    lines = text.splitlines()
    if any(is_unmistakable(line) for line in lines) or holds_facts(case, ticket, lines):
        return "it holds lines of our notice that are not marked as quoted; take them out and answer again"
    return None


def answers_within(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """What stands inside a quote without signs would be lost."""
    if not answers_inside(case.mail, ticket):
        return None
    return "it seems to hold answers inside the quoted mail; write them above it and answer again"


def private_address(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """The addresses are taken out before; this is the second look."""
    if holds_private_address(case.mail.directory, text):
        return "it holds a private address"
    return None


def nobody(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """A ticket whose requester is unknown."""
    people = [one for one in ticket.participants if one.role != "author" and one.address.address]
    if people or carbon_copies(case.mail) or commands.read(case.mail.message.new_text).customer:
        return None
    return (
        "nobody is on the ticket to whom it could go; answer again with #customer and the customer's address"
        " as the first line (in Cc, the customer would get a mail from your own address too)"
    )


DOUBTS: tuple[Callable[[Case, TicketFacts, str], str | None], ...] = (
    encrypted,
    several_tickets,
    away,
    too_many,
    cut_text,
    no_text,
    holds_a_note,
    holds_a_notice,
    answers_within,
    private_address,
    private_attachment,
    nobody,
)
