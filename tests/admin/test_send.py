"""`send`: a test mail by the configured way out, and the peer's answer as exit code and words."""

from __future__ import annotations

import email
import email.policy
import io
import os
from pathlib import Path

import pytest

from gateway.ports import Delivery, Receipt
from gateway.settings.load import load
from tests.admin.desk import call, make_config
from tests.peers.process import free_port


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return make_config(tmp_path)


def with_way(config: Path, way: str) -> Path:
    text = (config / "gateway.yaml").read_text()
    (config / "gateway.yaml").write_text(text.replace("{type: maildir}", way))
    load(config)
    return config


def test_it_goes_by_the_configured_way_and_past_the_outbox(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = call(
        capsys, config, "send", "you@example.org", "--queue", "billing", "--subject", "Grüße\r\nBcc: x@y"
    )
    assert ran.code == 0
    assert ran.out.startswith("sent: the peer took the mail (maildir, ")
    assert "250 2.0.0 kept as" in ran.out
    (file,) = (tmp_path / "var" / "mail" / "new").iterdir()
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert mail["Delivered-To"] == "you@example.org"
    assert mail["Return-Path"] == "<billing@example.com>"
    assert mail["From"].addresses[0].addr_spec == "billing@example.com"
    assert (mail["Subject"], mail["Bcc"]) == ("Grüße Bcc: x@y", None)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.com>")
    assert "test mail of Example Support" in mail.get_content()
    assert not (tmp_path / "var" / "ticketgate.db").exists()


def test_the_text_may_be_given(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from the pipe\n"))
    assert call(capsys, config, "send", "you@example.org", "--body", "-").code == 0
    assert call(capsys, config, "send", "you@example.org", "--body", "from the shell").code == 0
    texts = {file.read_text().partition("\n\n")[2] for file in (tmp_path / "var" / "mail" / "new").iterdir()}
    assert texts == {"from the pipe\n", "from the shell\n"}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("sent", os.EX_OK),
        ("deferred", os.EX_TEMPFAIL),
        ("uncertain", os.EX_TEMPFAIL),
        ("failed", os.EX_UNAVAILABLE),
    ],
)
def test_the_outcome_is_the_exit_code(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    outcome: str,
    code: int,
) -> None:
    class Peer:
        closed = False

        def submit(self, delivery: Delivery) -> Receipt:
            assert sum(map(len, delivery.chunks)) == delivery.size
            return Receipt(outcome, "some words \x1b[31m", "9.9.9")

        def close(self) -> None:
            Peer.closed = True

    monkeypatch.setattr("gateway.delivery.make.make_submitter", lambda *_: Peer())
    ran = call(capsys, config, "send", "you@example.org")
    assert (ran.code, ran.out.partition(":")[0]) == (code, outcome)
    assert "some words [31m" in ran.out.replace("  ", " ")
    assert "\x1b" not in ran.out
    assert Peer.closed
    value = call(capsys, config, "send", "you@example.org", "--json").json
    assert (value.pop("message_id")[:5], value.pop("took_s") >= 0) == ("test.", True)
    assert value == {
        "outcome": outcome,
        "reply": "some words \x1b[31m",
        "enhanced_status": "9.9.9",
        "to": "you@example.org",
        "from": "support@example.com",
        "via": "maildir",
    }


def test_nobody_listening_is_try_again_later(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    way = f"{{type: smtp, host: 127.0.0.1, port: {free_port()}, tls: {{mode: none}}}}"
    ran = call(capsys, with_way(config, way), "send", "you@example.org")
    assert ran.code == os.EX_TEMPFAIL
    assert "cannot connect" in ran.out


@pytest.mark.parametrize(
    "address",
    [
        "you",
        "you@",
        "@example.org",
        "",
        "a b@example.org",
        "a@b.org\r\nRCPT TO:<x@y>",
        "<a@b.org> SIZE=1",
        "a@b\0.org",
        "<>",
    ],
)
def test_bad_addresses_are_refused(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    ran = call(capsys, config, "send", address)
    assert (ran.code, ran.out, ran.err.count("\n")) == (os.EX_USAGE, "", 1)
    assert "is no mail address" in ran.err
    assert not (tmp_path / "var").exists()


def test_an_unknown_queue_is_told_with_those_there_are(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = call(capsys, config, "send", "you@example.org", "--queue", "sales")
    assert ran.code == os.EX_USAGE
    assert "there are: support, billing" in ran.err
