"""What an agent's mail does to its ticket."""

from __future__ import annotations

import re

from gateway.screen.values import Verdict
from gateway.tickets.people import carbon_copies
from gateway.tickets.pieces import entry_of, held, joined, moved
from gateway.tickets.states import Cause, after
from gateway.tickets.values import Case, Decision, NewEvent, Participant, TicketFacts

_COMMAND = re.compile(r"\s*#([a-z]{2,20})\b", re.IGNORECASE)
_TELLING = 12
"""Shortest line of a note, in characters, that is looked for in answers."""


def from_agent(case: Case) -> Decision:
    """An answer, a note, or what is held because it is unsure."""
    mail, screening, match = case.mail, case.screening, case.match
    ticket = case.facts.tickets.get(match.ticket or 0)
    agent = screening.trust.agent
    if screening.verdict is Verdict.SILENT:
        # an agent's out-of-office: kept on the ticket, told to nobody, or two agents' machines would talk
        if ticket is None:
            return held("a machine's answer from an agent's address, about no ticket", None)
        return Decision("append", "silent", ticket=ticket, entry=entry_of(case, "silent", "machine", agent))
    if ticket is None:
        return held("an agent's answer to a ticket that is not there", None)
    if screening.trust.level == "claimed_agent":
        return held(screening.trust.why[-1], ticket)
    note = match.note
    command = _COMMAND.match(mail.message.new_text)
    if command is not None:
        if command[1].lower() != "note":
            return held(f"the mail begins with #{command[1][:20]}, which is no command here", ticket)
        note = True
    actor = f"agent:{agent}"
    if note:
        return Decision(
            "append",
            "note",
            ticket=ticket,
            entry=entry_of(case, "note", "agent", agent),
            events=(NewEvent("noted", actor, {}),),
        )
    if not mail.message.new_text.strip() and not mail.message.attachments:
        return held("an answer without any text of its own", ticket)
    if _quotes_a_note(mail.message.new_text, ticket):
        return held("the answer holds text of an internal note; take it out and answer again", ticket)
    state = after(ticket.state, Cause.AGENT_ANSWERED)
    known = {one.address.key for one in ticket.participants}
    added = tuple(Participant(one, "cc") for one in carbon_copies(mail) if one.key not in known)
    return Decision(
        "append",
        "answer",
        ticket=ticket,
        entry=entry_of(case, "public", "agent", agent),
        state=state if state is not ticket.state else None,
        add_participants=added,
        events=(NewEvent("answered", actor, {}), *moved(ticket.state, state, actor), *joined(added, actor)),
    )


def _quotes_a_note(text: str, ticket: TicketFacts) -> bool:
    """Whether a line of a note that the notice showed stands in an answer: a client that quotes without marks
    must not carry it to the customer."""
    shown = " ".join(text.replace(">", " ").split())
    lines = (
        " ".join(line.split())
        for said in ticket.history
        if said.kind == "note"
        for line in said.text.splitlines()
    )
    return any(len(line) >= _TELLING and line in shown for line in lines)
