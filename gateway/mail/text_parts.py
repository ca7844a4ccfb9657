"""The text and HTML parts of an outgoing mail, with their MIME headers (RFC 2045, RFC 2046 section 4.1).

Both are 7-bit with CRLF line ends, and no line of them begins with a dot or with "From ", so that no relay
has a reason to change them. Text is quoted-printable; HTML says with character references what is outside
ASCII, and is quoted-printable only where a line of it is too long or begins so. A quoted-printable line has
at most 76 octets (RFC 2045 section 6.7).
"""

from __future__ import annotations

import binascii

_LONGEST_LINE = 900
_LONGEST_QUOTED_LINE = 76
_HEAD = b"Content-Type: text/%s; charset=utf-8\nContent-Transfer-Encoding: %s\n"


def _unix_lines(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\0", "")
    return text if text.endswith("\n") else text + "\n"


def _quoted_printable(text: bytes) -> bytes:
    lines = b"\n" + binascii.b2a_qp(text, istext=True)
    if b"\n." not in lines and b"\nFrom " not in lines:
        return lines
    lines = lines.replace(b"\n.", b"\n=2E").replace(b"\nFrom ", b"\n=46rom ")
    return b"\n".join(
        [line if len(line) <= _LONGEST_QUOTED_LINE else _broken(line) for line in lines.split(b"\n")]
    )


def _broken(line: bytes) -> bytes:
    """A line that an escape has made too long, broken before a letter, where it cannot split an escape."""
    end = _LONGEST_QUOTED_LINE - 1
    while b"=" in line[end - 2 : end] or line[end : end + 1] in (b".", b"F"):
        end -= 1
    return line[:end] + b"=\n" + line[end:]


def plain_part(text: str) -> bytes:
    """text/plain, header block and body."""
    lines = _quoted_printable(_unix_lines(text).encode("utf-8", "replace"))
    return (_HEAD % (b"plain", b"quoted-printable") + lines).replace(b"\n", b"\r\n")


def html_part(html: str) -> bytes:
    """text/html, header block and body."""
    lines = b"\n" + _unix_lines(html).encode("ascii", "xmlcharrefreplace")
    encoding = b"7bit"
    too_long = max(map(len, lines.split(b"\n"))) >= _LONGEST_LINE
    if too_long or b"\n." in lines or b"\nFrom " in lines:
        encoding, lines = b"quoted-printable", _quoted_printable(lines[1:])
    return (_HEAD % (b"html", encoding) + lines).replace(b"\n", b"\r\n")
