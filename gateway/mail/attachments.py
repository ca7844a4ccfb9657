"""The octets of a part, read out of the stored raw mail: content-transfer-encodings as streams.

`decode` takes the encoded body in pieces of any size and gives the decoded octets in pieces, in memory
that depends on the size of a piece only. So an attachment is read by its offsets alone
(`message.Attachment.start`, `stop`), without parsing the mail again.

base64 (RFC 2045 section 6.8), quoted-printable (section 6.7) and uuencode are decoded; foreign octets in
base64 are passed over, padding in the middle ends a group and not the file, what is no uuencoded line is
passed over. Any other encoding gives the octets as they are. Never raises for what the octets are.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from gateway.mail.message import Attachment

_PIECE = 1 << 18
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN = bytes(octet for octet in range(256) if octet not in _ALPHABET + b"=")
_UU = frozenset(("uuencode", "x-uuencode", "uue", "x-uue"))
_LONGEST_LINE = 64 * 1024
_PADDING = re.compile(rb"=+")


def decode(encoded: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The decoded octets of an encoded body. `encoding`: the content-transfer-encoding, lower case."""
    if encoding == "base64":
        return _base64(encoded)
    if encoding == "quoted-printable":
        return _quoted_printable(encoded)
    if encoding in _UU:
        return _uuencode(encoded)
    return iter(encoded)


def pieces(raw: bytes | memoryview, start: int, stop: int) -> Iterator[bytes]:
    """raw[start:stop] in pieces of a bounded size."""
    for at in range(start, stop, _PIECE):
        yield bytes(raw[at : min(at + _PIECE, stop)])


def content(raw: bytes | memoryview, attachment: Attachment) -> Iterator[bytes]:
    """The decoded octets of an attachment of the mail `raw`."""
    return decode(pieces(raw, attachment.start, attachment.stop), attachment.encoding)


def measure(raw: bytes, start: int, stop: int, encoding: str) -> tuple[int, str]:
    """(size, SHA-256 in hex) of the decoded octets of an encoded body."""
    size, digest = 0, hashlib.sha256()
    for piece in decode(pieces(raw, start, stop), encoding):
        size += len(piece)
        digest.update(piece)
    return size, digest.hexdigest()


def _base64(encoded: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in encoded:
        rest += piece.translate(None, _FOREIGN)
        if b"=" in rest:
            if b"=" not in (digits := rest.rstrip(b"=")):
                # the usual case, and far quicker: padding at the end only
                groups, rest = [digits], b""
            else:
                *groups, rest = _PADDING.split(rest)
            if ended := b"".join(map(_group, groups)):
                yield ended
        whole = len(rest) & ~3
        if whole:
            yield binascii.a2b_base64(rest[:whole])
            rest = rest[whole:]
    if last := _group(rest):
        yield last


def _group(digits: bytes) -> bytes:
    """Digits up to a padding; a lone last digit holds no octet."""
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _quoted_printable(encoded: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in encoded:
        rest += piece
        cut = rest.rfind(b"\n") + 1
        if not cut and len(rest) > _LONGEST_LINE:
            cut = len(rest) - 3
            equals = rest.rfind(b"=", cut - 2, len(rest))
            cut = cut if equals < 0 else equals
        if cut:
            yield binascii.a2b_qp(rest[:cut])
            rest = rest[cut:]
    if rest:
        yield binascii.a2b_qp(rest)


def _uuencode(encoded: Iterable[bytes]) -> Iterator[bytes]:
    rest, inside = b"", False
    for piece in chain(encoded, (b"\n",)):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()[:_LONGEST_LINE]
        decoded = bytearray()
        for line in lines:
            line = line.rstrip(b"\r")  # noqa: PLW2901
            if not inside:
                inside = line.startswith(b"begin ")
            elif line == b"end":
                inside = False
            else:
                decoded += _uu_line(line)
        if decoded:
            yield bytes(decoded)


def _uu_line(line: bytes) -> bytes:
    if not line:
        return b""
    length = (line[0] - 32) & 63
    digits = line[: 1 + (length * 4 + 2) // 3]
    try:
        return binascii.a2b_uu(digits.replace(b"`", b" "))
    except binascii.Error:
        return b""
