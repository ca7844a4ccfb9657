"""The frame of the command line: what it lists, loads, completes and answers, and how little it imports."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from gateway.admin import main as frame
from gateway.admin.options import config_folder
from gateway.resources import config_folder as example

REPO = Path(__file__).resolve().parents[2]
HEAVY = {"lxml", "mailparser", "jinja2", "aiosmtpd", "psycopg", "rich", "peewee", "imapclient", "structlog"}


def run(*arguments: str, env: dict[str, str] | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        cwd=REPO,
        env=os.environ | (env or {}),
        check=False,
        **more,
    )


def imported(*arguments: str) -> set[str]:
    """The top-level modules that a command imports."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        cwd=REPO,
        check=True,
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 50
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [("--help",), ("check", "--help"), ("check",), ("--version",)])
def test_light_commands_import_no_heavy_library(arguments: tuple[str, ...]) -> None:
    modules = imported(*arguments)
    assert "typer" in modules
    assert not modules & HEAVY
    assert ("ruamel" in modules) is (arguments == ("check",))


def test_a_mail_of_plain_text_is_explained_without_what_it_does_not_need(tmp_path: Path) -> None:
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"From: a@example.org\r\nTo: support@example.com\r\n\r\nhello\r\n")
    modules = imported("explain", str(mail))
    assert "mailparser" in modules
    assert not modules & {"lxml", "inscriptis", "chardet", "structlog", "rich", "peewee", "aiosmtpd"}


def test_the_frame_leaves_the_process_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    frame.main(["--version"])
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_help_lists_every_command_without_loading_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for entry in frame.COMMANDS:
        assert f"  {entry.name} " in shown
        assert entry.help in shown


@pytest.mark.parametrize("entry", frame.COMMANDS, ids=lambda entry: entry.name)
def test_every_command_of_the_table_can_be_loaded(entry: frame.Entry) -> None:
    command = frame.load_command(entry)
    assert command.name == entry.name
    assert command.help


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["--version"]) == 0
    assert capsys.readouterr().out == f"ticketgate {__version__}\n"


def test_wrong_usage_is_told_with_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["chek"]) == os.EX_USAGE
    assert "Did you mean 'check'?" in capsys.readouterr().err
    assert frame.main(["check", "--no-such"]) == os.EX_USAGE
    assert "No such option" in capsys.readouterr().err
    assert frame.main([]) == os.EX_USAGE
    assert "Commands:" in capsys.readouterr().err


def table_of(monkeypatch: pytest.MonkeyPatch, text: str, tmp_path: Path, code: int | None = None) -> None:
    """A table that holds one command, `probe`, whose module has this text."""
    (tmp_path / "probe_command.py").write_text("import typer\n" + text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "probe_command", raising=False)
    entry = frame.Entry("probe", "probe_command:probe", "Probe.", code)
    monkeypatch.setattr(frame, "COMMANDS", (entry,))
    monkeypatch.setattr(frame, "_ENTRIES", {"probe": entry})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return None", 0),
        ("return 65", 65),
        ("raise typer.Exit(78)", 78),
        ("raise typer.Abort", 1),
        ("raise KeyboardInterrupt", 130),
        ("raise typer.BadParameter('no')", os.EX_USAGE),
        ("raise ValueError('boom')", os.EX_SOFTWARE),
    ],
)
def test_what_a_command_does_becomes_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    table_of(monkeypatch, f"def probe():\n    {body}\n", tmp_path)
    assert frame.main(["probe"]) == code
    assert ("Traceback" in capsys.readouterr().err) is (code == os.EX_SOFTWARE)


@pytest.mark.parametrize(
    "text", ["def probe():\n    1 / 0", "def probe(n: int):\n    ...", "import no_such_module"]
)
def test_a_command_for_the_mta_never_bounces_mail_for_our_trouble(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table_of(monkeypatch, text + "\n", tmp_path, os.EX_TEMPFAIL)
    assert frame.main(["probe"]) == os.EX_TEMPFAIL
    assert capsys.readouterr().err
    accept = next(entry for entry in frame.COMMANDS if entry.name == "probe")
    assert accept.trouble_code == os.EX_TEMPFAIL


def test_accept_is_such_a_command() -> None:
    assert {entry.name for entry in frame.COMMANDS if entry.trouble_code == os.EX_TEMPFAIL} == {"accept"}


def test_a_group_of_commands_is_loaded_as_a_group(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "probe = typer.Typer()\n@probe.command('list')\ndef list_():\n    'Lists.'\n    print('listed')\n"
    table_of(monkeypatch, text, tmp_path)
    assert frame.main(["probe", "list"]) == 0
    assert capsys.readouterr().out == "listed\n"
    assert frame.main(["probe", "--help"]) == 0
    assert "Lists." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("ticketgate ch", "check"), ("ticketgate check --c", "--config"), ("ticketgate qu", "queue")],
)
def test_the_shell_completes_commands_and_their_options(typed: str, offered: str) -> None:
    words = typed.split(" ")
    env = {
        "_TICKETGATE_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
    }
    assert offered in run(env=env).stdout.split()


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m gateway --help | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=REPO, check=False)
    assert "Traceback" not in result.stderr


def test_where_the_config_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_folder(Path("given")) == Path("given")
    if not Path("/etc/ticketgate/gateway.yaml").exists():
        assert config_folder(None) == example()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "gateway.yaml").touch()
    assert config_folder(None) == Path("config")
