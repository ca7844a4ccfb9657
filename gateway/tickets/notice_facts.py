"""The facts of a ticket as its notices tell them: number and subject, priority with its reasons, state,
people.

A mail client that quotes without signs, or wraps what it quotes, leaves such lines in the agent's own text.
One line may be the agent's own words ("Priority: high"); the ticket's very line, or two lines of such shape,
are the notice's. Raises nothing; linear in the length of the text.
"""

from __future__ import annotations

import re

from gateway.screen.values import Mail
from gateway.tickets.values import Case, TicketFacts

_FACT = re.compile(r"(?:Priority|State|Queue|Assigned to|Requester|Also on it|Opened):\s+\S.{0,500}")
_MANY = 2
_RUN = 3
_LONG_RUN = 5
"""Words of a line that is held for being a piece of the priority's reasons."""


def fact_lines(mail: Mail, ticket: TicketFacts) -> tuple[str, ...]:
    """Lines of a notice's facts that can be told from the ticket; of the reasons of its priority those that
    do not change."""
    return (
        f"{mail.settings.desk.ticket_prefix}-{ticket.number}  {ticket.subject}",
        f"State: {ticket.state.value}, in queue {ticket.queue}",
        f"Priority: {ticket.priority} (came to queue {ticket.queue}; nothing says that it is more or"
        " less than normal)",
        "A machine seems to have sent this. Nobody was answered, and nothing was moved by it.",
    )


def agents_names(mail: Mail) -> frozenset[str]:
    """Names of agents, whole and by word, as they stand below their mails."""
    names = [agent.display_name for agent in mail.settings.agents]
    names += [address.name for address in mail.message.from_]
    words = [word for name in names for word in name.replace(",", " ").split()]
    return frozenset(name for name in (*names, *words) if name)


def holds_facts(case: Case, ticket: TicketFacts, lines: list[str]) -> bool:
    """Whether lines without quote signs are of a notice's facts."""
    label, state, priority, *_ = (_words(one) for one in fact_lines(case.mail, ticket))
    runs = {tuple(priority[at : at + _RUN]) for at in range(len(priority) - _RUN + 1)}
    shapes = 0
    for line in lines:
        shape = line.strip(" \t\xa0*_")
        words = _words(shape)
        if words in (label, state):
            return True
        # the end of the reasons, wrapped
        if (shape.endswith("than normal)") and "(" not in shape) or (
            len(words) >= _LONG_RUN and _pieces(words) <= runs
        ):
            return True
        shapes += _FACT.fullmatch(shape[:1000]) is not None
    return shapes >= _MANY


def _words(line: str) -> list[str]:
    return [word.strip("*_()") for word in line.casefold().split()]


def _pieces(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
