"""What a reply means: for the recipient, for this mail, or for the neighbour itself."""

from __future__ import annotations

import pytest

from gateway.delivery.replies import (
    PeerTrouble,
    make_reply,
    one_line,
    refusal_of_envelope,
    refused,
    with_paths_spelled,
)
from gateway.ports import Delivery
from tests.delivery.scripted import make_delivery

FAILED, DEFERRED, THIS_MAIL, ALL_MAILS = "failed", "deferred", "trouble with this mail", "trouble for all"


@pytest.mark.parametrize(
    ("stage", "code", "text", "meaning"),
    [
        ("MAIL", 421, "4.3.2 shutting down", DEFERRED),
        ("MAIL", 451, "4.3.0 later", DEFERRED),
        ("MAIL", 452, "4.3.1 disk full", DEFERRED),
        ("MAIL", 530, "5.7.0 must issue STARTTLS first", ALL_MAILS),
        ("MAIL", 530, "authentication required", ALL_MAILS),
        ("MAIL", 535, "5.7.8 who are you", ALL_MAILS),
        ("MAIL", 550, "5.7.1 sender refused", THIS_MAIL),
        ("MAIL", 553, "5.7.1 not owned by user", THIS_MAIL),
        ("MAIL", 552, "5.3.4 too big", FAILED),
        ("MAIL", 500, "5.3.4 too big", FAILED),
        ("MAIL", 550, "5.6.7 no SMTPUTF8", FAILED),
        ("RCPT", 450, "4.2.0 greylisted", DEFERRED),
        ("RCPT", 454, "4.7.1 relay access denied", DEFERRED),
        ("RCPT", 550, "5.1.1 no such user", FAILED),
        ("RCPT", 552, "5.2.2 mailbox full", FAILED),
        ("RCPT", 553, "5.1.3 bad address", FAILED),
        ("RCPT", 550, "5.7.1 you are on a list", FAILED),
        ("RCPT", 554, "5.7.1 <kim@customer.test>: Relay access denied", THIS_MAIL),
        ("RCPT", 530, "5.7.1 authentication required", THIS_MAIL),
        ("DATA", 451, "later", DEFERRED),
        ("DATA", 554, "no valid recipients", FAILED),
        (".", 451, "4.7.1 try again", DEFERRED),
        (".", 552, "5.2.3 too big", FAILED),
        (".", 554, "5.7.1 looks like spam", FAILED),
        ("RCPT", 250, "not asked for", DEFERRED),
        ("RCPT", 199, "odd", DEFERRED),
    ],
)
def test_meaning_of_a_refusal(stage: str, code: int, text: str, meaning: str) -> None:
    receipt = refused(make_reply(code, text.encode()), stage)

    if isinstance(receipt, PeerTrouble):
        assert receipt.outcome == "deferred"
        assert meaning == (ALL_MAILS if receipt.stops else THIS_MAIL)
    else:
        assert receipt.outcome == meaning
    assert receipt.reply == f"{code} {text}"


def test_a_reply_of_many_lines_is_told_on_one_with_its_status_once() -> None:
    reply = make_reply(550, b"5.1.1 The account\n5.1.1 does not\x00 exist\t\xff")

    assert reply.enhanced_status == "5.1.1"
    assert str(reply) == "550 5.1.1 The account does not exist \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("text", [b"2.1.1 odd", b"5.1 no", b"5.1.1111 no", b"x 5.1.1", b""])
def test_a_status_that_does_not_belong_to_the_code_is_mere_text(text: bytes) -> None:
    assert make_reply(550, text).enhanced_status == ""


def test_text_of_strangers_is_bounded_and_holds_no_controls() -> None:
    assert one_line("a\r\nb\x1b[31m\u2028c" + "d" * 9000) == "a b [31m c" + "d" * 490
    assert one_line("lone \udcff") == "lone ?"


@pytest.mark.parametrize(
    ("reverse_path", "forward_path", "status"),
    [
        ("support@desk.test", "kim@customer.test", None),
        ("", "kim@customer.test", None),
        ("support+x.y=z@desk.test", "o'brien@bücher.example", None),
        ("support@desk.test", "", "5.1.3"),
        ("support@desk.test", "kim@customer.test\r\nRCPT TO:<all@customer.test>", "5.1.3"),
        ("support@desk.test", "kim@customer.test\n", "5.1.3"),
        ("support@desk.test", "kim@customer.test\0", "5.1.3"),
        ("support@desk.test", "kim@customer.test NOTIFY=NEVER", "5.1.3"),
        ("support@desk.test", "kim@customer.test>", "5.1.3"),
        ("support@desk.test", "<kim@customer.test", "5.1.3"),
        ("support@desk.test", "kim\x85@customer.test", "5.1.3"),
        ("support@desk.test", "kim\udcff@customer.test", "5.1.3"),
        ("support@desk.test\r", "kim@customer.test", "5.1.7"),
        ("a b@desk.test", "kim@customer.test", "5.1.7"),
        ("support@desk.test", '"kim lee"@customer.test', None),
        ("support@desk.test", '"kim>lee"@customer.test', "5.1.3"),
        ("support@desk.test", '"kim\r\nDATA"@customer.test', "5.1.3"),
        ("support@desk.test", "kim@customer.test,all", "5.1.3"),
        ("support@desk.test", "kim@" + "x" * 600, "5.1.3"),
        ("support@desk.test", "kim@no😀name.test", "5.1.2"),
        ("support@no😀name.test", "kim@customer.test", "5.1.8"),
    ],
)
def test_paths_that_must_not_be_on_the_wire(reverse_path: str, forward_path: str, status: str | None) -> None:
    refusal = refusal_of_envelope(reverse_path, forward_path)

    if status is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.outcome, refusal.enhanced_status) == ("failed", status)
        assert "\n" not in refusal.reply


def test_a_domain_that_is_none_is_named() -> None:
    refusal = refusal_of_envelope("", "kim@no😀name.test")

    assert refusal is not None
    assert refusal.reply == (
        "501 5.1.2 the recipient's domain no😀name.test is no domain name: it has no form in ASCII (IDNA)"
    )


@pytest.mark.parametrize(
    ("path", "spelled"),
    [
        ("kim@bücher.test", "kim@xn--bcher-kva.test"),
        ("jürgen@bücher.test", "jürgen@xn--bcher-kva.test"),
        ("a..b@customer.test", '"a..b"@customer.test'),
        ("Kim@Customer.test", "Kim@Customer.test"),
    ],
)
def test_paths_are_spelled_for_the_wire(path: str, spelled: str) -> None:
    delivery = with_paths_spelled(make_delivery(reverse_path=path, forward_path=path))

    assert isinstance(delivery, Delivery)
    assert (delivery.reverse_path, delivery.forward_path) == (spelled, spelled)


def test_the_null_reverse_path_stays_null() -> None:
    delivery = with_paths_spelled(make_delivery(reverse_path=""))

    assert isinstance(delivery, Delivery)
    assert delivery.reverse_path == ""
