"""What is attached to an agent's answer is judged by what it holds, whatever it calls itself; and an answer
that could not be read whole is held."""

from __future__ import annotations

import base64
import time
from email.message import EmailMessage

import pytest

from gateway.mail.quotes import MARKER
from gateway.pipeline import Work
from gateway.tickets.values import Said
from tests.pipeline_world import NOW, agent_address, all_text, envelope, facts, mail, policy, run, ticket

AS_PETRA = envelope(authenticated_as="petra")
NOTE = "she never pays her bills on time"
CZECH = "Česká poznámka: nikdy neplatí účty"
CYRILLIC = "Внутренняя заметка: она никогда не платит"
HEAD = b"From: Pavel <x@home.example>\nTo: y@y.example\nSubject: fwd\n"
SIGNED = agent_address("n")


def part(octets: bytes, kind: str, name: str = "", *, disposition: str = "attachment") -> bytes:
    named = f'; filename="{name}"' if name else ""
    head = f"Content-Type: {kind}\nContent-Disposition: {disposition}{named}\n"
    return head.encode() + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(octets)


def mixed(*parts: bytes, text: bytes = b"Content-Type: text/plain\n\nSee the file.\n") -> bytes:
    head = f"From: petra@private.example\nTo: {agent_address()}\nSubject: Re\nMessage-ID: <a@b.example>\n"
    body = b"".join(b"--bnd\n" + one + b"\n" for one in (text, *parts))
    return head.encode() + b'Content-Type: multipart/mixed; boundary="bnd"\n\n' + body + b"--bnd--\n"


def answered(raw: bytes) -> Work:
    return run(raw, facts(ticket(notes=(f"{NOTE}\n{CZECH}\n{CYRILLIC}",))), AS_PETRA)


def inner(octets: bytes, encoding: str, kind: str = "text/plain; charset=utf-8") -> bytes:
    return HEAD + f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + octets


def notice_mail() -> bytes:
    one = next(one for one in run(mail()).outgoing if one.audience == "agent")
    return one.skeleton


def deep(levels: int) -> bytes:
    octets = inner(base64.encodebytes(f"{MARKER}\n".encode()), "base64")
    for _ in range(levels):
        octets = inner(base64.encodebytes(octets), "base64", "message/rfc822")
    return octets


B64 = base64.encodebytes
SECRET = f"Well,\n{NOTE}\n".encode()
HIDING = {
    "our notice as an unknown file": part(notice_mail(), "application/octet-stream", "notice.eml"),
    "our notice without a telling name": part(notice_mail(), "application/octet-stream", "notice"),
    "our notice as an image": part(notice_mail(), "image/png", "notice.png"),
    "a mail with base64 in it": part(inner(B64(SECRET), "base64"), "message/rfc822", "f.eml"),
    "a mail with quoted-printable in it": part(
        inner(b"she never p=61ys her bills=\n on time\n", "quoted-printable"), "message/rfc822"
    ),
    "a mail with a base64 marker in it": part(inner(B64(MARKER.encode()), "base64"), "application/x-y", "f"),
    "a mail in a mail in a mail": part(deep(3), "message/rfc822", "f.eml"),
    "more mails in mails than are opened": part(deep(9), "message/rfc822", "f.eml"),
    "a mail with an encoded subject": part(
        b"From: x@y.example\nSubject: =?utf-8?b?" + base64.b64encode(NOTE.encode()) + b"?=\n\nx\n",
        "text/plain",
        "a",
    ),
    "a mail with an HTML part": part(
        inner(B64(NOTE.replace(" ", "&nbsp;").encode()), "base64", "text/html"), "message/rfc822", "f.eml"
    ),
    "HTML in pieces": part(
        b"<p>she <b>never</b> pays<br>her bills&#32;on ti<i>m</i>e</p>", "text/html", "a.html"
    ),
    "a note in iso-8859-2": part(CZECH.encode("iso-8859-2"), "text/plain; charset=iso-8859-2", "a.txt"),
    "a note in iso-8859-2 that nobody declares": part(CZECH.encode("iso-8859-2"), "text/plain", "a.txt"),
    "a note in iso-8859-2 declared as UTF-8": part(
        CZECH.encode("iso-8859-2"), "text/plain; charset=utf-8", "a"
    ),
    "a note in UTF-8 declared as windows-1252": part(CZECH.encode(), "text/plain; charset=windows-1252", "a"),
    "a Cyrillic note in koi8-r": part(CYRILLIC.encode("koi8-r"), "text/plain; charset=koi8-r", "a.txt"),
    "a note in UTF-16": part(CZECH.encode("utf-16"), "text/plain", "a.txt"),
    "a note in UTF-16 without a mark": part(CZECH.encode("utf-16-le"), "application/octet-stream", "a"),
    "a note in UTF-16, big end first": part(b"\xfe\xff" + CZECH.encode("utf-16-be"), "text/plain", "a.txt"),
    "a note in UTF-16 within binary octets": part(
        b"\xd0\xcf\x11\xe0\xff" + CYRILLIC.encode("utf-16-le") + b"\x01\xff", "application/x-ole", "a.msg"
    ),
    "a note within binary octets": part(b"\x00\x01\xff" + SECRET, "image/png", "a.png"),
    "her private address in a picture": part(b"\x89PNG\0\0Petra@private.example\0", "image/png", "a.png"),
    "her note address in a file": part(b"\x01" + SIGNED.encode() + b"\x02", "application/x-y", "a"),
    "a text in Outlook's own format": part(b"\x78\x9f\x3e\x22\0\0", "application/ms-tnef", "winmail.dat"),
    "the same by its name": part(b"\x01", "application/octet-stream", "WINMAIL.DAT"),
    "the same by its octets": part(b"\x78\x9f\x3e\x22\0\0", "application/octet-stream", "a"),
    "a long text": part(b"a line of a log\n" * 150_000, "text/plain", "a.log"),
    "a long text of an unknown type": part(b"a line of a log\n" * 150_000, "application/octet-stream", "a"),
    "a long text in UTF-16": part(("ein Log\n" * 150_000).encode("utf-16"), "application/octet-stream", "a"),
    "a long mail": part(HEAD + b"\n" + b"\0\x01" * 1_100_000, "application/octet-stream", "a"),
    "a long Outlook mail": part(b"\xd0\xcf" * 1_100_000, "application/octet-stream", "a.msg"),
    "a note as a name": part(b"\x01", "application/pdf", f"{NOTE}.pdf"),
    "a note as a name without blanks": part(b"\x01", "application/pdf", f"{NOTE.replace(' ', '_')}.pdf"),
}


@pytest.mark.parametrize("one", HIDING.values(), ids=HIDING.keys())
def test_what_may_tell_a_customer_too_much_is_held_with_the_name_of_the_file(one: bytes) -> None:
    work = answered(mixed(one))
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert work.decision.outcome.startswith("held: its attachment ")
    assert [mail.kind for mail in work.outgoing] == ["held"]


HARMLESS = {
    "a picture": part(bytes(range(256)) * 40, "image/png", "a.png"),
    "a large picture": part(bytes(range(256)) * 8000, "image/png", "a.png"),
    "a large drawing": part(b"<svg><path/></svg>\n" * 120_000, "image/svg+xml", "a.svg"),
    "a large film": part(bytes(range(256)) * 8000, "video/mp4", "a.mp4"),
    "a large PDF of an unknown type": part(
        b"%PDF-1.4\n" + b"0 obj\n" * 350_000, "application/octet-stream", "a"
    ),
    "a large archive": part(bytes(range(256)) * 8000, "application/octet-stream", "a.zip"),
    "a text": part(b"how to pull a plug\n" * 1000, "text/plain", "plug.txt"),
    "a text in UTF-16": part("jak vytáhnout zástrčku".encode("utf-16"), "text/plain", "plug.txt"),
    "a mail of a stranger": part(inner(B64(b"pull the plug"), "base64"), "message/rfc822", "f.eml"),
    "nothing": part(b"", "application/pdf", "empty.pdf"),
}


@pytest.mark.parametrize("one", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_tells_nothing_goes_out(one: bytes) -> None:
    work = answered(mixed(one))
    assert work.decision is not None
    assert work.decision.outcome == "answer"
    assert all(len(mail.attachments) == 1 for mail in work.outgoing if mail.audience == "customer")


def test_what_a_customer_wrote_may_be_attached_also_where_a_note_quotes_it() -> None:
    words = "when will the order 4711 arrive at last?"
    said = Said("public", "customer", "Jana", NOW, f"Hello,\n{words}\n")
    notes = (f"Pavel, she asks:\n{words}\nBest regards,\nPetra",)
    raw = mixed(part(f"{words}\nBest regards,\n".encode(), "text/plain", "a.txt"))
    work = run(raw, facts(ticket(notes=notes, history=(said,))), AS_PETRA)
    assert work.decision is not None
    assert work.decision.outcome == "answer"


def test_a_signature_that_holds_her_address_holds_nothing_up_as_it_stays_here() -> None:
    work = answered(mixed(part(b"\x30petra@private.example", "application/pkcs7-signature", "smime.p7s")))
    assert work.decision is not None
    assert work.decision.outcome == "answer"


@pytest.mark.parametrize(
    "octets",
    [
        b"From: " * 330_000,
        b"<" * 1_990_000,
        b"&#" * 990_000,
        b" " * 1_990_000,
        b"From: x\n" * 240_000,
        (NOTE[:-1] + "\n").encode() * 60_000,
        b"--b\n" * 490_000,
        b"From: a\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 380_000,
        b"@private.example" * 120_000,
    ],
    ids=lambda octets: octets[:12].decode(),
)
def test_hostile_octets_take_no_long_time(octets: bytes) -> None:
    raw = mixed(part(octets, "text/plain", "a.txt"))
    started = time.process_time()
    answered(raw)
    assert time.process_time() - started < 5


def quoted_notice() -> str:
    text = next(one.text for one in run(mail()).outgoing if one.audience == "agent")
    return "\nOn Monday, Jana wrote:\n" + "".join(f"> {line}\n" for line in text.splitlines())


SHORT = policy(parse={"text_octets": 3000})
LONG = "Line of the long answer with some words in it.\n" * 100
PICTURE = f'<p>Hi</p><img src="data:image/png;base64,{"A" * 4000}"><blockquote>{NOTE}</blockquote>'
CUT = {
    "a long text": mail(LONG + quoted_notice(), sender="petra@private.example", to=agent_address()),
    "HTML with a picture in it": mail(PICTURE, sender="petra@private.example", to=agent_address()).replace(
        b"text/plain", b"text/html"
    ),
    "two pieces of HTML": mixed(
        f"Content-Type: text/html\n\n<p>{LONG[:2000]}".encode(),
        text=f"Content-Type: text/html\n\n<p>{LONG[:2000]}".encode(),
    ),
    "a text and HTML with a picture": mail("", sender="petra@private.example", to=agent_address()).replace(
        b'Content-Type: text/plain; charset="utf-8"', b"Content-Type: multipart/alternative; boundary=x"
    )
    + b"--x\nContent-Type: text/plain\n\nHi\n--x\nContent-Type: text/html\n\n"
    + PICTURE.encode()
    + b"\n--x--\n",
}


@pytest.mark.parametrize("raw", CUT.values(), ids=CUT.keys())
def test_an_answer_that_is_not_read_whole_is_held_and_the_agent_hears_what_to_do(raw: bytes) -> None:
    work = run(raw, facts(ticket()), AS_PETRA, desk=SHORT)
    assert work.decision is not None
    expected = "held: its text is larger than 3000 octets; send the long part as an attached file"
    assert work.decision.outcome == expected
    assert all_text(work, "customer") == ""


def test_text_that_cannot_be_told_apart_is_held() -> None:
    raw = mixed(*[b"Content-Type: text/plain\n\nx"] * 5)
    work = run(raw, facts(ticket()), AS_PETRA, desk=policy(parse={"parts": 4}))
    assert work.decision is not None
    assert "too many parts" in work.decision.outcome


def test_the_agents_own_text_is_no_file_even_if_an_admin_lets_a_long_one_out() -> None:
    work = run(CUT["a long text"], facts(ticket()), envelope(released=True), desk=SHORT)
    customers = [one for one in work.outgoing if one.audience == "customer"]
    assert customers
    assert [one.attachments for one in customers] == [()] * len(customers)


def test_agents_are_told_that_a_customers_long_text_comes_as_a_file() -> None:
    work = run(mail(LONG), desk=SHORT)
    notice = next(one for one in work.outgoing if one.audience == "agent")
    assert "Attachments: text too long to show.txt (" in notice.text
    assert b"text too long to show.txt" in notice.attachments[0].head


def test_hidden_headers_are_looked_into() -> None:
    one = EmailMessage()
    one["From"], one["X-Ticketgate-Loop"] = "x@y.example", "abc"
    one.set_content("x\n")
    assert answered(mixed(part(one.as_bytes(), "text/plain", "a"))).decision.action == "hold"  # type: ignore[union-attr]
