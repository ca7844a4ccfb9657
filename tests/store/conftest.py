"""A store on SQLite and on PostgreSQL: each test of this room runs on both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.store.database import Database
from gateway.store.spool import Accept, BytesRaw
from gateway.store.store import Store
from tests.pipeline_world import CountingIds, policy


class HandClock:
    """A clock that goes when the test says so."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def go(self, **delta: float) -> datetime:
        self.at += timedelta(**delta)
        return self.at


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database"))
    return f"sqlite:{tmp_path / 'desk.db'}"


@pytest.fixture
def store(url: str, clock: HandClock) -> Iterator[Store]:
    database = Database(url)
    database.migrate()
    one = Store(database, policy(security={"agent_trust": "signed"}), clock, CountingIds())
    yield one
    one.close()


@pytest.fixture
def second(url: str, store: Store, clock: HandClock) -> Iterator[Store]:
    """Another node on the same database."""
    one = Store(Database(url), store.policy, clock, CountingIds())
    yield one
    one.close()


def accept(key: str, octets: bytes = b"From: a@b\n\nhello\n", **changes: object) -> Accept:
    values: dict[str, object] = {
        "key": key,
        "source": "smtp",
        "mailbox": "smtp",
        "queue": "support",
        "raw": BytesRaw(octets),
        "reverse_path": "jana@customer.example",
        "forward_paths": ("support@acme.example",),
        "authenticated_as": None,
        "client": "192.0.2.1",
    }
    return Accept(**(values | changes))  # type: ignore[arg-type]
