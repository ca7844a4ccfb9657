"""What goes to customers beside an agent's text: files, under public names, with nothing of her computer."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default

import pytest

from gateway.mail.attachments import decode
from gateway.mail.compose import assemble
from gateway.notices.values import OutgoingMail
from gateway.tickets.attached import public_name
from tests.pipeline_world import POLICY, agent_address, envelope, facts, run, ticket

HEAD = f"""\
From: Petra Privatename <petra@private.example>
To: {agent_address()}
Subject: Re: Printer
Message-ID: <a@petras-laptop.lan>
MIME-Version: 1.0
"""
TEXT = "Content-Type: text/plain; charset=utf-8\n\nSee the file.\n"
SIGNED_TEXT = "Hello.\n\n-- \nPetra Privatename\n"
IMAGE = "iVBORw0KGgo="


def several(kind: str, *parts: str) -> bytes:
    body = "".join(f"--bnd\n{one}\n" for one in parts)
    return f"{HEAD}Content-Type: multipart/{kind}; boundary=bnd\n\n{body}--bnd--\n".encode()


def file(kind: str, disposition: str = "attachment", more: str = "", content: str = IMAGE) -> str:
    head = f"Content-Type: {kind}\nContent-Disposition: {disposition}\n{more}"
    return f"{head}Content-Transfer-Encoding: base64\n\n{content}\n"


def to_jana(raw: bytes) -> OutgoingMail:
    work = run(raw, facts(ticket()), envelope(authenticated_as="petra"))
    assert work.decision is not None
    assert work.decision.outcome == "answer", work.decision.outcome
    return next(one for one in work.outgoing if one.forward_path == "jana@customer.example")


def sent(raw: bytes) -> tuple[bytes, EmailMessage]:
    one = to_jana(raw)
    files = [(part.head, decode((raw[part.start : part.stop],), part.encoding)) for part in one.attachments]
    octets = b"".join(assemble(one.skeleton, files, one.tail))
    assert len(octets) == one.size
    return octets, email.message_from_bytes(octets, policy=default)


@pytest.mark.parametrize("identifier", ["part1.ABC@petras-laptop.lan", "petra@private.example"])
def test_a_content_id_stays_here(identifier: str) -> None:
    image = file("image/png; name=logo.png", "inline; filename=logo.png", f"Content-ID: <{identifier}>\n")
    octets, read = sent(several("mixed", TEXT, image))
    (one,) = read.iter_attachments()
    assert one["Content-ID"] is None
    assert one.get_filename() == "logo.png"
    # without a Content-ID nothing can show it in its place
    assert one.get_content_disposition() == "attachment"
    assert b"laptop" not in octets
    assert b"private" not in octets


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("logo.png", "logo.png"),
        ("Otto <otto@customer.example>.png", "Otto <otto@customer.example>.png"),
        ("petra@private.example.png", "file.png"),
        ("Petra@Private.example", "file"),
        ("mail to petra+x@phone.example.pdf", "mail to.pdf"),
        (f"{agent_address('n')}.eml", "file.eml"),
        (f"Re {agent_address()} (2).txt", "Re (2).txt"),
        ("petra@private.example petra@phone.example offer.pdf", "offer.pdf"),
        ("petra@private.example.backup.tar", "backup.tar"),
        ("", ""),
    ],
)
def test_private_addresses_are_taken_out_of_names(name: str, shown: str) -> None:
    assert " ".join(public_name(POLICY.directory, name).split()) == shown


def test_names_go_out_without_private_addresses() -> None:
    octets, read = sent(
        several("mixed", TEXT, file("image/png", 'attachment; filename="petra@private.example.png"'))
    )
    (one,) = read.iter_attachments()
    assert one.get_filename() == "file.png"
    assert b"petra@" not in octets


OWN_TEXT = {
    "a named text alone": f'{HEAD}Content-Type: text/plain; name="body.txt"\n\n{SIGNED_TEXT}'.encode(),
    "a named text in a mixed": several("mixed", f'Content-Type: text/plain; name="b.txt"\n\n{SIGNED_TEXT}'),
    "a named inline text": several(
        "mixed", f"Content-Type: text/plain\nContent-Disposition: inline; filename=b\n\n{SIGNED_TEXT}"
    ),
    "a named HTML": several(
        "alternative",
        f"Content-Type: text/plain\n\n{SIGNED_TEXT}",
        "Content-Type: text/html; name=b.html\n\n<p>Hello.</p>-- <br>Petra Privatename",
    ),
    "a third form of it": several(
        "alternative",
        f"Content-Type: text/plain\n\n{SIGNED_TEXT}",
        f"Content-Type: text/x-amp-html; name=amp\n\n{SIGNED_TEXT}",
        f"Content-Type: text/plain\n\n{SIGNED_TEXT}",
    ),
    "a text beside the root of a related": several(
        "related", f"Content-Type: text/plain\n\n{SIGNED_TEXT}", f"Content-Type: text/plain\n\n{SIGNED_TEXT}"
    ),
}


@pytest.mark.parametrize("raw", OWN_TEXT.values(), ids=OWN_TEXT.keys())
def test_her_own_text_is_never_a_file(raw: bytes) -> None:
    octets, read = sent(raw)
    assert list(read.iter_attachments()) == [] or not read.is_multipart() or b"=_m_" not in octets
    assert to_jana(raw).attachments == ()
    assert b"Privatename" not in octets


def test_a_text_that_she_attached_is_a_file() -> None:
    for part in (
        file("text/plain; name=a.txt", content="YQ=="),
        file("text/plain", content="YQ=="),
        file("text/plain; name=a.txt", "inline; filename=a.txt", content="YQ=="),
        "Content-Type: multipart/mixed; boundary=i\nContent-Disposition: attachment\n\n--i\n\na\n--i--\n",
    ):
        _, read = sent(several("mixed", TEXT, part))
        (one,) = read.iter_attachments()
        assert one.get_payload(decode=True) == b"a"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text/plain; charset=iso-8859-2; name=a.txt", {"charset": "iso-8859-2"}),
        ('text/plain; charset="a b; x=y"', {}),
        ("text/plain; charset*=utf-8''%0D%0Ax:y", {}),
        ("text/plain; method=REQUEST", {}),
        ("text/calendar; method=REQUEST; charset=utf-8", {"charset": "utf-8", "method": "REQUEST"}),
        ("application/pdf; charset=utf-8", {}),
    ],
)
def test_a_text_keeps_its_charset_and_a_calendar_its_method(kind: str, expected: dict[str, str]) -> None:
    raw = several("mixed", TEXT, file(kind, "attachment; filename=a", content="UPjt"))
    _, read = sent(raw)
    (one,) = read.iter_attachments()
    shown = dict(one["Content-Type"].params)
    shown.pop("name")
    assert shown == expected
    assert all(len(line) <= 78 for line in to_jana(raw).attachments[0].head.split(b"\r\n"))


def test_the_same_answer_gives_the_same_octets() -> None:
    raw = several("mixed", TEXT, file("image/png", "inline; filename=a.png", "Content-ID: <x@y>\n"))
    assert sent(raw)[0] == sent(raw)[0]
