"""Durable intake of 5 KB mails by SMTP beside a bare aiosmtpd sink, with the same client in the same minute.

The client is Postfix's smtp-source with 1, 10 and 50 connections, kept open or a new one for each mail; the
clock runs until it has heard its last 250. `intake alone` is the desk's listeners and spool on SQLite, each
250 after a durable commit, without the pipeline. `with pipeline` is the whole daemon: its workers take mail
out of the spool, make tickets and hand on notices while more comes in. All mails have one sender, so nearly
none is acknowledged. Every measurement has a fresh database. No core is bound: client, sink, listeners and
helpers share what there is.

One connection that sends mail after mail waits for the disk at each 250. How often the disk bears that alone,
5 KB written over and synced as a write-ahead log is, stands in the first row: with one connection that is the
other limit.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from benchmarks.desk import ROOMY, desk, pid, sqlite_of
from benchmarks.frame import Row, Scale, cpu_seconds, median_of, rate_row
from benchmarks.peers import sink, source_command
from tests.peers.process import free_port

TITLE = "smtp_intake: durable intake of 5 KB mails beside a bare aiosmtpd sink"
LOADS = ((1, 1000), (10, 2000), (50, 3000))
LEAST = 0.60


@dataclass(frozen=True, slots=True)
class Server:
    """Something that takes mail: its port, its process, and how many mails its database holds."""

    port: int
    pid: int
    stored: Callable[[], int] | None = None


@dataclass
class Turns:
    """What the turns of one server gave."""

    rates: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def cpu(self) -> str:
        """For the table."""
        return f"{sorted(self.cpu_ms)[len(self.cpu_ms) // 2]:.2f} ms a mail"


@contextlib.contextmanager
def _process(command: Sequence[str], **more: object) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **more,  # type: ignore[call-overload]
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            assert running.stdout.readline() == b"listening\n"
            yield running
        finally:
            running.stdin.close()


@contextlib.contextmanager
def bare() -> Iterator[Server]:
    """The bare sink."""
    port = free_port()
    with _process(["benchmarks.bare_sink", str(port)]) as running:
        yield Server(port, running.pid)


@contextlib.contextmanager
def alone() -> Iterator[Server]:
    """Listeners and spool."""
    with desk() as made:
        port = made.listener("in", limits=ROOMY)
        made.settings["state_dir"] = str(made.folder / "var")
        config = str(made.write_config())
        with (
            _process(["benchmarks.intake_alone", config], env=made.environment()) as running,
            sqlite_of(made) as ask,
        ):
            yield Server(port, running.pid, lambda: int(ask("SELECT count(*) FROM spool")))


@contextlib.contextmanager
def whole() -> Iterator[Server]:
    """The daemon, with a smarthost."""
    with sink() as sink_port, desk(sink_port) as made:
        port = made.listener("in", limits=ROOMY)
        made.start()
        with sqlite_of(made) as ask:
            yield Server(port, pid(made), lambda: int(ask("SELECT count(*) FROM spool")))


def turn(server: Server, mails: int, sessions: int, keep_open: bool, into: Turns) -> None:
    """Send, and note the rate. Raises AssertionError where a 250 was said and nothing is stored."""
    before = server.stored() if server.stored else 0
    began, cpu_s = time.perf_counter(), cpu_seconds(server.pid)
    command = source_command(server.port, mails, sessions, keep_open)
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    took_s = time.perf_counter() - began
    into.cpu_ms.append((cpu_seconds(server.pid) - cpu_s) / mails * 1000)
    into.rates.append(mails / took_s)
    assert server.stored is None or server.stored() - before == mails


def syncs(count: int) -> float:
    """How many times a second 5 KB within a file are written anew and synced to the disk."""
    block = b"x" * 5120
    with tempfile.NamedTemporaryFile(prefix="tg-bench-") as file:
        file.write(block * count)
        file.flush()
        os.fsync(file.fileno())
        began = time.perf_counter()
        for number in range(count):
            os.pwrite(file.fileno(), block, number * len(block))
            os.fdatasync(file.fileno())
        return count / (time.perf_counter() - began)


def run(scale: Scale) -> Iterator[Row]:
    """Each load on each server in turns."""
    yield Row("the disk alone, 5 KB and a sync", median_of(scale.rounds, lambda: syncs(300)), "a second")
    ways: tuple[tuple[str, Callable[[], AbstractContextManager[Server]], float | None], ...] = (
        ("intake alone", alone, LEAST),
        ("with pipeline", whole, None),
    )
    for keep_open in (True, False):
        for sessions, full in LOADS:
            mails = scale.count(full if keep_open else full // 2)
            limits = Turns()
            figures = {name: Turns() for name, _, _ in ways}
            for _ in range(scale.rounds):
                with bare() as server:
                    turn(server, mails, sessions, keep_open, limits)
                for name, start, _ in ways:
                    with start() as server:
                        turn(server, mails, sessions, keep_open, figures[name])
            for name, _, least in ways:
                kind = "kept open" if keep_open else "new for each mail"
                what = f"{sessions:2d} connections, {kind}, {name}"
                cpu = f"{figures[name].cpu}, sink {limits.cpu}"
                yield rate_row(what, figures[name].rates, limits.rates, "bare sink", least, cpu)
