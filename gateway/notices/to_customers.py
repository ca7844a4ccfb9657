"""Notices to customers. What goes in here are acknowledgements and agents' public answers, nothing else: a
note never comes this way."""

from __future__ import annotations

from dataclasses import replace

from gateway.notices.desk import Desk
from gateway.notices.values import Notice
from gateway.tickets.values import Decision, NewEntry, TicketFacts


def acknowledgement(desk: Desk, ticket: TicketFacts, entry: NewEntry) -> tuple[Notice, ...]:
    """To the requester of a new ticket; of the mail's own text it shows the subject at most."""
    queue = desk.directory.queue(ticket.queue)
    return (
        Notice(
            kind="acknowledgement",
            audience="customer",
            role="c",
            recipient=ticket.requester,
            shown_to=(ticket.requester,),
            shown_cc=(),
            from_name=desk.name_of(queue),
            subject=f"Re: {ticket.subject}",
            ticket=ticket.number,
            variables=desk.variables(ticket, queue),
            in_reply_to=entry.message_id,
            references=(*ticket.references, *filter(None, (entry.message_id,))),
            auto_submitted="auto-replied",
            null_reverse_path=True,
            base=queue.addresses[0],
            why="a new ticket by a person who may be answered",
        ),
    )


def answer(
    desk: Desk, ticket: TicketFacts, entry: NewEntry, decision: Decision, raw_id: int | None
) -> tuple[Notice, ...]:
    """An agent's public answer, a copy for the requester and each Cc participant, but for who has it
    from the agent directly."""
    from gateway.tickets.attached import goes_out, public_name
    from gateway.tickets.guards import without_private_addresses

    assert entry.kind == "public"
    assert entry.agent is not None
    agent = desk.directory.agent(entry.agent)
    assert agent is not None
    queue = desk.directory.queue(ticket.queue)
    people = [one for one in (*ticket.participants, *decision.add_participants) if one.address.address]
    first = tuple(one.address for one in people if one.role == "requester")
    copies = tuple(one.address for one in people if one.role == "cc")
    variables = desk.variables(
        ticket,
        queue,
        text=without_private_addresses(desk.directory, entry.new_text, queue.addresses[0]),
        agent={"name": agent.display_name},
        signature=queue.signature,
    )
    attachments = tuple(
        replace(one, filename=public_name(desk.directory, one.filename))
        for one in entry.attachments
        if goes_out(one)
    )
    return tuple(
        Notice(
            kind="answer",
            audience="customer",
            role="c",
            recipient=person,
            shown_to=first or copies,
            shown_cc=copies if first else (),
            from_name=f"{agent.display_name} ({desk.name_of(queue)})",
            subject=f"Re: {ticket.subject}",
            ticket=ticket.number,
            variables=variables,
            in_reply_to=ticket.references[-1] if ticket.references else None,
            references=ticket.references,
            attachments=attachments,
            raw_id=raw_id,
            base=queue.addresses[0],
            why="a public answer by an agent",
        )
        for person in (*first, *copies)
        if person.key not in decision.had_directly
    )
