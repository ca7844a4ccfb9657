"""A database that is away says nothing about the mail in hand: however often it fails in the middle of the
work, the mail is worked on when it is back, and never quarantined for it. A death of the process is another
thing."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.daemon import ingest
from gateway.daemon.ingest import TRIES, ingest_round
from gateway.daemon.loops import give_back
from gateway.pipeline import Work
from gateway.store import patience
from gateway.store.database import Database
from gateway.store.errors import StoreTrouble
from gateway.store.store import Store
from tests.peers.postgres import Postgres
from tests.peers.process import server_folder
from tests.pipeline_world import CountingIds, mail, policy
from tests.store.conftest import HandClock, accept

LEASE = timedelta(minutes=1)
MANY = 2 * TRIES + 1


class Node:
    """A process on a database, with as many workers as are asked for."""

    def __init__(self, url: str, clock: HandClock) -> None:
        self.clock = clock
        self.store = Store(Database(url), policy(security={"agent_trust": "signed"}), clock, CountingIds())

    def round(self, worker: str = "one") -> ingest.IngestReport:
        return ingest_round(self.store, worker, self.clock, CountingIds(), LEASE, lambda: False)

    def spool(self) -> list[tuple[str, int]]:
        """(state, attempts) of each mail."""
        with self.store.database.read():
            found = self.store.database.sql("SELECT state, attempts FROM spool ORDER BY id").fetchall()
        return [(state, attempts) for state, attempts in found]

    def error(self) -> str:
        with self.store.database.read():
            return str(self.store.database.sql("SELECT error FROM spool ORDER BY id").fetchone()[0])


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def node(tmp_path: Path, clock: HandClock) -> Iterator[Node]:
    made = Node(f"sqlite:{tmp_path / 'desk.db'}", clock)
    made.store.database.migrate()
    made.store.spool.accept([accept("1", mail()), accept("2", mail(message_id="<second@x.example>"))])
    yield made
    made.store.close()


@pytest.fixture
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Does something each time when a mail is taken and understood, and not yet written."""

    def put(do: Callable[[], None]) -> None:
        really = ingest.understand

        def understand(work: Work) -> Work:
            done = really(work)
            do()
            return done

        monkeypatch.setattr(ingest, "understand", understand)

    return put


class Locked:
    """Another process that writes and does not end."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patience, "PATIENCE_S", 0.02)
        self._link = sqlite3.connect(path, isolation_level=None)

    def begin(self) -> None:
        if not self._link.in_transaction:
            self._link.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        if self._link.in_transaction:
            self._link.execute("ROLLBACK")

    def close(self) -> None:
        self._link.close()


class Full:
    """A file that may not grow any more, as on a full disk."""

    def __init__(self, node: Node) -> None:
        self._database = node.store.database

    def _pages(self, most: str) -> None:
        with self._database.read():
            self._database.sql(f"PRAGMA max_page_count = {most}")

    def begin(self) -> None:
        with self._database.read():
            (now,) = self._database.sql("PRAGMA page_count").fetchone()
        self._pages(str(now))

    def end(self) -> None:
        self._pages("1000000")

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture(params=["locked", "full"])
def sick(
    request: pytest.FixtureRequest, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Locked | Full]:
    made = Locked(tmp_path / "desk.db", monkeypatch) if request.param == "locked" else Full(node)
    yield made
    made.close()


def test_sqlite_that_fails_again_and_again_costs_no_mail_its_tries(
    node: Node, sick: Locked | Full, in_the_middle: Callable[[Callable[[], None]], None]
) -> None:
    well = False
    in_the_middle(lambda: None if well else sick.begin())
    for number in range(MANY):
        with capture_logs() as lines:
            report = node.round()
        assert report.trouble is not None
        (line,) = lines
        assert (line["event"], line["reason"]) == ("ingest_stopped", report.trouble)
        assert line["cause"] in ("database is locked", "database or disk is full")
        sick.end()
        node.clock.go(seconds=(0, 5, 300)[number % 3])
    well = True
    while node.round().taken:
        pass
    assert node.spool() == [("done", 1), ("done", 1)]


def test_workers_that_take_over_from_each_other_cost_it_none_either(
    node: Node, sick: Locked | Full, in_the_middle: Callable[[Callable[[], None]], None]
) -> None:
    """The outages last longer than the lease, and it is another worker each time that comes first."""
    in_the_middle(sick.begin)
    for number in range(MANY):
        assert node.round(f"worker-{number}").trouble is not None
        sick.end()
        node.clock.go(minutes=5)
    node.store.spool.give_back()
    assert node.spool() == [("received", 0), ("received", 0)]


def test_another_process_that_has_the_mail_by_then_loses_nothing(
    node: Node, tmp_path: Path, in_the_middle: Callable[[Callable[[], None]], None]
) -> None:
    other = Node(f"sqlite:{tmp_path / 'desk.db'}", node.clock)

    def trouble() -> None:
        raise StoreTrouble("away")

    in_the_middle(trouble)
    node.round()
    node.clock.go(minutes=5)
    (row,) = other.store.spool.lease("other", node.clock.now() + LEASE, 1)
    assert row.attempts == 2
    give_back(node.store)
    assert node.spool() == [("received", 1), ("received", 0)]
    with other.store.database.write():
        other.store.spool.claim(row, "other")
    other.store.close()


def test_a_mail_that_has_failed_before_the_trouble_keeps_its_try(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = ingest.understand

    def understand(work: Work) -> Work:
        if b"second@x.example" in work.raw:
            raise StoreTrouble("away")
        really(work)
        raise ZeroDivisionError

    monkeypatch.setattr(ingest, "understand", understand)
    node.round()
    node.store.spool.give_back()
    assert node.spool() == [("deferred", 1), ("received", 0)]


def test_trouble_while_a_failure_is_written_down_is_no_further_try(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(work: Work) -> Work:
        raise ZeroDivisionError

    def away(*_: object) -> None:
        raise StoreTrouble("away")

    monkeypatch.setattr(ingest, "understand", broken)
    with monkeypatch.context() as during:
        during.setattr(node.store.spool, "failed", away)
        for _ in range(MANY):
            assert node.round().trouble == "away"
    while node.round().taken:
        pass
    assert node.spool() == [("deferred", 1), ("deferred", 1)]


def test_a_death_is_told_as_a_death(node: Node) -> None:
    for _ in range(TRIES):
        node.store.spool.lease("dead", node.clock.now() + LEASE, 1)
        node.clock.go(minutes=5)
    with capture_logs() as lines:
        node.round()
    assert node.spool()[0] == ("quarantined", TRIES + 1)
    assert node.error().startswith(
        "the process ended while it worked on this mail, and that was the third try"
    )
    (line,) = [line for line in lines if line["event"] == "mail_quarantined"]
    assert line["reason"] == "the process ended while it worked on it"


def test_the_log_says_what_was_raised_and_where_and_never_what_the_mail_says(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(work: Work) -> Work:
        raise ValueError("cannot read 'my secret' \ud800")

    monkeypatch.setattr(ingest, "understand", broken)
    with capture_logs() as lines:
        for _ in range(2 * TRIES + 2):
            node.round()
            node.clock.go(minutes=5)
    assert {state for state, _ in node.spool()} == {"quarantined"}
    assert "my secret" in node.error()
    assert "my secret" not in repr(lines)
    (place,) = {line["reason"] for line in lines if line["event"] in ("mail_failed", "mail_quarantined")}
    assert place.startswith("ValueError at gateway/daemon/ingest.py:")


@contextmanager
def own_server() -> Iterator[Postgres]:
    """One that this test may stop."""
    with server_folder("postgres") as folder:
        server = Postgres(folder)
        server._server._stop_signal = signal.SIGINT  # it does not wait for its clients
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.mark.peers
def test_postgresql_that_is_stopped_and_started_costs_no_mail_its_tries(
    clock: HandClock, in_the_middle: Callable[[Callable[[], None]], None]
) -> None:
    with own_server() as server:
        node = Node(server.new_database(), clock)
        node.store.database.migrate()
        node.store.spool.accept([accept("1", mail()), accept("2", mail(message_id="<second@x.example>"))])
        left = list(range(TRIES + 1))

        def stop() -> None:
            if left:
                (server.stop if left.pop() % 2 else server.kill)()

        in_the_middle(stop)
        while left:
            report = node.round()
            assert report.trouble is not None
            assert node.round().trouble is not None, "while it is away"
            server.restart()
            clock.go(seconds=5)
        while node.round().taken:
            pass
        assert node.spool() == [("done", 1), ("done", 1)]
        node.store.close()
