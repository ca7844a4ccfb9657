"""Helper processes while much mail waits: one Python process fills one core.

A helper runs the same ingest and deliver loops on the same database under its own lease names, and ends when
nothing has been due for a while, when it is told to, or when the daemon is gone (its standard input ends).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

log = structlog.get_logger()
ENOUGH = 40
"""Waiting mails at which a helper is worth its start."""


class Burst:
    """Starts and ends helpers. `most`: how many at a time."""

    def __init__(self, most: int, config_folder: Path, command: Sequence[str] | None = None) -> None:
        self._most = most
        self._command = list(command or (sys.executable, "-m", "gateway.daemon.helper", str(config_folder)))
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def running(self) -> int:
        """How many run, or ran when `look` was last called."""
        return len(self._running)

    def look(self, waiting: int) -> None:
        """Start helpers where `waiting` mails are many; forget those that have ended."""
        for one in [one for one in self._running if one.poll() is not None]:
            self._running.remove(one)
            if one.stdin is not None:
                one.stdin.close()
            if one.returncode:
                log.error("helper_failed", pid=one.pid, exit_code=one.returncode)
            else:
                log.info("helper_ended", pid=one.pid)
        wanted = min(self._most, waiting // ENOUGH)
        while len(self._running) < wanted:
            helper = subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603
            log.info("helper_started", pid=helper.pid, waiting=waiting)
            self._running.append(helper)

    def stop(self) -> None:
        """Ask all to end; returns at once."""
        for helper in self._running:
            if helper.stdin is not None:
                helper.stdin.close()

    def join(self, timeout_s: float) -> None:
        """Wait for them, and kill what does not end: their leases end by themselves."""
        for helper in self._running:
            try:
                helper.wait(timeout_s)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()
        self._running = []
