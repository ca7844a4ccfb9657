"""The SMTP listener under hostile and unlucky clients: failure case 11 and the traps of aiosmtpd."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.store.spool import Accept
from tests.intake.smtp_tools import STORE_TROUBLE, Client, FakeSpool, eventually, serving

MAIL = b"Subject: hi\r\n\r\nhello\r\n"


def test_a_mail_is_stored_before_250_is_said(tmp_path: Path) -> None:
    spool = FakeSpool(gate=threading.Event())
    with serving(tmp_path, spool=spool) as served, served.client() as client:
        client.envelope()
        client.send(MAIL + b".\r\n")
        assert spool.entered.wait(5)
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)
        assert spool.gate is not None
        spool.gate.set()
        client.sock.settimeout(5)
        assert client.sock.recv(100) == b"250 2.0.0 accepted as 1\r\n"
        assert eventually(lambda: served.woken == [1])


def test_what_is_stored_says_who_sent_what_to_whom(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.mail(b"..dot\r\n", "support@example.com", "HELP@example.com", "support@example.com")
    (stored,) = served.spool.mails
    accept = stored.accept
    assert stored.octets == b".dot\r\n"
    assert (accept.source, accept.mailbox, accept.queue, accept.client) == (
        "smtp",
        "in",
        "support",
        "127.0.0.1",
    )
    assert accept.reverse_path == "kim@customer.example"
    assert accept.forward_paths == ("support@example.com", "HELP@example.com")
    assert accept.authenticated_as is None
    kind, session, number, queue = accept.key.split("/")
    assert (kind, number, queue) == ("smtp", "1", "support")
    assert len(session) >= 16


def test_the_null_reverse_path_is_empty(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.envelope(reverse_path="")
        client.send(MAIL + b".\r\n")
        assert client.reply().startswith("250 ")
    assert served.spool.mails[0].accept.reverse_path == ""


def test_a_mail_for_two_queues_is_stored_once_for_each_in_one_commit(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        reply = client.mail(MAIL, "support@example.com", "billing@bücher.example", "control@example.com")
    assert reply == "250 2.0.0 accepted as 1, 2, 3"
    (commit,) = served.spool.commits
    assert [(one.accept.queue, one.accept.forward_paths) for one in commit] == [
        ("support", ("support@example.com",)),
        ("billing", ("billing@bücher.example",)),
        (None, ("control@example.com",)),
    ]
    assert {one.octets for one in commit} == {MAIL}
    assert len({one.accept.key for one in commit}) == 3


def test_each_mail_has_its_own_key(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        for _ in range(2):
            with served.client() as client:
                client.mail()
                client.mail()
    assert len(served.spool.keys) == 4


@pytest.mark.parametrize("trouble", [STORE_TROUBLE, ZeroDivisionError("host db7"), OSError("disk of db7")])
def test_trouble_of_ours_is_451_and_tells_nothing(tmp_path: Path, trouble: Exception) -> None:
    spool = FakeSpool(trouble=trouble)
    with serving(tmp_path, spool=spool) as served, served.client() as client:
        assert client.mail() == "451 4.3.0 Temporary trouble here, try again later"
        spool.trouble = None
        assert client.mail() == "250 2.0.0 accepted as 1", "the same connection goes on"
        assert served.context.in_flight.octets == 0


def test_an_exception_in_a_command_is_451_and_tells_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:

        def route(address: str) -> None:
            raise KeyError("secret of ours")

        served.context.recipients.route = route
        assert client.say("MAIL FROM:<kim@customer.example>").startswith("250")
        assert (
            client.say("RCPT TO:<support@example.com>") == "451 4.3.0 Temporary trouble here, try again later"
        )
        assert client.say("NOOP").startswith("250")


def test_an_exception_while_data_comes_is_451(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def feed(self: object, block: bytes) -> None:
        raise RuntimeError("secret of ours")

    with serving(tmp_path) as served, served.client() as client:
        monkeypatch.setattr("gateway.intake.smtp_server.DataDecoder.feed", feed)
        client.envelope()
        client.send(b"x\r\n")
        assert client.reply() == "451 4.3.0 Temporary trouble here, try again later"


def test_a_full_disk_is_452_and_the_next_mail_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**options: Any) -> None:
        raise OSError(28, "No space left on device", "/var/secret")

    with serving(tmp_path) as served, served.client() as client:
        monkeypatch.setattr("gateway.intake.buffer.tempfile.TemporaryFile", full)
        assert client.mail(b"x" * 70 * 9999 + b"\r\n").startswith("452 4.3.1 ")
        assert client.mail().startswith("250 ")
        assert served.context.in_flight.octets == 0


def test_a_body_of_40_mb_is_552_and_memory_stays_flat(tmp_path: Path) -> None:
    with serving(tmp_path, {"limits": {"message_size": 10_000_000}}) as served, served.client() as client:
        client.envelope()
        line = b"x" * 998 + b"\r\n"
        for _ in range(400):
            client.send(line * 100)
        assert served.context.in_flight.octets <= 10_000_000
        client.send(b".\r\n")
        assert client.reply() == "552 5.3.4 Message is too large"
        assert served.context.in_flight.octets == 0
        assert client.mail().startswith("250 "), "the connection goes on"
    assert len(served.spool.mails) == 1


def test_a_large_mail_within_the_limit_is_stored_whole(tmp_path: Path) -> None:
    body = b"".join(b"%07d" % number + b"y" * 990 + b"\r\n" for number in range(5000))
    with serving(tmp_path) as served, served.client() as client:
        assert client.mail(body).startswith("250 ")
    assert served.spool.mails[0].octets == body


def test_an_endless_line_is_refused_and_memory_stays_flat(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.envelope()
        for _ in range(300):
            client.send(b"x" * 100_000)
        client.send(b"\r\n.\r\n")
        assert client.reply().startswith("500 5.6.0 ")
        assert served.context.in_flight.octets == 0


def test_a_line_beyond_the_998_of_the_standard_is_taken(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        assert client.mail(b"x" * 500_000 + b"\r\n").startswith("250 ")


@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\r\n.\n", b"\n.\r\n", b"\r\n\0.\r\n"])
def test_a_smuggled_end_of_data_never_makes_two_mails(tmp_path: Path, end: bytes) -> None:
    inner = b"MAIL FROM:<ceo@example.com>\r\nRCPT TO:<support@example.com>\r\nDATA\r\nSubject: evil\r\n"
    with serving(tmp_path) as served, served.client() as client:
        assert client.mail(b"Subject: one\r\n\r\nhello" + end + inner) == "250 2.0.0 accepted as 1"
        assert client.say("NOOP").startswith("250 2.0.0")
    (stored,) = served.spool.mails
    assert stored.accept.reverse_path == "kim@customer.example"
    assert b"evil" in stored.octets


def test_pipelined_mails_are_all_taken_in_order(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        envelope = (
            b"MAIL FROM:<k@c.example>\r\nRCPT TO:<nobody@example.com>\r\n"
            b"RCPT TO:<help@example.com>\r\nDATA\r\n"
        )
        client.send(envelope)
        assert [client.reply()[:3] for _ in range(4)] == ["250", "550", "250", "354"]
        client.send(b"one\r\n.\r\n" + envelope)
        assert [client.reply()[:3] for _ in range(5)] == ["250", "250", "550", "250", "354"]
        client.send(b"two\r\n.\r\nNOOP\r\nQUIT\r\n")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "221"]
    assert [stored.octets for stored in served.spool.mails] == [b"one\r\n", b"two\r\n"]


def test_octets_come_one_by_one(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.envelope()
        for octet in b"a\r\n..b\r\n.c\r\n.\r\n":
            client.send(bytes([octet]))
        assert client.reply().startswith("250 ")
    assert served.spool.mails[0].octets == b"a\r\n.b\r\nc\r\n"


def test_a_client_that_closes_its_side_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client(greet=False) as client:
        client.send(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<help@example.com>\r\nDATA\r\nhello\r\n.\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        replies = [client.reply()[:3] for _ in range(6)]
    assert replies == ["220", "250", "250", "250", "354", "250"]
    assert len(served.spool.mails) == 1


def test_a_connection_lost_during_data_stores_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        with served.client() as client:
            client.envelope()
            client.send(b"Subject: half")
            assert eventually(lambda: served.context.in_flight.octets > 0)
        assert eventually(lambda: served.context.in_flight.octets == 0)
        assert eventually(lambda: served.context.connections.count == 0)
    assert served.spool.mails == []


def test_a_client_that_leaves_during_the_commit_hurts_nobody(tmp_path: Path) -> None:
    spool = FakeSpool(gate=threading.Event())
    with serving(tmp_path, spool=spool) as served:
        with served.client() as client:
            client.envelope()
            client.send(MAIL + b".\r\n")
            assert spool.entered.wait(5)
            client.reset()
        assert eventually(lambda: served.context.connections.count == 0)
        assert spool.gate is not None
        spool.gate.set()
        assert eventually(lambda: served.woken == [1])
        assert served.context.in_flight.octets == 0
    assert spool.mails[0].octets == MAIL


def test_a_slow_sender_is_told_and_closed(tmp_path: Path) -> None:
    with serving(tmp_path, {"limits": {"data_timeout": "300ms"}}) as served, served.client() as client:
        client.envelope()
        begun = time.monotonic()
        client.send(b"Subject: slow\r\n")
        assert client.reply().startswith("421 4.4.2 ")
        assert client.is_closed()
        assert 0.2 < time.monotonic() - begun < 3
        assert eventually(lambda: served.context.in_flight.octets == 0)
    assert served.spool.mails == []


def test_a_drip_of_octets_does_not_stretch_the_time_for_data(tmp_path: Path) -> None:
    with serving(tmp_path, {"limits": {"data_timeout": "400ms"}}) as served, served.client() as client:
        client.envelope()
        begun = time.monotonic()
        client.sock.settimeout(0.05)
        told = b""
        while not told and time.monotonic() - begun < 5:
            client.send(b"x\r\n")
            try:
                told = client.sock.recv(100)
            except TimeoutError:
                continue
        assert told.startswith(b"421 4.4.2 ")


def test_an_idle_client_is_told_and_closed(tmp_path: Path) -> None:
    with serving(tmp_path, {"limits": {"command_timeout": "200ms"}}) as served, served.client() as client:
        assert client.reply().startswith("421 4.4.2 ")
        assert client.is_closed()
        assert eventually(lambda: served.context.connections.count == 0)


def test_fifty_connections_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as served:

        def send(number: int) -> None:
            with smtplib.SMTP("127.0.0.1", served.port, timeout=20) as smtp:
                for turn in range(4):
                    smtp.sendmail(
                        "k@c.example", ["support@example.com"], f"Subject: {number}/{turn}\r\n\r\n.\r\n"
                    )

        with ThreadPoolExecutor(50) as pool:
            list(pool.map(send, range(50)))
    assert len(served.spool.mails) == 200
    assert len({stored.octets for stored in served.spool.mails}) == 200
    assert len(served.spool.commits) < 200, "commits are shared"
    assert sorted(served.woken) == list(range(1, 201))


def test_too_many_connections_are_421(tmp_path: Path) -> None:
    with serving(tmp_path, {"limits": {"connections": 2}}) as served:
        with served.client(), served.client(), served.client(greet=False) as third:
            assert third.reply().startswith("421 4.7.0 ")
            assert third.is_closed()
        assert eventually(lambda: served.context.connections.count == 0)
        with served.client() as client:
            assert client.mail().startswith("250 ")


def test_too_many_connections_of_one_client_are_421(tmp_path: Path) -> None:
    with (
        serving(tmp_path, {"limits": {"connections_per_client": 1}}) as served,
        served.client(),
        served.client(greet=False) as second,
    ):
        assert second.reply().startswith("421 4.7.0 ")


def test_too_many_mails_a_minute_are_450(tmp_path: Path) -> None:
    with (
        serving(tmp_path, {"limits": {"mails_per_minute_per_client": 2}}) as served,
        served.client() as client,
    ):
        assert client.mail().startswith("250 ")
        assert client.mail().startswith("250 ")
        assert client.say("MAIL FROM:<>").startswith("450 4.7.1 ")
        served.clock.at += 61
        assert client.mail().startswith("250 ")


def test_octets_in_flight_are_bounded_over_all_connections(tmp_path: Path) -> None:
    limits = {"limits": {"bytes_in_flight": 300_000}}
    with serving(tmp_path, limits) as served, served.client() as one, served.client() as two:
        one.envelope()
        two.envelope()
        one.send(b"x\r\n" * 90_000)
        assert eventually(lambda: served.context.in_flight.octets > 260_000)
        two.send(b"x\r\n" * 90_000 + b".\r\n")
        assert two.reply().startswith("452 4.3.1 ")
        assert two.say("MAIL FROM:<> SIZE=100000").startswith("452 4.3.1 ")
        one.send(b".\r\n")
        assert one.reply().startswith("250 ")
        assert two.mail().startswith("250 "), "there is room again"


def test_a_command_without_end_is_bounded(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        for _ in range(200):
            client.send(b"x" * 10_000)
        (connection,) = served.context.alive
        assert len(connection._reader._buffer) < 1_000_000
        client.send(b"\r\n")
        assert client.reply().startswith("500 5.5.2 ")
        assert client.say("MAIL FROM:<" + "x" * 3000).startswith("500 5.5.2 ")
        assert client.say("NOOP").startswith("250 ")


def test_a_peer_that_does_not_read_cannot_hold_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.intake.smtp_stream._LINGER_S", 0.1)
    monkeypatch.setattr("gateway.intake.smtp_connection._USELESS_COMMANDS", 10**9)
    with serving(tmp_path, {"limits": {"command_timeout": "300ms"}}) as served, served.client() as client:
        client.sock.settimeout(0.1)
        with contextlib.suppress(OSError):  # the kernel's buffers are full, or the server is gone
            while True:
                client.send(b"HELP\r\n" * 10_000)
        assert eventually(lambda: served.context.connections.count == 0)


@pytest.mark.parametrize(
    ("line", "times"), [("NOOP", 99), ("RSET", 99), ("MAIL FROM:<x", 99), ("FOO", 4), ("", 4)]
)
def test_useless_commands_are_bounded(tmp_path: Path, line: str, times: int) -> None:
    with serving(tmp_path) as served, served.client() as client:
        assert not any(client.say(line).startswith("421") for _ in range(times))
        assert client.say(line).startswith("421 4.7.0 ")
        assert client.is_closed()


def test_a_client_that_sends_mail_may_go_on_for_ever(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        for _ in range(60):
            assert client.say("RSET").startswith("250 ")
            assert client.mail().startswith("250 ")


def test_guessing_recipients_is_bounded(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.say("MAIL FROM:<>")
        replies = [client.say(f"RCPT TO:<user{number}@example.com>")[:3] for number in range(21)]
        assert replies == ["550"] * 20 + ["421"]


def test_a_path_that_no_database_could_hold_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.send(b"MAIL FROM:<a\0b@c.example>\r\n")
        assert client.reply().startswith("501 5.1.7 ")
        client.send(b"MAIL FROM:<a\xff@c.example>\r\n")
        assert client.reply().startswith("500 5.5.2 ")


def test_each_outcome_is_one_line_in_the_log_and_holds_no_body(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.mail(b"Subject: confidential\r\n\r\nconfidential\r\n")
        client.say("MAIL FROM:<>")
        client.say("RCPT TO:<nobody@example.com>")
    out = capsys.readouterr().out
    (accepted,) = [line for line in out.splitlines() if "mail_accepted" in line]
    assert all(word in accepted for word in ("spool=1", "size=39", "client=127.0.0.1", "queue=support"))
    (refused,) = [line for line in out.splitlines() if "mail_refused" in line]
    assert "nobody@example.com" in refused
    assert "confidential" not in out


def test_postfix_like_clients_with_smtputf8(tmp_path: Path) -> None:
    with serving(tmp_path) as served, smtplib.SMTP("127.0.0.1", served.port, timeout=10) as smtp:
        smtp.ehlo()
        assert {"pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes", "size"} <= set(
            smtp.esmtp_features
        )
        smtp.sendmail(
            "jürgen@bücher.example",
            ["billing@bücher.example"],
            "Subject: grüß\r\n\r\nhi\r\n".encode(),
            mail_options=["SMTPUTF8", "BODY=8BITMIME"],
        )
    assert served.spool.mails[0].accept.reverse_path == "jürgen@bücher.example"
    assert served.spool.mails[0].accept.queue == "billing"


def test_swaks_delivers(tmp_path: Path, swaks: Callable[..., Any]) -> None:
    with serving(tmp_path) as served:
        swaks(
            *(
                "--server",
                f"127.0.0.1:{served.port}",
                "--to",
                "support@example.com,billing@xn--bcher-kva.example",
            ),
            *("--from", "kim@customer.example", "--body", ".\n..\nend"),
        )
    assert [stored.accept.queue for stored in served.spool.mails] == ["support", "billing"]
    assert b"\r\n.\r\n..\r\nend\r\n" in served.spool.mails[0].octets


def test_a_proxy_header_names_the_client(tmp_path: Path) -> None:
    listener = {"proxy_protocol": True, "limits": {"connections_per_client": 1}}
    with serving(tmp_path, listener) as served:

        def through_proxy(address: str) -> Client:
            client = served.client(greet=False)
            client.send(f"PROXY TCP4 {address} 192.0.2.99 4711 25\r\n".encode())
            return client

        with through_proxy("192.0.2.1") as one, through_proxy("192.0.2.2") as two:
            assert one.reply().startswith("220 ")
            assert two.reply().startswith("220 ")
            one.say("EHLO x")
            one.mail()
            with through_proxy("192.0.2.1") as again:
                assert again.reply().startswith("421 4.7.0 ")
        with served.client(greet=False) as direct:
            direct.send(b"EHLO x\r\n")
            assert direct.is_closed()
    assert served.spool.mails[0].accept.client == "192.0.2.1"


def test_the_spool_reads_the_octets_that_were_sent(tmp_path: Path) -> None:
    import hashlib

    digests: list[tuple[int, bytes]] = []

    class Digesting(FakeSpool):
        def accept(self, mails: Sequence[Accept]) -> list[int | None]:
            digests.extend((mail.raw.size, mail.raw.sha256) for mail in mails)
            return super().accept(mails)

    with serving(tmp_path, spool=Digesting()) as served, served.client() as client:
        client.mail(MAIL)
    assert digests == [(len(MAIL), hashlib.sha256(MAIL).digest())]
