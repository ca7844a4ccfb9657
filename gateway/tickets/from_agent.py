"""What an agent's mail does to its ticket."""

from __future__ import annotations

import re
from dataclasses import replace

from gateway.mail.signed import AGENT, NOTE
from gateway.screen.trust import signed_recipients
from gateway.screen.values import ANY_AGENT, Verdict
from gateway.tickets.answer_text import answer_text
from gateway.tickets.doubts import doubt
from gateway.tickets.people import carbon_copies, left_out, named_beside
from gateway.tickets.pieces import entry_of, held, joined, moved, uncopied
from gateway.tickets.states import Cause, after
from gateway.tickets.values import Case, Decision, NewEvent, Participant, TicketFacts

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
    text = answer_text(mail, ticket)
    reason = None if released else doubt(case, ticket, text)
    if reason is not None:
        return held(reason, ticket)
    return _answer(case, ticket, actor, text)


def _answer(case: Case, ticket: TicketFacts, actor: str, text: str) -> Decision:
    """A public answer. Who stands in To or Cc of the agent's own mail beside us has it already."""
    mail, agent = case.mail, case.screening.trust.agent
    state = after(ticket.state, Cause.AGENT_ANSWERED)
    known = {one.address.key for one in ticket.participants}
    added = tuple(Participant(one, "cc") for one in carbon_copies(mail) if one.key not in known)
    beyond = left_out(mail, known)
    # our own submission port takes mail for nobody outside, so that who is named there has nothing yet
    submitted = mail.envelope.authenticated_as not in (None, ANY_AGENT)
    beside = set() if submitted else {one.key for one in named_beside(mail)}
    people = [one.address for one in (*ticket.participants, *added) if one.role != "author"]
    direct = [one for one in people if one.key in beside]
    told = {"had_directly": ", ".join(one.address for one in direct)} if direct else {}
    return Decision(
        "append",
        "answer",
        ticket=ticket,
        entry=replace(entry_of(case, "public", "agent", agent), new_text=text),
        state=state if state is not ticket.state else None,
        add_participants=added,
        events=(
            NewEvent("answered", actor, told),
            *moved(ticket.state, state, actor),
            *joined(added, actor),
            *uncopied(beyond, actor),
        ),
        had_directly=frozenset(one.key for one in direct),
        left_out=beyond,
    )
