"""Notices to agents."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from unicodedata import category, normalize

from gateway.mail.message import Address, Attachment, Message
from gateway.notices.desk import Desk
from gateway.notices.values import Notice
from gateway.screen.values import Mail, Screening
from gateway.settings.model import Agent, Queue
from gateway.tickets.values import Decision, TicketFacts, Triage

_ENCRYPTIONS = {"pgp": "OpenPGP", "smime": "S/MIME"}
_MOST_SHOWN = 50_000
"""Characters of a mail that a notice shows."""
_MOST_SIGNED = 4_000
"""Characters of what was taken for its signature."""
_DRAWN = re.compile(r"\A(?:[-—–_]*[ \t]*\n)+")
_SEPARATOR = re.compile(r"^-- $", re.MULTILINE)
_ADDRESS = re.compile(r"[^\s@]@[^\s@]|\w\s*@\s*[\w-]+\.\w")


def news(
    desk: Desk, kind: str, message: Message, decision: Decision, triage: Triage, raw_id: int | None
) -> tuple[Notice, ...]:
    """To the assignee, or where there is none to all agents of the queue; never to who wrote it. Tells of the
    entry that `decision` writes because of `message`, on its ticket."""
    ticket, entry = decision.ticket, decision.entry
    assert ticket is not None
    assert entry is not None
    queue = desk.directory.queue(ticket.queue)
    attached, named = _attachable(desk, entry.attachments)
    from_ = _honest(entry.from_)
    who = from_.name or from_.address or "somebody unknown"
    writer = desk.directory.agent(entry.agent) if entry.agent else None
    # what is quoted in a first mail, or by somebody new, stands nowhere else for the agent
    whole = kind == "new_ticket" or entry.author == "third_party"
    related = decision.related if writer is None else None
    people = tuple(
        replace(one, address=_honest(one.address))
        for one in (*ticket.participants, *decision.add_participants)
    )
    variables = desk.variables(
        replace(ticket, participants=people, requester=_honest(ticket.requester)),
        queue,
        text=_shown(entry.text if whole else entry.new_text),
        signed_with="" if whole or writer else _shown(_DRAWN.sub("", entry.signature), _MOST_SIGNED),
        author={
            "name": writer.display_name if writer else who,
            "address": "" if writer else entry.from_.address,
            "kind": entry.author,
        },
        silent=entry.kind == "silent",
        encrypted=_ENCRYPTIONS.get(message.encrypted or "", ""),
        reasons=[one.evidence for one in triage.reasons] if triage.priority == ticket.priority else [],
        copies_left_out=decision.left_out,
        had_directly=[
            one.address.name or one.address.address
            for one in people
            if one.address.key in decision.had_directly
        ],
        attachments=entry.attachments,
        left_out=named,
        related=desk.label(related) if related else "",
    )
    return tuple(
        _agent_notice(
            desk,
            kind,
            agent,
            ticket,
            queue,
            variables,
            from_name=f"{writer.display_name if writer else who} via {desk.name_of(queue)}",
            attachments=attached,
            raw_id=raw_id,
        )
        for agent in _audience(desk, ticket, queue)
        if agent.name != entry.agent
    )


def held(desk: Desk, mail: Mail, screening: Screening, decision: Decision) -> tuple[Notice, ...]:
    """To the agent whose mail waits for somebody to look at it: at the address that the config names,
    which is not the forger's."""
    agent = desk.directory.agent(screening.trust.agent or "")
    if agent is None or screening.verdict.value == "silent":
        return ()
    queue = desk.directory.queue(mail.envelope.queue)
    to = Address(agent.display_name, agent.address)
    label = desk.label(decision.ticket.number) if decision.ticket else ""
    return (
        Notice(
            kind="held",
            audience="agent",
            role="x",
            recipient=to,
            shown_to=(to,),
            shown_cc=(),
            from_name=desk.name_of(queue),
            subject=f"Not sent: {mail.message.subject[:200]}",
            ticket=None,
            variables={
                "desk": {"name": desk.name_of(queue), "address": queue.addresses[0]},
                "label": label,
                "reason": decision.outcome.removeprefix("held: "),
                "why": screening.trust.why,
                "text": mail.message.new_text,
            },
            auto_submitted="auto-generated",
            null_reverse_path=True,
            base=queue.addresses[0],
            why="a mail in this agent's name is held",
        ),
    )


def trouble(desk: Desk, decision: Decision) -> tuple[Notice, ...]:
    """To the agents of the ticket whose mail to a customer was returned."""
    about, ticket = decision.reported, decision.ticket
    event = next(iter(decision.events), None)
    if about is None or ticket is None or event is None or event.kind != "delivery_failure":
        return ()
    if about.audience != "customer":
        return ()
    reply = f"{event.data['status']} {event.data['diagnostic']}".strip()
    return not_delivered(desk, ticket, about.kind, about.forward_path, reply)


def not_delivered(
    desk: Desk, ticket: TicketFacts, kind: str, forward_path: str, reply: str
) -> tuple[Notice, ...]:
    """To the agents of the ticket: a mail to a customer did not arrive."""
    queue = desk.directory.queue(ticket.queue)
    variables = desk.variables(
        ticket, queue, what=kind.replace("_", " "), recipient=forward_path, reply=reply
    )
    return tuple(
        _agent_notice(
            desk, "delivery_trouble", agent, ticket, queue, variables, from_name=desk.name_of(queue)
        )
        for agent in _audience(desk, ticket, queue)
    )


def _shown(text: str, most: int = _MOST_SHOWN) -> str:
    """The text of a mail as a notice holds it: at most `most` characters, no separator of signatures, since a
    mail client that quotes the notice would leave out all that stands below."""
    text = _SEPARATOR.sub("--", text)
    if len(text) <= most:
        return text
    return f"{text[:most]}\n\n[{len(text) - most} more characters stand in the original mail]"


def _honest(address: Address) -> Address:
    """Without a display name that holds somebody else's address."""
    name = "".join(one for one in normalize("NFKC", address.name) if category(one) != "Cf").casefold()
    if address.address:
        name = name.replace(address.address.casefold(), "")
    return Address("", address.address) if _ADDRESS.search(name) else address


def _audience(desk: Desk, ticket: TicketFacts, queue: Queue) -> Iterable[Agent]:
    assignee = desk.directory.agent(ticket.assignee) if ticket.assignee else None
    return (assignee,) if assignee else desk.directory.agents_of(queue)


def _attachable(
    desk: Desk, attachments: tuple[Attachment, ...]
) -> tuple[tuple[Attachment, ...], tuple[Attachment, ...]]:
    room = desk.settings.delivery.attach_up_to
    taken, left = [], []
    for one in attachments:
        if one.size <= room:
            room -= one.size
            taken.append(one)
        else:
            left.append(one)
    return tuple(taken), tuple(left)


def _agent_notice(
    desk: Desk,
    kind: str,
    agent: Agent,
    ticket: TicketFacts,
    queue: Queue,
    variables: dict[str, object],
    from_name: str,
    attachments: tuple[Attachment, ...] = (),
    raw_id: int | None = None,
) -> Notice:
    to = Address(agent.display_name, agent.address)
    return Notice(
        kind=kind,
        audience="agent",
        role="a",
        recipient=to,
        shown_to=(to,),
        shown_cc=(),
        from_name=from_name,
        subject=ticket.subject,
        ticket=ticket.number,
        variables=variables,
        attachments=attachments,
        raw_id=raw_id,
        auto_submitted="auto-generated",
        base=queue.addresses[0],
        why=f"{agent.name} looks after queue {queue.name}",
    )
