"""A mail is read whole: one test tells one mail from its octets to what the desk knows of it."""

from __future__ import annotations

import hashlib
import tracemalloc
from datetime import UTC, datetime

import mailparser
import pytest

from gateway.mail import parse as parse_room
from gateway.mail.attachments import content
from gateway.mail.message import Address
from gateway.mail.parse import parse
from gateway.settings.model import ParseLimits
from tests.mail.mails import DSN, HTML, LIMITS, MIXED, PLAIN, SELF_WRITTEN, assert_safe, body_of, read


def test_a_plain_reply_is_told_apart_field_by_field() -> None:
    mail = read(PLAIN)
    assert mail.message_id == "one@customer.example"
    assert mail.date == datetime(2025, 1, 6, 9, 0, tzinfo=UTC)
    assert mail.author == Address("Anna Novak", "anna@customer.example")
    assert [one.address for one in mail.to] == ["support@desk.example", "bob@desk.example"]
    assert mail.cc == (Address("", "carol@x.example"), Address("D, E", "de@x.example"))
    assert mail.subject == "Printer is on fire"
    assert mail.in_reply_to == ("zero@desk.example",)
    assert mail.references == ("a@desk.example", "zero@desk.example")
    assert mail.new_text == "Dobrý den,\nit burns."
    assert "> Did you turn it off?" in mail.quoted
    assert mail.signature == "-- \nAnna"
    assert "Did you turn it off?" in mail.text
    assert mail.headers.get("received") is not None
    assert mail.attachments == ()
    assert mail.defects == ()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_change_nothing(line_end: bytes) -> None:
    mail = read(PLAIN.replace(b"\n", line_end))
    assert mail.new_text == read(PLAIN).new_text
    assert mail.references == read(PLAIN).references
    assert mail.body_sha256 == read(PLAIN).body_sha256


def test_the_body_hash_forgets_line_ends_and_trailing_blank_lines_only() -> None:
    one = body_of(b"a\n\nb\n").body_sha256
    assert one == hashlib.sha256(b"a\n\nb").hexdigest()
    assert one == body_of(b"a\r\n\r\nb\r\n\r\n\r\n").body_sha256
    assert one != body_of(b"a\nb\n").body_sha256


def test_parts_and_attachments_of_a_mixed_mail() -> None:
    mail = read(MIXED)
    assert mail.author == Address("Jiří", "jiri@customer.example")
    assert mail.subject == "žluťoučký kůň"
    assert mail.text == "Příloha je v dopise."
    assert mail.html is not None
    assert "Příloha" in mail.html
    logo, binary, attached = mail.attachments
    assert (logo.part, logo.content_id, logo.content_type) == ("1.2.2", "logo", "image/png")
    assert (binary.part, binary.filename, binary.disposition) == ("2", "faktúra.bin", "attachment")
    assert b"".join(content(MIXED, binary)) == b"\0\xff\x80 binary\r\nend"
    assert binary.sha256 == hashlib.sha256(b"\0\xff\x80 binary\r\nend").hexdigest()
    assert (attached.part, attached.content_type) == ("3", "message/rfc822")


def test_an_attached_mail_stays_apart_and_is_shown_as_forwarded() -> None:
    mail = read(MIXED)
    assert "inner" not in mail.text + (mail.html or "")
    assert all(one.filename != "inner.txt" for one in mail.attachments)
    attached = mail.attachments[-1]
    assert b"".join(content(MIXED, attached)).startswith(b"From: old@x.example")
    assert mail.forwarded is not None
    assert mail.forwarded.subject == "the attached one"
    assert mail.forwarded.from_ == Address("", "old@x.example")
    assert mail.forwarded.body == "inner text"


def test_html_becomes_text_and_the_clients_quote_is_known() -> None:
    mail = read(HTML)
    assert mail.new_text.split() == ["It’s", "broken.", "*", "one", "*", "two"]
    assert "turn it off" in mail.quoted
    assert "turn it off" in mail.text
    assert "preheader" not in mail.text
    assert mail.html is not None


def test_the_quote_that_only_the_html_shows_is_found() -> None:
    alternative = (
        b"--b\n\nThanks!\n\nQuux Support zorped\nDid you turn it off?\n--b\nContent-Type: text/html\n\n"
        b"<p>Thanks!</p><div class='gmail_quote'>Quux Support zorped<br>Did you turn it off?</div>\n--b--\n"
    )
    mail = body_of(alternative, b"Content-Type: multipart/alternative; boundary=b")
    assert mail.new_text == "Thanks!"
    assert "turn it off" in mail.quoted
    assert "turn it off" in mail.text


def test_mail_parser_is_given_no_attachment(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytes] = []
    original = mailparser.MailParser.parse

    def look(reader: mailparser.MailParser) -> object:
        given.append(reader.message.as_bytes())
        return original(reader)

    monkeypatch.setattr(mailparser.MailParser, "parse", look)
    mail = read(MIXED)
    assert len(given) == 1
    assert all(piece not in given[0] for piece in (b"binary=0D", b"iVBORw0KGgo", b"inner text"))
    assert "mail-parser-failed" not in mail.defects


def test_a_delivery_report_names_recipients_and_our_mail() -> None:
    report = read(DSN).report
    assert report is not None
    assert (report.kind, report.original_message_id) == ("failure", "ours@desk.example")
    first, second = report.recipients
    assert (first.address, first.action, first.status) == ("anna@customer.example", "failed", "5.1.1")
    assert first.diagnostic == "550 5.1.1 <anna@customer.example>: user unknown"
    assert (second.address, second.action, second.status) == ("ben@customer.example", "delayed", "4.2.2")
    assert read(DSN).forwarded is None
    assert read(PLAIN).report is None


def test_every_attachment_can_be_read_again_by_its_offsets() -> None:
    for raw in SELF_WRITTEN:
        for one in read(raw).attachments:
            octets = b"".join(content(memoryview(raw), one))
            assert (len(octets), hashlib.sha256(octets).hexdigest()) == (one.size, one.sha256)


def test_a_memoryview_reads_like_bytes() -> None:
    assert parse(memoryview(MIXED), LIMITS) == read(MIXED)
    assert parse(memoryview(b"xx" + MIXED)[2:], LIMITS) == read(MIXED)


def test_our_own_failure_still_gives_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(parse_room, "read_report", broken)
    mail = read(PLAIN.replace(b"Subject:", b"Subject: \0"))
    assert "parser-failed" in mail.defects
    assert mail.headers.get("subject") == "Printer is on fire"
    assert mail.message_id == "one@customer.example"
    assert "it burns" in mail.new_text
    assert_safe(mail)


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        (
            [b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b'],
            b"",
            "pgp",
        ),
        ([b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"], b"x", "smime"),
        ([], b"-----BEGIN PGP MESSAGE-----\n\nhQ\n-----END PGP MESSAGE-----\n", "pgp"),
        ([], b"hello", None),
    ],
)
def test_what_cannot_be_read_is_said(fields: list[bytes], body: bytes, expected: str | None) -> None:
    assert body_of(body, *fields).encrypted == expected


def test_limits_mark_the_mail_and_keep_its_text() -> None:
    tight = ParseLimits(headers=10, depth=1, text_octets=50)
    many = b"X-A: b\n" * 100 + b"\nbody\n"
    assert "header-too-long" in parse(b"Subject: s\n" + many, tight).defects
    assert parse(b"Subject: s\n" + many, tight).text == "body"
    assert "too-deep" in parse(MIXED, tight).defects
    cut = parse(b"Subject: s\n\n" + b"word " * 100, tight)
    assert "text-cut" in cut.defects
    assert cut.text.startswith("word word")
    assert cut.attachments[0].size == 500


def test_deep_nesting_is_bounded() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1500))
    mail = read(b"From: a@b.example\n" + nested + b"\nthe text")
    assert "too-deep" in mail.defects
    assert mail.author is not None


def test_a_large_attachment_costs_no_memory() -> None:
    line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\n"
    raw = (
        b'Subject: big\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\nhello\n--b\n'
        b"Content-Type: application/pdf; name=big.pdf\nContent-Transfer-Encoding: base64\n\n"
        + line * (25_000_000 // len(line))
        + b"--b--\n"
    )
    tracemalloc.start()
    try:
        mail = read(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert mail.text == "hello"
    assert mail.attachments[0].size == 57 * (25_000_000 // len(line))
    assert peak < 10_000_000
