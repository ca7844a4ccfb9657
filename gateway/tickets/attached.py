"""What the attachments of an agent's public answer hold that no customer may see.

An attachment is judged by its octets, whatever its type says: they are read as text in the declared charset,
in UTF-8, in UTF-16 and in what is detected; what looks like a mail is taken apart, down to `_DEEPEST` mails
within mails; each text is searched for the marker of our notices, our loop field, private addresses and lines
of notes. What is compressed or encrypted (archives, PDF, office documents) is searched as it stands and not
unpacked.

Up to `_READABLE` octets of an attachment are looked into; memory is bounded by that, time is linear in it. A
larger one passes only where it is neither text nor a mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from gateway.mail.attachments import content, decode
from gateway.mail.body import file_name
from gateway.mail.charsets import decode as decode_text
from gateway.mail.headers import decode_field
from gateway.mail.message import Attachment
from gateway.mail.quotes import MARKER
from gateway.mail.structure import Part, walk
from gateway.screen.directory import Directory
from gateway.screen.rules.own_mail import LOOP_FIELD
from gateway.settings.model import ParseLimits
from gateway.tickets.guards import holds_note, holds_private_address, without_private_addresses
from gateway.tickets.notice_facts import agents_names
from gateway.tickets.notice_lines import is_public
from gateway.tickets.values import Case, TicketFacts

_READABLE = 2_000_000
_DEEPEST = 5
_START = 64 * 1024
_FEWEST_LETTERS = 10
"""ASCII letters that a line of a note must have to be known by these alone."""
_SIGNATURE = re.compile(r"application/(?:x-)?(?:pkcs7-signature|pgp-signature|pgp-keys)")
_MAIL_NAME = re.compile(r"\.(?:eml|msg|mbox|mht|mhtml|oft|emlx)\Z", re.IGNORECASE)
_MAIL_TYPE = re.compile(r"message/|application/(?:vnd\.ms-outlook|mbox|x-mimearchive)", re.ASCII)
_TEXT_NAME = re.compile(
    r"\.(?:txt|text|log|csv|tsv|md|html?|xhtml|xml|json|ya?ml|ics|vcf|rtf|ini|conf|sql)\Z", re.IGNORECASE
)
_TEXT_TYPE = re.compile(r"text/|application/(?:ics|json|xml|xhtml\+xml|rtf)", re.ASCII)
_BINARY_TYPE = re.compile(r"(?:image|video|audio|font)/|application/(?:pdf|zip|gzip|x-7z)", re.ASCII)
_OUTLOOK_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_OUTLOOK_START = b"\x78\x9f\x3e\x22"
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:>?From [^\r\n]*+[\r\n]++)?+[!-9;-~]{1,80}+[ \t]*+:")
_MAIL_FIELDS = frozenset(
    ("from", "to", "subject", "date", "message-id", "received", "return-path", "delivered-to", "mime-version",
     "content-type", "content-transfer-encoding", LOOP_FIELD.lower())
)  # fmt: skip
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = bytes(octet for octet in range(32) if octet not in b"\t\n\r\f\x1b")
_MARKUP = re.compile(r"&(?:#|[A-Za-z]{2,8};)|<[A-Za-z/!]")
_BREAK = re.compile(
    r"</?(?:p|div|br|hr|tr|td|th|table|li|ul|ol|dd|dt|h[1-6]|pre|blockquote)\b[^<>]*+>", re.IGNORECASE
)
_TAG = re.compile(r"<[^<>]*+>")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_ASCII_LETTER = re.compile(r"[A-Za-z]")
_ENDING = re.compile(
    r"\.(?:png|jpe?g|gif|webp|heic|svg|tiff?|bmp|pdf|docx?|xlsx?|pptx?|od[tspg]|txt|csv|log|html?|xml|json|ics|vcf"
    r"|rtf|eml|msg|zip|gz|7z|mp[34]|mov|wav)\Z",
    re.IGNORECASE,
)
"""Endings that are no part of a domain."""
_EMPTY_BRACKETS = re.compile(r"<\s*>|\(\s*\)|\[\s*\]")


def goes_out(attachment: Attachment) -> bool:
    """Whether an attachment of an agent's answer is sent on: not the answer's own text, nor a signature over
    the agent's mail, which says nothing of the one that goes out."""
    return not attachment.own_text and not _SIGNATURE.fullmatch(attachment.content_type)


def public_name(directory: Directory, name: str) -> str:
    """A file name as customers may see it: private and signed addresses are taken out, the ending stays."""
    shown = without_private_addresses(directory, name, "")
    if shown == name:
        return name
    found = _ENDING.search(name)
    ending = found[0] if found else ""
    stem = _EMPTY_BRACKETS.sub("", shown.removesuffix(ending))
    return f"{' '.join(stem.split()).strip(' ._-') or 'file'}{ending}"


def cut_text(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """What is not read whole would reach the customer cut in mid-word, or without its pictures."""
    message, limit = case.mail.message, case.mail.settings.parse.text_octets
    if "text-cut" in message.defects or len(message.html or "") > limit:
        shown = f"{limit / 1024**2:g} MiB" if limit >= 1024**2 else f"{limit} octets"
        return f"its text is larger than {shown}; send the long part as an attached file"
    if {"parser-failed", "too-deep", "too-many-parts"} & set(message.defects):
        return "it has too many parts, or too strange ones, to be read whole; send it in a simpler form"
    return None


def private_attachment(case: Case, ticket: TicketFacts, text: str) -> str | None:
    """An attached notice, invitation or card can carry what no customer may see."""
    for attachment in case.mail.message.attachments:
        if goes_out(attachment) and (reason := _reason(case, ticket, attachment)) is not None:
            return f"its attachment {attachment.filename or attachment.content_type} {reason}"
    return None


def _reason(case: Case, ticket: TicketFacts, attachment: Attachment) -> str | None:
    kind, name = attachment.content_type.lower(), attachment.filename
    if any(_holds_note(case, ticket, one) for one in (name, re.sub(r"[_+]|%20", " ", name))):
        return "has text of an internal note as its name"
    start = b""
    for piece in content(case.mail.raw, attachment):
        start += piece[:_START]
        if len(start) >= _START:
            break
    start = start[:_START]
    if kind in _OUTLOOK_TYPES or name.lower() == "winmail.dat" or start.startswith(_OUTLOOK_START):
        return "is a text in Outlook's own format, which cannot be looked into; send it as HTML or plain text"
    if attachment.size > _READABLE:
        if not _may_be_read(kind, name, start):
            return None
        size = f"{attachment.size / 1e6:.1f} MB"
        return f"is a text or a mail too large to be looked into ({size}); send it in a zip archive"
    inside = _Inside(case.mail.settings.parse)
    octets = b"".join(content(case.mail.raw, attachment))
    for one in inside.texts(octets, kind, name, attachment.charset, 0):
        if _tells(case, ticket, one):
            return "holds a private address, a notice or a note"
    if _reads_as_text(start) and _holds_masked_note(case, ticket, octets):
        return "holds a private address, a notice or a note"
    return "has too many parts or mails in it to be looked into" if inside.unread else None


def _tells(case: Case, ticket: TicketFacts, text: str) -> bool:
    if "%40" in text:
        text = text.replace("%40", "@")
    shown = " ".join(text.replace(">", " ").split())
    if MARKER in shown or LOOP_FIELD.lower() in shown.lower():
        return True
    return holds_private_address(case.mail.directory, text) or _holds_note(case, ticket, shown)


def _holds_note(case: Case, ticket: TicketFacts, text: str) -> bool:
    return holds_note(text, ticket.notes, _public(ticket), agents_names(case.mail))


def _public(ticket: TicketFacts) -> tuple[str, ...]:
    said = (one.text for one in ticket.history if is_public(one))
    return (*said, *ticket.shown.public, *ticket.shown.answers)


def _may_be_read(kind: str, name: str, start: bytes) -> bool:
    """Whether something too large to be looked into could be a text or a mail."""
    if _is_mail(kind, name) or _TEXT_TYPE.match(kind) or _TEXT_NAME.search(name) or _FIELD.match(start):
        return True
    if _BINARY_TYPE.match(kind) or start.startswith(b"%PDF-"):
        return False
    return _reads_as_text(start)


def _is_mail(kind: str, name: str) -> bool:
    return _MAIL_TYPE.match(kind) is not None or _MAIL_NAME.search(name) is not None


def _reads_as_text(start: bytes) -> bool:
    """Whether octets are those of a text: no controls, but the zeros of UTF-16."""
    if start.startswith(_WIDE_MARKS):
        return True
    wide = min(start[0::2].count(0), start[1::2].count(0)) * 8 < len(start) <= start.count(0) * 4
    return wide or len(start.translate(None, _NO_TEXT)) == len(start)


def _holds_masked_note(case: Case, ticket: TicketFacts, octets: bytes) -> bool:
    """Whether a note stands in a text of a charset that nobody has named, with one octet to a letter: known
    by its letters in ASCII."""
    if octets.isascii():
        return False
    lines = (_BEYOND_ASCII.sub("?", line) for note in ticket.notes for line in note.splitlines())
    known = [line for line in lines if len(_ASCII_LETTER.findall(line)) >= _FEWEST_LETTERS]
    public = [_BEYOND_ASCII.sub("?", one) for one in _public(ticket)] if known else []
    return holds_note(
        _BEYOND_ASCII.sub("?", octets.decode("latin-1")), known, public, agents_names(case.mail)
    )


class _Inside:
    """Reads octets as all the texts that they may be. `unread`: something in them was not looked into."""

    def __init__(self, limits: ParseLimits) -> None:
        self._limits = limits
        self.unread = False

    def texts(self, octets: bytes, kind: str, name: str, charset: str, depth: int) -> Iterator[str]:
        """Each text; those of a mail's parts too."""
        for text in self._readings(octets, kind, name, charset):
            yield text
            if _MARKUP.search(text):
                yield unescape(_TAG.sub("", _BREAK.sub(" ", text)))
        sure = _is_mail(kind, name)
        if not sure and not _FIELD.match(octets):
            return
        if depth >= _DEEPEST:
            self.unread |= sure
            return
        yield from self._mail(octets, sure, depth)

    @staticmethod
    def _readings(octets: bytes, kind: str, name: str, charset: str) -> Iterator[str]:
        yield octets.decode("utf-8", "replace")
        readable = _TEXT_TYPE.match(kind) or _TEXT_NAME.search(name) or _reads_as_text(octets[:_START])
        if charset or (readable and not octets.isascii()):
            yield decode_text(octets, charset or None).text
        if b"\0" in octets:
            yield octets.replace(b"\0", b"").decode("utf-8", "replace")
            yield octets.decode("utf-16-le", "replace")
            yield octets[1:].decode("utf-16-le", "replace")

    def _mail(self, octets: bytes, sure: bool, depth: int) -> Iterator[str]:
        limits = self._limits
        structure = walk(
            octets,
            header_octets=limits.header_octets,
            headers=limits.headers,
            depth=limits.depth,
            parts=limits.parts,
        )
        root = structure.root
        if not sure and not any(name in _MAIL_FIELDS for name, _ in root.fields):
            return
        self.unread |= bool({"too-many-parts", "too-deep"} & set(structure.defects))
        yield _header_of(root)
        for part in root.leaves():
            if part is not root:
                yield _header_of(part)
            body = b"".join(decode((octets[part.body : part.stop],), part.encoding))
            charset = part.parameters.get("charset", "")
            yield from self.texts(body, part.content_type, file_name(part), charset, depth + 1)


def _header_of(part: Part) -> str:
    return "\n".join(decode_field(value) for _, value in part.fields)
