"""The octets of a mail on their way out, piece by piece: dot-stuffing for DATA, line ends for files.

Pieces may be cut anywhere, also between CR and LF or before a dot. Nothing else of the mail is changed,
and no more than one piece is held in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class DotStuffer:
    """Transparency of DATA (RFC 5321 section 4.5.2): a dot that begins a line is doubled. A line also begins
    behind a lone LF, as some servers read it so: no mail can end DATA early."""

    def __init__(self) -> None:
        self._tail = b"\n"
        self._last_two = b""

    def feed(self, piece: bytes) -> bytes:
        """The stuffed octets of the next piece."""
        if not piece:
            return b""
        stuffed = piece.replace(b"\n.", b"\n..")
        if self._tail == b"\n" and piece[:1] == b".":
            stuffed = b"." + stuffed
        self._tail = piece[-1:]
        self._last_two = (self._last_two + piece[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """What ends the data: the line end, if the mail came without one, and the lone dot."""
        return b".\r\n" if self._last_two == b"\r\n" else b"\r\n.\r\n"


def with_lf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets with LF for CR LF, as programs on standard input and files in a Maildir have it."""
    held = b""
    for chunk in chunks:
        piece = held + chunk
        held = b"\r" if piece.endswith(b"\r") else b""
        if held:
            piece = piece[:-1]
        yield piece.replace(b"\r\n", b"\n")
    if held:
        yield held
