"""`ticketgate check`: one line for each trouble with its place, and the exit codes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from gateway.admin.main import main
from gateway.settings.passwords import verify_password
from tests.settings.folders import RIGHT, folder_with


def check(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, list[str], list[str]]:
    """Exit code, lines of standard output, lines of standard error."""
    code = main(["check", "--config", str(folder), *more])
    shown = capsys.readouterr()
    return code, shown.out.splitlines(), shown.err.splitlines()


def test_a_right_config_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder_with(tmp_path), capsys) == (
        0,
        [
            f"config is right: {tmp_path}",
            "  queues     support (support@example.com)",
            "  agents     petra",
            "  mailboxes  none",
            "  listeners  none",
            "  delivery   maildir mail",
            "  database   sqlite:ticketgate.db",
        ],
        [],
    )


def test_the_folder_may_come_from_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETGATE_CONFIG", str(folder_with(tmp_path)))
    assert main(["check"]) == 0
    assert str(tmp_path) in capsys.readouterr().out


def test_mistakes_end_with_ex_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(tmp_path, {"conf.d/a.yaml": "dask: 1\n"})
    code, out, err = check(folder, capsys)
    assert (code, out) == (os.EX_CONFIG, [])
    assert err == [
        f"{folder}/conf.d/a.yaml:1:1: dask: the key is not known here, did you mean desk?",
        f"the config in {folder} cannot be used",
    ]


def test_warnings_are_told_and_do_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = check(folder_with(tmp_path, {"rules.yaml": ""}), capsys)
    assert (code, err) == (
        0,
        [f"warning: {tmp_path}/rules.yaml:1:1: this version does not read the file yet"],
    )


THINGS = """\
signing:
  keys:
    - {id: a, secret: {env: NO_SUCH}}
    - {id: b, secret: {env: SHORT}}
mailboxes:
  - name: m
    host: h
    user: u
    password: {file: open}
    tls: {ca_file: nothing.pem}
  - name: o
    host: h
    user: u
    auth: xoauth2
    oauth: {token_url: https://t, client_id: c, refresh_token_file: gone}
listeners:
  - name: l
    listen: 127.0.0.1:25
    tls: {certificate: gone.pem, key: gone.key}
delivery:
  via: {type: sendmail, command: [/no/such/sendmail]}
"""


def test_what_the_config_names_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT", "tr0ub4dor")
    folder = folder_with(
        tmp_path, {"conf.d/a.yaml": THINGS, "open": "tr0ub4dor", "nothing.pem": "no certificate"}
    )
    (folder / "open").chmod(0o644)
    code, _, err = check(folder, capsys)
    assert code == os.EX_CONFIG
    assert "tr0ub4dor" not in str(err)
    expected = [
        f"{folder}/conf.d/a.yaml:3:15: signing.keys.0.secret: the environment variable NO_SUCH is not set",
        f"{folder}/conf.d/a.yaml:4:15: signing.keys.1.secret: the key is shorter than 16 octets, make one:",
        f"{folder}/conf.d/a.yaml:9:5: mailboxes.0.password: {folder}/open is open to everybody (mode 0644)",
        f"{folder}/conf.d/a.yaml:19:24: listeners.0.tls.certificate: {folder}/gone.pem cannot be read",
        f"{folder}/conf.d/a.yaml:10:20: mailboxes.0.tls.ca_file: {folder}/nothing.pem holds no certificates",
        f"{folder}/conf.d/a.yaml:15:69: mailboxes.1.oauth.refresh_token_file: there is no file {folder}/gone",
        f"{folder}/conf.d/a.yaml:21:25: delivery.via.command: there is no program /no/such/sendmail",
        f"the config in {folder} cannot be used",
    ]
    assert len(err) == len(expected), err
    for line, start in zip(err, expected, strict=True):
        assert line.startswith(start)


def test_files_are_looked_at_beside_mistakes_of_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT", "tr0ub4dor")
    things = THINGS.replace("    listen: 127.0.0.1:25\n", "    listen: 127.0.0.1:25\n    speed: 9\n")
    things = things.replace("name: o\n    host: h\n", "name: o\n    host: h\n    port: none\n")
    _, _, err = check(folder_with(tmp_path, {"conf.d/a.yaml": things + "zzz: 1\n"}), capsys)
    told = {line.split(": ")[1] for line in err[:-1]}
    assert told == {
        "signing.keys.0.secret",
        "signing.keys.1.secret",
        "mailboxes.0.password",
        "mailboxes.0.tls.ca_file",
        "mailboxes.1.port",
        "mailboxes.1.oauth.refresh_token_file",
        "listeners.0.speed",
        "listeners.0.tls.certificate",
        "delivery.via.command",
        "zzz",
    }
    assert len(err) == len(told) + 1, "each is told once"


def test_a_state_folder_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    folder = folder_with(tmp_path / "c", {"conf.d/a.yaml": f"state_dir: {tmp_path}/taken/state\n"})
    code, _, err = check(folder, capsys)
    assert (code, err[0]) == (
        os.EX_CONFIG,
        f"{folder}/conf.d/a.yaml:1:12: state_dir: {tmp_path}/taken is no folder",
    )
    (folder / "conf.d" / "a.yaml").write_text(f"state_dir: {tmp_path}/deep/state\n")
    assert check(folder, capsys)[0] == 0
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    code, _, err = check(folder, capsys)
    assert (code, err[0].partition("state_dir: ")[2]) == (
        os.EX_CONFIG,
        f"{tmp_path} cannot be written by the user of this call",
    )
    (folder / "conf.d" / "a.yaml").write_text("state_dir: state\n")
    monkeypatch.chdir(tmp_path)
    code, _, err = check(folder, capsys)
    assert (code, len(err)) == (0, 1), "it may be right in another folder"
    assert err[0].startswith("warning: ")


def test_the_admins_templates_are_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(tmp_path, {"templates/acknowledgement.txt.j2": "Hello,\n{{ nonsense }}\n"})
    code, _, err = check(folder, capsys)
    assert code == os.EX_CONFIG
    assert err[0].startswith(f"{folder}/templates/acknowledgement.txt.j2:2")
    assert "'nonsense' is undefined" in err[0]
    assert len(err) == 2


def test_a_password_is_hashed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = set()
    for _ in range(2):
        monkeypatch.setattr("sys.stdin", io.StringIO("pass word\n"))
        assert main(["check", "--hash-password"]) == 0
        hashes.add(capsys.readouterr().out.strip())
    assert len(hashes) == 2
    assert all(verify_password("pass word", hashed) for hashed in hashes)


def test_an_empty_password_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["check", "--hash-password"]) == os.EX_DATAERR
    assert capsys.readouterr().err == "the password is empty\n"


def test_where_there_is_nothing_to_log_in_to_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_with(tmp_path / "c", {"conf.d/a.yaml": f"state_dir: {tmp_path}/state\n"})
    none = "mailboxes: there is none to log in to"
    code, out, _ = check(folder, capsys, "--connect")
    assert (code, out[-2:]) == (0, [none, "delivery by maildir: works"])
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "mail").write_text("")
    code, _, err = check(folder, capsys, "--connect")
    assert (code, err) == (
        os.EX_UNAVAILABLE,
        [f"delivery by maildir: {tmp_path}/state/mail is no folder"],
    )
    addition = "delivery: {via: {type: sendmail, command: [/bin/sh]}}\n"
    code, out, _ = check(folder_with(folder, {"conf.d/b.yaml": addition}), capsys, "--connect")
    assert (code, out[-1].partition(": ")[0]) == (0, "delivery by sendmail")
    assert "nothing to log in to" in out[-1]


def test_connecting_to_nobody_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "tr0ub4dor")
    config = RIGHT.replace("{type: maildir}", "{type: smtp, host: 127.0.0.1, port: 1, tls: {mode: none}}") + (
        "mailboxes:\n"
        "  - {name: m, host: 127.0.0.1, port: 1, user: u, tls: {mode: none}, password: {env: PASSWORD}}\n"
    )
    code, _, err = check(folder_with(tmp_path, {"gateway.yaml": config}), capsys, "--connect")
    assert code == os.EX_UNAVAILABLE
    assert [line.partition(":")[0] for line in err] == ["mailbox m", "delivery by smtp"]
    assert "Connection refused" in err[1]
