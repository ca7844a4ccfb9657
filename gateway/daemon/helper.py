"""A helper process of the daemon (see burst.py): `python -m gateway.daemon.helper CONFIG_FOLDER`."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from gateway.daemon.garbage import settle
from gateway.daemon.heartbeat import heartbeat_loop
from gateway.daemon.house import open_house
from gateway.daemon.ingest import ingest_round
from gateway.daemon.logs import configure
from gateway.daemon.loops import deliver_loop, give_back
from gateway.daemon.wake import Wake
from gateway.daemon.worker import Worker
from gateway.delivery.make import make_submitter
from gateway.ports import Clock
from gateway.runtime import SystemClock, SystemIds, SystemJitter
from gateway.settings.load import load
from gateway.store.store import Store

IDLE_S = 5.0


def _until_idle(store: Store, owner: str, clock: Clock, deliver_wake: Wake, stop: Callable[[], bool]) -> None:
    ids = SystemIds()
    wake = Wake()
    busy_at = clock.monotonic()
    while not stop() and clock.monotonic() - busy_at < IDLE_S:
        lease = store.policy.settings.daemon.lease
        report = ingest_round(store, owner, clock, ids, lease, stop, deliver_wake.poke)
        if report.taken:
            busy_at = clock.monotonic()
        else:
            wake.wait(0.2)
    give_back(store)


def main(config_folder: str) -> int:
    """Work until nothing is due or standard input ends; returns the exit code."""
    clock, ids, jitter = SystemClock(), SystemIds(), SystemJitter()
    loaded = load(Path(config_folder))
    configure(loaded.settings.daemon.log_format, loaded.settings.daemon.log_level)
    house = open_house(loaded, clock, ids)
    # process ids come again, in a container always the same: a name must not inherit what the dead have left
    owner = f"{socket.gethostname()}/{os.getpid()}/{ids.token(6)}/helper"
    ended = threading.Event()
    # the daemon ends us through our standard input; a signal to the whole group is the daemon's to hear
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, lambda *_: ended.set())

    def end_with_daemon() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=end_with_daemon, daemon=True).start()
    deliver_wake = Wake()

    def deliver(stop: Callable[[], bool]) -> None:
        submitter = make_submitter(house.settings, house.config_folder, house.state_dir, ids, clock)
        deliver_loop(house.store, submitter, f"{owner}/deliver", clock, jitter, deliver_wake, None, stop)

    sender = Worker("deliver", deliver, deliver_wake, clock, jitter, house.store.close)
    beat = Wake()
    heart = Worker(
        "heartbeat",
        lambda stop: heartbeat_loop(house.store, f"{owner}/", clock, beat, stop),
        beat,
        clock,
        jitter,
        house.store.close,
    )
    settle()
    heart.start()
    sender.start()
    try:
        _until_idle(house.store, f"{owner}/ingest", clock, deliver_wake, ended.is_set)
    finally:
        sender.stop()
        sender.join(5.0)
        heart.stop()
        heart.join(1.0)
        house.store.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
