"""The real clock, ids and jitter. The only module that reads the clock or draws a random number."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class SystemClock:
    """`ports.Clock` on the machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SystemIds:
    """`ports.Ids` on the operating system's random source."""

    def token(self, length: int = 16) -> str:
        return "".join(_ALPHABET[octet & 31] for octet in secrets.token_bytes(length))


class SystemJitter:
    """`ports.Jitter`; chance here protects nothing, so the ordinary generator does."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def spread(self, seconds: float) -> float:
        return seconds * self._random.uniform(0.75, 1.25)
