"""A log line of database trouble says what the driver said, so that an admin need not guess."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.daemon.heartbeat import heartbeat_loop
from gateway.daemon.loops import burst_loop, deliver_loop, ingest_loop
from gateway.daemon.wake import Wake
from gateway.runtime import SystemClock, SystemIds, SystemJitter
from gateway.store.errors import StoreTrouble


def locked(*_: object) -> None:
    raise StoreTrouble("the database cannot be used now") from OSError("database is locked")


TABLE: Any = SimpleNamespace(
    lease=locked,
    renew=locked,
    waiting=locked,
    next_due_at=locked,
    settle=locked,
    broken_off=lambda *_: None,
    give_back=lambda: None,
)
STORE: Any = SimpleNamespace(
    spool=TABLE,
    outbox=TABLE,
    policy=SimpleNamespace(
        settings=SimpleNamespace(
            daemon=SimpleNamespace(lease=timedelta(seconds=9)),
            delivery=SimpleNamespace(retry=None, via=SimpleNamespace(relay="mx")),
        )
    ),
)


def once() -> Callable[[], bool]:
    """A `stop` that lets one round through."""
    answers = iter([False])
    return lambda: next(answers, True)


def poked() -> Wake:
    wake = Wake()
    wake.poke()
    return wake


def ingest() -> None:
    ingest_loop(STORE, "o", SystemClock(), SystemIds(), poked(), Wake(), Wake(), once())


def deliver() -> None:
    submitter: Any = SimpleNamespace(close=lambda: None)
    deliver_loop(STORE, submitter, "o", SystemClock(), SystemJitter(), poked(), None, once())


def heartbeat() -> None:
    heartbeat_loop(STORE, "o", SystemClock(), poked(), once())


def burst() -> None:
    helpers: Any = SimpleNamespace(look=lambda waiting: None)
    burst_loop(STORE, helpers, poked(), once())


@pytest.mark.parametrize(
    ("loop", "event"),
    [
        (ingest, "ingest_stopped"),
        (deliver, "delivery_stopped"),
        (heartbeat, "leases_not_renewed"),
        (burst, "waiting_not_counted"),
    ],
)
def test_the_cause_stands_in_the_log(loop: Callable[[], None], event: str) -> None:
    with capture_logs() as lines:
        loop()
    (line,) = lines
    assert (line["event"], line["cause"]) == (event, "database is locked")
