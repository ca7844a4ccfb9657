"""Which leaves of a mail are its text and which are attachments, and the octets of each.

The rules are those of RFC 8621 section 4.1.4 (textBody, htmlBody, attachments), with two additions: a part
that says `Content-Disposition: attachment` is always one, and a named text that is read as body is an
attachment too, so that no file vanishes. Parts inside a message/rfc822 part are never taken for this
mail's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.mail import attachments
from gateway.mail.headers import decode_text
from gateway.mail.message import Attachment
from gateway.mail.structure import Part

_BODY_TYPES = frozenset(("text/plain", "text/html", "text/enriched", "text/richtext"))
_LONGEST_NAME = 255
_FOLDER = re.compile(r"^.*[\\/]", re.DOTALL)


@dataclass(slots=True)
class Slot:
    """A place in the readable text that may be filled from text/plain or from HTML parts."""

    plain: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)


def file_name(part: Part) -> str:
    """The name of a part as people see it, folders taken off, the middle of an endless one too; "" where it
    has none."""
    name = part.disposition_parameters.get("filename") or part.parameters.get("name") or ""
    if not name:
        return ""
    name = decode_text(name)
    name = _FOLDER.sub("", name).strip() or name.strip("\\/. ")
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 40] + name[-40:]


def is_body(part: Part) -> bool:
    """Whether a leaf is text that the reader of the mail is meant to see in it."""
    if part.disposition == "attachment":
        return False
    if part.content_type.startswith("multipart/"):
        return part.parent is None or not part.parent.content_type.startswith("multipart/report")
    if part.content_type not in _BODY_TYPES:
        return False
    parent = part.parent
    if parent is None or part.index == 0:
        return True
    if parent.content_type in ("multipart/related", "multipart/report"):
        return False
    return not file_name(part)


def slots(part: Part) -> list[Slot]:
    """The readable text of a part and all in it, in order."""
    if not part.parts:
        if not is_body(part):
            return []
        return [Slot([], [part])] if part.content_type == "text/html" else [Slot([part], [])]
    if part.disposition == "attachment":
        return []
    if part.content_type != "multipart/alternative":
        return [slot for child in part.parts for slot in slots(child)]
    choices = [slots(child) for child in part.parts]
    plain = next((found for choice in choices if (found := [p for slot in choice for p in slot.plain])), [])
    html = next((f for choice in reversed(choices) if (f := [p for slot in choice for p in slot.html])), [])
    return [Slot(plain, html)] if plain or html else []


def read_attachments(raw: bytes, root: Part, body: list[Part], text_octets: int) -> list[Attachment]:
    """Every leaf that is not one of `body`; of these also the ones that have a name or are longer than
    `text_octets`, which are not read whole. `Attachment.own_text` tells the mail's own text from files."""
    read = {id(part) for part in body}
    found = []
    for part in root.leaves():
        own = id(part) in read
        long = own and part.stop - part.body > text_octets
        if own:
            named = part.parent is not None and file_name(part)
            if not named and not long:
                continue
        elif part.content_type.startswith("multipart/") and part.stop <= part.body:
            continue
        found.append(_attachment(raw, part, own or _is_other_form(part), long))
    return found


def _is_other_form(part: Part) -> bool:
    """Whether a leaf that is not read is still text of the mail itself: a choice that another was preferred
    to, or a text that nobody has named or declared to be a file."""
    above: Part | None = part
    while above is not None:
        if above.disposition == "attachment":
            return False
        above = above.parent
    if part.parent is not None and part.parent.content_type == "multipart/alternative":
        return part.content_type.startswith("text/") and part.content_type != "text/calendar"
    return part.content_type in _BODY_TYPES and not file_name(part)


def _attachment(raw: bytes, part: Part, own_text: bool, long: bool) -> Attachment:
    size, digest = attachments.measure(raw, part.body, part.stop, part.encoding)
    identifier = decode_text(part.raw("content-id").decode("ascii", "surrogateescape")).strip().strip("<>")
    ending = ".html" if part.content_type == "text/html" else ".txt"
    return Attachment(
        part=part.number,
        filename=file_name(part) or (f"text too long to show{ending}" if long else ""),
        content_type=decode_text(part.content_type),
        size=size,
        sha256=digest,
        disposition="inline" if part.disposition == "inline" else "attachment",
        content_id=identifier,
        encoding=decode_text(part.encoding),
        start=part.body,
        stop=part.stop,
        charset=decode_text(part.parameters.get("charset", "")),
        method=decode_text(part.parameters.get("method", "")),
        own_text=own_text,
    )


def octets(raw: bytes, part: Part, most: int) -> bytes:
    """The decoded octets of a text part, of which at most `most` encoded ones are read."""
    stop = min(part.stop, part.body + most)
    return b"".join(attachments.decode((raw[part.body : stop],), part.encoding))


def unflow(text: str, part: Part) -> str:
    """Lines of format=flowed text joined into paragraphs (RFC 3676 section 4.1); quoted lines stay."""
    if part.parameters.get("format", "").lower() != "flowed":
        return text
    delete_space = part.parameters.get("delsp", "").lower() == "yes"
    pieces: list[str] = []
    flows = False
    for line in text.split("\n"):
        quoted, ruled = line.startswith(">"), line == "-- "
        if not flows or quoted or ruled:
            pieces.append("\n")
        content = line if quoted else line.removeprefix(" ")
        flows = not quoted and not ruled and content.endswith(" ")
        pieces.append(content[:-1] if flows and delete_space else content)
    return "".join(pieces[1:])
