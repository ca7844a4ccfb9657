"""What a mail does to the tickets: the heart of the desk, one case a function, pure.

Takes what was understood (mail, screening, match, triage) and the facts; gives a Decision that the store
applies in one transaction. Raises nothing of its own.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from gateway.mail.message import Address
from gateway.mail.signed import AGENT, NOTE
from gateway.screen.trust import signed_recipients
from gateway.screen.values import Mail, Screening, Verdict
from gateway.tickets.people import carbon_copies, opening_participants, requester
from gateway.tickets.states import Cause, State, after
from gateway.tickets.values import (
    Clues,
    Decision,
    Facts,
    Match,
    NewEntry,
    NewEvent,
    NewTicket,
    Participant,
    TicketFacts,
    Triage,
)

_PREFIX = re.compile(
    r"(?:re|aw|sv|antw|odp|vs|ynt|res|rif|fwd?|wg|fw)\s{0,3}(?:\[\d{1,3}\])?\s{0,3}:\s*", re.IGNORECASE
)
_ANY_TAG = re.compile(r"\[[A-Z][A-Z0-9]{0,15}-\d{1,12}-[a-z2-7]{5}\]\s*", re.ASCII | re.IGNORECASE)
_COMMAND = re.compile(r"\s*#([a-z]{2,20})\b", re.IGNORECASE)
_TELLING = 12
"""Shortest line of a note, in characters, that is looked for in answers."""


def base_subject(subject: str) -> str:
    """The subject without "Re:" and the like and without our tags."""
    shorter = _ANY_TAG.sub("", subject[:2000]).strip()
    while (found := _PREFIX.match(shorter)) is not None:
        shorter = shorter[found.end() :].strip()
    return shorter[:500]


def decide(
    mail: Mail,
    screening: Screening,
    match: Match,
    triage: Triage,
    clues: Clues,
    facts: Facts,
    now: datetime,
) -> Decision:
    """The one way from what is known to what is done."""
    decision = _decide(mail, screening, match, triage, clues, facts, now)
    if decision.action == "hold":
        # the warning to the agent is under the same budget as an acknowledgement
        within = facts.acknowledged_lately < mail.settings.security.acknowledgements_per_hour
        return replace(decision, acknowledge=within)
    return decision


def _decide(
    mail: Mail,
    screening: Screening,
    match: Match,
    triage: Triage,
    clues: Clues,
    facts: Facts,
    now: datetime,
) -> Decision:
    if screening.verdict is Verdict.DISCARD:
        return Decision("discard", "discarded: our own mail came back")
    if facts.duplicate_of is not None:
        ticket, entry = facts.duplicate_of
        return Decision("duplicate", f"duplicate of entry {entry}", ticket=facts.tickets.get(ticket))
    if screening.verdict is Verdict.DSN:
        return _report(screening, facts)
    if screening.verdict is Verdict.HOLD and not mail.envelope.released:
        reason = screening.signals[-1]
        return Decision("hold", f"held: {reason.rule}: {reason.evidence}")
    if screening.trust.level in ("agent", "claimed_agent") and _concerns_a_ticket(mail, match):
        return _from_agent(mail, screening, match, clues, facts)
    if match.ticket is not None:
        return _from_customer(mail, screening, match, clues, facts)
    return _new_ticket(mail, screening, match, triage, clues, facts, now)


def _concerns_a_ticket(mail: Mail, match: Match) -> bool:
    return match.ticket is not None or any(
        signed.role in (AGENT, NOTE) for _, signed in signed_recipients(mail)
    )


def _report(screening: Screening, facts: Facts) -> Decision:
    report = screening.report
    assert report is not None
    about = facts.reported[0] if facts.reported else None
    if about is None:
        return Decision("report", f"delivery report ({report.kind}) about no mail of ours")
    ticket = facts.tickets.get(about.ticket or 0)
    events = (
        NewEvent(
            f"delivery_{report.kind}",
            "system",
            {
                "outbox": about.outbox_id,
                "kind": about.kind,
                "recipient": about.forward_path,
                "status": next((one.status for one in report.recipients if one.status), ""),
                "diagnostic": next((one.diagnostic for one in report.recipients if one.diagnostic), "")[:500],
            },
        ),
    )
    return Decision(
        "report",
        f"delivery report ({report.kind}) about outbox {about.outbox_id}",
        ticket=ticket,
        events=events if ticket is not None else (),
        reported=about,
    )


def _entry(mail: Mail, clues: Clues, kind: str, author: str, agent: str | None) -> NewEntry:
    message = mail.message
    from_ = message.author or (message.from_[0] if message.from_ else Address("", ""))
    return NewEntry(
        kind=kind,
        author=author,
        agent=agent,
        from_=from_,
        dedup_key=clues.dedup_key,
        queue=clues.queue,
        message_id=message.message_id,
        subject=message.subject,
        text=message.text,
        new_text=message.new_text,
        quoted=message.quoted,
        signature=message.signature,
        html=message.html is not None,
        attachments=message.attachments,
    )


def _held(reason: str, ticket: TicketFacts | None) -> Decision:
    return Decision("hold", f"held: {reason}", ticket=ticket)


def _from_agent(mail: Mail, screening: Screening, match: Match, clues: Clues, facts: Facts) -> Decision:
    ticket = facts.tickets.get(match.ticket or 0)
    agent = screening.trust.agent
    if screening.verdict is Verdict.SILENT:
        # an agent's out-of-office: kept on the ticket, told to nobody, or two agents' machines would talk
        if ticket is None:
            return _held("a machine's answer from an agent's address, about no ticket", None)
        return Decision(
            "append", "silent", ticket=ticket, entry=_entry(mail, clues, "silent", "machine", agent)
        )
    if ticket is None:
        return _held("an agent's answer to a ticket that is not there", None)
    if screening.trust.level == "claimed_agent":
        return _held(screening.trust.why[-1], ticket)
    note = match.note
    command = _COMMAND.match(mail.message.new_text)
    if command is not None:
        if command[1].lower() != "note":
            return _held(f"the mail begins with #{command[1][:20]}, which is no command here", ticket)
        note = True
    actor = f"agent:{agent}"
    if note:
        return Decision(
            "append",
            "note",
            ticket=ticket,
            entry=_entry(mail, clues, "note", "agent", agent),
            events=(NewEvent("noted", actor, {}),),
        )
    if not mail.message.new_text.strip() and not mail.message.attachments:
        return _held("an answer without any text of its own", ticket)
    if _quotes_a_note(mail.message.new_text, ticket):
        return _held("the answer holds text of an internal note; take it out and answer again", ticket)
    state = after(ticket.state, Cause.AGENT_ANSWERED)
    known = {one.address.key for one in ticket.participants}
    added = tuple(Participant(one, "cc") for one in carbon_copies(mail) if one.key not in known)
    return Decision(
        "append",
        "answer",
        ticket=ticket,
        entry=_entry(mail, clues, "public", "agent", agent),
        state=state if state is not ticket.state else None,
        add_participants=added,
        events=(NewEvent("answered", actor, {}), *_moved(ticket.state, state, actor), *_joined(added, actor)),
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


def _moved(before: State, now: State, actor: str) -> tuple[NewEvent, ...]:
    if before is now:
        return ()
    return (NewEvent("state_changed", actor, {"from": before.value, "to": now.value}),)


def _joined(added: tuple[Participant, ...], actor: str) -> tuple[NewEvent, ...]:
    return tuple(NewEvent("participant_added", actor, {"address": one.address.address}) for one in added)


def _from_customer(mail: Mail, screening: Screening, match: Match, clues: Clues, facts: Facts) -> Decision:
    assert match.ticket is not None
    ticket = facts.tickets[match.ticket]
    author = "third_party" if match.role == "third_party" else "customer"
    if screening.verdict is Verdict.SILENT:
        return Decision(
            "append", "silent", ticket=ticket, entry=_entry(mail, clues, "silent", "machine", None)
        )
    state = after(ticket.state, Cause.CUSTOMER_WROTE)
    added: tuple[Participant, ...] = ()
    if match.role == "participant":
        known = {one.address.key for one in ticket.participants}
        added = tuple(Participant(one, "cc") for one in carbon_copies(mail) if one.key not in known)
    return Decision(
        "append",
        "reply",
        ticket=ticket,
        entry=_entry(mail, clues, "public", author, None),
        state=state if state is not ticket.state else None,
        add_participants=added,
        events=(
            NewEvent("customer_replied", author, {}),
            *_moved(ticket.state, state, author),
            *_joined(added, author),
        ),
        related=match.related,
    )


def _new_ticket(
    mail: Mail,
    screening: Screening,
    match: Match,
    triage: Triage,
    clues: Clues,
    facts: Facts,
    now: datetime,
) -> Decision:
    silent = screening.verdict is Verdict.SILENT
    subject = base_subject(mail.message.subject)
    if not subject:
        subject = next((line.strip() for line in mail.message.new_text.splitlines() if line.strip()), "")[:80]
    people = opening_participants(mail)
    if silent:
        # the Cc of a list or a machine's mail are not the people of a conversation
        people = tuple(one for one in people if one.role != "cc")
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
        created_at=now,
    )
    queue = mail.directory.queue(triage.queue)
    budget = mail.settings.security.acknowledgements_per_hour
    wanted = screening.may_reply and queue.acknowledge and bool(new.requester.address)
    within = facts.acknowledged_lately < budget
    events = [NewEvent("created", "customer", {"queue": new.queue, "priority": new.priority})]
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
        entry=_entry(
            mail, clues, "silent" if silent else "public", "machine" if silent else "customer", None
        ),
        events=tuple(events),
        acknowledge=wanted and within,
        related=match.related,
    )
