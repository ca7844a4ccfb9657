"""The ticker: `schedule` says "look now", and holds no truth.

Each job is wrapped, as the library lets an exception escape and then skips the jobs behind it. Only interval
ticks: the library reads the naive wall clock, so a clock that is set back would silence it; that is seen
here, and the intervals begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import schedule
import structlog

from gateway.daemon.wake import Wake
from gateway.ports import Clock

log = structlog.get_logger()
_BACKWARDS = timedelta(seconds=2)


class Ticker:
    """Runs jobs, each (name, seconds between, function)."""

    def __init__(self, jobs: Sequence[tuple[str, float, Callable[[], None]]], clock: Clock) -> None:
        self._jobs = tuple(jobs)
        self._clock = clock
        self._last: datetime | None = None
        self._scheduler = schedule.Scheduler()
        self._plan()

    def _plan(self) -> None:
        self._scheduler.clear()
        for name, seconds, job in self._jobs:
            self._scheduler.every(max(1, round(seconds))).seconds.do(self._wrapped, name, job)

    @staticmethod
    def _wrapped(name: str, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:
            log.exception("tick_failed", job=name)

    def tick(self) -> None:
        """Run what is due."""
        now = self._clock.now()
        if self._last is not None and now < self._last - _BACKWARDS:
            log.warning("clock_set_back", back_s=round((self._last - now).total_seconds()))
            self._plan()
        self._last = now
        self._scheduler.run_pending()

    def loop(self, wake: Wake, stop: Callable[[], bool]) -> None:
        """Tick every half second until `stop`."""
        while not stop():
            self.tick()
            wake.wait(0.5)
