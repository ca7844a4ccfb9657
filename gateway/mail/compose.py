"""Outgoing mail as octets.

Built by hand rather than by the standard library's generator: that one folds long Message-IDs into
encoded words (Outlook then loses the thread) and takes two milliseconds a mail. What is built here
holds, whatever text goes in:

- CR, LF, NUL and other control characters in a header value become spaces before anything else happens;
- Message-ID, In-Reply-To and References are never encoded, and folded only between ids (RFC 5322
  section 3.6.4); an id outside ASCII, or too long for a line, is left out;
- every line is at most 998 octets, header lines with spaces in them at most 78 where that can be (section
  2.1.1), with encoded words at most 76 (RFC 2047 section 2);
- non-ASCII text in headers is RFC 2047; domains are in A-labels; a local part outside ASCII stands in UTF-8
  (RFC 6532), and only such a mail needs SMTPUTF8;
- bodies are 7-bit, see `text_parts`;
- the same input gives the same octets.

A mail with attachments is a skeleton that ends where they begin; `assemble` streams them in behind it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from gateway.mail.message import Address
from gateway.mail.spelling import spelled
from gateway.mail.text_parts import html_part, plain_part

_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]+")
_LONGEST_ID = 900
_LONGEST_FOLDED_LINE = 76
_LONGEST_NAME = 200
"""Characters. Mail servers cut or refuse what has some 30,000 octets of header, and names are strangers'."""
_NAME_OCTETS = 12
"""Room for the name of an address field, before its first address."""
_WORD_OCTETS = 60
_Q_SAFE = frozenset(
    bytes((octet,)) for octet in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
)
_BASE64_LINE = re.compile(rb".{1,76}")
_SPACES = re.compile(r" {2,}")
_ATOM_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}")
_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,80}")


@dataclass(frozen=True, slots=True)
class AttachmentHead:
    """What stands before an attachment's octets: its MIME header block without the blank line. `charset` is
    written of a text, `method` of a calendar, each where it is a token."""

    content_type: str
    filename: str
    disposition: str
    content_id: str
    charset: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail without its attachments. `octets` is complete where `attachments` is empty."""

    octets: bytes
    attachment_heads: tuple[bytes, ...]
    tail: bytes
    needs_smtputf8: bool


def clean(value: str) -> str:
    """`value` as it may stand in a header: controls are spaces, runs of spaces one, none at the ends."""
    return _SPACES.sub(" ", _CONTROLS.sub(" ", value)).strip()


def _encoded(value: str, used: int) -> str:
    if value.isascii():
        return value if len(value) < 900 and "=?" not in value else _words(value, used)
    return _words(value, used)


def _words(value: str, used: int) -> str:
    """RFC 2047 encoded words of `value` in UTF-8, one a line; `used` octets stand before the first. The
    shorter of B and Q is taken, so that Latin text stays readable in raw mail."""
    letters = [character.encode("utf-8", "replace") for character in value]
    quoted = [_q(letter) for letter in letters]
    if sum(map(len, quoted)) <= sum(map(len, letters)) * 4 // 3:
        return _joined("q", list(zip(quoted, map(len, quoted), strict=True)), used)
    return _joined("b", [(letter, len(letter)) for letter in letters], used)


@lru_cache(maxsize=1024)
def _q(letter: bytes) -> bytes:
    if letter == b" ":
        return b"_"
    return letter if letter in _Q_SAFE else b"".join(b"=%02X" % octet for octet in letter)


def _joined(encoding: str, letters: Sequence[tuple[bytes, int]], used: int) -> str:
    words, word, room = [], b"", max(_WORD_OCTETS - used, 12)
    for letter, length in letters:
        if word and len(word) + length > (room if encoding == "q" else room * 3 // 4):
            words.append(word)
            word, room = b"", _WORD_OCTETS
        word += letter
    shown = [*words, word]
    if encoding == "b":
        shown = [binascii.b2a_base64(one, newline=False) for one in shown]
    return "\r\n ".join(f"=?utf-8?{encoding}?{one.decode('ascii')}?=" for one in shown)


@lru_cache(maxsize=1024)
def format_address(address: Address) -> str:
    """name-addr of RFC 5322 section 3.4, the name quoted or encoded as it needs, the address as `spelled`
    writes it; folded where it is long. A name is cut at `_LONGEST_NAME`."""
    name = clean(address.name)
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 3].rstrip()}..."
    spec = spelled(address.address) or _CONTROLS.sub("", address.address).replace(" ", "")
    if not name:
        return spec if _plain(spec) else f"<{spec}>"
    if not name.isascii() or "=?" in name:
        shown = _words(name, _NAME_OCTETS)
    elif _ATOM_PHRASE.fullmatch(name):
        shown = name
    else:
        shown = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    before = len(shown.rpartition("\r\n")[2]) + (0 if "\r\n" in shown else _NAME_OCTETS)
    # a comma may follow
    gap = " " if before + len(f" <{spec}>,") <= _LONGEST_FOLDED_LINE else "\r\n "
    return f"{shown}{gap}<{spec}>"


def _plain(spec: str) -> bool:
    return not any(character in spec for character in '<>,;:"')


def _fold(name: str, items: Sequence[str], separator: str) -> str:
    """`items` joined by `separator` and a space, lines broken between items only."""
    lines, line = [], f"{name}:"
    for index, item in enumerate(items):
        piece = item + (separator if index + 1 < len(items) else "")
        last = line.rsplit("\r\n", 1)[-1]
        too_long = len(last) + 1 + len(piece.split("\r\n", 1)[0]) > _LONGEST_FOLDED_LINE
        if too_long and not line.endswith(":"):
            lines.append(line)
            line = ""
        line = f"{line} {piece}"
    return "\r\n".join([*lines, line])


def _text_header(name: str, value: str) -> str:
    if len(name) + len(value) <= 76 and value.isascii() and value.isprintable() and _as_it_is(value):
        return f"{name}: {value}"
    shown = _encoded(clean(value), len(name) + 2)
    if "\r\n" in shown or len(name) + 2 + len(shown) <= 78:
        return f"{name}: {shown}"
    return _fold(name, shown.split(" "), "")


def _as_it_is(value: str) -> bool:
    return "=?" not in value and "  " not in value and value == value.strip()


def header(name: str, value: str | datetime | Address | Sequence[Address] | Sequence[str]) -> str:
    """One header field without its final CRLF. Text is cleaned and encoded; a datetime is a date (section
    3.3); addresses are a list, without those that cannot be written; a sequence of str is a list of message
    ids, written with <>."""
    if isinstance(value, str):
        return _text_header(name, value)
    if isinstance(value, datetime):
        return f"{name}: {format_datetime(value)}"
    if isinstance(value, Address):
        return _fold(name, [format_address(value)], ",")
    if any(isinstance(item, Address) for item in value):
        addresses = [one for one in value if isinstance(one, Address) and spelled(one.address) is not None]
        return _fold(name, [format_address(one) for one in addresses], ",")
    ids = [re.sub(r"[\s<>]", "", _CONTROLS.sub("", item)) for item in value if isinstance(item, str)]
    return _fold(name, [f"<{item}>" for item in ids if item.isascii() and 0 < len(item) <= _LONGEST_ID], "")


def _parameter(name: str, value: str) -> str:
    value = clean(value)
    if value.isascii() and len(value) < 60:
        return f'{name}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    octets = value.encode("utf-8", "replace")
    safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"
    shown = [chr(octet) if octet in safe else f"%{octet:02X}" for octet in octets]
    pieces, piece = [], ""
    for character in shown:
        if len(piece) + len(character) > 50:
            pieces.append(piece)
            piece = ""
        piece += character
    pieces.append(piece)
    if len(pieces) == 1:
        return f"{name}*=utf-8''{pieces[0]}"
    return ";\r\n ".join(
        f"{name}*{index}*={chr(39).join(['utf-8', '', text]) if index == 0 else text}"
        for index, text in enumerate(pieces)
    )


def attachment_head(head: AttachmentHead) -> bytes:
    """The header block of an attachment's part, base64, with the blank line behind it."""
    kind = clean(head.content_type).lower()
    # base64 is not allowed on multipart/* and message/* (RFC 2046 section 5.2.1)
    if not _CONTENT_TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        kind = "application/octet-stream"
    disposition = "inline" if head.disposition == "inline" and head.content_id else "attachment"
    lines = [f"Content-Type: {kind}", f"Content-Disposition: {disposition}"]
    if kind.startswith("text/") and _TOKEN.fullmatch(head.charset):
        lines[0] += f"; charset={head.charset}"
    if kind == "text/calendar" and _TOKEN.fullmatch(head.method):
        lines[0] += f";\r\n method={head.method}"
    name = head.filename
    if head.content_type.lower().startswith("message/") and not name.lower().endswith(".eml"):
        name = f"{name or 'mail'}.eml"
    if name:
        lines[0] += ";\r\n " + _parameter("name", name)
        lines[1] += ";\r\n " + _parameter("filename", name)
    lines.append("Content-Transfer-Encoding: base64")
    content_id = re.sub(r"[^\x21-\x7e]|[<>]", "", head.content_id)
    if content_id and len(content_id) < 900:
        lines.append(f"Content-ID: <{content_id}>")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace")


def compose(
    headers: Iterable[tuple[str, str | datetime | Address | Sequence[Address] | Sequence[str]]],
    text: str,
    html: str | None,
    attachments: Sequence[AttachmentHead],
    boundary: str,
) -> Composed:
    """Build a mail. `boundary` is a token that stands nowhere else (it must not be guessable by who wrote the
    text); two boundaries are made of it. The parts are multipart/alternative where `html` is given,
    multipart/mixed around it where there are attachments."""
    # a list without items gives no field
    lines = [line for name, value in headers if (line := header(name, value)) != f"{name}:"]
    lines.append("MIME-Version: 1.0")
    top = "\r\n".join(lines)
    inner, outer = f"=_a_{boundary}", f"=_m_{boundary}"
    body = plain_part(text)
    if html is not None:
        body = b"".join(
            (
                f'Content-Type: multipart/alternative; boundary="{inner}"\r\n'.encode("ascii"),
                f"\r\n--{inner}\r\n".encode("ascii"),
                body,
                f"\r\n--{inner}\r\n".encode("ascii"),
                html_part(html),
                f"\r\n--{inner}--\r\n".encode("ascii"),
            )
        )
    start = top.encode("utf-8") + b"\r\n"
    utf8 = not top.isascii()
    if not attachments:
        return Composed(start + body, (), b"", utf8)
    mixed = f'Content-Type: multipart/mixed; boundary="{outer}"\r\n\r\n--{outer}\r\n'.encode("ascii")
    separator = f"\r\n--{outer}\r\n".encode("ascii")
    heads = tuple(separator + attachment_head(head) for head in attachments)
    return Composed(start + mixed + body, heads, f"\r\n--{outer}--\r\n".encode("ascii"), utf8)


def base64_size(octets: int) -> int:
    """Octets that `base64_lines` gives for so many."""
    full, rest = divmod(octets, 57)
    return full * 78 + (0 if rest == 0 else (rest + 2) // 3 * 4 + 2)


def base64_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Base64 with CRLF-ended lines of 76 characters, in bounded memory."""
    rest = b""
    for chunk in chunks:
        octets = rest + chunk if rest else chunk
        whole = len(octets) // 57 * 57
        rest = octets[whole:]
        if whole:
            yield _wrapped(octets[:whole])
    if rest:
        yield _wrapped(rest)


def _wrapped(octets: bytes) -> bytes:
    return b"\r\n".join(_BASE64_LINE.findall(binascii.b2a_base64(octets, newline=False))) + b"\r\n"


def assemble(
    skeleton: bytes, attachments: Iterable[tuple[bytes, Iterable[bytes]]], tail: bytes
) -> Iterator[bytes]:
    """The whole mail: `skeleton`, each attachment's head and its decoded octets as base64, `tail`."""
    yield skeleton
    for head, chunks in attachments:
        yield head
        yield from base64_lines(chunks)
    if tail:
        yield tail
