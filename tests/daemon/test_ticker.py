"""`schedule` as a ticker: a job that raises silences nobody, a clock that is set back neither."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from gateway.daemon.ticker import Ticker


class WallClock:
    """The machine's clock, which time-machine moves."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), tick=False) as one:
        yield one


def test_jobs_run_at_their_interval(traveller: time_machine.Traveller) -> None:
    runs: list[str] = []
    ticker = Ticker([("a", 5, lambda: runs.append("a")), ("b", 10, lambda: runs.append("b"))], WallClock())
    for _ in range(20):
        traveller.shift(1)
        ticker.tick()
    assert (runs.count("a"), runs.count("b")) == (4, 2)


def test_a_job_that_raises_is_called_again_and_starves_nobody(traveller: time_machine.Traveller) -> None:
    runs: list[str] = []

    def broken() -> None:
        runs.append("broken")
        raise ZeroDivisionError

    ticker = Ticker([("broken", 1, broken), ("good", 1, lambda: runs.append("good"))], WallClock())
    for _ in range(3):
        traveller.shift(1)
        ticker.tick()
    assert (runs.count("broken"), runs.count("good")) == (3, 3)


def test_a_clock_set_back_by_an_hour_does_not_silence_it_for_an_hour(
    traveller: time_machine.Traveller,
) -> None:
    runs: list[int] = []
    ticker = Ticker([("a", 5, lambda: runs.append(1))], WallClock())
    traveller.shift(5)
    ticker.tick()
    traveller.shift(-3600)
    ticker.tick()
    for _ in range(10):
        traveller.shift(1)
        ticker.tick()
    assert len(runs) == 3


def test_a_long_sleep_is_not_made_up_for_by_a_burst(traveller: time_machine.Traveller) -> None:
    runs: list[int] = []
    ticker = Ticker([("a", 5, lambda: runs.append(1))], WallClock())
    traveller.shift(86400)
    ticker.tick()
    ticker.tick()
    assert len(runs) == 1
