"""The process: signals, the config and its reload, start and end.

SIGTERM and SIGINT end it within ten seconds. SIGHUP takes a new config, whole or not at all: with a mistake
the old one stays, and admins are told.
"""

from __future__ import annotations

import hashlib
import os
import queue
import signal
import socket as sockets
from collections.abc import Callable

import structlog

from gateway.daemon.burst import Burst
from gateway.daemon.garbage import settle
from gateway.daemon.house import House, HouseTrouble, make_policy, open_house
from gateway.daemon.notify import Notify
from gateway.daemon.supervisor import StartTrouble, Supervisor
from gateway.intake.sockets import inherited_sockets
from gateway.ports import Clock, Ids, Jitter
from gateway.settings.load import Loaded, load
from gateway.settings.mistakes import ConfigMistakes
from gateway.store.errors import Conflict, StoreTrouble

log = structlog.get_logger()


class Daemon:
    """Runs until a signal ends it."""

    def __init__(
        self,
        loaded: Loaded,
        clock: Clock,
        ids: Ids,
        jitter: Jitter,
        environ: dict[str, str],
        pid: int,
    ) -> None:
        self._loaded = loaded
        self._clock = clock
        self._ids = ids
        self._jitter = jitter
        self._environ = environ
        self._notify = Notify(environ)
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        node = loaded.settings.daemon.node or sockets.gethostname()
        self._owner = f"{node}/{pid}/{ids.token(6)}"

    def order(self, what: str) -> None:
        """ "stop" or "reload", from a signal handler or another thread."""
        self._orders.put(what)

    def run(self, on_start: Callable[[Supervisor], None]) -> bool:
        """Start, call `on_start` with what runs, and serve until told to stop; returns whether every thread
        has ended by then. Raises HouseTrouble and StartTrouble before anything runs."""
        house = open_house(self._loaded, self._clock, self._ids)
        burst = None
        # a helper on the core that we fill ourselves would only cost
        helpers = min(self._loaded.settings.daemon.helpers, len(os.sched_getaffinity(0)) - 1)
        if helpers > 0:
            burst = Burst(helpers, self._loaded.folder.absolute())
        supervisor = Supervisor(
            house,
            self._owner,
            self._clock,
            self._ids,
            self._jitter,
            self._notify,
            inherited_sockets(self._environ),
            burst,
        )
        settle()
        supervisor.start()
        log.info("started", owner=self._owner, config=str(self._loaded.folder))
        self._notify.ready("taking mail")
        on_start(supervisor)
        while True:
            order = self._orders.get()
            if order == "stop":
                break
            self._reload(supervisor)
        self._notify.stopping()
        log.info("stopping")
        ended = supervisor.stop()
        log.info("stopped")
        return ended

    def _reload(self, supervisor: Supervisor) -> None:
        self._notify.reloading(int(self._clock.monotonic() * 1_000_000))
        old = supervisor.house
        try:
            loaded = load(self._loaded.folder)
            supervisor.reload(self._next_house(loaded, old))
            self._loaded = loaded
            log.info("config_reloaded")
        except (ConfigMistakes, HouseTrouble, StartTrouble) as trouble:
            log.error("config_not_taken", reason=str(trouble))
            self._tell_admins(old, f"The new config was not taken; the old one stays in use.\n\n{trouble}")
        self._notify.ready("taking mail")

    @staticmethod
    def _tell_admins(house: House, text: str) -> None:
        key = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        try:
            house.store.alerts.raise_("config_trouble", key, text)
        except (StoreTrouble, Conflict) as trouble:
            log.error("admins_not_told", reason=str(trouble))

    def _next_house(self, loaded: Loaded, old: House) -> House:
        for key in ("state_dir", "database"):
            if getattr(loaded.settings, key) != getattr(old.settings, key):
                raise HouseTrouble(f"{key}: this cannot change while the daemon runs; restart it")
        policy = make_policy(loaded, old.state_dir, self._ids)
        return House(loaded.settings, loaded.folder, old.state_dir, policy, old.store)


def install_signals(daemon: Daemon) -> None:
    """SIGTERM, SIGINT: stop. SIGHUP: reload. Only in the main thread."""
    signal.signal(signal.SIGTERM, lambda *_: daemon.order("stop"))
    signal.signal(signal.SIGINT, lambda *_: daemon.order("stop"))
    signal.signal(signal.SIGHUP, lambda *_: daemon.order("reload"))
