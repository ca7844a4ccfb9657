"""The octets of DATA: where they end, their leading dots, their limits (RFC 5321 sections 4.1.1.4, 4.5.2).

`DataDecoder` is fed blocks as they come from the socket, cut anywhere. Only CR LF . CR LF ends the data;
lone CR and LF are octets like any other, so `LF . LF` and its kin end nothing and nothing can be smuggled
behind them. Work is done by the block, never by the line.

A mail that breaks a limit is read on to its end, and its octets are dropped: the sender hears why, and
memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

_END = b"\r\n.\r\n"
_LONGEST_TAIL = len(_END) - 1


class Fault(Enum):
    """Why the data is not kept."""

    TOO_LARGE = "too_large"
    LINE_TOO_LONG = "line_too_long"
    NO_ROOM = "no_room"
    """All mails in hand together are too many, or the disk is full: later."""


class DataDecoder:
    """Decodes one DATA. `fault` tells whether and why its octets are being dropped."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        max_size: int,
        max_line: int,
        reserve: Callable[[int], bool] = lambda octets: True,
    ) -> None:
        """`write` takes decoded octets; an OSError of it means no room. `reserve` is asked before octets
        are kept, and answers whether there is room for so many more. `max_size` and `max_line` count
        decoded octets; a line runs up to its LF."""
        self._write = write
        self._reserve = reserve
        self._max_size = max_size
        self._max_line = max_line
        self._size = 0
        self._line = 0
        self._skip = 2
        self._tail = b"\r\n"  # the data begins as if after a line end; these two octets are never written
        self.fault: Fault | None = None
        self.trouble: OSError | None = None

    @property
    def size(self) -> int:
        """Decoded octets so far, also those that were dropped."""
        return self._size

    def feed(self, block: bytes) -> bytes | None:
        """Take the next octets. None: the data goes on. Otherwise it has ended, and what is returned
        stood behind its end: the next commands of the client."""
        block = self._tail + block
        end = block.find(_END)
        if end >= 0:
            self._take(block[: end + 2])
            return block[end + len(_END) :]
        keep = _tail_length(block)
        self._tail = block[len(block) - keep :]
        self._take(block[: len(block) - keep])
        return None

    def _take(self, octets: bytes) -> None:
        # No end of data is inside, so each dot at the start of a line is one to be taken off.
        octets = octets.replace(b"\r\n.", b"\r\n")
        if self._skip and octets:
            octets, self._skip = octets[self._skip :], 0
        if not octets:
            return
        self._size += len(octets)
        if self.fault is None:
            self._check(octets)
        if self.fault is None:
            try:
                self._write(octets)
            except OSError as error:
                self.fault, self.trouble = Fault.NO_ROOM, error

    def _check(self, octets: bytes) -> None:
        if self._size > self._max_size:
            self.fault = Fault.TOO_LARGE
        elif self._has_long_line(octets):
            self.fault = Fault.LINE_TOO_LONG
        elif not self._reserve(len(octets)):
            self.fault = Fault.NO_ROOM

    def _has_long_line(self, octets: bytes) -> bool:
        start = -self._line  # where the running line began, as a position in `octets`
        while len(octets) - start > self._max_line:
            newline = octets.rfind(b"\n", max(start, 0), start + self._max_line + 1)
            if newline < 0:
                return True
            start = newline + 1
        newline = octets.rfind(b"\n")
        self._line = self._line + len(octets) if newline < 0 else len(octets) - newline - 1
        return False


def _tail_length(block: bytes) -> int:
    """How many octets at the end may be the beginning of the end of data."""
    for length in range(min(_LONGEST_TAIL, len(block)), 0, -1):
        if _END.startswith(block[-length:]):
            return length
    return 0
