"""Time and chance of a simulation: all of it follows from the seed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def stream(seed: str, name: str) -> random.Random:
    """A source of chance of its own for each use, so that one more draw here changes nothing there."""
    return random.Random(f"{seed}/{name}")


class VirtualClock:
    """`ports.Clock`; time stands still but for `pass_` and `go_to`."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - START).total_seconds()

    def pass_(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def go_to(self, at: datetime) -> None:
        self._now = max(self._now, at)


class SeededIds:
    """`ports.Ids` that repeat themselves under the same seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def token(self, length: int = 16) -> str:
        return "".join(self._chance.choices(_ALPHABET, k=length))


class SeededJitter:
    """`ports.Jitter`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def spread(self, seconds: float) -> float:
        return seconds * self._chance.uniform(0.75, 1.25)
