"""The desk as its notices show it."""

from __future__ import annotations

from dataclasses import replace

from gateway.mail.message import Address
from gateway.screen.directory import Directory
from gateway.settings.model import Queue, Settings
from gateway.tickets.values import Said, TicketFacts


class Desk:
    """What notices of one config have in common."""

    def __init__(self, settings: Settings, directory: Directory) -> None:
        self.settings = settings
        self.directory = directory
        self.private_addresses = directory.private_addresses()

    def label(self, number: int) -> str:
        """ACME-1042."""
        return f"{self.settings.desk.ticket_prefix}-{number}"

    def name_of(self, queue: Queue) -> str:
        """The name in the From of a queue's mails."""
        return queue.display_name or self.settings.desk.name

    def variables(self, ticket: TicketFacts, queue: Queue, **more: object) -> dict[str, object]:
        """What every template of a ticket's mail is given, and `more`."""
        return {
            "desk": {"name": self.name_of(queue), "address": queue.addresses[0]},
            "ticket": {
                "label": self.label(ticket.number),
                "number": ticket.number,
                "subject": ticket.subject,
                "state": ticket.state.value,
                "priority": ticket.priority,
                "queue": ticket.queue,
                "assignee": ticket.assignee or "",
                "created_at": ticket.created_at,
                "people": _people(ticket),
                "requester": _requester(ticket),
                "others": [_shown(one.address) for one in ticket.participants if one.role != "requester"],
                "assigned_to": self._agents_name(ticket.assignee),
                "history": tuple(self._said(said) for said in ticket.history),
            },
            **more,
        }

    def _said(self, said: Said) -> Said:
        """With the public name of an agent, not the one in the From of a private mail."""
        return replace(said, name=self._agents_name(said.agent)) if said.agent else said

    def _agents_name(self, name: str | None) -> str:
        """The public name of an agent; of one who has left the desk, the name that the config had."""
        agent = self.directory.agent(name) if name else None
        return agent.display_name if agent else name or ""


def _shown(address: Address) -> str:
    """Jana Nováková <jana@example.org>."""
    if address.name and address.address:
        return f"{address.name} <{address.address}>"
    return address.name or address.address


def _requester(ticket: TicketFacts) -> str:
    return _shown(ticket.requester) or "sender unknown"


def _people(ticket: TicketFacts) -> str:
    """Jana Nováková <jana@example.org>, Cc Otto."""
    copies = [one.address.name or one.address.address for one in ticket.participants if one.role == "cc"]
    return ", ".join([_requester(ticket), *(f"Cc {name}" for name in copies)])
