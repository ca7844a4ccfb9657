"""Two who want to write to one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import patience
from gateway.store.database import Database
from gateway.store.errors import StoreTrouble


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    one = Database(f"sqlite:{tmp_path / 'desk.db'}")
    one.migrate()
    yield one
    one.disconnect()


@pytest.fixture
def other(database: Database) -> Iterator[sqlite3.Connection]:
    """Another process's connection."""
    assert database.path is not None
    link = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
    yield link
    link.close()


def busy_timeout(database: Database) -> int:
    return int(database.sql("PRAGMA busy_timeout").fetchone()[0])


def test_who_waits_writes_as_soon_as_the_other_has_ended(
    database: Database, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.execute("BEGIN IMMEDIATE")
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 30:
            other.execute("COMMIT")

    monkeypatch.setattr(patience.time, "sleep", nap)
    with database.write():
        database.sql("UPDATE counter SET value = 7")
    assert naps[0] < 0.001
    assert max(naps) == naps[-1] <= 0.005
    assert database.sql("SELECT value FROM counter").fetchone() == (7,)


def test_patience_ends(
    database: Database, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.execute("BEGIN IMMEDIATE")
    naps: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", naps.append)
    with pytest.raises(StoreTrouble), database.write():
        pytest.fail("nobody may write here")
    assert 30 <= sum(naps) < 31
    other.execute("COMMIT")
    with database.write():
        database.sql("UPDATE counter SET value = 7")


def test_what_is_no_lock_is_told_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda _: pytest.fail("there is nothing to wait for"))
    with database.write(), pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        database.peewee.begin("IMMEDIATE")


def test_readers_leave_the_waiting_to_the_driver(database: Database) -> None:
    with database.write():
        assert busy_timeout(database) == 0
    with database.read():
        assert busy_timeout(database) == patience.PATIENCE_S * 1000


def test_each_thread_has_its_own_waiting(database: Database) -> None:
    with database.write():
        pass
    seen: list[int] = []

    def reader() -> None:
        with database.read():
            seen.append(busy_timeout(database))
        database.disconnect()

    thread = threading.Thread(target=reader)
    thread.start()
    thread.join()
    assert seen == [30_000]
