"""mail-parser's part in reading a mail, and the skeleton that it is given.

mail-parser (on the standard library's compat32 parser) reads Subject, Date and the text parts. It is given
a *skeleton*: a small mail made of just these, since it decodes everything it meets, keeps several copies
of large parts, mixes the text of attached mails with the outer one, and fails on wrong boundaries, deep
nesting and some header names. What it is known to read wrong is not taken from it: the caller reads that
itself (`Reading.texts` lacks it).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from typing import Any

import mailparser

from gateway.mail.charsets import codec_of, safe
from gateway.mail.structure import Part

_TRUSTED_ENCODINGS = frozenset(("7bit", "8bit", "binary", "base64", "quoted-printable"))
_UNTRUSTED_CODECS = ("iso2022", "utf-7", "utf-16", "utf-32", "hz")
_MOST_SUBJECT = 2000

# Its log lines quote the mail, and every odd mail makes some.
logging.getLogger("mailparser").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class Reading:
    """What mail-parser read and can be believed: `subject` and `date` or None, text by part number.
    `failed`: it raised."""

    subject: str | None = None
    date: datetime | None = None
    texts: dict[str, str] = field(default_factory=dict)
    failed: bool = False


class _Texts(mailparser.MailParser):  # type: ignore[misc]
    """mail-parser without the two dictionaries of the whole mail that it makes for JSON."""

    def _make_mail(self, complete: bool = True) -> dict[str, Any]:
        return {}


def read(raw: bytes, subject: bytes, date: bytes, parts: list[Part], text_octets: int) -> Reading:
    """Have mail-parser read the first Subject and Date and the text parts `parts` of the mail `raw`."""
    given = [part for part in parts if _takes(part, text_octets)]
    plain_subject = subject.isascii() and b"=?" not in subject and len(subject) <= _MOST_SUBJECT
    reading = Reading()
    try:
        mail = _Texts(_skeleton(raw, subject if plain_subject else b"", date, given))
        if plain_subject:
            reading.subject = " ".join(str(mail.subject).split())
        if isinstance(mail.date, datetime):
            found = mail.date
            reading.date = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if not mail.has_defects:
            _match(reading, given, mail.text_plain, mail.text_html)
    except Exception:  # noqa: BLE001 - it raises whatever it likes; all of this is read without it, too
        return Reading(failed=True)
    return reading


def _takes(part: Part, text_octets: int) -> bool:
    label = part.parameters.get("charset")
    codec = codec_of(label) if label else "utf-8"
    return (
        part.encoding in _TRUSTED_ENCODINGS
        and codec is not None
        and not codec.startswith(_UNTRUSTED_CODECS)
        and part.stop - part.body <= text_octets
        and part.content_type in ("text/plain", "text/html")
    )


def _match(reading: Reading, given: list[Part], plain: list[str], html: list[str]) -> None:
    """Tell which text belongs to which part: mail-parser lists them by kind and leaves out empty ones."""
    for content_type, texts in (("text/plain", plain), ("text/html", html)):
        parts = [part for part in given if part.content_type == content_type]
        if len(parts) == len(texts):
            for part, text in zip(parts, texts, strict=True):
                if "�" not in text and "\x1b" not in text:
                    reading.texts[part.number] = safe(text)


def _skeleton(raw: bytes, subject: bytes, date: bytes, parts: list[Part]) -> Message:
    """The small mail, made as the standard library's parser would make it, which saves its walk over the
    lines."""
    leaves = [_leaf(raw, part) for part in parts]
    mail = leaves[0] if len(leaves) == 1 else Message()
    mail["Subject"] = _text(subject.strip())
    mail["Date"] = _text(date.strip())
    if len(leaves) > 1:
        mail["Content-Type"] = "multipart/mixed"
        for leaf in leaves:
            mail.attach(leaf)
    return mail


def _leaf(raw: bytes, part: Part) -> Message:
    leaf = Message()
    codec = codec_of(part.parameters.get("charset", "")) or "utf-8"
    leaf["Content-Type"] = f"{part.content_type}; charset={codec}"
    leaf["Content-Transfer-Encoding"] = part.encoding
    leaf.set_payload(_text(raw[part.body : part.stop]))
    return leaf


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "surrogateescape")
