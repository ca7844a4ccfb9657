"""`queue list|show|retry|release|drop`: what an admin sees of waiting mail and does to it, and what the
daemon's own steps make of it afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.admin import queue as command
from gateway.admin.queue_view import header
from gateway.store.models import from_ms, to_ms
from gateway.store.queue_admin import QueueAdmin, Refused
from tests.admin.desk import Desk, Ran, Scripted, call, imported, mail, make_desk

HEAVY = {"mailparser", "lxml", "jinja2", "psycopg_binary", "rich", "structlog", "gateway.pipeline"}
FORGED = {"Authentication_Results": "mx.example.com; dmarc=fail header.from=example.com"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(make_desk(tmp_path)) as one:
        yield one


@pytest.fixture
def at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The desk, with the commands at its clock."""
    monkeypatch.setattr(command, "_now", desk.clock.now)
    return desk


def quarantined(desk: Desk) -> str:
    spool_id = desk.accept(mail("poison"))
    desk.sql(
        "UPDATE spool SET state = 'quarantined', attempts = 3, error = ? WHERE id = ?",
        "Traceback (most recent call last):\n  File somewhere\nValueError: boom \x1b[31m",
        spool_id,
    )
    return f"spool:{spool_id}"


def held(desk: Desk) -> str:
    name = f"spool:{desk.take(mail('forged', sender='petra@example.com', **FORGED))}"
    assert desk.state(name) == "hold"
    return name


def failed(desk: Desk) -> str:
    """Outbox 1, an acknowledgement that was refused; outbox 2 the notice, refused too."""
    desk.take(mail())
    desk.deliver(Scripted("failed", "550 5.1.1 no such user", "5.1.1"))
    assert desk.state("outbox:1") == "failed"
    return "outbox:1"


def queue(desk: Desk, capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    return call(capsys, desk.config, "queue", *arguments)


class TestList:
    def test_nothing_is_said_so(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        assert queue(desk, capsys, "list").out == "nothing waits, is held or has failed\n"

    def test_it_shows_what_waits_is_held_and_failed_with_the_reason(
        self, desk: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        failed(desk)
        name, other = held(desk), quarantined(desk)
        desk.accept(mail("waits"))
        out = queue(desk, capsys, "list").out
        lines = out.splitlines()
        assert all(len(line) <= 80 for line in lines)
        assert [line.split()[:2] for line in lines if line.startswith(("spool:", "outbox:"))][:3] == [
            [name, "hold"], [other, "quarantined"], ["spool:4", "received"],
        ]  # fmt: skip
        for words in ("    held: forged_agent", "    ValueError: boom", "    550 5.1.1 no such user"):
            assert words in out
        assert "\x1b" not in out
        assert "spool:1 " not in out

    def test_all_shows_what_is_done_too(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        desk.take(mail())
        desk.deliver()
        value = queue(desk, capsys, "list", "--all", "--json").json
        assert [(one["id"], one["state"], one["subject"]) for one in value["spool"]] == [
            ("spool:1", "done", "Printer on fire")
        ]
        assert [(one["id"], one["state"]) for one in value["outbox"]] == [
            ("outbox:1", "sent"), ("outbox:2", "sent"),
        ]  # fmt: skip
        assert (value["spool_total"], value["outbox_total"]) == (1, 2)
        assert queue(desk, capsys, "list", "--json").json["spool"] == []

    def test_many_are_cut_and_counted(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        for number in range(3):
            desk.accept(mail(f"mail {number}"))
        out = queue(desk, capsys, "list", "--limit", "2").out
        assert "the newest 2 of 3" in out
        assert "mail 0" not in out
        assert "mail 2" in out


class TestShow:
    def test_a_quarantined_mail_has_its_traceback_and_the_way_on(
        self, desk: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = quarantined(desk)
        out = queue(desk, capsys, "show", name).out
        for words in (
            f"{name}  quarantined",
            "sender      jane@example.org (envelope)",
            "  ValueError: boom",
            f"ticketgate queue retry {name}",
        ):
            assert words in out
        assert "\x1b" not in out

    def test_an_outgoing_mail_has_its_outcome(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        out = queue(desk, capsys, "show", failed(desk)).out
        assert "outbox:1  failed" in out
        assert "reply       550 5.1.1 no such user" in out
        assert "sender      <> (null) (envelope)" in out
        value = queue(desk, capsys, "show", "outbox:1", "--json").json
        assert (value["state"], value["enhanced_status"], value["ticket"]) == ("failed", "5.1.1", 1001)

    def test_raw_is_the_mail_octet_by_octet(
        self, desk: Desk, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        octets = mail(body="x" * 3_000_000 + "\n")
        desk.accept(octets)
        from gateway.admin.main import main

        assert main(["queue", "show", "spool:1", "--raw", "--config", str(desk.config)]) == 0
        assert capfdbinary.readouterr().out == octets

    def test_raw_of_an_outgoing_mail_is_what_is_sent(
        self, desk: Desk, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        body = b"--b\r\n\r\nsee\r\n--b\r\nContent-Type: text/x-a\r\n\r\nA\r\n--b--\r\n"
        head = mail(Content_Type="x/y").partition(b"Content-Type:")[0]
        desk.take(head + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + body)
        assert desk.sql("SELECT attachments FROM outbox_mail WHERE outbox_id = 2") != (None,)
        desk.deliver()
        from gateway.admin.main import main

        capfdbinary.readouterr()
        assert main(["queue", "show", "outbox:2", "--raw", "--config", str(desk.config)]) == 0
        shown = capfdbinary.readouterr().out
        (file,) = (tmp_path / "var" / "mail" / "new").glob("0000000002.*")
        assert shown.replace(b"\r\n", b"\n") == file.read_bytes().split(b"\n", 2)[2]
        assert b"text/x-a" in shown

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("spool:9", os.EX_NOINPUT),
            ("9", os.EX_NOINPUT),
            ("inbox:1", os.EX_USAGE),
            ("spool:x", os.EX_USAGE),
            ("1", os.EX_USAGE),
        ],
    )
    def test_what_names_no_mail_or_two_is_told_in_a_line(
        self, desk: Desk, capsys: pytest.CaptureFixture[str], name: str, code: int
    ) -> None:
        desk.take(mail())
        ran = queue(desk, capsys, "show", name)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)

    def test_a_number_alone_does_where_one_queue_has_it(
        self, desk: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        desk.accept(mail())
        assert queue(desk, capsys, "show", "1").out.startswith("spool:1  received")

    @pytest.mark.parametrize(
        ("head", "subject"),
        [
            (b"Subject: =?utf-8?q?Tisk=C3=A1rna?=\n\n", "Tiskárna"),
            (b"Subject: =?unheard-of?q?x?=\n\n", "=?unheard-of?q?x?="),
            (b"Subject: =?utf-8?b?x?=\n\n", "=?utf-8?b?x?="),
            ("Subject: Tiskárna\r\n hoří\r\n".encode(), "Tiskárna\r\n hoří"),
            (b"\xff\xfe\0", ""),
        ],
    )
    def test_a_header_is_shown_as_well_as_can_be(self, head: bytes, subject: str) -> None:
        assert header(head, "Subject") == subject


class TestRetry:
    def test_a_quarantined_mail_becomes_its_ticket(
        self, at: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = quarantined(at)
        ran = queue(at, capsys, "retry", name)
        assert (ran.code, ran.out) == (0, f"{name} is tried again\n")
        assert at.sql("SELECT state, attempts FROM spool WHERE id = 1")[:2] == ("received", 0)
        at.ingest()
        assert at.sql("SELECT state, ticket_id FROM spool WHERE id = 1") == ("done", 1001)

    def test_a_failed_mail_is_sent_with_a_new_expiry(
        self, at: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = failed(at)
        at.clock.at += timedelta(days=30)
        assert queue(at, capsys, "retry", name).out == f"{name} is sent again\n"
        state, attempts, expire_at, done_at = at.sql(
            "SELECT state, attempts, expire_at, done_at FROM outbox WHERE id = 1"
        )
        assert (state, attempts, done_at) == ("queued", 0, None)
        assert from_ms(expire_at) == at.clock.at + timedelta(days=5)
        at.deliver()
        assert at.state(name) == "sent"
        assert at.sql("SELECT actor, data FROM event WHERE kind = 'mail_retried'") == (
            "admin",
            '{"outbox":1}',
        )

    def test_what_cannot_be_tried_again_is_refused_and_the_others_are_done(
        self, at: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        at.take(mail())
        at.deliver()
        waiting, name = held(at), quarantined(at)
        ran = queue(at, capsys, "retry", "spool:1", "outbox:1", waiting, name)
        assert ran.code == os.EX_DATAERR
        assert ran.out == f"{name} is tried again\n"
        told = ran.err.splitlines()
        assert "spool:1 is done already" in told[0]
        assert "outbox:1 was sent already" in told[1]
        assert f"`ticketgate queue release {waiting}` lets it in" in told[2]

    def test_json_tells_each(self, at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        name = quarantined(at)
        assert queue(at, capsys, "retry", name, "--json").json == {
            "results": [{"id": name, "done": True, "text": f"{name} is tried again"}]
        }


class TestRelease:
    def test_a_held_mail_comes_in_as_it_is(self, at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        name = held(at)
        assert queue(at, capsys, "release", name).out == (
            f"{name} is let in: it makes a new ticket in the queue support; no acknowledgement;"
            " agents told: petra@example.com\n"
        )
        at.ingest()
        assert at.sql("SELECT state, outcome, ticket_id FROM spool WHERE id = 1") == (
            "done", "new ticket", 1001,
        )  # fmt: skip

    def test_only_held_mail_can_be_let_in(self, at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        failed(at)
        ran = queue(at, capsys, "release", quarantined(at), "outbox:1")
        assert (ran.code, ran.out) == (os.EX_DATAERR, "")
        assert "it is in quarantine: use `queue retry`" in ran.err
        assert "only mail that came in is held" in ran.err


class TestDrop:
    def test_dropped_mail_is_never_worked_on(self, at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        at.accept(mail())
        assert queue(at, capsys, "drop", "spool:1", "--yes").out == "spool:1 is dropped\n"
        at.ingest()
        assert at.sql("SELECT state, outcome, ticket_id FROM spool WHERE id = 1") == (
            "done", "dropped by admin", None,
        )  # fmt: skip
        assert queue(at, capsys, "drop", "spool:1", "--yes").code == os.EX_DATAERR

    def test_dropped_mail_is_never_sent(
        self, at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        at.take(mail())
        assert queue(at, capsys, "drop", "outbox:1", "-y").code == 0
        at.deliver()
        assert [at.state(name) for name in ("outbox:1", "outbox:2")] == ["dropped", "sent"]
        assert at.sql("SELECT actor FROM event WHERE kind = 'mail_dropped'") == ("admin",)

    def test_it_asks_first(
        self, at: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at.accept(mail())
        monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
        ran = queue(at, capsys, "drop", "spool:1")
        assert (ran.code, at.state("spool:1")) == (os.EX_USAGE, "received")
        assert "--yes" in ran.err
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        for answer, state in ((False, "received"), (True, "done")):
            monkeypatch.setattr("typer.confirm", lambda text, err, answer=answer: answer)
            ran = queue(at, capsys, "drop", "spool:1")
            assert at.state("spool:1") == state
            assert "from jane@example.org: Printer on fire" in ran.err


class TestLeases:
    @pytest.mark.parametrize("verb", [("retry",), ("drop", "--yes")])
    @pytest.mark.parametrize("name", ["spool:1", "outbox:1"])
    def test_what_is_being_worked_on_is_left_alone_unless_forced(
        self, at: Desk, capsys: pytest.CaptureFixture[str], name: str, verb: tuple[str, ...]
    ) -> None:
        at.take(mail())
        table, _, _ = name.partition(":")
        at.sql(
            f"UPDATE {table} SET state = ?, lease_owner = 'other/1', lease_until = ? WHERE id = 1",
            "received" if table == "spool" else "queued",
            to_ms(at.clock.at + timedelta(minutes=1)),
        )
        ran = queue(at, capsys, *verb, name)
        assert ran.code == os.EX_DATAERR
        assert f"{name} is being worked on by other/1 until 08:16:00 UTC" in ran.err
        assert queue(at, capsys, *verb, name, "--force").code == 0
        assert at.sql(f"SELECT lease_owner FROM {table} WHERE id = 1") == (None,)

    def test_a_lease_that_ended_is_no_hindrance(self, at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        at.accept(mail())
        at.sql("UPDATE spool SET lease_owner = 'dead/1', lease_until = ? WHERE id = 1", to_ms(at.clock.at))
        assert queue(at, capsys, "retry", "spool:1").code == 0


def test_on_postgresql_it_is_the_same(
    tmp_path: Path,
    postgres_database: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(make_desk(tmp_path, postgres_database)) as desk:
        monkeypatch.setattr(command, "_now", desk.clock.now)
        failed(desk)
        name, other = held(desk), quarantined(desk)
        assert "no such user" in queue(desk, capsys, "list", "--all").out
        assert "ValueError: boom" in queue(desk, capsys, "show", other).out
        assert queue(desk, capsys, "release", name).code == 0
        assert queue(desk, capsys, "retry", other, "outbox:1").code == 0
        assert queue(desk, capsys, "drop", "outbox:2", "--yes").code == 0
        desk.ingest()
        desk.deliver()
        assert [desk.state(one) for one in (name, other, "outbox:1", "outbox:2")] == [
            "done", "done", "sent", "dropped",
        ]  # fmt: skip


def test_a_refusal_changes_nothing(desk: Desk) -> None:
    admin = QueueAdmin(desk.house.store.database, datetime(2026, 11, 23, tzinfo=UTC))
    desk.take(mail())
    before = desk.sql("SELECT state, next_try_at, outcome FROM spool")
    for act in (admin.retry_spool, admin.release_spool, admin.drop_spool):
        for spool_id in (1, 99):
            with pytest.raises(Refused):
                act(spool_id)
    assert desk.sql("SELECT state, next_try_at, outcome FROM spool") == before


def test_it_starts_light(desk: Desk) -> None:
    desk.accept(mail())
    for arguments in (("show", "spool:1"), ("retry", "spool:1")):
        assert not imported("queue", *arguments, "--config", str(desk.config)) & HEAVY
