"""LMTP (RFC 2033): after DATA one reply for each recipient that was taken, whatever happens."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.intake.smtp_tools import STORE_TROUBLE, Client, FakeSpool, Served, eventually, serving

LMTP = {"protocol": "lmtp"}
THREE = ("support@example.com", "nobody@example.com", "billing@bücher.example", "support@example.com")


def lmtp_client(served: Served) -> Client:
    return Client(socket.create_connection(("127.0.0.1", served.port), timeout=10), lmtp=True)


def data_replies(client: Client, octets: bytes, *forward_paths: str) -> list[str]:
    """The replies after the data, one for each recipient that was taken."""
    *_, ready = replies = client.envelope(*forward_paths)
    assert ready.startswith("354 ")
    taken = sum(reply.startswith("250 2.1.5") for reply in replies)
    client.send(octets + b".\r\n")
    got = [client.reply() for _ in range(taken)]
    assert client.say("NOOP").startswith("250 2.0.0 "), "no reply too many, none missing"
    return got


def test_each_recipient_has_its_reply_in_order(tmp_path: Path) -> None:
    with serving(tmp_path, LMTP) as served, lmtp_client(served) as client:
        assert data_replies(client, b"hello\r\n", *THREE) == [
            "250 2.0.0 accepted as 1",
            "250 2.0.0 accepted as 2",
            "250 2.0.0 accepted as 1",
        ]
    assert [stored.accept.source for stored in served.spool.mails] == ["lmtp", "lmtp"]


def test_store_trouble_is_told_to_all(tmp_path: Path) -> None:
    with (
        serving(tmp_path, LMTP, FakeSpool(trouble=STORE_TROUBLE)) as served,
        lmtp_client(served) as client,
    ):
        assert (
            data_replies(client, b"hello\r\n", *THREE)
            == ["451 4.3.0 Temporary trouble here, try again later"] * 3
        )


def test_a_mail_that_is_too_large_is_told_to_all(tmp_path: Path) -> None:
    with serving(tmp_path, {**LMTP, "limits": {"message_size": 10}}) as served, lmtp_client(served) as client:
        replies = data_replies(client, b"hello\r\nhello\r\n", *THREE)
        assert [reply[:9] for reply in replies] == ["552 5.3.4"] * 3
    assert served.spool.mails == []


def test_an_exception_while_data_comes_is_told_to_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def feed(self: object, block: bytes) -> None:
        raise RuntimeError("secret of ours")

    with serving(tmp_path, LMTP) as served, lmtp_client(served) as client:
        monkeypatch.setattr("gateway.intake.smtp_server.DataDecoder.feed", feed)
        client.envelope(*THREE)
        client.send(b"x\r\n")
        assert [client.reply()[:9] for _ in range(3)] == ["451 4.3.0"] * 3


def test_lmtp_by_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    with serving(tmp_path, {**LMTP, "listen": f"unix:{path}"}) as served:
        assert served.listeners.addresses("in") == [str(path)]
        with smtplib.LMTP(str(path)) as lmtp:
            assert lmtp.sendmail("k@c.example", ["support@example.com"], "hello\r\n") == {}
    assert served.spool.mails[0].accept.client == "local"
    assert not path.exists(), "the socket is taken away at the end"


def test_the_socket_of_a_dead_daemon_is_replaced_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    listener = {**LMTP, "listen": f"unix:{path}"}
    with serving(tmp_path, listener) as served:
        with (
            pytest.raises(OSError, match="somebody listens"),
            serving(tmp_path, listener),
        ):
            pass
        with smtplib.LMTP(str(path)) as lmtp:
            assert lmtp.sendmail("k@c.example", ["support@example.com"], "hello\r\n") == {}
    assert len(served.spool.mails) == 1


def test_a_client_that_leaves_after_the_data_is_not_stored_twice_under_one_key(tmp_path: Path) -> None:
    spool = FakeSpool(gate=threading.Event())
    with serving(tmp_path, LMTP, spool) as served:
        with lmtp_client(served) as client:
            client.envelope(*THREE)
            client.send(b"hello\r\n.\r\n")
            assert spool.entered.wait(5)
            client.reset()
        assert spool.gate is not None
        spool.gate.set()
        assert eventually(lambda: served.woken == [1, 2])


def test_swaks_speaks_lmtp(tmp_path: Path, swaks: Callable[..., Any]) -> None:
    with serving(tmp_path, LMTP) as served:
        swaks(
            *("--protocol", "LMTP", "--server", f"127.0.0.1:{served.port}", "--from", "k@c.example"),
            *("--to", "support@example.com"),
        )
    assert len(served.spool.mails) == 1
