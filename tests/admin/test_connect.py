"""`ticketgate check --connect` against real servers: who lets us in, and what is said of who does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.admin.main import main
from tests.peers.certificates import Certificates
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix
from tests.settings.folders import folder_with

MAILBOX = """\
  - name: {name}
    host: localhost
    port: {port}
    user: {user}
    password: {{env: {password}}}
    tls: {{mode: {mode}, ca_file: {ca_file}}}
"""
SMTP = """\
delivery:
  via:
    type: smtp
    host: localhost
    port: {port}
    user: {user}
    password: {{env: {password}}}
    tls: {{mode: {mode}, ca_file: {ca_file}}}
"""


def connect(folder: Path, addition: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Exit code, and what was said of each server."""
    code = main(["check", "--connect", "--config", str(folder_with(folder, {"conf.d/a.yaml": addition}))])
    shown = capsys.readouterr()
    lines = [
        line for line in (shown.out + shown.err).splitlines() if line.startswith(("mailbox ", "delivery by"))
    ]
    return code, dict(line.split(": ", 1) for line in lines)


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch, dovecot: Dovecot) -> None:
    monkeypatch.setenv("RIGHT", dovecot.user().password)
    monkeypatch.setenv("WRONG", "tr0ub4dor")


def test_each_mailbox_is_tried_with_its_own_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dovecot: Dovecot, certificates: Certificates
) -> None:
    box = dovecot.user()
    rows = [
        ("plain", dovecot.imap_port, "none", "RIGHT", certificates.ca_file),
        ("starttls", dovecot.imap_port, "starttls", "RIGHT", certificates.ca_file),
        ("implicit", dovecot.imaps_port, "implicit", "RIGHT", certificates.ca_file),
        ("wrong", dovecot.imap_port, "starttls", "WRONG", certificates.ca_file),
        ("stranger", dovecot.imaps_port, "implicit", "RIGHT", certificates.other_ca_file),
    ]
    text = "mailboxes:\n" + "".join(
        MAILBOX.format(name=name, port=port, user=box.user, password=password, mode=mode, ca_file=ca_file)
        for name, port, mode, password, ca_file in rows
    )
    code, said = connect(tmp_path, text, capsys)
    assert code == os.EX_UNAVAILABLE
    assert [said[f"mailbox {name}"] for name in ("plain", "starttls", "implicit")] == ["works"] * 3
    assert said["mailbox wrong"].startswith(f"the server refuses the login of {box.user}")
    assert "the certificate is not valid" in said["mailbox stranger"]
    assert "tr0ub4dor" not in str(said)


def test_folders_are_opened_and_the_target_is_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dovecot: Dovecot, certificates: Certificates
) -> None:
    box = dovecot.user()
    with box.imap() as link:
        link.create("Done")
    rows = [
        ("right", "[INBOX, Done]", "seen"),
        ("wrong", "[INBOX, Dnoe, Gone]", "seen"),
        ("moving", "[INBOX]", "move:Done"),
        ("making", "[INBOX]", "move:Handled"),
    ]
    text = "mailboxes:\n" + "".join(
        MAILBOX.format(
            name=name,
            port=dovecot.imap_port,
            user=box.user,
            password="RIGHT",
            mode="none",
            ca_file=certificates.ca_file,
        )
        + f"    folders: {folders}\n    after: {after}\n"
        for name, folders, after in rows
    )
    code, said = connect(tmp_path, text, capsys)
    assert code == os.EX_UNAVAILABLE
    assert (said["mailbox right"], said["mailbox moving"]) == ("works", "works")
    assert "opening folder Dnoe" in said["mailbox wrong"]
    assert "opening folder Gone" in said["mailbox wrong"]
    assert said["mailbox making"] == "works, but there is no folder Handled yet: it will be made"
    with box.imap() as link:
        assert b"Handled" not in b"".join(link.list()[1]), "nothing is made"


@pytest.mark.parametrize(
    ("mode", "password", "trusted", "told"),
    [
        ("starttls", "RIGHT", True, "works"),
        ("implicit", "RIGHT", True, "works"),
        ("starttls", "WRONG", True, "the server refuses the login (535)"),
        ("implicit", "RIGHT", False, "no connection"),
        ("none", "RIGHT", True, "the server does not offer STARTTLS or AUTH on this connection"),
    ],
)
def test_the_way_out_is_tried(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dovecot: Dovecot,
    postfix: Postfix,
    certificates: Certificates,
    mode: str,
    password: str,
    trusted: bool,
    told: str,
) -> None:
    port = {"starttls": postfix.submission_port, "implicit": postfix.submissions_port}.get(
        mode, postfix.submission_port
    )
    ca_file = certificates.ca_file if trusted else certificates.other_ca_file
    text = SMTP.format(port=port, user=dovecot.user().user, password=password, mode=mode, ca_file=ca_file)
    code, said = connect(tmp_path, text, capsys)
    assert said["delivery by smtp"].startswith(told)
    assert code == (0 if told == "works" else os.EX_UNAVAILABLE)
    assert "tr0ub4dor" not in str(said)


def test_a_mail_store_by_lmtp_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dovecot: Dovecot
) -> None:
    via = f"{{type: lmtp, host: 127.0.0.1, port: {dovecot.lmtp_port}}}"
    assert connect(tmp_path, f"delivery:\n  via: {via}\n", capsys) == (0, {"delivery by lmtp": "works"})
