"""When a mail that could not be handed over is tried again. Pure; what it says is kept in the database.

Waiting times grow by `Retry.factor` from `Retry.first` to `Retry.longest`, spread by chance. The last try
falls on the instant of expiry; a mail that fails then, or later, has expired.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.ports import Jitter
from gateway.settings.model import Retry

LONGEST_BACKOFF = timedelta(minutes=5)
_LARGEST_EXPONENT = 64  # a wait has long reached its limit, and the power still fits a float


def _delay_s(attempts: int, retry: Retry, longest: timedelta) -> float:
    first_s = retry.first.total_seconds()
    grown_s = first_s * float(retry.factor) ** min(attempts, _LARGEST_EXPONENT)
    return min(grown_s, longest.total_seconds())


def next_try(
    attempts: int,
    now: datetime,
    expire_at: datetime,
    retry: Retry,
    jitter: Jitter,
    *,
    sooner: bool = False,
) -> datetime | None:
    """When to try again after a try that ended at `now`, or None: it has expired.

    `attempts` counts the tries before this one; `expire_at` is the row's own (usually `created_at` +
    `Retry.expiry`). `sooner` halves the wait: for a mail that may have arrived, while the receiver
    still remembers its Message-ID."""
    if now >= expire_at:
        return None
    delay_s = jitter.spread(_delay_s(attempts, retry, retry.longest))
    if sooner:
        delay_s /= 2
    return min(now + timedelta(seconds=delay_s), expire_at)


def peer_backoff(waited: timedelta, now: datetime, retry: Retry, jitter: Jitter) -> datetime:
    """When a neighbour that could not be used is tried again, for all mails at once. The pause grows with
    what the longest-waiting mail has `waited`, and is never much longer than `LONGEST_BACKOFF`: the queue
    drains soon after the neighbour is back."""
    longest = min(retry.longest, LONGEST_BACKOFF)
    pause = min(max(waited, retry.first), longest)
    return now + timedelta(seconds=jitter.spread(pause.total_seconds()))
