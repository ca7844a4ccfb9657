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


def test_only_a_local_part_outside_ascii_asks_for_smtputf8() -> None:
    def composed(name: str, address: str) -> tuple[bytes, bool]:
        made = compose([("To", (Address(name, address),))], "x", None, (), "b")
        return made.octets.partition(b"\r\n")[0], made.needs_smtputf8

    assert composed("", "jana@žluť.example") == (b"To: jana@xn--lu-yta1h.example", False)
    assert composed("Žluť", "a@b.example") == (b"To: =?utf-8?b?xb1sdcWl?= <a@b.example>", False)
    assert composed("", "žluť@žluť.example") == ("To: žluť@xn--lu-yta1h.example".encode(), True)


@pytest.mark.parametrize("field", ["From", "Reply-To", "To", "Cc"])
def test_a_domain_is_in_a_labels_in_every_field_of_addresses(field: str) -> None:
    assert header(field, Address("", "a@BÜCHER.example")) == f"{field}: a@xn--bcher-kva.example"
    assert header(field, [Address("", "a@BÜCHER.example")]) == f"{field}: a@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "address", ["a b@x.example", "a@😀.example", "a@x\r\nBcc: b@x", "a@" + "x" * 600, "a"]
)
def test_an_address_that_cannot_be_written_is_left_out_and_not_made_another(address: str) -> None:
    jana = Address("", "jana@customer.example")
    assert header("To", [jana, Address("Evil", address)]) == "To: jana@customer.example"
    assert header("To", [Address("Evil", address)]) == "To:"


def test_a_quoted_local_part_keeps_its_spaces() -> None:
    assert header("To", [Address("", '"john doe"@x.example')]) == 'To: <"john doe"@x.example>'


@pytest.mark.parametrize("one", ["é@customer.example", "a" * 901 + "@x", "", " \r\n"])
def test_an_id_that_cannot_be_written_is_left_out(one: str) -> None:
    assert header("References", [one, "a@b"]) == "References: <a@b>"
    assert header("In-Reply-To", [one]) == "In-Reply-To:"


def test_the_longest_id_still_fits_behind_its_name() -> None:
    assert len(header("In-Reply-To", ["a" * 900])) <= 998


NAMES = st.one_of(
    NASTY,
    st.text(alphabet="abc é😀", max_size=90),
    st.text(alphabet="ab ,.", max_size=320),
    st.text(max_size=40),
)
SPECS = st.builds(
    "{}@{}.example".format, st.text(alphabet="abc", min_size=1, max_size=60), st.text("xyz", min_size=1)
)


@given(st.lists(st.builds(Address, NAMES, SPECS), min_size=1, max_size=6), NAMES)
def test_lines_with_encoded_words_have_at_most_76_octets(people: list[Address], subject: str) -> None:
    for field in (header("Reply-To", people), header("From", people[0]), header("Subject", subject)):
        for line in field.split("\r\n"):
            assert len(line) <= (76 if "=?utf-8?" in line else 998)
            assert line.strip()
    back = read(f"{header('Reply-To', people)}\r\n\r\n".encode())["Reply-To"].addresses
    assert [one.addr_spec for one in back] == [one.address for one in people]
    # the standard library puts a space between two encoded words of a name
    assert ["".join(one.display_name.split()) for one in back] == [
        "".join(_cut(clean(one.name)).split()) for one in people
    ]


def _cut(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:197].rstrip()}..."


def test_an_endless_name_is_cut() -> None:
    field = header("To", [Address("é" * 100_000, "a@b.example")])
    assert len(field) < 2000
    assert field.endswith("<a@b.example>")


def _as_relays_like(octets: bytes) -> None:
    for part in octets.split(b"quoted-printable\r\n\r\n")[1:]:
        for line in part.partition(b"\r\n--=_")[0].split(b"\r\n"):
            assert len(line) <= 76
            assert not line.startswith((b".", b"From "))


@given(st.text(alphabet="F.rom =é\nx", max_size=400))
def test_quoted_lines_have_at_most_76_octets_and_none_begins_as_relays_dislike(text: str) -> None:
    _as_relays_like(made(text=text, html=text + "é" * 900))


@pytest.mark.parametrize("begin", [".", "From "])
@pytest.mark.parametrize("end", [".", "é", "From ", "=", ".é", "é."])
def test_a_line_that_an_escape_makes_too_long_is_broken_at_a_harmless_place(begin: str, end: str) -> None:
    for length in range(60, 80):
        text = f"{begin}{'x' * length}{end}{'x' * 30}\n"
        octets = made(text=text)
        _as_relays_like(octets)
        plain = read(octets).get_body(("plain",))
        assert plain is not None
        assert plain.get_content() == text.replace("\n", "\r\n")


def test_a_style_sheet_in_html_stays_as_it_is() -> None:
    """Character references are none within <style>."""
    html = "<style>\n.card { color: red }\nFrom { x: y }\n</style>\n"
    octets = made(html=html)
    rich = read(octets).get_body(("html",))
    assert rich is not None
    assert rich.get_payload(decode=True).replace(b"\r\n", b"\n").decode() == html
    assert b"\r\n." not in octets
