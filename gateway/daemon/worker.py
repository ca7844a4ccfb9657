"""A thread that does one thing until it is stopped, and begins again after an error of ours."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from gateway.daemon.wake import Wake
from gateway.ports import Clock, Jitter

log = structlog.get_logger()
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_LONG_ENOUGH_S = 120.0


class Worker:
    """Runs `body(stop)` in a thread. `stop()` says whether to end; `wake` is poked when it begins to. A body
    that raises is logged with its traceback and called again after a growing pause."""

    def __init__(
        self,
        name: str,
        body: Callable[[Callable[[], bool]], None],
        wake: Wake,
        clock: Clock,
        jitter: Jitter,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self._body = body
        self._wake = wake
        self._clock = clock
        self._jitter = jitter
        self._at_end = at_end
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.restarts = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask to end; returns at once."""
        self._stop.set()
        self._wake.poke()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; True where it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while not self._stop.is_set():
                began = self._clock.monotonic()
                try:
                    self._body(self._stop.is_set)
                    if self._stop.is_set():
                        return
                    log.error("part_ended_by_itself", part=self.name)
                except Exception:
                    log.exception("part_failed", part=self.name)
                self.restarts += 1
                if self._clock.monotonic() - began > _LONG_ENOUGH_S:
                    pause_s = _FIRST_PAUSE_S
                self._stop.wait(self._jitter.spread(pause_s))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            if self._at_end is not None:
                self._at_end()
