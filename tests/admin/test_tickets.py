"""`tickets list|show|search` on a store that real ingest and deliver rounds have filled, on SQLite and on
PostgreSQL."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.tables import cells, shorten, table
from gateway.store.admin_views import fold
from tests.admin.desk import Desk, Scripted, call, imported, mail, make_config, make_desk, run

HEAVY = {
    "mailparser",
    "lxml",
    "jinja2",
    "psycopg_binary",
    "rich",
    "structlog",
    "gateway.pipeline",
    "playhouse",
}


def fill(desk: Desk) -> Desk:
    """1001: Jane's, acknowledged, with her answer from 20 minutes later. 1002: a machine's Czech mail to
    billing, of which the notice was refused."""
    desk.take(mail())
    desk.deliver()
    desk.clock.at += timedelta(minutes=10)
    desk.take(
        mail(
            "Přeplacená faktura",
            "Příliš žluťoučký kůň.\n",
            "Žofie Nová <zofie@example.cz>",
            To="billing@example.com",
            Auto_Submitted="auto-generated",
        ),
        queue="billing",
    )
    desk.deliver(Scripted("failed", "550 5.1.1 no such user", "5.1.1"))
    desk.clock.at += timedelta(minutes=10)
    (sent,) = desk.sql("SELECT message_id FROM outbox WHERE id = 1")
    desk.take(mail("Re: Printer on fire", "It still burns.\n", In_Reply_To=f"<{sent}>"))
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(make_desk(tmp_path)) as one:
        yield one


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Read by many tests, changed by none."""
    with closing(fill(make_desk(tmp_path_factory.mktemp("desk")))) as one:
        yield one


class TestList:
    def test_the_last_changed_stands_first(self, filled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        head, *rows = call(capsys, filled.config, "tickets", "list").out.splitlines()
        assert head.split() == ["TICKET", "STATE", "PRIORITY", "CHANGED", "REQUESTER", "SUBJECT"]
        assert [row.split()[0] for row in rows] == ["DESK-1001", "DESK-1002"]
        assert "2026-11-23 09:35" in rows[0], "in the desk's zone"
        assert all(cells(row) <= 80 for row in rows)

    @pytest.mark.parametrize(
        ("arguments", "numbers"),
        [
            ((), [1001, 1002]),
            (("--queue", "billing"), [1002]),
            (("--state", "pending"), []),
            (("--state", "pending", "--state", "new"), [1001, 1002]),
            (("--state", "all", "--limit", "1"), [1001]),
        ],
    )
    def test_it_can_be_narrowed(
        self, filled: Desk, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], numbers: list[int]
    ) -> None:
        value = call(capsys, filled.config, "tickets", "list", "--json", *arguments).json
        assert [one["number"] for one in value["tickets"]] == numbers

    def test_closed_tickets_are_left_out_until_they_are_asked_for(
        self, desk: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(desk).sql("UPDATE ticket SET state = 'closed' WHERE id = 1001")
        for arguments, total in (((), 1), (("--state", "all"), 2), (("--state", "closed"), 1)):
            assert call(capsys, desk.config, "tickets", "list", "--json", *arguments).json["total"] == total

    def test_json_has_its_fields(self, filled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        value = call(capsys, filled.config, "tickets", "list", "--json").json
        assert value["tickets"][1] == {
            "label": "DESK-1002",
            "number": 1002,
            "queue": "billing",
            "state": "new",
            "priority": "normal",
            "subject": "Přeplacená faktura",
            "requester": {"name": "Žofie Nová", "address": "zofie@example.cz"},
            "assignee": None,
            "category": None,
            "language": value["tickets"][1]["language"],
            "created_at": "2026-11-23T08:25:00Z",
            "updated_at": "2026-11-23T08:25:00Z",
            "merged_into": None,
            "continues": None,
        }

    def test_more_than_is_shown_is_told(self, filled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        assert "1 of 2 tickets" in call(capsys, filled.config, "tickets", "list", "--limit", "1").err

    def test_an_unknown_state_or_queue_is_told(
        self, filled: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ran = call(capsys, filled.config, "tickets", "list", "--state", "opened")
        assert ran.code == os.EX_USAGE
        assert "on_hold" in ran.err
        ran = call(capsys, filled.config, "tickets", "list", "--queue", "sales")
        assert "there are: support, billing" in ran.err


class TestShow:
    @pytest.mark.parametrize("name", ["1001", "DESK-1001", "desk-1001", "#1001", "[DESK-1001-ak7qf]"])
    def test_a_ticket_goes_by_many_names(
        self, filled: Desk, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        ran = call(capsys, filled.config, "tickets", "show", name)
        assert (ran.code, ran.out.splitlines()[0]) == (0, "DESK-1001  Printer on fire")

    @pytest.mark.parametrize(
        ("name", "code"), [("7", os.EX_NOINPUT), ("ACME-1001", os.EX_USAGE), ("one", os.EX_USAGE)]
    )
    def test_what_is_no_ticket_is_told_in_a_line(
        self, filled: Desk, capsys: pytest.CaptureFixture[str], name: str, code: int
    ) -> None:
        ran = call(capsys, filled.config, "tickets", "show", name)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)

    def test_it_shows_each_entry_with_its_evidence_and_what_became_of_the_mails(
        self, filled: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = call(capsys, filled.config, "tickets", "show", "1001").out
        for words in (
            "requester   Jane Doe <jane@example.org>",
            "#1  2026-11-23 09:15  customer",
            "│ My printer is on fire.",
            "→ acknowledgement to jane@example.org: sent",
            "#3  2026-11-23 09:35  customer",
            "own message id 1001.",
            "holds: ticket 1001, issued to this sender",
            "→ customer reply to petra@example.com: queued  next try",
        ):
            assert words in out
        assert "History" not in out
        out = call(capsys, filled.config, "tickets", "show", "1002").out
        assert "→ new ticket to petra@example.com: failed" in out
        assert "550 5.1.1 no such user" in out

    def test_the_history_is_the_trail(self, filled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        out = call(capsys, filled.config, "tickets", "show", "1001", "--history").out
        _, _, history = out.partition("History\n")
        assert [line.split("  ")[2].split(" by ")[0] for line in history.splitlines()] == [
            "created",
            "customer replied",
        ]

    def test_json_holds_all_of_it(self, filled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        value = call(capsys, filled.config, "tickets", "show", "1001", "--json").json
        assert set(value) == {"ticket", "participants", "entries", "mails", "events"}
        assert value["ticket"]["label"] == "DESK-1001"
        assert [one["from"]["address"] for one in value["entries"]] == ["jane@example.org"] * 2
        assert value["entries"][1]["evidence"][0]["accepted"] is True
        assert set(value["entries"][0]) == {
            "id", "kind", "author", "agent", "from", "queue", "message_id", "subject", "text", "new_text",
            "quoted", "signature", "attachments", "evidence", "screening", "created_at",
        }  # fmt: skip
        assert [(one["kind"], one["state"]) for one in value["mails"]] == [
            ("acknowledgement", "sent"), ("new_ticket", "sent"), ("customer_reply", "queued"),
        ]  # fmt: skip

    def test_a_report_that_came_later_stands_with_its_mail(
        self, desk: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (sent,) = fill(desk).sql("SELECT message_id FROM outbox WHERE id = 1")
        desk.take(
            b"From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\n"
            b"no\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n"
            b"Final-Recipient: rfc822; jane@example.org\r\nAction: failed\r\nStatus: 5.2.2\r\n"
            b"Diagnostic-Code: smtp; 552 mailbox full\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
            b"Message-ID: <" + str(sent).encode() + b">\r\n\r\n--b--\r\n",
            reverse_path="",
        )
        assert "5.2.2 552 mailbox full" in call(capsys, desk.config, "tickets", "show", "1001").out

    def test_no_mail_commands_the_terminal(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        desk.take(
            mail(
                "=?utf-8?q?=1B]0;x=07?=", "\x1b[2J \u202e gone\n", sender="=?utf-8?q?=1B[31m?= <a@b.example>"
            )
        )
        for arguments in (("list",), ("show", "1001", "--full", "--history"), ("search", "gone")):
            out = call(capsys, desk.config, "tickets", *arguments).out
            assert "gone" in out or arguments == ("list",)
            assert not set(out) & {"\x1b", "\x07", "\u202e"}


class TestSearch:
    @pytest.mark.parametrize(
        ("words", "numbers"),
        [
            (["PRINTER"], [1001]),
            (["zlutoucky"], [1002]),
            (["ŽLUŤOUČKÝ", "zofie"], [1002]),
            (["faktura", "printer"], []),
            (["printer", "still burns"], [1001]),
            (["jane@example.org"], [1001]),
            (["zofie nova"], [1002]),
            (["on%fire"], []),
            (["_"], []),
            (["'"], []),
        ],
    )
    def test_all_words_must_be_there_whatever_their_case_and_accents(
        self, filled: Desk, capsys: pytest.CaptureFixture[str], words: list[str], numbers: list[int]
    ) -> None:
        ran = call(capsys, filled.config, "tickets", "search", "--json", *words)
        assert [one["ticket"]["number"] for one in ran.json["found"]] == numbers
        assert ran.code == (0 if numbers else 1)

    def test_it_shows_the_line_that_holds_the_first_word(
        self, filled: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ran = call(capsys, filled.config, "tickets", "search", "burns", "printer")
        assert ran.out.splitlines()[2:] == ["    It still burns."]

    def test_nothing_to_look_for_is_told(self, filled: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        assert call(capsys, filled.config, "tickets", "search", " ").code == os.EX_USAGE
        ran = call(capsys, filled.config, "tickets", "search", "unicorn")
        assert (ran.code, ran.out, ran.err) == (1, "", "nothing found\n")


def test_on_postgresql_it_is_the_same(
    tmp_path: Path, postgres_database: str, filled: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(fill(make_desk(tmp_path, postgres_database))) as desk:
        for arguments in (
            ("list",),
            ("show", "1001", "--history"),
            ("search", "ZLUTOUCKY", "zofie nova"),
            ("search", "printer", "still burns"),
            ("search", "on%fire"),
        ):
            there = call(capsys, desk.config, "tickets", *arguments)
            here = call(capsys, filled.config, "tickets", *arguments)
            assert _unsigned(there.out) == _unsigned(here.out)
            assert (there.code, there.err) == (here.code, here.err)


def _unsigned(text: str) -> str:
    """Without what is signed, as the two desks have different keys."""
    return re.sub(r"1001\.c\S+", "1001.c", text)


class TestTheDatabaseIsNotThere:
    def test_it_is_not_made(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ran = call(capsys, make_config(tmp_path), "tickets", "list")
        assert ran.code == os.EX_UNAVAILABLE
        assert "`ticketgate run` makes it" in ran.err
        assert not (tmp_path / "var").exists()

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ("DELETE FROM schema_migration", "of an older version"),
            ("INSERT INTO schema_migration (name, applied) VALUES ('9999_next', '')", "of a newer version"),
            ("DROP TABLE schema_migration", "holds no tables yet"),
        ],
    )
    def test_another_version_is_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, told: str
    ) -> None:
        with closing(make_desk(tmp_path)) as desk:
            desk.sql(change)
            ran = call(capsys, desk.config, "tickets", "list")
            assert ran.code == os.EX_UNAVAILABLE
            assert told in ran.err

    def test_a_file_that_is_no_database_is_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "ticketgate.db").write_text("hello " * 1000)
        ran = call(capsys, make_config(tmp_path), "tickets", "list")
        assert (ran.code, ran.err.count("\n")) == (os.EX_UNAVAILABLE, 1)
        assert "not a database" in ran.err


def test_it_starts_light(filled: Desk) -> None:
    assert not imported("tickets", "search", "printer", "--config", str(filled.config)) & HEAVY


def test_the_command_as_a_process_in_a_plain_locale(filled: Desk) -> None:
    ran = run("tickets", "list", "--config", str(filled.config), PYTHONIOENCODING="ascii")
    assert (ran.code, ran.err) == (0, "")
    assert "P?eplacen? faktura" in ran.out


class TestTables:
    @given(st.text(max_size=30), st.integers(2, 40))
    def test_what_is_shortened_fits(self, text: str, width: int) -> None:
        assert cells(shorten(text, width)) <= max(width, cells(text) if cells(text) <= width else 0)

    def test_columns_line_up_with_wide_letters_too(self) -> None:
        shown = table(("A", "B"), [("漢字", "x"), ("abc", "y" * 90)], flexible=1, width=40)
        rows = shown.splitlines()
        assert [row.rstrip() for row in rows[:2]] == ["A     B", "漢字  x"]
        assert cells(rows[2]) == 40

    @given(st.text())
    def test_folding_twice_changes_nothing_more(self, text: str) -> None:
        assert fold(fold(text)) == fold(text)

    def test_folding(self) -> None:
        assert [fold(text) for text in ("Žluťoučký", "ŘEKA", "ﬁn", "Straße", None)] == [
            "zlutoucky", "reka", "fin", "straße", "",
        ]  # fmt: skip
