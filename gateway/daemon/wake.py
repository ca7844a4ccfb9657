"""Waking threads that wait for work. A wake-up is a hint: what is due stands in the database, and each waiter
looks there again after its pause anyway."""

from __future__ import annotations

import threading


class Wake:
    """Somewhere to wait, and to be called from."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def poke(self) -> None:
        """There may be work."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Until a poke, at most `seconds`. A poke before the call ends it at once."""
        self._event.wait(seconds)
        self._event.clear()
