"""What an agent's mail does to its ticket."""

from __future__ import annotations

import re

from gateway.mail.signed import AGENT, NOTE
from gateway.screen.trust import signed_recipients
from gateway.screen.values import Verdict
from gateway.tickets.doubts import doubt
from gateway.tickets.people import carbon_copies
from gateway.tickets.pieces import entry_of, held, joined, moved
from gateway.tickets.states import Cause, after
from gateway.tickets.values import Case, Decision, NewEvent, Participant

_COMMAND = re.compile(r"\s*#([a-z]{2,20})\b", re.IGNORECASE)


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
    released = mail.envelope.released
    roles = {signed.role for _, signed in signed_recipients(mail)}
    if {AGENT, NOTE} <= roles and not released:
        return held("it is addressed to the customer and to the note address; write to one of them", ticket)
    note = match.note
    command = _COMMAND.match(mail.message.new_text)
    if command is not None:
        if command[1].lower() == "note":
            note = True
        elif not released:
            return held(f"the mail begins with #{command[1][:20]}, which is no command here", ticket)
    actor = f"agent:{agent}"
    if note:
        return Decision(
            "append",
            "note",
            ticket=ticket,
            entry=entry_of(case, "note", "agent", agent),
            events=(NewEvent("noted", actor, {}),),
        )
    reason = None if released else doubt(case, ticket)
    if reason is not None:
        return held(reason, ticket)
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
