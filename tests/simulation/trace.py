"""What happened, line by line, as one hash; the lines themselves where somebody wants to read them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import structlog

from tests.simulation.chance import VirtualClock


class Trace:
    """`digest` is equal for two runs that did the same things at the same virtual instants."""

    def __init__(self, clock: VirtualClock, keep: bool = False) -> None:
        self._clock = clock
        self._hash = hashlib.sha256()
        self.lines: list[str] | None = [] if keep else None
        self.count = 0

    def note(self, *words: object) -> None:
        line = f"{self._clock.monotonic():.3f} {' '.join(map(str, words))}"
        self._hash.update(line.encode("utf-8", "replace") + b"\n")
        self.count += 1
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    @contextlib.contextmanager
    def logs(self) -> Iterator[None]:
        """Take the daemon's log lines into the trace instead of printing them."""

        def take(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            event.pop("exc_info", None)
            self.note("log", *(f"{key}={value}" for key, value in event.items()))
            raise structlog.DropEvent

        before = structlog.get_config()
        structlog.configure(
            processors=[take],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)
