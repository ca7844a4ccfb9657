"""What a mail does to the tickets: the cases in the order in which they are asked. Pure.

Takes a Case (what was understood, and the facts); gives a Decision that the store applies in one
transaction. Raises nothing of its own.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.mail.signed import AGENT, NOTE
from gateway.screen.trust import signed_recipients
from gateway.screen.values import Verdict
from gateway.tickets.from_customer import from_customer, new_ticket
from gateway.tickets.report import report
from gateway.tickets.values import Case, Decision


def decide(case: Case) -> Decision:
    """The one way from what is known to what is done."""
    decision = _decide(case)
    if decision.action == "hold":
        # the warning to the agent is under the same budget as an acknowledgement
        budget = case.mail.settings.security.acknowledgements_per_hour
        return replace(decision, acknowledge=case.facts.acknowledged_lately < budget)
    return decision


def _decide(case: Case) -> Decision:
    mail, screening, facts = case.mail, case.screening, case.facts
    if screening.verdict is Verdict.DISCARD:
        return Decision("discard", "discarded: our own mail came back")
    if facts.duplicate_of is not None:
        ticket, entry = facts.duplicate_of
        return Decision("duplicate", f"duplicate of entry {entry}", ticket=facts.tickets.get(ticket))
    copy = facts.copies.get(case.match.ticket or 0)
    if copy is not None:
        # one mail to the addresses of two queues is worked on twice, and both find this ticket
        ticket_facts = facts.tickets.get(case.match.ticket or 0)
        return Decision("duplicate", f"duplicate of entry {copy}", ticket=ticket_facts)
    if facts.seen_as is not None:
        # what leaves no entry (a report, a held mail) comes again when a server numbers its mails anew
        return Decision("duplicate", f"the same octets as spool {facts.seen_as}")
    if screening.verdict is Verdict.DSN:
        return report(case)
    if screening.verdict is Verdict.HOLD and not mail.envelope.released:
        reason = screening.signals[-1]
        return Decision("hold", f"held: {reason.rule}: {reason.evidence}")
    if screening.trust.level in ("agent", "claimed_agent") and _concerns_a_ticket(case):
        # its guards take longer to load than all the rest of the room, and customers' mail needs none
        from gateway.tickets.from_agent import from_agent

        return from_agent(case)
    if case.match.ticket is not None:
        return from_customer(case)
    return new_ticket(case)


def _concerns_a_ticket(case: Case) -> bool:
    return case.match.ticket is not None or any(
        signed.role in (AGENT, NOTE) for _, signed in signed_recipients(case.mail)
    )
