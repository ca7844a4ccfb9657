"""The one door from octets to `Message`: whatever comes in, a mail comes out.

`parse` never raises. The structure, the headers, the addresses, dates, ids, attachments and quotes are
read by this room; mail-parser reads what it reads well out of a skeleton (`skeleton.py`). When this room
itself fails, the mail is still given: headers as far as they can be read, the raw text, and the defect
"parser-failed".

Guarantees: no string of the result holds a NUL or a lone surrogate, no header value a CR or LF; time
is linear in the size of the mail; beyond the raw octets, memory is bounded by `limits.text_octets`
and not by the size of attachments.
"""

from __future__ import annotations

import hashlib

from gateway.mail import body, quotes, skeleton
from gateway.mail.addresses import parse_addresses
from gateway.mail.attachments import pieces
from gateway.mail.charsets import decode, safe
from gateway.mail.dates import parse_date
from gateway.mail.headers import clean, decode_field, read_headers, unfold
from gateway.mail.html import marks_quotes, to_text
from gateway.mail.lines import unmarked
from gateway.mail.message import Address, Forwarded, Headers, Message
from gateway.mail.references import message_id, message_ids
from gateway.mail.report import read_report
from gateway.mail.structure import Part, Structure, walk
from gateway.settings.model import ParseLimits

_ENCRYPTED_TYPES = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_MOST_FORWARDED = 1024 * 1024


def parse(raw: bytes | memoryview, limits: ParseLimits) -> Message:
    """The mail that `raw` (RFC 5322, MIME) is."""
    octets = raw if isinstance(raw, bytes) else _as_bytes(raw)
    try:
        return _Reader(octets, limits).message()
    except Exception:  # noqa: BLE001 - a mail is never lost to a mistake of ours; the defect tells it
        return _fallback(octets, limits)


def _as_bytes(view: memoryview) -> bytes:
    """The octets of a view, not copied where it shows a whole bytes object."""
    if isinstance(view.obj, bytes) and view.contiguous and view.nbytes == len(view.obj):
        return view.obj
    return view.tobytes()


class _Reader:
    """Reads one mail."""

    def __init__(self, raw: bytes, limits: ParseLimits) -> None:
        self.raw = raw
        self.limits = limits
        structure = _walk(raw, limits)
        self.root = structure.root
        self.defects = structure.defects

    def defect(self, name: str) -> None:
        if name not in self.defects:
            self.defects.append(name)

    def message(self) -> Message:
        raw, root = self.raw, self.root
        slots = body.slots(root)
        parts = [part for slot in slots for part in (*slot.plain, *slot.html)]
        hint = next((p.parameters["charset"] for p in (root, *parts) if "charset" in p.parameters), None)
        headers = read_headers(root.fields, hint)
        reading = skeleton.read(raw, root.raw("subject"), root.raw("date"), parts, self.limits.text_octets)
        if reading.failed:
            self.defect("mail-parser-failed")
        subject = reading.subject if reading.subject is not None else headers.get("subject") or ""
        text, html = self.text(slots, reading)
        split = self.split(text, html)
        date = parse_date(headers.get("date") or "") or reading.date
        if date is None and "date" in headers:
            self.defect("date-unreadable")
        files = body.read_attachments(raw, root, parts, self.limits.text_octets)
        return Message(
            message_id=message_id(root.raw("message-id")),
            date=date,
            from_=self.addresses("from"),
            sender=next(iter(self.addresses("sender")), None),
            reply_to=self.addresses("reply-to"),
            to=self.addresses("to"),
            cc=self.addresses("cc"),
            subject=" ".join(clean(subject).split()),
            headers=headers,
            text=split.text,
            new_text=split.new_text,
            quoted=split.quoted,
            signature=split.signature,
            html=html,
            attachments=tuple(files),
            in_reply_to=self.ids("in-reply-to"),
            references=self.ids("references"),
            language=None,
            forwarded=self.forwarded(),
            encrypted=self.encrypted(split.text),
            report=read_report(raw, root),
            content_type=safe(root.content_type),
            body_sha256=body_sha256(raw, root.body),
            defects=tuple(self.defects),
        )

    def addresses(self, name: str) -> tuple[Address, ...]:
        values = [value for key, value in self.root.fields if key == name]
        return tuple(one for value in values for one in parse_addresses(_address_line(value)))

    def ids(self, name: str) -> tuple[str, ...]:
        values = [value for key, value in self.root.fields if key == name]
        return tuple(dict.fromkeys(one for value in values for one in message_ids(value)))

    def text(self, slots: list[body.Slot], reading: skeleton.Reading) -> tuple[str, str | None]:
        """(readable text with quote marks, HTML or None)."""
        texts: list[str] = []
        markups: list[str] = []
        for slot in slots:
            plain = "\n".join(self.plain(part, reading) for part in slot.plain)
            markup = "\n".join(self.decoded(part, reading) for part in slot.html)
            if markup.strip():
                markups.append(markup)
            if not plain.strip() and markup.strip():
                plain = to_text(markup[: self.limits.text_octets])
            texts.append(plain)
        joined = "\n".join(text.strip("\n") if len(texts) > 1 else text for text in texts)
        return joined, "\n".join(markups) if markups else None

    def split(self, text: str, html: str | None) -> quotes.Split:
        """New and quoted text; where the plain text shows no quote, but a client marked one in the HTML
        of the same mail, by that."""
        split = quotes.split(text)
        if split.quoted or not html or not marks_quotes(html) or text != unmarked(text):
            return split
        marked = quotes.split(to_text(html[: self.limits.text_octets]))
        if not marked.quoted:
            return split
        return quotes.Split(split.text, marked.new_text, marked.quoted, marked.signature)

    def plain(self, part: Part, reading: skeleton.Reading) -> str:
        text = unmarked(self.decoded(part, reading))
        if part.content_type in ("text/enriched", "text/richtext"):
            return to_text(text)
        return body.unflow(text, part)

    def decoded(self, part: Part, reading: skeleton.Reading) -> str:
        """The text of a text part, lines ended by LF."""
        text = reading.texts.get(part.number)
        if text is None:
            if part.stop - part.body > self.limits.text_octets:
                self.defect("text-cut")
            octets = body.octets(self.raw, part, self.limits.text_octets)
            found = decode(octets, part.parameters.get("charset"))
            if found.how in ("guessed", "damaged"):
                self.defect(f"charset-{found.how}")
            text = found.text
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text

    def encrypted(self, text: str) -> str | None:
        root = self.root
        if root.content_type == "multipart/encrypted":
            return "smime" if "pkcs7" in root.parameters.get("protocol", "").lower() else "pgp"
        if any(leaf.content_type in _ENCRYPTED_TYPES for leaf in root.leaves()) and not text.strip():
            return "smime"
        return "pgp" if text.lstrip().startswith("-----BEGIN PGP MESSAGE-----") else None

    def forwarded(self) -> Forwarded | None:
        """The mail that is attached, when it is the only one and this is no report."""
        if self.root.content_type == "multipart/report":
            return None
        attached = [leaf for leaf in self.root.leaves() if leaf.content_type == "message/rfc822"]
        if len(attached) != 1:
            return None
        part = attached[0]
        inner_raw = body.octets(self.raw, part, _MOST_FORWARDED)
        inner = _Reader(inner_raw.lstrip(b"\r\n"), self.limits)
        fields = inner.root.fields
        if not any(name in ("from", "subject", "date", "to") for name, _ in fields):
            return None
        text, _ = inner.text(body.slots(inner.root), skeleton.Reading())
        headers = Headers(tuple((n, decode_field(v)) for n, v in fields if n in ("subject", "date")))
        return Forwarded(
            from_=next(iter(inner.addresses("from")), None),
            to=inner.addresses("to"),
            cc=inner.addresses("cc"),
            subject=headers.get("subject") or "",
            date=headers.get("date") or "",
            body=quotes.split(text).text,
        )


def _walk(raw: bytes, limits: ParseLimits) -> Structure:
    return walk(
        raw,
        header_octets=limits.header_octets,
        headers=limits.headers,
        depth=limits.depth,
        parts=limits.parts,
    )


def _address_line(value: bytes) -> str:
    line = unfold(value)
    if b"\x1b" in line:
        return decode(line, None).text
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("ascii", "surrogateescape")


def body_sha256(raw: bytes, start: int) -> str:
    """SHA-256 (hex) of the body that begins at raw[start], with line ends folded to LF and trailing blank
    lines dropped."""
    digest = hashlib.sha256()
    carry, blank_lines = b"", 0
    for piece in pieces(raw, start, len(raw)):
        octets = carry + piece
        carry = b"\r" if octets.endswith(b"\r") else b""
        if carry:
            octets = octets[:-1]
        octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        filled = octets.rstrip(b"\n")
        if filled:
            digest.update(b"\n" * blank_lines + filled)
            blank_lines = 0
        blank_lines += len(octets) - len(filled)
    return digest.hexdigest()


def _fallback(raw: bytes, limits: ParseLimits) -> Message:
    """The least that can be told of a mail: its headers and its raw text."""
    structure = walk(raw, header_octets=limits.header_octets, headers=limits.headers, depth=0, parts=1)
    root = structure.root
    fields = [(name, clean(safe(unfold(value).decode("latin-1")))) for name, value in root.fields]
    first = dict(reversed(fields))
    text = safe(raw[root.body : root.body + limits.text_octets].decode("utf-8", "replace"))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Message(
        message_id=message_id(root.raw("message-id")),
        date=None,
        from_=(),
        sender=None,
        reply_to=(),
        to=(),
        cc=(),
        subject=first.get("subject", ""),
        headers=Headers(tuple(fields)),
        text=text,
        new_text=text,
        quoted="",
        signature="",
        html=None,
        attachments=(),
        in_reply_to=(),
        references=(),
        language=None,
        forwarded=None,
        encrypted=None,
        report=None,
        content_type=safe(root.content_type),
        body_sha256=body_sha256(raw, root.body),
        defects=(*structure.defects, "parser-failed"),
    )
