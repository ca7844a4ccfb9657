"""Waiting times grow, are spread by chance, end with the expiry, and never overflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.retry import LONGEST_BACKOFF, next_try, peer_backoff
from gateway.settings.model import Retry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAR = NOW + timedelta(days=5)
RETRY = Retry()


class FixedJitter:
    """Chance that always gives the same factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self._factor = factor

    def spread(self, seconds: float) -> float:
        return seconds * self._factor


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(0, 1), (1, 2), (2, 4), (7, 128), (8, 240), (9, 240), (5000, 240)]
)
def test_the_wait_doubles_up_to_the_longest(attempts: int, minutes: int) -> None:
    assert next_try(attempts, NOW, FAR, RETRY, FixedJitter()) == NOW + timedelta(minutes=minutes)


def test_the_last_try_falls_on_the_expiry_and_then_it_has_expired() -> None:
    expire_at = NOW + timedelta(minutes=90)

    assert next_try(8, NOW, expire_at, RETRY, FixedJitter()) == expire_at
    assert next_try(9, expire_at, expire_at, RETRY, FixedJitter()) is None


def test_a_mail_that_may_have_arrived_is_repeated_sooner() -> None:
    assert next_try(2, NOW, FAR, RETRY, FixedJitter(), sooner=True) == NOW + timedelta(minutes=2)


@given(
    attempts=st.integers(0, 10**6),
    factor=st.floats(1, 10),
    spread=st.floats(0.75, 1.25),
    minutes_left=st.integers(-10, 10**4),
)
def test_the_next_try_is_in_the_future_and_not_after_the_expiry(
    attempts: int, factor: float, spread: float, minutes_left: int
) -> None:
    retry = Retry(factor=factor)
    expire_at = NOW + timedelta(minutes=minutes_left)

    at = next_try(attempts, NOW, expire_at, retry, FixedJitter(spread))

    if minutes_left <= 0:
        assert at is None
    else:
        assert at is not None
        assert NOW < at <= expire_at
        assert at <= NOW + retry.longest * 1.25


@given(st.timedeltas(timedelta(), timedelta(days=30)))
def test_a_neighbour_is_looked_at_again_soon_however_long_it_is_away(waited: timedelta) -> None:
    at = peer_backoff(waited, NOW, RETRY, FixedJitter())

    assert NOW + RETRY.first <= at <= NOW + LONGEST_BACKOFF
