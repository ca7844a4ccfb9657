"""The daemon as a process: how it ends, how it greets, what its exit codes and its files are."""

from __future__ import annotations

import contextlib
import os
import smtplib
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.admin import main as frame
from tests.desk import Desk

MAIL = b"From: you@example.org\r\nTo: support@example.test\r\nSubject: Hello\r\n\r\nIt burns.\r\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    yield one
    one.close()


def test_it_ends_in_time_while_another_process_holds_the_database(desk: Desk) -> None:
    port = desk.listener("in")
    desk.start()
    path = desk.folder / "var" / "ticketgate.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.ehlo()
            client.mail("you@example.org")
            client.rcpt("support@example.test")
            assert client.docmd("DATA")[0] == 354
            client.send(MAIL + b".\r\n")
            began = time.monotonic()
            assert desk.stop() == 0
            took_s = time.monotonic() - began
            client.close()
    assert took_s < 9.0, desk.log()
    assert "parts_late" in desk.log()
    assert "'stopped'" in desk.log()


def test_a_database_that_is_away_is_no_reason_to_stay_down(desk: Desk) -> None:
    desk.settings["database"] = {"url": "postgresql://nobody@127.0.0.1:1/none"}
    desk.write_config()
    done = desk.run("run")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr.count(b"\n") == 1


def test_its_files_are_its_own_also_in_a_folder_that_was_there(desk: Desk) -> None:
    state = desk.folder / "var"
    state.mkdir(mode=0o755)
    desk.start()
    assert desk.stop() == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in state.iterdir()}
    assert "ticketgate.db" in modes
    assert set(modes.values()) == {0}, modes


def test_it_names_the_program_as_it_was_called(desk: Desk) -> None:
    script = desk.folder / "bin" / "ticketgate"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom gateway.admin.main import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    desk.listener("in")
    desk.start(command=["bin/ticketgate", "run", "--config", "config"])
    assert desk.stop() == 0
    greeting = (desk.folder / "one.out").read_text()
    assert "swaks is in the package swaks" in greeting
    (line,) = [line for line in greeting.splitlines() if "tickets list" in line]
    command = line.partition(":")[2]
    done = subprocess.run(
        command, shell=True, cwd=desk.folder, env=desk.environment(), capture_output=True, check=False
    )
    assert (command.split()[0], done.returncode) == ("bin/ticketgate", 0), done.stderr


@pytest.mark.parametrize(
    ("called", "shown"),
    [
        ("ticketgate", "ticketgate"),
        (".venv/bin/ticketgate", ".venv/bin/ticketgate"),
        ("/opt/my desk/ticketgate", "'/opt/my desk/ticketgate'"),
        ("/usr/lib/python3/gateway/__main__.py", "ticketgate"),
        ("pytest", "ticketgate"),
    ],
)
def test_the_name_of_the_program(monkeypatch: pytest.MonkeyPatch, called: str, shown: str) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setenv("PATH", "/nowhere")
    assert frame.program() == shown


def test_the_plain_name_is_enough_where_the_path_leads_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "ticketgate"
    script.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert frame.program() == "ticketgate"
