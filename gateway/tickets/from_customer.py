"""What a customer's mail does: a new ticket, or a contribution to one."""

from __future__ import annotations

from gateway.screen.values import Verdict
from gateway.tickets.people import carbon_copies, left_out, opening_participants, requester
from gateway.tickets.pieces import entry_of, joined, moved, uncopied
from gateway.tickets.states import Cause, State, after
from gateway.tickets.subject import base_subject
from gateway.tickets.values import Case, Decision, NewEvent, NewTicket, Participant, TicketFacts


def from_customer(case: Case) -> Decision:
    """A participant's or third party's mail to a ticket that is there."""
    mail, screening, match = case.mail, case.screening, case.match
    assert match.ticket is not None
    ticket = case.facts.tickets[match.ticket]
    author = "third_party" if match.role == "third_party" else "customer"
    if screening.verdict is Verdict.SILENT:
        return Decision("append", "silent", ticket=ticket, entry=entry_of(case, "silent", "machine", None))
    state = after(ticket.state, Cause.CUSTOMER_WROTE)
    added: tuple[Participant, ...] = ()
    beyond = 0
    if match.role == "participant":
        known = {one.address.key for one in ticket.participants}
        added = tuple(Participant(one, "cc") for one in carbon_copies(mail) if one.key not in known)
        beyond = left_out(mail, known)
    return Decision(
        "append",
        "reply",
        ticket=ticket,
        entry=entry_of(case, "public", author, None),
        state=state if state is not ticket.state else None,
        add_participants=added,
        events=(
            NewEvent("customer_replied", author, {}),
            *moved(ticket.state, state, author),
            *joined(added, author),
            *uncopied(beyond, author),
        ),
        related=match.related,
        left_out=beyond,
    )


def new_ticket(case: Case) -> Decision:
    """A request that belongs to no ticket yet."""
    mail, screening, triage, facts = case.mail, case.screening, case.triage, case.facts
    silent = screening.verdict is Verdict.SILENT
    subject = base_subject(mail.message.subject)
    if not subject:
        subject = next((line.strip() for line in mail.message.new_text.splitlines() if line.strip()), "")[:80]
    people = opening_participants(mail)
    if silent:
        # the Cc of a list or a machine's mail are not the people of a conversation
        people = tuple(one for one in people if one.role != "cc")
    beyond = 0 if silent else left_out(mail, {one.address.key for one in people})
    new = NewTicket(
        number=facts.next_number,
        queue=triage.queue,
        subject=subject or "(no subject)",
        requester=requester(mail),
        participants=people,
        priority=triage.priority,
        category=triage.category,
        assignee=triage.assignee,
        language=mail.message.language,
    )
    ticket = TicketFacts(
        number=new.number,
        queue=new.queue,
        state=State.NEW,
        subject=new.subject,
        requester=new.requester,
        participants=people,
        assignee=new.assignee,
        priority=new.priority,
        language=new.language,
        created_at=case.now,
    )
    queue = mail.directory.queue(triage.queue)
    budget = mail.settings.security.acknowledgements_per_hour
    wanted = screening.may_reply and queue.acknowledge and bool(new.requester.address)
    within = facts.acknowledged_lately < budget
    events = [NewEvent("created", "customer", {"queue": new.queue, "priority": new.priority})]
    events += uncopied(beyond, "customer")
    if wanted and not within:
        events.append(
            NewEvent(
                "acknowledgement_held_back", "system", {"why": f"{budget} acknowledgements within the hour"}
            )
        )
    return Decision(
        "new_ticket",
        "silent ticket" if silent else "new ticket",
        ticket=ticket,
        new_ticket=new,
        entry=entry_of(case, "silent" if silent else "public", "machine" if silent else "customer", None),
        events=tuple(events),
        acknowledge=wanted and within,
        related=case.match.related,
        left_out=beyond,
    )
