"""What kind of request a mail is. Each statement carries its reason."""

from __future__ import annotations

from gateway.tickets.values import Reason, Triage


def classify(queue: str) -> Triage:
    """The triage of a new request that came to `queue`: ITIL's middle of the table until something says
    otherwise."""
    return Triage(
        impact="medium",
        urgency="medium",
        priority="normal",
        category=None,
        tags=(),
        queue=queue,
        assignee=None,
        reasons=(
            Reason("recipient", f"came to queue {queue}", 1.0),
            Reason("default", "nothing says that it is more or less than normal", 0.0),
        ),
    )
