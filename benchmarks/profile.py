"""Where the time of a mail goes: `python -m benchmarks.profile [--mails 300] [--top 40]`.

Runs the steps of the daemon (fetch, ingest, deliver) in one process and one thread, one after the other, on a
real Dovecot, SQLite on the disk and a real smtp-sink, and prints milliseconds a mail by stage: processor time
of this thread, and time by the clock, which also holds the waits for the disk and for the neighbours. A
stage's time is its own: what an inner stage takes is counted there. `--top` runs under cProfile instead and
lists the functions in which the time is spent.
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import io
import logging
import os
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import gateway.notices.build as build
import gateway.store.change as change
from benchmarks import mails
from benchmarks.desk import desk, read_from
from benchmarks.frame import cores, on_cores
from benchmarks.peers import dovecot, fill, sink
from gateway import pipeline
from gateway.daemon import ingest
from gateway.daemon.garbage import settle
from gateway.daemon.house import House, open_house
from gateway.daemon.logs import configure
from gateway.daemon.mailboxes import credentials
from gateway.delivery.deliver import deliver_round
from gateway.delivery.make import make_submitter
from gateway.intake.fetch import fetch_round
from gateway.intake.imap_source import connect
from gateway.notices.render import Renderer
from gateway.runtime import SystemClock, SystemIds, SystemJitter
from gateway.settings.load import load

STAGES = (
    *("fetch", "accept", "lease", "read raw", "parse", "screen", "facts", "judge", "tell", "render"),
    *("compose", "write", "ingest", "deliver", "outbox lease", "hand over", "record"),
)
_LEASE = timedelta(minutes=10)


class Stages:
    """Time by stage. Stages may stand inside each other."""

    def __init__(self) -> None:
        self.cpu = dict.fromkeys(STAGES, 0.0)
        self.wall = dict.fromkeys(STAGES, 0.0)
        self._open: list[str] = []
        self._since = (time.thread_time(), time.perf_counter())

    def _turn(self) -> None:
        now = (time.thread_time(), time.perf_counter())
        if self._open:
            self.cpu[self._open[-1]] += now[0] - self._since[0]
            self.wall[self._open[-1]] += now[1] - self._since[1]
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What happens inside belongs to `name`."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def around(self, owner: Any, attribute: str, name: str) -> None:
        """From now on calls of `owner.attribute` belong to `name`."""
        inner: Callable[..., Any] = getattr(owner, attribute)

        @functools.wraps(inner)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.stage(name):
                return inner(*arguments, **named)

        setattr(owner, attribute, timed)

    def table(self, count: int) -> str:
        """Milliseconds a mail."""
        lines = [f"{'stage':14}{'processor ms':>14}{'clock ms':>12}"]
        for name in STAGES:
            cpu, wall = self.cpu[name] / count * 1000, self.wall[name] / count * 1000
            lines.append(f"{name:14}{cpu:14.3f}{wall:12.3f}")
        total_cpu, total_wall = sum(self.cpu.values()), sum(self.wall.values())
        lines.append(f"{'together':14}{total_cpu / count * 1000:14.3f}{total_wall / count * 1000:12.3f}")
        return "\n".join(lines)


def put_stages(house: House, submitter: Any) -> Stages:
    """Time what a mail goes through."""
    stages = Stages()
    for owner, attribute, name in (
        (house.store.spool, "accept", "accept"),
        (house.store.spool, "lease", "lease"),
        (house.store.spool, "raw", "read raw"),
        (pipeline, "parse", "parse"),
        (pipeline, "screen", "screen"),
        (pipeline, "clues", "screen"),
        (house.store.facts, "read", "facts"),
        (change, "judge", "judge"),
        (change, "tell", "tell"),
        (Renderer, "render", "render"),
        (build, "compose", "compose"),
        (house.store.change, "apply", "write"),
        (house.store.outbox, "lease", "outbox lease"),
        (house.store.outbox, "sent", "record"),
        (submitter, "submit", "hand over"),
    ):
        stages.around(owner, attribute, name)
    return stages


def walk(house: House, submitter: Any, stages: Stages) -> int:
    """All that waits in the mailbox, through the desk; how many mails there were."""
    clock, ids, jitter = SystemClock(), SystemIds(), SystemJitter(1)
    store, mailbox = house.store, house.settings.mailboxes[0]
    known = credentials(mailbox, house.config_folder, clock)
    sources = connect(
        mailbox,
        known,
        config_dir=house.config_folder,
        clock=clock,
        interrupted=lambda: False,
        temp_dir=house.state_dir,
    )
    with stages.stage("fetch"):
        (folder, source), *_ = sources.items()
        taken = fetch_round(source, mailbox, folder, store, clock, lambda: None).accepted
        source.close()
    with stages.stage("ingest"):
        while ingest.ingest_round(store, "profile", clock, ids, _LEASE, lambda: False).taken:
            continue
    retry = house.settings.delivery.retry
    with stages.stage("deliver"):
        while deliver_round(
            store, submitter, "profile", clock, jitter, retry, _LEASE, 20, lambda: False
        ).leased:
            continue
    submitter.close()
    return taken


def measure(count: int, profiler: cProfile.Profile | None) -> Stages:
    """One walk on fresh servers and a fresh database."""
    clock, ids = SystemClock(), SystemIds()
    everywhere = cores()
    with on_cores(everywhere[1:] or everywhere), dovecot() as server, sink() as port, desk(port) as made:
        box = server.user()
        fill(box, mails.mix(count))
        read_from(made, server, box)
        made.settings["state_dir"] = str(made.folder / "var")
        environment = made.environment()
        loaded = load(made.write_config())
        configure("text", "info", io.StringIO())
        os.environ.update(environment)
        house = open_house(loaded, clock, ids)
        submitter = make_submitter(house.settings, house.config_folder, house.state_dir, ids, clock)
        stages = put_stages(house, submitter)
        with on_cores(everywhere[:1]):
            settle()
            if profiler is not None:
                profiler.enable()
            taken = walk(house, submitter, stages)
            if profiler is not None:
                profiler.disable()
        house.store.close()
    assert taken == count
    return stages


def main() -> int:
    """Print the table, and with --top the functions."""
    parser = argparse.ArgumentParser(prog="benchmarks.profile", description=__doc__)
    parser.add_argument("--mails", type=int, default=300)
    parser.add_argument("--top", type=int, default=0, metavar="N", help="list N functions by their own time")
    parser.add_argument("--under", default="tottime", help="what cProfile sorts by (tottime, cumtime)")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if chosen.top:
        profiler = cProfile.Profile()
        measure(chosen.mails, profiler)
        pstats.Stats(profiler, stream=sys.stdout).sort_stats(chosen.under).print_stats(chosen.top)
        return 0
    print(measure(chosen.mails, None).table(chosen.mails))
    return 0


if __name__ == "__main__":
    sys.exit(main())
