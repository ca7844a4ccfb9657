"""Who is told of what was decided, and why: a Decision to Notices. Pure.

What a note holds goes to agents only: the one function that makes mail for customers, `_to_customers`,
takes public entries of agents and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.mail.message import Address, Attachment
from gateway.notices.values import Notice
from gateway.screen.directory import Directory
from gateway.screen.values import Mail, Screening
from gateway.settings.model import Agent, Queue, Settings
from gateway.tickets.values import Decision, NewEntry, TicketFacts, Triage

_WORD = r"[^\s<>@\"',;:()\[\]]"
_SIGNED = re.compile(
    _WORD + r"{1,64}[+=#-]\d{1,12}-[a-z][a-z2-7]{6}-[a-z][a-z2-7]{16}@" + _WORD + r"{1,255}",
    re.ASCII | re.IGNORECASE,
)


def plan(
    mail: Mail, screening: Screening, triage: Triage, decision: Decision, raw_id: int | None
) -> tuple[Notice, ...]:
    """All mails that follow from `decision`, customers' first."""
    desk = Desk(mail.settings, mail.directory)
    ticket, entry = decision.ticket, decision.entry
    if decision.action == "hold":
        return desk.held(mail, screening, decision) if decision.acknowledge else ()
    if decision.action == "report":
        return desk.trouble(decision)
    if ticket is None or entry is None:
        return ()
    if decision.action == "new_ticket":
        told = desk.acknowledgement(ticket, entry) if decision.acknowledge else ()
        return (*told, *desk.to_agents("new_ticket", ticket, entry, triage, raw_id, decision.related))
    if entry.author == "machine":
        if entry.agent is not None:
            return ()
        return desk.to_agents("customer_reply", ticket, entry, triage, raw_id, decision.related)
    if entry.agent is None:
        return desk.to_agents("customer_reply", ticket, entry, triage, raw_id, decision.related)
    if entry.kind == "note":
        return desk.to_agents("note", ticket, entry, triage, raw_id, None)
    return (
        *desk.answer(ticket, entry, decision, raw_id),
        *desk.to_agents("agent_answer", ticket, entry, triage, raw_id, None),
    )


class Desk:
    """Makes notices for one desk."""

    def __init__(self, settings: Settings, directory: Directory) -> None:
        self._settings = settings
        self._directory = directory
        self._private = directory.private_addresses()

    def label(self, number: int) -> str:
        """ACME-1042."""
        return f"{self._settings.desk.ticket_prefix}-{number}"

    def _queue_name(self, queue: Queue) -> str:
        return queue.display_name or self._settings.desk.name

    def _variables(self, ticket: TicketFacts, queue: Queue, **more: object) -> dict[str, object]:
        return {
            "desk": {"name": self._queue_name(queue), "address": queue.addresses[0]},
            "ticket": {
                "label": self.label(ticket.number),
                "number": ticket.number,
                "subject": ticket.subject,
                "state": ticket.state.value,
                "priority": ticket.priority,
                "queue": ticket.queue,
                "assignee": ticket.assignee or "",
                "created_at": ticket.created_at,
                "requester": ticket.requester,
                "participants": [one for one in ticket.participants if one.role == "cc"],
                "history": ticket.history,
            },
            **more,
        }

    def acknowledgement(self, ticket: TicketFacts, entry: NewEntry) -> tuple[Notice, ...]:
        """To the requester of a new ticket; of the mail's own text it shows the subject at most."""
        queue = self._directory.queue(ticket.queue)
        return (
            Notice(
                kind="acknowledgement",
                audience="customer",
                role="c",
                recipient=ticket.requester,
                shown_to=(ticket.requester,),
                shown_cc=(),
                from_name=self._queue_name(queue),
                subject=f"Re: {ticket.subject}",
                ticket=ticket.number,
                variables=self._variables(ticket, queue),
                in_reply_to=entry.message_id,
                references=(*ticket.references, *filter(None, (entry.message_id,))),
                auto_submitted="auto-replied",
                null_reverse_path=True,
                base=queue.addresses[0],
                why="a new ticket by a person who may be answered",
            ),
        )

    def answer(
        self, ticket: TicketFacts, entry: NewEntry, decision: Decision, raw_id: int | None
    ) -> tuple[Notice, ...]:
        """An agent's public answer, a copy for the requester and each Cc participant."""
        assert entry.kind == "public"
        assert entry.agent is not None
        agent = self._directory.agent(entry.agent)
        assert agent is not None
        queue = self._directory.queue(ticket.queue)
        people = [one for one in (*ticket.participants, *decision.add_participants) if one.address.address]
        first = tuple(one.address for one in people if one.role == "requester")
        copies = tuple(one.address for one in people if one.role == "cc")
        variables = self._variables(
            ticket,
            queue,
            text=self.without_private_addresses(entry.new_text, queue),
            agent={"name": agent.display_name},
            signature=queue.signature,
        )
        return tuple(
            Notice(
                kind="answer",
                audience="customer",
                role="c",
                recipient=person,
                shown_to=first or copies,
                shown_cc=copies if first else (),
                from_name=f"{agent.display_name} ({self._queue_name(queue)})",
                subject=f"Re: {ticket.subject}",
                ticket=ticket.number,
                variables=variables,
                in_reply_to=ticket.references[-1] if ticket.references else None,
                references=ticket.references,
                attachments=entry.attachments,
                raw_id=raw_id,
                base=queue.addresses[0],
                why="a public answer by an agent",
            )
            for person in (*first, *copies)
        )

    def without_private_addresses(self, text: str, queue: Queue) -> str:
        """`text` with agents' addresses and signed addresses replaced by the queue's own."""
        public = queue.addresses[0]
        text = _SIGNED.sub(public, text)
        for address in self._private:
            if address in text.lower():
                text = re.sub(re.escape(address), public, text, flags=re.IGNORECASE)
        return text

    def to_agents(
        self,
        kind: str,
        ticket: TicketFacts,
        entry: NewEntry,
        triage: Triage,
        raw_id: int | None,
        related: int | None,
    ) -> tuple[Notice, ...]:
        """To the assignee, or where there is none to all agents of the queue; never to who wrote it."""
        queue = self._directory.queue(ticket.queue)
        attached, named = self._attachable(entry.attachments)
        who = entry.from_.name or entry.from_.address or "somebody unknown"
        writer = self._directory.agent(entry.agent) if entry.agent else None
        variables = self._variables(
            ticket,
            queue,
            text=entry.new_text,
            author={
                "name": writer.display_name if writer else who,
                "address": "" if writer else entry.from_.address,
                "kind": entry.author,
            },
            silent=entry.kind == "silent",
            reasons=[f"{one.evidence}" for one in triage.reasons if one.weight],
            attachments=entry.attachments,
            left_out=named,
            related=self.label(related) if related else "",
        )
        return tuple(
            self._agent_notice(
                kind,
                agent,
                ticket,
                queue,
                variables,
                from_name=f"{writer.display_name if writer else who} via {self._queue_name(queue)}",
                attachments=attached,
                raw_id=raw_id,
            )
            for agent in self._audience(ticket, queue)
            if agent.name != entry.agent
        )

    def _audience(self, ticket: TicketFacts, queue: Queue) -> Iterable[Agent]:
        assignee = self._directory.agent(ticket.assignee) if ticket.assignee else None
        return (assignee,) if assignee else self._directory.agents_of(queue)

    def _attachable(
        self, attachments: tuple[Attachment, ...]
    ) -> tuple[tuple[Attachment, ...], tuple[Attachment, ...]]:
        room = self._settings.delivery.attach_up_to
        taken, left = [], []
        for one in attachments:
            if one.size <= room:
                room -= one.size
                taken.append(one)
            else:
                left.append(one)
        return tuple(taken), tuple(left)

    def _agent_notice(
        self,
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

    def held(self, mail: Mail, screening: Screening, decision: Decision) -> tuple[Notice, ...]:
        """To the agent whose mail waits for somebody to look at it: at the address that the config names,
        which is not the forger's."""
        agent = self._directory.agent(screening.trust.agent or "")
        if agent is None or screening.verdict.value == "silent":
            return ()
        queue = self._directory.queue(mail.envelope.queue)
        to = Address(agent.display_name, agent.address)
        label = self.label(decision.ticket.number) if decision.ticket else ""
        return (
            Notice(
                kind="held",
                audience="agent",
                role="x",
                recipient=to,
                shown_to=(to,),
                shown_cc=(),
                from_name=self._queue_name(queue),
                subject=f"Not sent: {mail.message.subject[:200]}",
                ticket=None,
                variables={
                    "desk": {"name": self._queue_name(queue), "address": queue.addresses[0]},
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

    def trouble(self, decision: Decision) -> tuple[Notice, ...]:
        """To the agents of the ticket whose mail to a customer was returned."""
        about, ticket = decision.reported, decision.ticket
        event = next(iter(decision.events), None)
        if about is None or ticket is None or event is None or event.kind != "delivery_failure":
            return ()
        if about.audience != "customer":
            return ()
        reply = f"{event.data['status']} {event.data['diagnostic']}".strip()
        return self.not_delivered(ticket, about.kind, about.forward_path, reply)

    def not_delivered(
        self, ticket: TicketFacts, kind: str, forward_path: str, reply: str
    ) -> tuple[Notice, ...]:
        """To the agents of the ticket: a mail to a customer did not arrive."""
        queue = self._directory.queue(ticket.queue)
        variables = self._variables(
            ticket, queue, what=kind.replace("_", " "), recipient=forward_path, reply=reply
        )
        return tuple(
            self._agent_notice(
                "delivery_trouble", agent, ticket, queue, variables, from_name=self._queue_name(queue)
            )
            for agent in self._audience(ticket, queue)
        )

    def alert(self, kind: str, text: str, recipient: str) -> Notice:
        """To an admin: what the daemon needs help with."""
        to = Address("", recipient)
        return Notice(
            kind="alert",
            audience="admin",
            role="x",
            recipient=to,
            shown_to=(to,),
            shown_cc=(),
            from_name=f"{self._settings.desk.name} daemon",
            subject=f"{kind.replace('_', ' ')}: {text.splitlines()[0][:120]}",
            ticket=None,
            variables={
                "kind": kind.replace("_", " "),
                "text": text,
                "desk": {"name": self._settings.desk.name},
            },
            auto_submitted="auto-generated",
            null_reverse_path=True,
            base=self._settings.desk.address,
            why="admins are told of trouble",
        )
