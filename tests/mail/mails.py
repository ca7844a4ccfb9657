"""Mails for the tests of this room: self-written ones of every usual make, those of the corpora where they
are present, seeded mutations of both, and a check that a value is safe for JSON and PostgreSQL."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from gateway.mail.message import Message
from gateway.mail.parse import parse
from gateway.settings.model import ParseLimits

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
LIMITS = ParseLimits()

PLAIN = b"""\
Received: from mail.example (mail.example [192.0.2.1]) by mx.desk.example; Mon, 6 Jan 2025 10:00:02 +0100
From: "Anna Novak" <anna@customer.example>
To: Support <support@desk.example>, bob@desk.example
Cc: Team: carol@x.example, "D, E" <de@x.example>;
Subject: Printer is on fire
Date: Mon, 06 Jan 2025 10:00:00 +0100
Message-ID: <one@customer.example>
In-Reply-To: <zero@desk.example>
References: <a@desk.example>
 <zero@desk.example>
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Dobr=C3=BD den,
it burns.

On Mon, 6 Jan 2025 at 09:00, Support <support@desk.example> wrote:
> Did you turn it off?

--=20
Anna
"""

MIXED = b"""\
From: =?iso-8859-2?Q?Ji=F8=ED?= <jiri@customer.example>
To: support@desk.example
Subject: =?utf-8?B?xb5sdcWlb3XEjWvDvQ==?= =?utf-8?Q?_k=C5=AF=C5=88?=
Date: Tue, 7 Jan 2025 11:00:00 +0000
Message-ID: <two@customer.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-2
Content-Transfer-Encoding: 8bit

P\xf8\xedloha je v dopise.
--inner
Content-Type: multipart/related; boundary="rel"

--rel
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+UMWZw61sb2hhPC9wPjxpbWcgc3JjPSJjaWQ6bG9nbyI+
--rel
Content-Type: image/png
Content-ID: <logo>
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--rel--
--inner--
--outer
Content-Type: application/octet-stream; name="x"
Content-Disposition: attachment; filename*0*=utf-8''fakt%C3%BA; filename*1="ra.bin"
Content-Transfer-Encoding: quoted-printable

=00=FF=80 binary=0D=0A=
end
--outer
Content-Type: message/rfc822

From: old@x.example
Subject: the attached one
Content-Type: multipart/mixed; boundary="deep"

--deep

inner text
--deep
Content-Disposition: attachment; filename=inner.txt

inner file
--deep--
--outer--
epilogue
"""

DSN = b"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example (Mail Delivery System)
To: support@desk.example
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="r"

--r

Your message could not be delivered.
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; anna@customer.example
Original-Recipient: rfc822;anna@customer.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <anna@customer.example>: user
 unknown

Final-Recipient: rfc822; <ben@customer.example>
Action: delayed
Status: 4.2.2 (mailbox full)

--r
Content-Type: message/rfc822

From: support@desk.example
To: anna@customer.example
Subject: the original
Message-ID: <ours@desk.example>

original body
--r--
"""

HTML = b"""\
From: anna@customer.example
Subject: Re: html
Content-Type: text/html; charset=windows-1252

<html><head><title>no</title><style>p{color:red}</style></head><body>
<div style="display:none">preheader</div><p>It\x92s broken.</p><ul><li>one</li><li>two</li></ul>
<div class="gmail_quote">On Mon, Support &lt;s@desk.example&gt; wrote:<br>
<blockquote class="gmail_quote">Did you turn it off?</blockquote></div></body></html>
"""

SELF_WRITTEN = (PLAIN, MIXED, DSN, HTML, PLAIN.replace(b"\n", b"\r\n"), MIXED.replace(b"\n", b"\r\n"))

_TOKENS = (
    b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b"--", b"--outer", b"--outer--", b"\n--inner\n",
    b"=?utf-8?q?=00?=",
    b"=?x?b?", b"?=", b"\xff", b"\x1b$B", b"charset=\"utf-8\0\"", b"charset=utf-7", b"headers_json: x\n",
    b"<", b">", b"\"", b"(", b";", b":", b"content-transfer-encoding: base64\n",
    b"Content-Type: multipart/mixed; boundary=z\n",
    b"=", b"+2AA-", b"\xed\xa0\x80", b"&#xD800;",
)  # fmt: skip


def corpus(most: int = 400, largest: int = 40_000) -> list[bytes]:
    """Mails of the corpora, evenly chosen; none where the corpora are absent."""
    if not CORPORA.is_dir():
        return []
    files = sorted(path for end in ("eml", "msg") for path in CORPORA.rglob(f"*.{end}"))
    return [
        path.read_bytes() for path in files[:: max(1, len(files) // most)] if path.stat().st_size < largest
    ]


def mutations(seed: int, count: int, mails: list[bytes]) -> Iterator[bytes]:
    """`count` mails, each damaged in up to eight places; one seed gives one sequence."""
    chance = random.Random(seed)
    for _ in range(count):
        mail = bytearray(chance.choice(mails))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(mail) + 1)
            match chance.randrange(7):
                case 0:
                    del mail[at : at + chance.randint(1, 60)]
                case 1:
                    mail[at:at] = bytes([chance.randrange(256)])
                case 2:
                    mail[at:at] = mail[(start := chance.randrange(len(mail) + 1)) : start + 80]
                case 3:
                    mail[at:at] = chance.choice(_TOKENS)
                case 4:
                    if at < len(mail):
                        mail[at] ^= 1 << chance.randrange(8)
                case 5:
                    lines = bytes(mail).split(b"\n")
                    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                    mail = bytearray(b"\n".join(lines))
                case 6:
                    lines = bytes(mail).split(b"\n")
                    del lines[chance.randrange(len(lines))]
                    mail = bytearray(b"\n".join(lines))
        yield bytes(mail)


def read(raw: bytes) -> Message:
    """The mail under the default limits."""
    return parse(raw, LIMITS)


def body_of(raw_body: bytes, *fields: bytes) -> Message:
    """A mail with the given further header fields and this body."""
    return read(
        b"From: a@b.example\nSubject: s\n" + b"".join(field + b"\n" for field in fields) + b"\n" + raw_body
    )


def assert_safe(message: Message) -> None:
    """Every string goes into UTF-8 JSON and a PostgreSQL text column; header values are one line."""
    plain = dataclasses.asdict(message)
    text = json.dumps(plain, ensure_ascii=False, default=_instant)
    text.encode("utf-8")
    assert "\\u0000" not in text
    for _, value in message.headers.fields:
        assert "\r" not in value
        assert "\n" not in value
    for value in (message.subject, *(address.name for address in message.from_)):
        assert value.splitlines() in ([], [value])


def _instant(value: object) -> str:
    assert isinstance(value, datetime)
    assert value.tzinfo is not None
    return value.isoformat()
