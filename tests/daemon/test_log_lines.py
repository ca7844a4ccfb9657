"""What an admin greps for: a mail is followed from its arrival to the hand-over of what it led to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import clear_contextvars, merge_contextvars
from structlog.testing import capture_logs

from gateway.daemon.ingest import ingest_round
from gateway.daemon.loops import deliver_loop
from gateway.daemon.wake import Wake
from gateway.delivery.maildir_submitter import MaildirSubmitter
from gateway.ports import Submitter
from gateway.runtime import SystemIds, SystemJitter
from gateway.settings.model import Settings
from gateway.store.database import Database
from gateway.store.store import Store
from tests.intake.smtp_tools import serving
from tests.pipeline_world import CountingIds, mail, policy
from tests.store.conftest import HandClock

SECRET = "confidential"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:{tmp_path / 'desk.db'}")
    database.migrate()
    made = Store(database, policy(), HandClock(), CountingIds())
    yield made
    made.close()


@contextmanager
def captured() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines
    clear_contextvars()


def deliver_all(store: Store, way: Submitter, clock: HandClock) -> None:
    wake = Wake()
    wake.poke()
    deliver_loop(
        store, way, "o", clock, SystemJitter(1), wake, None, lambda: store.outbox.next_due_at() is None
    )
    store.close()


def test_a_mail_is_followed_by_its_numbers_and_ids(store: Store, tmp_path: Path) -> None:
    clock = store.alerts._clock
    assert isinstance(clock, HandClock)
    with captured() as lines:
        raw = mail(f"{SECRET}\n", subject=SECRET)
        with serving(tmp_path, queues=[{"name": "support", "addresses": ["support@acme.example"]}]) as served:
            served.listeners._commit._spool = store.spool
            with served.client() as client:
                client.mail(raw.replace(b"\n", b"\r\n"), "support@acme.example")
        clock.go(seconds=3)
        ingest_round(store, "o", clock, CountingIds(), store.policy.settings.daemon.lease, lambda: False)
        clock.go(seconds=4)
        deliver_all(store, MaildirSubmitter(tmp_path / "mail", SystemIds()), clock)

    (accepted,) = [line for line in lines if line["event"] == "mail_accepted"]
    assert accepted["reverse_path"] == "kim@customer.example"
    assert accepted["forward_paths"] == ["support@acme.example"]
    assert (accepted["client"], accepted["queue"], accepted["agent"]) == ("127.0.0.1", "support", None)
    assert accepted["size"] == len(raw.replace(b"\n", b"\r\n"))

    (taken,) = [line for line in lines if line["event"] == "new_ticket"]
    assert taken["spool"] == accepted["spool"]
    assert (taken["message_id"], taken["sender"]) == ("m1@customer.example", "jana@customer.example")
    assert (taken["ticket"], taken["outcome"]) == (1001, "new ticket")

    sent = [line for line in lines if line["event"] == "delivery"]
    assert [line["outbox"] for line in sent] == taken["outbox"]
    assert "jana@customer.example" in [line["forward_path"] for line in sent]
    for line in sent:
        assert line["message_id"].startswith("1001.")
        assert line["relay"] == store.policy.settings.delivery.via.relay
        assert line["reply"].startswith("250 ")
        assert (line["outcome"], line["ticket"], line["attempt"], line["waited_s"]) == ("sent", 1001, 1, 4.0)

    assert SECRET not in repr(lines)
    told = [line["event"] for line in lines if line["log_level"] != "debug"]
    assert told == ["listening", "mail_accepted", "new_ticket", *["delivery"] * len(sent)], "one an outcome"


def test_a_line_of_another_thread_does_not_name_the_way_out(store: Store, tmp_path: Path) -> None:
    clock = store.alerts._clock
    assert isinstance(clock, HandClock)
    way = MaildirSubmitter(tmp_path / "mail", SystemIds())
    with captured() as lines:
        thread = threading.Thread(target=deliver_all, args=(store, way, clock))
        thread.start()
        thread.join()
        store.alerts.raise_("quarantine", "1", "look")
    (line,) = lines
    assert "relay" not in line


@pytest.mark.parametrize(
    ("via", "relay"),
    [
        ({"type": "smtp", "host": "mx.example.com"}, "mx.example.com:25"),
        (
            {"type": "smtp", "host": "mx.example.com", "user": "u", "password": {"env": "P"}},
            "mx.example.com:587",
        ),
        ({"type": "smtp", "host": "mx.example.com", "tls": {"mode": "implicit"}}, "mx.example.com:465"),
        ({"type": "smtp", "host": "mx.example.com", "port": 2525}, "mx.example.com:2525"),
        ({"type": "lmtp", "host": "store.example.com"}, "store.example.com:24"),
        ({"type": "lmtp", "socket": "/run/lmtp"}, "unix:/run/lmtp"),
        ({"type": "sendmail"}, "/usr/sbin/sendmail"),
        ({"type": "maildir"}, "maildir:mail"),
    ],
)
def test_each_way_out_has_a_name(via: dict[str, Any], relay: str) -> None:
    settings = Settings.model_validate(
        {
            "desk": {"address": "desk@example.com", "control_address": "control@example.com"},
            "queues": [{"name": "support", "addresses": ["support@example.com"]}],
            "delivery": {"via": via},
        }
    )
    assert settings.delivery.via.relay == relay
