"""What an agent's mail does to its ticket."""

from __future__ import annotations

from dataclasses import replace

from gateway.mail.message import Address
from gateway.mail.signed import AGENT, NOTE
from gateway.screen.trust import signed_recipients
from gateway.screen.values import ANY_AGENT, Verdict
from gateway.tickets import commands
from gateway.tickets.answer_text import answer_text
from gateway.tickets.doubts import doubt
from gateway.tickets.people import carbon_copies, left_out, may_take_part, named_beside
from gateway.tickets.pieces import entry_of, held, joined, moved, uncopied
from gateway.tickets.states import Cause, after
from gateway.tickets.values import Case, Decision, NewEvent, Participant, TicketFacts


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
    told = commands.read(mail.message.new_text)
    note = match.note or told.note
    if told.doubt is not None and not (note and told.inside) and not released:
        return held(told.doubt, ticket)
    actor = f"agent:{agent}"
    if note:
        return Decision(
            "append",
            "note",
            ticket=ticket,
            entry=entry_of(case, "note", "agent", agent),
            events=(NewEvent("noted", actor, {}),),
        )
    named = Address("", told.customer)
    if told.customer and not may_take_part(mail, named) and not released:
        return held("the mail begins with #customer, and the address behind it is not a customer's", ticket)
    text = answer_text(mail, ticket)
    if told.customer:
        text = commands.without_customer(text)
    reason = None if released else doubt(case, ticket, text)
    if reason is not None:
        return held(reason, ticket)
    people = carbon_copies(mail)
    if told.customer and may_take_part(mail, named):
        people = (named, *(one for one in people if one.key != named.key))
    return _answer(case, ticket, actor, text, people)


def _answer(
    case: Case, ticket: TicketFacts, actor: str, text: str, people_named: tuple[Address, ...]
) -> Decision:
    """A public answer. Who stands in To or Cc of the agent's own mail beside us has it already; where nobody
    else was on the ticket they get ours too, or the customer would only know the agent's private mail."""
    mail, agent = case.mail, case.screening.trust.agent
    state = after(ticket.state, Cause.AGENT_ANSWERED)
    known = {one.address.key for one in ticket.participants}
    added = tuple(Participant(one, "cc") for one in people_named if one.key not in known)
    beyond = left_out(mail, known)
    # our own submission port takes mail for nobody outside, so that who is named there has nothing yet
    submitted = mail.envelope.authenticated_as not in (None, ANY_AGENT)
    alone = not any(one.role != "author" and one.address.address for one in ticket.participants)
    beside = set() if submitted or alone else {one.key for one in named_beside(mail)}
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
