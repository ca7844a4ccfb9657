"""The listener over the real spool on SQLite: what 250 was said to is in the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.runtime import SystemClock
from gateway.store.database import Database
from gateway.store.models import Spool as SpoolRow
from gateway.store.spool import Spool
from tests.intake.smtp_tools import serving


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:{tmp_path / 'desk.db'}")
    yield opened
    opened.disconnect()


def rows(database: Database) -> list[Any]:
    with database.read():
        return database.rows(SpoolRow.select().order_by(SpoolRow.id))


def test_a_mail_of_many_megabytes_comes_out_as_it_went_in(tmp_path: Path, database: Database) -> None:
    database.migrate()
    spool: Any = Spool(database, SystemClock())
    spool.gate = None
    body = b"".join(b"%07d" % number + b"y" * 990 + b"\r\n" for number in range(3000))
    with serving(tmp_path, spool=spool, at_end=database.disconnect) as served, served.client() as client:
        assert client.mail(body, "support@example.com", "control@example.com") == "250 2.0.0 accepted as 1, 2"
        one, two = rows(database)
        assert (one.queue, two.queue, one.client) == ("support", None, "127.0.0.1")
        assert one.raw_mail_id == two.raw_mail_id, "the octets are stored once"
        assert spool.raw(one.raw_mail_id) == body


def test_a_database_that_cannot_be_used_is_451_until_it_can(tmp_path: Path, database: Database) -> None:
    spool: Any = Spool(database, SystemClock())
    spool.gate = None
    with serving(tmp_path, spool=spool, at_end=database.disconnect) as served, served.client() as client:
        assert client.mail() == "451 4.3.0 Temporary trouble here, try again later"
        database.migrate()
        assert client.mail() == "250 2.0.0 accepted as 1"
        assert len(rows(database)) == 1
