"""Waiting times between attempts to reach a neighbour: growing, bounded, with jitter."""

from __future__ import annotations

from gateway.ports import Jitter


class Backoff:
    """`next_s` grows from `first_s` by `factor` up to `longest_s`, each time spread by `jitter`, until
    `reset`. Used by one thread."""

    def __init__(
        self, jitter: Jitter, *, first_s: float = 5.0, factor: float = 2.0, longest_s: float = 300.0
    ) -> None:
        self._jitter = jitter
        self._first_s = first_s
        self._factor = factor
        self._longest_s = longest_s
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def next_s(self) -> float:
        """Count one more failure; returns the seconds to wait: the growing value, spread."""
        # Beyond 64 doublings the bound holds anyway, and a float power would overflow in the end.
        plain = min(self._longest_s, self._first_s * self._factor ** min(self._failures, 64))
        self._failures += 1
        return self._jitter.spread(plain)

    def reset(self) -> None:
        """It worked: the next failure is the first one."""
        self._failures = 0
