"""What a delivery report does."""

from __future__ import annotations

from gateway.tickets.values import Case, Decision, NewEvent


def report(case: Case) -> Decision:
    """A delivery report: written on the ticket of the mail that it is about; never a ticket itself."""
    told = case.screening.report
    assert told is not None
    about = case.facts.reported[0] if case.facts.reported else None
    if about is None:
        return Decision("report", f"delivery report ({told.kind}) about no mail of ours")
    ticket = case.facts.tickets.get(about.ticket or 0)
    events = (
        NewEvent(
            f"delivery_{told.kind}",
            "system",
            {
                "outbox": about.outbox_id,
                "kind": about.kind,
                "recipient": about.forward_path,
                "status": next((one.status for one in told.recipients if one.status), ""),
                "diagnostic": next((one.diagnostic for one in told.recipients if one.diagnostic), "")[:500],
            },
        ),
    )
    return Decision(
        "report",
        f"delivery report ({told.kind}) about outbox {about.outbox_id}",
        ticket=ticket,
        events=events if ticket is not None else (),
        reported=about,
    )
