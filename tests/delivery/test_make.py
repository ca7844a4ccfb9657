"""From settings to the right way out."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.lmtp_submitter import LmtpSubmitter
from gateway.delivery.make import make_submitter
from gateway.delivery.replies import PeerTrouble
from gateway.delivery.sendmail_submitter import SendmailSubmitter
from gateway.delivery.smtp_submitter import SmtpSubmitter
from gateway.ports import Submitter
from gateway.runtime import SystemClock, SystemIds
from gateway.settings.model import Settings
from tests.delivery.scripted import Peer, ScriptedServer, make_delivery


def settings(**via: Any) -> Settings:
    return Settings.model_validate(
        {
            "desk": {"address": "desk@desk.test", "domain": "desk.test"},
            "queues": [{"name": "support", "addresses": ["support@desk.test"]}],
            "delivery": {"via": via},
        }
    )


def make(folder: Path, **via: Any) -> Submitter:
    return make_submitter(settings(**via), folder / "config", folder / "state", SystemIds(), SystemClock())


@pytest.mark.parametrize(
    ("via", "kind"),
    [
        ({"type": "smtp", "host": "relay.test"}, SmtpSubmitter),
        ({"type": "lmtp", "socket": "/run/lmtp"}, LmtpSubmitter),
        ({"type": "sendmail"}, SendmailSubmitter),
    ],
)
def test_the_way_out_that_was_chosen(tmp_path: Path, via: dict[str, str], kind: type) -> None:
    submitter = make(tmp_path, **via)

    assert isinstance(submitter, kind)
    submitter.close()


def test_the_maildir_lies_in_the_state_folder(tmp_path: Path) -> None:
    assert make(tmp_path, type="maildir", path="mail").submit(make_delivery()).outcome == "sent"

    assert len(list((tmp_path / "state" / "mail" / "new").iterdir())) == 1


def test_the_password_is_read_when_it_is_needed_and_then_told_to_nobody_else(tmp_path: Path) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        peer.hear("AUTH PLAIN " + base64.b64encode(b"\0desk\0secret").decode())
        peer.say("235 welcome")
        peer.take_mail()
        peer.hear_end()

    def hang_up(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")

    password = tmp_path / "config" / "password"
    with ScriptedServer(hang_up, talk) as server:
        submitter = make(
            tmp_path,
            type="smtp",
            host="127.0.0.1",
            port=server.port,
            tls={"mode": "none"},
            user="desk",
            password={"file": "password"},
        )
        missing = submitter.submit(make_delivery())
        password.parent.mkdir()
        password.write_text("secret\n")
        password.chmod(0o600)
        receipt = submitter.submit(make_delivery())
        submitter.close()

    assert isinstance(missing, PeerTrouble)
    assert "cannot be read" in missing.reply
    assert receipt.outcome == "sent"
    assert "secret" not in repr(vars(submitter))


def test_trying_out_tells_why_it_does_not_work(tmp_path: Path) -> None:
    def works(peer: Peer) -> None:
        peer.greet()
        peer.hear("QUIT")
        peer.say("221 bye")

    with ScriptedServer(works, lambda peer: peer.say("554 5.7.1 no")) as server:
        submitter = make(tmp_path, type="smtp", host="127.0.0.1", port=server.port, tls={"mode": "none"})
        assert isinstance(submitter, SmtpSubmitter)
        assert submitter.try_out() is None
        assert submitter.try_out() == f"127.0.0.1:{server.port}: greeting: 554 5.7.1 no"
