"""What mail-parser reads wrong (`dependencies.md`), each read right behind our door."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import mailparser
import pytest

from gateway.mail.attachments import content
from tests.mail.mails import MIXED, assert_safe, body_of, read


@pytest.mark.parametrize(
    "raw",
    [
        b'Subject: s\nContent-Type: text/plain; charset="utf-8\0"\n\nthe text',
        b"Subject: =?utf-8?Q?a=00b?=\nFrom: =?utf-8?Q?=00?= <a@b.example>\n\nthe text",
        b"headers_json: 1\nHeaders: 2\nparse: 3\n\nthe text",
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--c\n\nthe text\n--c--\n--a--\n",
        b'Content-Type: text/plain; charset="unknown-thing"\n\nthe text',
        b"Content-Type: text/plain; charset=undefined\n\nthe text",
        b"Content-Type: text/plain; charset=idna\n\nthe text",
        b"Content-Type: text/plain; charset=rot13\n\nthe text",
    ],
)
def test_mails_on_which_it_raises_are_read(raw: bytes) -> None:
    mail = read(raw)
    assert "the text" in mail.text
    assert "parser-failed" not in mail.defects
    assert_safe(mail)


def test_its_failure_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ValueError("whatever it raises")

    monkeypatch.setattr(mailparser.MailParser, "parse", broken)
    mail = read(MIXED)
    assert mail.defects == ("mail-parser-failed",)
    assert (mail.text, mail.subject) == ("Příloha je v dopise.", "žluťoučký kůň")


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-2022-jp", "こんにちは、元気ですか。"),
        ("utf-7", "Grüße aus Köln"),
        ("windows-1250", "Příliš žluťoučký kůň"),
        ("windows-1251", "Здравствуйте, не работает"),
        ("koi8-r", "Здравствуйте, не работает"),
        ("gb18030", "你好，打印机坏了"),
        ("gb2312", "你好，打印机坏了"),
        ("big5", "你好，印表機壞了"),
        ("shift_jis", "印刷できません"),
        ("euc-kr", "안녕하세요"),
        ("windows-1252", "It’s “broken” – €5"),
        ("utf-16", "Grüße"),
    ],
)
@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_bodies_of_every_charset_are_decoded(charset: str, text: str, encoding: str) -> None:
    octets = text.encode(charset)
    if encoding == "base64":
        octets = base64.encodebytes(octets)
    elif charset == "utf-16":
        return
    kind = b"Content-Type: text/plain; charset=" + charset.encode()
    mail = body_of(octets, kind, b"Content-Transfer-Encoding: " + encoding.encode())
    assert mail.text.strip() == text


def test_raw_octets_in_a_subject_are_not_lost() -> None:
    assert read("Subject: Příliš žluťoučký\n\nx".encode()).subject == "Příliš žluťoučký"
    russian = "Subject: Не работает принтер\nContent-Type: text/plain; charset=koi8-r\n\nx"
    assert read(russian.encode("koi8-r")).subject == "Не работает принтер"


@pytest.mark.parametrize("fold", [b"\r\n ", b"\n\t", b"\r ", b"=?utf-8?Q?=0D=0ABcc:_x=40y?= "])
def test_no_line_end_survives_in_a_header_value(fold: bytes) -> None:
    mail = read(b"Subject: one" + fold + b"two\r\nFrom: x <a@b.example>\r\n\r\nbody")
    assert_safe(mail)
    assert mail.subject.startswith("one")
    assert mail.subject.endswith("two")
    assert mail.headers.get("bcc") is None


def test_duplicated_fields_stay_in_order_and_the_first_counts() -> None:
    mail = read(b"Subject: one\nMessage-ID: <1@x>\nSubject: two\nMessage-ID: <2@x>\n\nbody")
    assert (mail.subject, mail.message_id) == ("one", "1@x")
    assert mail.headers.get_all("subject") == ("one", "two")
    assert mail.headers.get_all("Message-Id") == ("<1@x>", "<2@x>")


def test_an_attached_mail_does_not_merge_into_the_outer_one() -> None:
    mail = read(MIXED)
    assert mail.text == "Příloha je v dopise."
    assert mail.subject == "žluťoučký kůň"


@pytest.mark.parametrize("kind", [b"image/png", b"text/calendar; method=REQUEST", b"text/csv"])
def test_parts_without_a_name_are_attachments(kind: bytes) -> None:
    body = b"--b\n\nhello\n--b\nContent-Type: " + kind + b"\n\nDATA\n--b--\n"
    mail = body_of(body, b"Content-Type: multipart/mixed; boundary=b")
    assert mail.text == "hello"
    assert [one.content_type for one in mail.attachments] == [kind.split(b";")[0].decode()]


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("Mon, 6 Jan 2025 10:00:00 CEST", datetime(2025, 1, 6, 8, tzinfo=UTC)),
        ("6 Jan 25 10:00 +0100", datetime(2025, 1, 6, 9, tzinfo=UTC)),
        ("Mon Jan  6 10:00:00 2025", datetime(2025, 1, 6, 10, tzinfo=UTC)),
    ],
)
def test_odd_dates_are_read(value: str, instant: datetime) -> None:
    assert read(f"Date: {value}\n\nx".encode()).date == instant


def test_nul_is_taken_out_everywhere() -> None:
    mail = body_of(b"a\0b", b"To: x\0y <c@d.example>", b"X-Y: \0", b"References: <a\0b@c>")
    assert mail.text == "ab"
    assert_safe(mail)


def test_quoted_printable_binaries_are_exact() -> None:
    octets = bytes(range(256))
    body = b"--b\n\nx\n--b\nContent-Type: application/x-bin\nContent-Transfer-Encoding: quoted-printable\n\n"
    body += (
        b"".join(b"=%02X" % octet + (b"=\r\n" if octet % 16 == 15 else b"") for octet in octets)
        + b"\n--b--\n"
    )
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + body
    assert b"".join(content(raw, read(raw).attachments[0])) == octets


def test_the_agent_before_the_bracket_is_a_name() -> None:
    mail = read(b"From: agent@corp.example <evil@z.example>\n\nx")
    assert [one.address for one in mail.from_] == ["evil@z.example"]


def test_a_huge_encoded_subject_is_cut_before_anybody_decodes_it() -> None:
    mail = read(b"Subject: " + b"=?utf-8?Q?a?= " * 80_000 + b"\n\nbody")
    assert "header-too-long" in mail.defects
    assert len(mail.subject) < 256 * 1024
