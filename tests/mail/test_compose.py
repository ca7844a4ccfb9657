"""Outgoing mail: whatever text goes in, what comes out is a mail of RFC 5322 that says the same."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.compose import (
    AttachmentHead,
    assemble,
    base64_lines,
    base64_size,
    clean,
    compose,
    header,
)
from gateway.mail.message import Address

ANY_TEXT = st.text(max_size=300)
NASTY = st.text(alphabet=st.sampled_from("ab\r\n\0\t .<>\"'@=?_;:,\\é😀\u2028\ud800\x85\x1b"), max_size=120)
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def made(
    subject: str = "x", name: str = "", text: str = "x", html: str | None = None, **more: object
) -> bytes:
    headers = [
        ("Date", AT),
        ("From", Address(name, "support@acme.example")),
        ("To", [Address(name, "jana@customer.example")]),
        ("Subject", subject),
        ("Message-ID", ("1.abc@acme.example",)),
        *((key.replace("_", "-"), value) for key, value in more.items()),
    ]
    return compose(headers, text, html, (), "bound").octets  # type: ignore[arg-type]


def read(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets, policy=default)  # type: ignore[return-value]


@given(st.one_of(ANY_TEXT, NASTY), st.one_of(ANY_TEXT, NASTY))
def test_no_text_breaks_out_of_its_header(subject: str, name: str) -> None:
    octets = made(subject, name)
    head, _, _ = octets.partition(b"\r\n\r\n")
    assert b"\0" not in head
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    allowed = {b"Date", b"From", b"To", b"Subject", b"Message-ID", b"MIME-Version", b"Content-Type",
               b"Content-Transfer-Encoding"}  # fmt: skip
    assert set(names) <= allowed
    assert len(names) == len(set(names))
    back = read(octets)
    assert back["From"].addresses[0].addr_spec == "support@acme.example"
    assert [one.addr_spec for one in back["To"].addresses] == ["jana@customer.example"]


@given(st.one_of(ANY_TEXT, NASTY))
def test_a_subject_comes_back_as_it_was(subject: str) -> None:
    back = read(made(subject))["Subject"] or ""
    assert " ".join(str(back).split()) == " ".join(clean(subject).split())


@given(st.text(max_size=2000), st.one_of(st.none(), st.text(max_size=500)))
def test_text_and_html_come_back_as_they_were(text: str, html: str | None) -> None:
    def lines(value: str) -> str:
        value = re.sub(r"\r\n?", "\n", value.replace("\0", "").encode("utf-8", "replace").decode())
        return value if value.endswith("\n") else value + "\n"

    octets = made(text=text, html=html)
    assert octets.isascii()
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    back = read(octets)
    plain = back.get_body(("plain",))
    assert plain is not None
    assert plain.get_payload(decode=True).decode() == lines(text).replace("\n", "\r\n")
    if html is not None:
        rich = back.get_body(("html",))
        assert rich is not None
        shown = rich.get_payload(decode=True).decode().replace("\r\n", "\n")
        assert _unescaped(shown) == _unescaped(lines(html))


def _unescaped(html: str) -> str:
    return re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), html)


def test_a_long_line_of_html_is_encoded() -> None:
    octets = made(html="<p>" + "é" * 3000 + "</p>")
    assert all(len(line) <= 78 for line in octets.split(b"\r\n"))


@given(st.lists(st.text(alphabet="abc.-_$+", min_size=1, max_size=240), max_size=15))
def test_references_are_never_encoded_and_never_split(ids: list[str]) -> None:
    ids = [f"{one}@host.example" for one in ids]
    octets = made(References=ids)
    assert b"=?" not in octets
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    for one in ids:
        assert f"<{one}>".encode() in octets


def test_an_id_of_110_characters_stays_in_one_piece() -> None:
    long_id = "a" * 90 + "@" + "b" * 19
    assert f"References: <{long_id}>" == header("References", [long_id])


def test_the_same_mail_has_the_same_octets() -> None:
    assert made("Žluť", "Jana", "text", "<p>x</p>") == made("Žluť", "Jana", "text", "<p>x</p>")


@pytest.mark.parametrize("line", [".", "..", "From here", ".x"])
def test_lines_that_relays_change_are_hidden_from_them(line: str) -> None:
    octets = made(text=f"a\n{line}\nb")
    assert b"\r\n." not in octets
    assert b"\r\nFrom " not in octets
    assert read(octets).get_content() == f"a\r\n{line}\r\nb\r\n"


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_base64_is_the_same_however_it_is_cut(chunks: list[bytes]) -> None:
    lines = b"".join(base64_lines(chunks))
    octets = b"".join(chunks)
    assert lines == b"".join(base64_lines([octets]))
    assert len(lines) == base64_size(len(octets))
    import base64

    assert base64.b64decode(lines) == octets


@given(st.text(max_size=200), st.text(max_size=60), st.binary(max_size=300))
def test_an_attachment_comes_back_byte_for_byte_under_its_name(name: str, kind: str, octets: bytes) -> None:
    head = AttachmentHead(kind, name, "attachment", "")
    composed = compose([("Subject", "x")], "body", "<p>body</p>", (head,), "b0undary")
    whole = b"".join(assemble(composed.octets, [(composed.attachment_heads[0], [octets])], composed.tail))
    assert all(len(line) <= 998 for line in whole.split(b"\r\n"))
    (attached,) = read(whole).iter_attachments()
    assert attached.get_payload(decode=True) == octets
    assert (attached.get_filename() or "") == clean(name)


def test_a_forwarded_mail_is_attached_as_a_file_as_base64_may_not_stand_on_message_types() -> None:
    composed = compose([], "x", None, (AttachmentHead("message/rfc822", "a.eml", "inline", "c"),), "b")
    assert b"Content-Type: application/octet-stream" in composed.attachment_heads[0]


def test_an_address_outside_ascii_asks_for_smtputf8() -> None:
    composed = compose([("To", Address("", "jana@žluť.example"))], "x", None, (), "b")
    assert composed.needs_smtputf8
    assert not compose([("To", Address("Žluť", "a@b.example"))], "x", None, (), "b").needs_smtputf8
