"""Telling systemd how we are (sd_notify(3)), without its library: a datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notify:
    """`ready`, `reloading`, `stopping`, `watchdog`; nothing happens where no service manager listens."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        path = environ.get("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path
        usec = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s: float | None = int(usec) / 2_000_000 if usec.isdigit() and ours else None
        """Seconds after which `watchdog` should be called again: half of what systemd allows."""

    def _send(self, state: str) -> None:
        if not self._path:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
            try:
                door.sendto(state.encode(), self._path)
            except OSError:
                self._path = ""

    def ready(self, status: str) -> None:
        """We serve."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self, monotonic_us: int) -> None:
        """We take a new config; `ready` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")

    def stopping(self) -> None:
        """We end."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """All parts are alive."""
        self._send("WATCHDOG=1")
