"""The daemon that is measured: a real `ticketgate run` on a config of its own, and what its database says."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.desk import Desk, agents, base_settings
from tests.peers.dovecot import Dovecot, UserBox
from tests.peers.process import HOST, wait_until

_LOOK_S = 0.05
ROOMY = {"connections_per_client": 100, "mails_per_minute_per_client": 1_000_000}


@contextlib.contextmanager
def desk(sink_port: int | None = None) -> Iterator[Desk]:
    """A desk with the default daemon settings, one agent, and a smarthost; it is ended with the block."""
    with tempfile.TemporaryDirectory(prefix="tg-bench-") as folder:
        settings: dict[str, Any] = base_settings() | {"daemon": {}}
        if sink_port is not None:
            way = {"type": "smtp", "host": HOST, "port": sink_port, "tls": {"mode": "none"}}
            settings["delivery"] = {"via": way}
        made = Desk(Path(folder), settings=settings, agents=agents()[1:])
        try:
            yield made
        finally:
            made.close()


def read_from(made: Desk, server: Dovecot, box: UserBox) -> None:
    """Let the desk read a mailbox."""
    made.settings["mailboxes"] = [
        {
            "name": "support",
            "host": server.host,
            "port": server.imap_port,
            "tls": {"mode": "none"},
            "user": box.user,
            "password": {"env": "IMAP_PASSWORD"},
        }
    ]
    made.environ = {"IMAP_PASSWORD": box.password}


def pid(made: Desk) -> int:
    """The daemon's process id."""
    return made.processes["one"].pid


def connected_at(made: Desk) -> datetime:
    """When the daemon had logged in to its mailbox and began to fetch."""
    made.wait_for_log("mailbox_connected")
    found = re.search(r"timestamp='([^']+)Z?'.*mailbox_connected", made.log())
    assert found, made.log()
    return datetime.fromisoformat(found[1].removesuffix("Z")).replace(tzinfo=UTC)


Query = Callable[[str], Any]


@contextlib.contextmanager
def sqlite_of(made: Desk) -> Iterator[Query]:
    """Asks the desk's SQLite database for one value."""
    link = sqlite3.connect(f"file:{made.folder}/var/ticketgate.db?mode=ro", uri=True, timeout=20)
    try:
        yield lambda statement: link.execute(statement).fetchone()[0]
    finally:
        link.close()


@contextlib.contextmanager
def postgres_of(url: str) -> Iterator[Query]:
    """Asks a desk's PostgreSQL database for one value."""
    with psycopg.connect(url, autocommit=True) as link:
        yield lambda statement: (link.execute(statement).fetchone() or (None,))[0]


def wait_until_handed_on(
    ask: Query, mails: int, seconds: float, look: Callable[[], None] | None = None
) -> datetime:
    """Wait until `mails` are through the pipeline and all that goes out is handed on; when that was.
    `look` is called at each look. Raises TimeoutError, and AssertionError where a mail went astray."""

    def finished() -> bool:
        time.sleep(_LOOK_S)
        if look is not None:
            look()
        done = int(ask("SELECT count(*) FROM spool WHERE state = 'done'"))
        return done >= mails and int(ask("SELECT count(*) FROM outbox WHERE state = 'queued'")) == 0

    wait_until(f"{mails} mails through the desk", finished, seconds)
    sent = int(ask("SELECT count(*) FROM outbox WHERE state = 'sent'"))
    assert sent >= 2 * mails, (
        f"{sent} mails went out for {mails}: an acknowledgement and a notice are due each"
    )
    return datetime.fromtimestamp(int(ask("SELECT max(done_at) FROM outbox")) / 1000, UTC)
