"""Pieces of decisions that several cases share."""

from __future__ import annotations

from gateway.mail.message import Address
from gateway.tickets.states import State
from gateway.tickets.values import Case, Decision, NewEntry, NewEvent, Participant, TicketFacts


def entry_of(case: Case, kind: str, author: str, agent: str | None) -> NewEntry:
    """The mail as a contribution to a ticket."""
    message = case.mail.message
    from_ = message.author or (message.from_[0] if message.from_ else Address("", ""))
    return NewEntry(
        kind=kind,
        author=author,
        agent=agent,
        from_=from_,
        dedup_key=case.clues.dedup_key,
        queue=case.clues.queue,
        message_id=message.message_id,
        subject=message.subject,
        text=message.text,
        new_text=message.new_text,
        quoted=message.quoted,
        signature=message.signature,
        html=message.html is not None,
        attachments=message.attachments,
    )


def held(reason: str, ticket: TicketFacts | None) -> Decision:
    """A mail that a person must look at, and why."""
    return Decision("hold", f"held: {reason}", ticket=ticket)


def moved(before: State, now: State, actor: str) -> tuple[NewEvent, ...]:
    """The event of a changed state, if it changed."""
    if before is now:
        return ()
    return (NewEvent("state_changed", actor, {"from": before.value, "to": now.value}),)


def uncopied(count: int, actor: str) -> tuple[NewEvent, ...]:
    """The event of people in Cc who were not taken along."""
    return (NewEvent("copies_left_out", actor, {"count": count}),) if count else ()


def joined(added: tuple[Participant, ...], actor: str) -> tuple[NewEvent, ...]:
    """The events of new participants."""
    return tuple(NewEvent("participant_added", actor, {"address": one.address.address}) for one in added)
