"""`ticketgate accept`: what an MTA's pipe gives, and the exit code that tells the MTA what to do."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.accept import Refused, read_mail
from gateway.admin.main import main
from gateway.intake.buffer import FileRaw
from gateway.runtime import SystemClock
from gateway.store.database import Database
from gateway.store.models import Spool as SpoolRow
from gateway.store.spool import Spool

CONFIG = """\
state_dir: {state}
desk: {{address: desk@example.com, control_address: control@example.com}}
security: {{agent_trust: signed}}
signing: {{keys: [{{id: a, secret: {{file: signing.key}}}}]}}
queues:
  - {{name: support, addresses: [support@example.com]}}
  - {{name: billing, addresses: [billing@example.com]}}
listeners:
  - {{name: in, listen: "127.0.0.1:2525", limits: {{message_size: 100 KB}}}}
delivery: {{via: {{type: maildir}}}}
"""
AGENTS = "agents:\n  - {name: ada, display_name: Ada, address: ada@private.example}\n"
MAIL = b"Subject: hi\n\nhello\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(CONFIG.format(state=tmp_path / "state"))
    (folder / "agents.yaml").write_text(AGENTS)
    key = folder / "signing.key"
    key.touch(mode=0o600)
    key.write_text("0123456789abcdef0123456789abcdef")
    return folder


Accepting = Callable[..., tuple[int, str, str]]


@pytest.fixture
def accept(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Accepting:
    """Runs the command on a mail; gives exit code, standard output, standard error."""

    def run(octets: bytes, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(octets)))
        code = main(["accept", "--config", str(config), *arguments])
        return code, *capsys.readouterr()

    monkeypatch.setattr("gateway.admin.accept.syslog.syslog", lambda *line: None)
    return run


def in_spool(config: Path) -> list[tuple[str, str | None, str | None, list[str], bytes]]:
    """(source, queue, reverse path, forward paths, octets) of what is stored."""
    database = Database(f"sqlite:{config.parent / 'state' / 'ticketgate.db'}")
    spool = Spool(database, SystemClock())
    try:
        with database.read():
            rows = database.rows(SpoolRow.select().order_by(SpoolRow.id))
        return [
            (row.source, row.queue, row.reverse_path, list(row.forward_paths), spool.raw(row.raw_mail_id))
            for row in rows
        ]
    finally:
        database.disconnect()


def test_a_pipe_of_an_mta(config: Path) -> None:
    command = [sys.executable, "-m", "gateway", "accept", "--config", str(config), "--queue", "support"]
    done = subprocess.run(command, input=MAIL, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"accepted as 1\n", b"")


def test_a_mail_is_stored_with_the_line_ends_of_the_wire(config: Path, accept: Accepting) -> None:
    done = accept(b"From kim Sat Jan  3 01:05:34 2026\n" + MAIL, "--queue", "support")
    assert done == (0, "accepted as 1\n", "")
    assert in_spool(config) == [("pipe", "support", None, [], b"Subject: hi\r\n\r\nhello\r\n")]


def test_the_envelope_is_kept_and_recipients_name_the_queues(config: Path, accept: Accepting) -> None:
    envelope = ("--sender", "<>", "--recipient", "Support@example.com", "--recipient", "control@example.com")
    assert accept(MAIL, *envelope) == (0, "accepted as 1, 2\n", "")
    assert [row[1:4] for row in in_spool(config)] == [
        ("support", "", ["Support@example.com"]),
        (None, "", ["control@example.com"]),
    ]


def test_without_queue_and_recipient_the_queue_is_found_later(config: Path, accept: Accepting) -> None:
    assert accept(MAIL, "--sender", "kim@customer.example")[0] == 0
    assert [row[1:4] for row in in_spool(config)] == [(None, "kim@customer.example", [])]


def test_the_system_log_says_what_was_taken_and_nothing_of_what_it_says(
    accept: Accepting, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("gateway.admin.accept.syslog.syslog", lambda level, line: told.append(line))
    accept(MAIL, "--sender", "kim@customer.example", "--recipient", "support@example.com")
    assert told == [
        "event='mail_accepted' spool=1 reverse_path='kim@customer.example'"
        " forward_paths=['support@example.com'] size=22"
    ]


@pytest.mark.parametrize(
    ("octets", "arguments", "code", "told"),
    [
        (b"", (), os.EX_DATAERR, "empty"),
        (b"From kim Sat Jan  3 01:05:34 2026\n", (), os.EX_DATAERR, "empty"),
        (b"x\n" * 60_000, (), os.EX_DATAERR, "too large"),
        (MAIL, ("--recipient", "nobody@example.com"), os.EX_NOUSER, "5.1.1"),
        (MAIL, ("--recipient", "support+x@example.com"), os.EX_NOUSER, "5.1.1"),
        (MAIL, ("--recipient", "not an address"), os.EX_NOUSER, "5.1.3"),
        (MAIL, ("--queue", "nobody"), os.EX_TEMPFAIL, "temporary trouble"),
        (MAIL, ("--no-such-option",), os.EX_TEMPFAIL, ""),
    ],
)
def test_what_is_not_taken_has_its_code(
    accept: Accepting, octets: bytes, arguments: tuple[str, ...], code: int, told: str
) -> None:
    exit_code, out, error = accept(octets, *arguments)
    assert (exit_code, out) == (code, "")
    assert told in error
    assert "Traceback" not in error


LATER = (os.EX_TEMPFAIL, "", "ticketgate: temporary trouble, try again later\n")


def test_trouble_of_ours_is_to_come_later_and_tells_nothing(config: Path, accept: Accepting) -> None:
    state = config.parent / "state"
    state.mkdir()
    (state / "ticketgate.db").write_bytes(b"this is no database, and the MTA must not hear of it" * 100)
    assert accept(MAIL, "--queue", "support") == LATER


def test_a_mistake_in_the_config_bounces_no_mail_and_tells_nothing(config: Path, accept: Accepting) -> None:
    (config / "gateway.yaml").write_text("desk: {address: no-address}\n")
    assert accept(MAIL) == LATER


def test_no_database_is_made_where_the_desk_does_not_live(
    config: Path, accept: Accepting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    (config / "gateway.yaml").write_text(CONFIG.format(state="var"))
    code, out, error = accept(MAIL, "--recipient", "support@example.com")
    assert (code, out) == (os.EX_TEMPFAIL, "")
    assert error.count("\n") == 1
    assert "start the daemon here once, or make state_dir absolute" in error
    assert list(home.iterdir()) == []


def test_a_relative_state_folder_is_right_where_the_desk_lives(
    config: Path, accept: Accepting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accept(MAIL, "--queue", "support")[0] == 0
    monkeypatch.chdir(tmp_path)
    (config / "gateway.yaml").write_text(CONFIG.format(state="state"))
    assert accept(MAIL, "--queue", "support") == (0, "accepted as 2\n", "")


def test_what_is_stored_is_its_owners_alone(config: Path, accept: Accepting) -> None:
    state = config.parent / "state"
    state.mkdir(mode=0o755)
    assert accept(MAIL, "--queue", "support")[0] == 0
    assert {path.name: path.stat().st_mode & 0o077 for path in state.iterdir()} == {"ticketgate.db": 0}


def test_a_signed_address_names_its_queue(config: Path, accept: Accepting) -> None:
    from gateway.mail.signed import AGENT, Signer

    signer = Signer({"a": b"0123456789abcdef0123456789abcdef"}, "a")
    address = signer.address("billing@example.com", 1042, AGENT, "ada@private.example")
    assert accept(MAIL, "--recipient", address)[0] == 0
    assert [row[1:4:2] for row in in_spool(config)] == [("billing", [address])]


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"\r", b"From "]), min_size=1, max_size=20).map(b"".join)
)
def test_a_local_mail_has_only_line_ends_of_the_wire(body: bytes) -> None:
    raw = FileRaw()
    read_mail(io.BytesIO(b"Subject: x\n" + body), raw, 10**6)
    octets = b"".join(raw.chunks())
    raw.close()
    assert octets.count(b"\n") == octets.count(b"\r\n")
    assert octets.replace(b"\r\n", b"\n") == b"Subject: x\n" + body.replace(b"\r\n", b"\n")


@given(st.binary(max_size=300))
def test_a_mail_from_the_wire_stays_as_it_is(body: bytes) -> None:
    raw = FileRaw()
    read_mail(io.BytesIO(b"Subject: x\r\n" + body), raw, 10**6)
    assert b"".join(raw.chunks()) == b"Subject: x\r\n" + body
    raw.close()


def test_a_carriage_return_at_the_end_of_a_block_is_no_line_end_of_its_own() -> None:
    body = b"x" * (64 * 1024 - 1) + b"\r\n"
    raw = FileRaw()
    read_mail(io.BytesIO(b"S\n" + body), raw, 10**6)
    assert b"".join(raw.chunks()) == b"S\r\n" + body
    raw.close()


def test_a_mail_that_is_too_large_is_not_read_to_its_end() -> None:
    stream = io.BytesIO(b"x\n" * 10**6)
    with FileRaw() as raw, pytest.raises(Refused):
        read_mail(stream, raw, 1000)
    assert stream.tell() < 200_000
