"""The desk as its notices show it."""

from __future__ import annotations

from dataclasses import replace

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
                "history": tuple(self._shown(said) for said in ticket.history),
            },
            **more,
        }

    def _shown(self, said: Said) -> Said:
        """With the public name of an agent, not the one in the From of a private mail."""
        agent = self.directory.agent(said.agent) if said.agent else None
        return replace(said, name=agent.display_name) if agent else said


def _people(ticket: TicketFacts) -> str:
    """Jana Nováková <jana@example.org>, Cc Otto."""
    requester = ticket.requester
    if requester.name and requester.address:
        shown = f"{requester.name} <{requester.address}>"
    else:
        shown = requester.name or requester.address or "sender unknown"
    copies = [one.address.name or one.address.address for one in ticket.participants if one.role == "cc"]
    return ", ".join([shown, *(f"Cc {name}" for name in copies)])
