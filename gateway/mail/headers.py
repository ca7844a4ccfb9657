"""Header fields from octets to text: unfolding, encoded words (RFC 2047), raw 8-bit text.

Values that come out of here hold no CR, LF, NUL or other control character except TAB, and no lone
surrogate, however they were encoded; so nothing that is built from one can grow a second header line.
Encoded words are read in the broken forms that are sent: split inside a character, blanks inside, bad
padding, unknown charsets. Time is linear in the length of the value.
"""

from __future__ import annotations

import binascii
import re

from gateway.mail.charsets import codec_of, decode
from gateway.mail.message import Headers
from gateway.mail.structure import RawField

_CONTROL = re.compile("[\0-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_CONTROLS = dict.fromkeys([*range(1, 9), *range(10, 32), 0x7F, 0x85, 0x2028, 0x2029], " ") | {0: None}
_NOT_PRINTABLE = re.compile(r"[^\t -~]")
_BELIEVED = frozenset(("authentication-results", "arc-authentication-results"))
_WORD = re.compile(rb"=\?([^?\s]{1,80})\?([bBqQ])\?(.*?)\?=", re.DOTALL)
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
)


def clean(text: str) -> str:
    """`text` as one line: no NUL, each other control character a blank."""
    if _CONTROL.search(text):
        text = text.translate(_CONTROLS)
    return text.strip()


def unfold(value: bytes) -> bytes:
    """The value of a field as one line (RFC 5322 section 2.2.3)."""
    value = value.strip()
    if b"\n" in value or b"\r" in value:
        value = b" ".join([line.lstrip(b" \t") for line in value.splitlines() if line])
    return value


def decode_field(value: bytes, hint: str | None = None) -> str:
    """The readable text of a folded field value. `hint`: charset of undeclared 8-bit text, if known."""
    line = unfold(value)
    if b"=?" in line:
        return clean(decode_words(line, hint))
    if line.isascii() and b"\x1b" not in line:
        text = line.decode("ascii")
        return text.strip() if text.isprintable() else clean(text)
    return clean(decode(line, None, hint).text)


def decode_words(line: bytes, hint: str | None = None) -> str:
    """`line` with its encoded words decoded. Neighbouring words of one charset are joined before they are
    decoded, for senders that cut inside a character."""
    end = line.rfind(b"?=") + 2
    pieces: list[str] = []
    pending, pending_charset = b"", ""
    position = 0
    while True:
        found = _WORD.search(line, position, end) if position < end else None
        between = line[position : found.start() if found else len(line)]
        if found is None or between.strip(b" \t") or not pending_charset:
            if pending_charset:
                pieces.append(decode(pending, pending_charset).text)
                pending, pending_charset = b"", ""
            if between:
                pieces.append(decode(between, None, hint).text)
        if found is None:
            return "".join(pieces)
        charset = found[1].decode("ascii", "replace").split("*")[0].lower()
        if charset != pending_charset and pending_charset:
            pieces.append(decode(pending, pending_charset).text)
            pending = b""
        pending_charset = charset
        text = found[3]
        pending += _base64(text) if found[2] in b"bB" else _quoted(text)
        position = found.end()


def _quoted(text: bytes) -> bytes:
    return binascii.a2b_qp(text, header=True)


def _base64(text: bytes) -> bytes:
    return b"".join(_quantum(piece) for piece in text.translate(None, _NOT_BASE64).split(b"="))


def _quantum(piece: bytes) -> bytes:
    if len(piece) % 4 == 1:
        piece = piece[:-1]
    return binascii.a2b_base64(piece + b"=" * (-len(piece) % 4)) if piece else b""


def decode_text(value: str) -> str:
    """Encoded words in a value that is text already (a display name, a parameter); octets above 127 may
    stand in it as surrogates."""
    if "=?" not in value and value.isascii():
        return clean(value)
    octets = value.encode("utf-8", "surrogateescape")
    return clean(decode_words(octets) if "=?" in value else decode(octets, None).text)


def verbatim(value: bytes) -> str:
    """A field that is believed, as those see it who guard it: unfolded, nothing decoded, so that no other
    spelling of a value becomes that value. What is not printable ASCII is U+FFFD."""
    return _NOT_PRINTABLE.sub("\ufffd", unfold(value).decode("ascii", "replace")).strip(" \t")


def read_headers(fields: list[RawField], hint: str | None = None) -> Headers:
    """All fields, decoded, in order; duplicates stay."""
    known = hint if hint and codec_of(hint) else None
    return Headers(
        tuple(
            (name, verbatim(value) if name in _BELIEVED else decode_field(value, known))
            for name, value in fields
        )
    )
