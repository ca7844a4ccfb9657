"""The states of a ticket and what moves it from one to another (ITIL's names).

`TRANSITIONS` is the whole truth: a (state, cause) that is not in it changes nothing.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    CLOSED = "closed"
    MERGED = "merged"
    SPAM = "spam"


class Cause(StrEnum):
    """What happens to a ticket. A silent mail is none of these: it moves nothing."""

    CUSTOMER_WROTE = "customer_wrote"
    AGENT_ANSWERED = "agent_answered"


TRANSITIONS: dict[tuple[State, Cause], State] = {
    (State.NEW, Cause.AGENT_ANSWERED): State.OPEN,
    (State.PENDING, Cause.CUSTOMER_WROTE): State.OPEN,
    (State.ON_HOLD, Cause.CUSTOMER_WROTE): State.OPEN,
    (State.RESOLVED, Cause.CUSTOMER_WROTE): State.OPEN,
    (State.CLOSED, Cause.CUSTOMER_WROTE): State.OPEN,
}


def after(state: State, cause: Cause) -> State:
    """The state that follows."""
    return TRANSITIONS.get((state, cause), state)
