"""LMTP over TCP into Dovecot and over a unix socket: one recipient, one reply."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.delivery.lmtp_submitter import LmtpSubmitter
from gateway.delivery.replies import PeerTrouble
from gateway.runtime import SystemClock
from gateway.settings.model import LmtpDelivery
from tests.delivery.scripted import MAIL, Peer, ScriptedServer, make_delivery
from tests.peers.dovecot import Dovecot
from tests.peers.process import Server, find_program, is_root, server_folder

MakeSubmitter = Callable[..., LmtpSubmitter]


@pytest.fixture
def lmtp_to(tmp_path: Path) -> Iterator[MakeSubmitter]:
    with contextlib.ExitStack() as stack:

        def make(port: int = 24, socket: str | None = None) -> LmtpSubmitter:
            host = "127.0.0.1" if socket is None else None
            via = LmtpDelivery(
                type="lmtp", host=host, port=port, socket=socket, timeout=timedelta(seconds=10)
            )
            return stack.enter_context(
                contextlib.closing(LmtpSubmitter(via, tmp_path, "desk.test", SystemClock()))
            )

        yield make


def test_dovecot_takes_mail_for_the_users_it_has(lmtp_to: MakeSubmitter, dovecot: Dovecot) -> None:
    box = dovecot.user()
    submitter = lmtp_to(dovecot.lmtp_port)

    taken = submitter.submit(make_delivery(forward_path=box.address, reverse_path=""))
    unknown = submitter.submit(make_delivery(forward_path="nobody-here@example.test"))
    again = submitter.submit(make_delivery(forward_path=box.address))

    assert taken.outcome == "sent"
    assert taken.enhanced_status == "2.0.0"
    assert (unknown.outcome, unknown.enhanced_status) == ("failed", "5.1.1")
    assert again.outcome == "sent"
    files = list((box.maildir / "new").iterdir())
    assert len(files) == 2
    body = MAIL.split(b"\r\n\r\n", 1)[1]
    assert all(
        path.read_bytes().replace(b"\r\n", b"\n").endswith(body.replace(b"\r\n", b"\n")) for path in files
    )


def test_a_unix_socket(lmtp_to: MakeSubmitter) -> None:
    program = find_program("smtp-sink (package postfix)", "/usr/sbin/smtp-sink", "smtp-sink")
    with server_folder("lmtp") as folder:
        path = folder / "socket"
        user = ["-u", "root"] if is_root() else []
        command = [program, *user, "-L", f"unix:{path}", "10"]
        sink = Server(command, folder / "output.log", path.exists)
        sink.start()
        try:
            receipt = lmtp_to(socket=str(path)).submit(make_delivery())
        finally:
            sink.kill()

        assert receipt.outcome == "sent"
        gone = lmtp_to(socket=str(path)).submit(make_delivery())

    assert isinstance(gone, PeerTrouble)
    assert "Connection refused" in gone.reply


@pytest.mark.parametrize("greeting", [["554 no"], ["220 hi", "500 speak SMTP"]])
def test_a_server_that_is_not_lmtp_is_trouble_for_all(lmtp_to: MakeSubmitter, greeting: list[str]) -> None:
    with ScriptedServer(lambda peer: peer.say(*greeting)) as server:
        receipt = lmtp_to(server.port).submit(make_delivery())

    assert isinstance(receipt, PeerTrouble)
    assert receipt.stops


def test_the_reply_to_the_mail_is_the_recipients(lmtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.say("220 store.test LMTP")
        peer.hear("LHLO desk.test")
        peer.offer("PIPELINING", "ENHANCEDSTATUSCODES")
        peer.take_mail("452 4.2.2 mailbox full")
        peer.take_mail("250 2.0.0 kept")
        peer.take_envelope()
        peer.hear_mail()

    with ScriptedServer(talk) as server:
        submitter = lmtp_to(server.port)
        outcomes = [submitter.submit(make_delivery()).outcome for _ in range(3)]

    assert outcomes == ["deferred", "sent", "uncertain"]
