"""Dot-stuffing and line ends do not depend on where a mail is cut into pieces."""

from __future__ import annotations

import smtplib

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.octets import DotStuffer, with_lf

_OCTETS = st.binary(max_size=60) | st.text(alphabet="\r\n.ab", max_size=60).map(str.encode)
_PIECES = st.lists(_OCTETS, max_size=12)


class _Recorder(smtplib.SMTP):
    """smtplib's own DATA with the connection left out."""

    def __init__(self) -> None:
        super().__init__(local_hostname="desk.test")
        self.sent = b""

    def putcmd(self, cmd: str, args: str = "") -> None:
        self.sent = b""

    def send(self, s: object) -> None:
        assert isinstance(s, bytes)
        self.sent += s

    def getreply(self) -> tuple[int, bytes]:
        return 354, b""


@given(_PIECES)
def test_stuffing_piece_by_piece_gives_what_smtplib_sends_for_the_whole(pieces: list[bytes]) -> None:
    reference = _Recorder()
    reference.data(b"".join(pieces))

    stuffer = DotStuffer()
    stuffed = b"".join(stuffer.feed(piece) for piece in pieces) + stuffer.finish()

    assert stuffed == reference.sent


@given(_PIECES)
def test_nothing_within_a_mail_ends_data(pieces: list[bytes]) -> None:
    stuffer = DotStuffer()
    stuffed = b"\r\n" + b"".join(stuffer.feed(piece) for piece in pieces) + stuffer.finish()

    assert stuffed.index(b"\r\n.\r\n") == len(stuffed) - 5
    assert b"\n.\n" not in stuffed
    assert b"\n.\r\n" not in stuffed[:-4]


@given(_PIECES)
def test_line_ends_become_lf_wherever_the_pieces_are_cut(pieces: list[bytes]) -> None:
    assert b"".join(with_lf(pieces)) == b"".join(pieces).replace(b"\r\n", b"\n")
