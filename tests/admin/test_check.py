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
        "conf.d/a.yaml:1:1: dask: the key is not known here, did you mean desk?",
        f"the config in {folder} cannot be used",
    ]


def test_warnings_are_told_and_do_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = check(folder_with(tmp_path, {"rules.yaml": ""}), capsys)
    assert (code, err) == (0, ["warning: rules.yaml:1:1: this version does not read the file yet"])


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
        "conf.d/a.yaml:3:15: signing.keys.0.secret: the environment variable NO_SUCH is not set",
        "conf.d/a.yaml:4:15: signing.keys.1.secret: the key is shorter than 16 octets, make one: openssl",
        f"conf.d/a.yaml:9:5: mailboxes.0.password: {folder}/open is open to everybody (mode 0644)",
        f"conf.d/a.yaml:19:24: listeners.0.tls.certificate: {folder}/gone.pem cannot be read",
        f"conf.d/a.yaml:10:20: mailboxes.0.tls.ca_file: {folder}/nothing.pem holds no certificates",
        f"conf.d/a.yaml:15:69: mailboxes.1.oauth.refresh_token_file: there is no file {folder}/gone",
        "conf.d/a.yaml:21:25: delivery.via.command: there is no program /no/such/sendmail",
        f"the config in {folder} cannot be used",
    ]
    assert len(err) == len(expected), err
    for line, start in zip(err, expected, strict=True):
        assert line.startswith(start)


def test_the_admins_templates_are_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(tmp_path, {"templates/acknowledgement.txt.j2": "Hello,\n{{ nonsense }}\n"})
    code, _, err = check(folder, capsys)
    assert code == os.EX_CONFIG
    assert "acknowledgement.txt.j2" in err[0]
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
