"""What `queue show` and `queue release` say that letting a held mail in does, held against what it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import queue as command
from gateway.daemon.house import KEY_FILE
from tests.admin.desk import Desk, Ran, call, mail, make_desk

AGENT_TOLD = "agents told: petra@example.com"


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with ticket 1001 of Jane, and the commands at its clock."""
    with closing(make_desk(tmp_path)) as desk:
        monkeypatch.setattr(command, "_now", desk.clock.now)
        desk.take(mail())
        yield desk


def held(desk: Desk, body: str, role: str = "a", **more: str) -> str:
    """A reply of Petra's to a notice, of which nothing proves that it is hers."""
    to = desk.house.policy.signer.address("support@example.com", 1001, role, "petra@example.com")
    raw = mail("Re: Printer", body, "Petra <petra@example.com>", To=to, **more)
    name = f"spool:{desk.take(raw, reverse_path='petra@example.com', forward_paths=(to,))}"
    assert desk.state(name) == "hold"
    return name


def queue(desk: Desk, capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    return call(capsys, desk.config, "queue", *arguments)


def told(desk: Desk, capsys: pytest.CaptureFixture[str], name: str) -> str:
    """What `show` says for people; `show --json` and `release` must say the same."""
    (line,) = [one for one in queue(desk, capsys, "show", name).out.splitlines() if "if let in" in one]
    words = line.partition("if let in")[2].strip()
    assert queue(desk, capsys, "show", name, "--json").json["release"] == words
    before = (
        desk.sql("SELECT count(*) FROM entry"),
        desk.sql("SELECT value FROM counter WHERE name = 'ticket'"),
    )
    assert queue(desk, capsys, "release", name).out == f"{name} is let in: {words}\n"
    assert before == (
        desk.sql("SELECT count(*) FROM entry"),
        desk.sql("SELECT value FROM counter WHERE name = 'ticket'"),
    ), "asking changes nothing"
    return words


def done(desk: Desk) -> tuple[Any, list[str]]:
    """((kind, author) of the newest entry, recipients of the newest mails to customers)."""
    last = desk.sql("SELECT max(id) FROM outbox")[0]
    desk.ingest()
    with desk.house.store.database.read():
        sent = desk.house.store.database.sql(
            "SELECT forward_path FROM outbox WHERE id > ? AND audience = 'customer' ORDER BY id", (last,)
        ).fetchall()
    return desk.sql("SELECT kind, author FROM entry ORDER BY id DESC LIMIT 1"), [path for (path,) in sent]


def test_a_note_stays_a_note(at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = held(at, "Jane is rude.\n", role="n")
    assert told(at, capsys, name).startswith(
        "it becomes an internal note on DESK-1001; nobody outside hears of it"
    )
    assert done(at) == (("note", "agent"), [])


def test_an_answer_goes_to_the_customer(at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = held(at, "Pull the plug.\n")
    assert told(at, capsys, name).startswith(
        "it goes out as an answer on DESK-1001, word for word to jane@example.org"
    )
    assert done(at) == (("public", "agent"), ["jane@example.org"])


def test_a_word_that_is_no_command_goes_with_the_answer(at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = held(at, "#close\nPull the plug.\n")
    words = told(at, capsys, name)
    assert "word for word, with #close at its beginning, to jane@example.org" in words
    assert done(at) == (("public", "agent"), ["jane@example.org"])
    at.deliver()
    (sent,) = [
        text
        for path in (at.house.state_dir / "mail" / "new").iterdir()
        if "\nDelivered-To: jane@example.org" in "\n" + (text := path.read_text()) and "Pull" in text
    ]
    assert "#close" in sent


def test_a_note_by_its_first_word_stays_a_note(at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = held(at, "#note\nJane is rude.\n")
    assert "internal note on DESK-1001" in told(at, capsys, name)
    assert done(at) == (("note", "agent"), [])


def test_of_a_mail_that_is_not_held_nothing_is_said(at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert "if let in" not in queue(at, capsys, "show", "spool:1").out
    assert queue(at, capsys, "show", "spool:1", "--json").json["release"] is None


def test_without_the_signing_key_it_is_not_guessed(at: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = held(at, "Pull the plug.\n")
    (at.house.state_dir / KEY_FILE).unlink()
    assert "if let in   cannot be told: the signing key cannot be read" in queue(at, capsys, "show", name).out


def test_a_mail_on_which_a_stage_breaks_is_told(
    at: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = held(at, "Pull the plug.\n")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.pipeline.decide", broken)
    assert "breaks (ZeroDivisionError); it would go to quarantine" in queue(at, capsys, "show", name).out
