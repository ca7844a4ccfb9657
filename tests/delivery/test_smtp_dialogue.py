"""Handing over by SMTP, command by command, to a server that says what the story needs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from gateway.delivery.replies import PeerTrouble
from gateway.delivery.smtp_submitter import SmtpSubmitter
from tests.delivery.scripted import MAIL, Peer, ScriptedServer, make_delivery

MakeSubmitter = Callable[..., SmtpSubmitter]
ON_THE_WIRE = MAIL.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def test_a_mail_is_taken_and_its_octets_are_the_same(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet()
        assert peer.take_mail() == ON_THE_WIRE
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        receipt = submitter.submit(make_delivery())
        submitter.close()

    assert (receipt.outcome, receipt.reply) == ("sent", "250 2.0.0 queued as 42")
    assert receipt.enhanced_status == "2.0.0"
    assert server.peers[0].heard == [
        "ehlo desk.test",
        "MAIL FROM:<support@desk.test>",
        "RCPT TO:<kim@customer.test>",
        "DATA",
        "QUIT",
    ]


def test_a_repeat_is_identical_however_the_mail_is_cut(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for _ in range(3):
            peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        for chunks in ([MAIL], [MAIL[i : i + 1] for i in range(len(MAIL))], [MAIL[:7], b"", MAIL[7:]]):
            assert submitter.submit(make_delivery(chunks)).outcome == "sent"
        submitter.close()

    assert server.peers[0].mails == [ON_THE_WIRE] * 3


def test_with_pipelining_the_envelope_is_one_write(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("PIPELINING", "SIZE 1000000")
        peer.hear(f"MAIL FROM:<> SIZE={len(MAIL)}")
        assert peer.waiting_octets() == b"RCPT TO:<kim@customer.test>\r\nDATA\r\n"
        peer.say("250 ok", "250 ok", "354 go")
        peer.hear()
        peer.hear()
        peer.hear_mail()
        peer.say("250 ok")
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        assert submitter.submit(make_delivery(reverse_path="")).outcome == "sent"
        submitter.close()


@pytest.mark.parametrize("pipelining", [True, False])
def test_after_a_refused_recipient_the_connection_serves_the_next(
    smtp_to: MakeSubmitter, pipelining: bool
) -> None:
    def talk(peer: Peer) -> None:
        peer.greet(*(["PIPELINING"] if pipelining else []))
        peer.hear("MAIL")
        peer.say("250 ok")
        peer.hear("RCPT")
        peer.say("550-5.1.1 No such", "550 5.1.1 person")
        if pipelining:
            peer.hear("DATA")
            peer.say("503 5.5.1 no recipients")
        peer.hear("RSET")
        peer.say("250 ok")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        refused = submitter.submit(make_delivery())
        taken = submitter.submit(make_delivery())
        submitter.close()

    assert (refused.outcome, refused.enhanced_status) == ("failed", "5.1.1")
    assert refused.reply == "550 5.1.1 No such person"
    assert taken.outcome == "sent"


def test_data_let_through_after_a_refused_recipient_ends_with_a_lone_dot(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for command, reply in (("MAIL", "250 ok"), ("RCPT", "450 4.2.0 later"), ("DATA", "354 go")):
            peer.hear(command)
            peer.say(reply)
        assert peer.hear_mail() == b".\r\n"
        peer.say("554 5.5.1 no valid recipients")
        peer.hear("RSET")
        peer.say("250 ok")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        receipt = submitter.submit(make_delivery())
        assert submitter.submit(make_delivery()).outcome == "sent"
        submitter.close()

    assert (receipt.outcome, receipt.reply) == ("deferred", "450 4.2.0 later")


def test_data_let_through_after_a_refused_sender_and_a_taken_recipient_is_broken_off(
    smtp_to: MakeSubmitter,
) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for command, reply in (("MAIL", "552 5.3.4 too big"), ("RCPT", "250 ok"), ("DATA", "354 go")):
            peer.hear(command)
            peer.say(reply)
        with pytest.raises(EOFError):
            peer.hear()

    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port).submit(make_delivery())

    assert receipt.outcome == "failed"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("554 5.7.1 looks like spam", "failed"),
        ("451 4.3.0 later", "deferred"),
        ("421 4.3.2 shutting down", "deferred"),
        ("354 what", "uncertain"),
        ("what", "uncertain"),
    ],
)
def test_the_reply_to_the_mail_itself(smtp_to: MakeSubmitter, reply: str, outcome: str) -> None:
    def talk(peer: Peer) -> None:
        peer.greet()
        peer.take_mail(reply)

    with ScriptedServer(talk) as server:
        assert smtp_to(server.port).submit(make_delivery()).outcome == outcome


@pytest.mark.parametrize("how", ["close", "reset", "silence", "half a reply", "drip"])
def test_a_lost_reply_after_the_mail_is_uncertain(smtp_to: MakeSubmitter, how: str) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.take_envelope()
        peer.hear_mail()
        if how == "reset":
            peer.reset()
        elif how == "half a reply":
            peer.sock.sendall(b"250 2.0")
        elif how == "silence":
            peer.hear_end()
        elif how == "drip":
            _say_until_gone(peer, "250-x\r\n")

    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port, timeout_s=0.05 if how == "silence" else 5).submit(make_delivery())

    assert receipt.outcome == "uncertain"


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_mail_is_deferred(smtp_to: MakeSubmitter, stage: str) -> None:
    def talk(peer: Peer) -> None:
        peer.greet()
        for command, reply in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "")):
            peer.hear(command)
            if command == stage:
                return
            peer.say(reply)

    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port).submit(make_delivery())

    assert receipt.outcome == "deferred"
    assert not isinstance(receipt, PeerTrouble)


def _much() -> Iterator[bytes]:
    for _ in range(64):
        yield b"x" * 998 * 1000 + b"\r\n"


class _Much:
    """64 MB that exist nowhere at once."""

    def __iter__(self) -> Iterator[bytes]:
        return _much()


def test_a_connection_lost_within_the_mail_is_deferred(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet()
        peer.take_envelope()
        peer.sock.recv(1000)
        peer.reset()

    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port).submit(make_delivery(_Much(), size=1))

    assert receipt.outcome == "deferred"
    assert not isinstance(receipt, PeerTrouble)


def test_a_server_that_refuses_within_the_mail_is_heard(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet()
        peer.take_envelope()
        peer.sock.recv(1000)
        peer.say("552 5.3.4 too big")

    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port).submit(make_delivery(_Much(), size=1))

    assert (receipt.outcome, receipt.reply) == ("failed", "552 5.3.4 too big")


def test_a_server_that_stops_reading_costs_bounded_time(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet()
        peer.take_envelope()
        assert submitted.wait(5)

    submitted = threading.Event()
    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port, timeout_s=0.1).submit(make_delivery(_Much(), size=1))
        submitted.set()

    assert receipt.outcome == "deferred"


def test_a_mail_that_cannot_be_read_to_its_end_is_never_cut_short(smtp_to: MakeSubmitter) -> None:
    def broken() -> Iterator[bytes]:
        yield b"Subject: half\r\n\r\n" + b"x" * 70_000
        raise OSError("disk")

    def talk(peer: Peer) -> None:
        peer.greet()
        peer.take_envelope()
        received = b""
        while piece := peer.sock.recv(65536):
            received += piece
        assert b"QUIT" not in received
        assert b"\r\n.\r\n" not in received

    with ScriptedServer(talk) as server, pytest.raises(OSError, match="disk"):
        smtp_to(server.port).submit(make_delivery(broken(), size=70_100))


@pytest.mark.parametrize("how", ["closed", "421", "421 unasked"])
def test_a_kept_connection_that_has_ended_is_replaced(smtp_to: MakeSubmitter, how: str) -> None:
    def first(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.take_mail()
        if how == "421":
            peer.hear("MAIL")
            peer.say("421 4.4.2 idle too long")
        if how == "421 unasked":
            peer.say("421 4.4.2 idle too long")

    def second(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(first, second) as server:
        submitter = smtp_to(server.port)
        receipts = [submitter.submit(make_delivery()) for _ in range(2)]
        submitter.close()

    assert [receipt.outcome for receipt in receipts] == ["sent", "sent"]


def test_a_refused_rset_costs_the_connection_not_the_mail(smtp_to: MakeSubmitter) -> None:
    def first(peer: Peer) -> None:
        peer.greet()
        peer.hear("MAIL")
        peer.say("450 later")
        peer.hear("RSET")
        peer.say("500 what?")

    def second(peer: Peer) -> None:
        peer.greet()
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(first, second) as server:
        submitter = smtp_to(server.port)
        assert submitter.submit(make_delivery()).outcome == "deferred"
        assert submitter.submit(make_delivery()).outcome == "sent"
        submitter.close()


def test_a_fresh_connection_that_answers_421_is_no_fault_of_the_mail(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.hear("MAIL")
        peer.say("421 4.7.0 too many connections")

    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port).submit(make_delivery())

    assert receipt == PeerTrouble("deferred", "421 4.7.0 too many connections", "4.7.0")


def _say_until_gone(peer: Peer, text: str) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            peer.sock.sendall(text.encode())


def _says_too_much(peer: Peer) -> None:
    _say_until_gone(peer, "220" + "-" * 60_000)


def _says_too_many_lines(peer: Peer) -> None:
    _say_until_gone(peer, "220-hello\r\n" * 100)


def _says_nothing(peer: Peer) -> None:
    peer.hear_end()


def _drips(peer: Peer) -> None:
    peer.sock.settimeout(0.04)
    with contextlib.suppress(ConnectionError):
        while True:
            peer.sock.sendall(b"2")
            with contextlib.suppress(TimeoutError):
                assert not peer.sock.recv(1)
                return


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (lambda peer: peer.say("554 5.7.1 your address is on a list"), "greeting: 554 5.7.1 your address"),
        (lambda peer: peer.say("220 hi", "421 4.3.2 no"), "EHLO: 421 4.3.2 no"),
        (lambda peer: peer.say("SSH-2.0-OpenSSH"), "the reply is not SMTP"),
        (lambda peer: None, "connection closed"),
        (_says_nothing, "it took too long"),
        (_drips, "it took too long"),
        (_says_too_much, "a line of the reply does not end"),
        (_says_too_many_lines, "the reply does not end"),
    ],
)
def test_a_peer_that_cannot_be_used_is_trouble_for_all(
    smtp_to: MakeSubmitter, talk: Callable[[Peer], object], reason: str
) -> None:
    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port, timeout_s=0.2).submit(make_delivery())

    assert isinstance(receipt, PeerTrouble)
    assert receipt.stops
    assert receipt.outcome == "deferred"
    assert reason in receipt.reply


def test_nobody_listening_is_trouble_for_all(smtp_to: MakeSubmitter) -> None:
    with ScriptedServer() as server:
        port = server.port

    receipt = smtp_to(port).submit(make_delivery())

    assert receipt == PeerTrouble(
        "deferred", f"127.0.0.1:{port}: cannot connect: Connection refused", "4.4.1"
    )


def test_a_server_without_ehlo_is_greeted_with_helo(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.say("220 old.test")
        peer.hear("EHLO")
        peer.say("502 what?")
        peer.hear("HELO desk.test")
        peer.say("250 old.test")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        assert submitter.submit(make_delivery()).outcome == "sent"
        submitter.close()


def test_a_mail_larger_than_the_server_takes_is_not_begun(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("SIZE 100")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        receipt = submitter.submit(make_delivery(size=101))
        assert submitter.submit(make_delivery(size=100)).outcome == "sent"
        submitter.close()

    assert (receipt.outcome, receipt.enhanced_status) == ("failed", "5.3.4")


@pytest.mark.parametrize(
    ("path", "header", "command"),
    [
        ("jürgen@customer.test", False, "MAIL FROM:<support@desk.test> SMTPUTF8 BODY=8BITMIME"),
        ("kim@customer.test", True, "MAIL FROM:<support@desk.test> SMTPUTF8 BODY=8BITMIME"),
        ("kim@customer.test", False, "MAIL FROM:<support@desk.test>"),
    ],
)
def test_smtputf8_is_asked_for_only_when_needed(
    smtp_to: MakeSubmitter, path: str, header: bool, command: str
) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("SMTPUTF8", "8BITMIME")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        receipt = submitter.submit(make_delivery(forward_path=path, needs_smtputf8=header))
        submitter.close()

    assert receipt.outcome == "sent"
    assert server.peers[0].heard[1:3] == [command, f"RCPT TO:<{path}>"]


def test_a_server_without_smtputf8_does_not_get_such_a_mail(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("8BITMIME")
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        receipt = submitter.submit(make_delivery(forward_path="jürgen@customer.test"))
        submitter.close()

    assert (receipt.outcome, receipt.enhanced_status) == ("failed", "5.6.7")
    assert "SMTPUTF8" in receipt.reply


def test_a_domain_goes_in_a_labels_to_a_server_of_any_kind(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("SMTPUTF8", "8BITMIME")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port)
        receipt = submitter.submit(
            make_delivery(reverse_path="support@bücher.test", forward_path="kim@BÜCHER.test")
        )
        submitter.close()

    assert receipt.outcome == "sent"
    assert server.peers[0].heard[1:3] == [
        "MAIL FROM:<support@xn--bcher-kva.test>",
        "RCPT TO:<kim@xn--bcher-kva.test>",
    ]


@pytest.mark.parametrize(("helo", "told"), [("bücher.test", "xn--bcher-kva.test"), ("😀", "localhost")])
def test_our_own_name_is_told_in_ascii(smtp_to: MakeSubmitter, helo: str, told: str) -> None:
    def talk(peer: Peer) -> None:
        peer.greet()
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port, helo=helo)
        assert submitter.submit(make_delivery()).outcome == "sent"
        submitter.close()

    assert server.peers[0].heard[0].lower() == f"ehlo {told}"


def test_a_path_with_a_line_end_is_refused_before_anything_is_sent(smtp_to: MakeSubmitter) -> None:
    submitter = smtp_to(1)

    receipt = submitter.submit(make_delivery(forward_path="kim@customer.test>\r\nDATA"))

    assert receipt.outcome == "failed"
    assert not isinstance(receipt, PeerTrouble)
