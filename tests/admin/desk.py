"""A desk in a folder for tests of commands: its config, its database, mail taken in and handed on by the
daemon's own steps, under a clock that the test moves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.main import main
from gateway.daemon.house import House, open_house
from gateway.daemon.ingest import ingest_round
from gateway.delivery.deliver import deliver_round
from gateway.delivery.make import make_submitter
from gateway.ports import Delivery, Receipt, Submitter
from gateway.runtime import SystemIds, SystemJitter
from gateway.settings.load import load
from gateway.store.database import Database
from gateway.store.spool import Accept, BytesRaw

CONFIG = """\
desk:
  name: Example Support
  domain: example.com
  address: desk@example.com
  ticket_prefix: DESK
  timezone: Europe/Prague
  admins: [admin@example.com]
queues:
  - name: support
    addresses: [support@example.com]
  - name: billing
    addresses: [billing@example.com]
security:
  authserv_ids: [mx.example.com]
delivery:
  via: {type: maildir}
"""
AGENTS = """\
agents:
  - {name: petra, display_name: Petra, address: petra@example.com}
"""
LEASE = timedelta(minutes=1)


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    at: datetime = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def mail(
    subject: str = "Printer on fire",
    body: str = "My printer is on fire.\n",
    sender: str = "Jane Doe <jane@example.org>",
    **more: str,
) -> bytes:
    """A mail to the desk; further header fields by name, _ for -."""
    fields = {"From": sender, "To": "support@example.com", "Subject": subject}
    fields["Message-ID"] = (
        f"<{hashlib.sha256((subject + body + sender).encode()).hexdigest()[:16]}@example.org>"
    )
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return (head + "Content-Type: text/plain; charset=utf-8\r\n\r\n").encode() + body.replace(
        "\n", "\r\n"
    ).encode()


class Scripted:
    """A way out that answers the same to each mail."""

    def __init__(self, *answer: str) -> None:
        self._receipt = Receipt(*answer)

    def submit(self, delivery: Delivery) -> Receipt:
        return self._receipt

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Desk:
    """`config` is its folder. `clock` may be moved."""

    config: Path
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.house: House = open_house(load(self.config), self.clock, SystemIds())
        self._count = 0

    def accept(self, octets: bytes, **more: Any) -> int:
        """Put a mail into the spool; returns its id."""
        self._count += 1
        values = {
            "key": f"smtp/{self._count}",
            "source": "smtp",
            "mailbox": "smtp",
            "queue": None,
            "reverse_path": "jane@example.org",
            "forward_paths": ("support@example.com",),
            "authenticated_as": None,
            "client": "192.0.2.1",
        }
        (spool_id,) = self.house.store.spool.accept([Accept(raw=BytesRaw(octets), **(values | more))])
        assert spool_id is not None
        return spool_id

    def ingest(self) -> None:
        """One round of the daemon's ingest step."""
        ingest_round(self.house.store, "node", self.clock, SystemIds(), LEASE, lambda: False)

    def deliver(self, submitter: Submitter | None = None) -> None:
        """One round of the daemon's deliver step, into the Maildir where nothing else is said."""
        house = self.house
        way = submitter or make_submitter(
            house.settings, house.config_folder, house.state_dir, SystemIds(), self.clock
        )
        deliver_round(
            house.store, way, "node", self.clock, SystemJitter(1), house.settings.delivery.retry, LEASE, 100,
            lambda: False,
        )  # fmt: skip
        way.close()

    def take(self, octets: bytes, **more: Any) -> int:
        """Accept and ingest a mail; returns its spool id."""
        spool_id = self.accept(octets, **more)
        self.ingest()
        return spool_id

    def sql(self, statement: str, *parameters: Any) -> Any:
        """Run one statement in a transaction of its own; the first row of a SELECT."""
        database = self.house.store.database
        with database.write():
            cursor = database.sql(statement, parameters)
            return cursor.fetchone() if statement.startswith("SELECT") else None

    def state(self, name: str) -> str:
        """The state of "spool:1" or "outbox:1"."""
        table, _, row_id = name.partition(":")
        return str(self.sql(f"SELECT state FROM {table} WHERE id = ?", int(row_id))[0])

    def close(self) -> None:
        """Close the database."""
        self.house.store.close()


def make_config(folder: Path, more: str = "") -> Path:
    """The config folder of a desk under `folder`, whose state is there too."""
    where = folder / "config"
    where.mkdir()
    (where / "gateway.yaml").write_text(f"state_dir: {folder / 'var'}\n{CONFIG}{more}")
    (where / "agents.yaml").write_text(AGENTS)
    return where


def make_desk(folder: Path, postgres: str | None = None) -> Desk:
    """A desk on SQLite, or on the PostgreSQL database of this URL."""
    if postgres is None:
        return Desk(make_config(folder))
    database = Database(postgres)
    database.migrate()
    database.disconnect()
    where = make_config(
        folder, f"database: {{url: '{postgres}'}}\nsigning: {{keys: [{{id: a, secret: {{file: key}}}}]}}\n"
    )
    (where / "key").write_text("a secret that nobody knows")
    (where / "key").chmod(0o600)
    return Desk(where)


def imported(*arguments: str) -> set[str]:
    """The top-level modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gateway", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "typer" in names
    return names | {name.partition(".")[0] for name in names}


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def call(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str) -> Ran:
    """Run a command in this process, its options behind its name, the config at the end."""
    capsys.readouterr()
    code = main([*arguments, "--config", str(config)])
    shown = capsys.readouterr()
    return Ran(code, shown.out, shown.err)


def run(*arguments: str, given: bytes = b"", cwd: Path | None = None, **environment: str) -> Ran:
    """Run a command as a process."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        input=given,
        capture_output=True,
        cwd=cwd,
        env=os.environ | environment,
        check=False,
        timeout=60,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
