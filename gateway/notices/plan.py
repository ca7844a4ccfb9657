"""Who is told of what was decided, and why: a Decision to Notices. Pure."""

from __future__ import annotations

from dataclasses import replace

from gateway.notices import to_agents, to_customers
from gateway.notices.desk import Desk
from gateway.notices.values import Notice
from gateway.screen.values import Mail, Screening
from gateway.tickets.values import Decision, Triage


def plan(
    mail: Mail, screening: Screening, triage: Triage, decision: Decision, raw_id: int | None
) -> tuple[Notice, ...]:
    """All mails that follow from `decision`, customers' first."""
    desk = Desk(mail.settings, mail.directory)
    ticket, entry = decision.ticket, decision.entry
    if ticket is not None and decision.state is not None:
        ticket = replace(ticket, state=decision.state)
    if decision.action == "hold":
        return to_agents.held(desk, mail, screening, decision) if decision.acknowledge else ()
    if decision.action == "report":
        return to_agents.trouble(desk, decision)
    if ticket is None or entry is None:
        return ()
    told_of = replace(decision, ticket=ticket)

    def news(kind: str) -> tuple[Notice, ...]:
        return to_agents.news(desk, kind, mail.message, told_of, triage, raw_id)

    if decision.action == "new_ticket":
        told = to_customers.acknowledgement(desk, ticket, entry) if decision.acknowledge else ()
        return (*told, *news("new_ticket"))
    if entry.author == "machine":
        if entry.agent is not None:
            return ()
        return news("customer_reply")
    if entry.agent is None:
        return news("customer_reply")
    if entry.kind == "note":
        return news("note")
    return (
        *to_customers.answer(desk, ticket, entry, decision, raw_id),
        *news("agent_answer"),
    )
