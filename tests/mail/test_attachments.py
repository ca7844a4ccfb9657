"""Decoding as a stream gives what decoding at once gives, whatever the pieces."""

from __future__ import annotations

import base64
import binascii
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.mail.attachments import decode, measure, pieces


def _pieces(octets: bytes, size: int) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


def _read(octets: bytes, encoding: str, size: int = 7) -> bytes:
    return b"".join(decode(_pieces(octets, size), encoding))


def _uuencoded(octets: bytes) -> bytes:
    lines = b"".join(binascii.b2a_uu(piece) for piece in _pieces(octets, 45))
    return b"begin 644 a name\n" + lines + b"`\nend\n"


@given(st.binary(max_size=2000), st.integers(1, 300))
@example(b"\n\r\n", 1)
@settings(deadline=None)
def test_what_was_encoded_comes_back(octets: bytes, size: int) -> None:
    assert _read(base64.encodebytes(octets), "base64", size) == octets
    assert _read(base64.encodebytes(octets).replace(b"\n", b"\r\n"), "base64", size) == octets
    # as text, the encoder would make all line ends like the first one
    quoted = binascii.b2a_qp(octets, quotetabs=True, istext=False)
    assert _read(re.sub(rb"=\r?\n", b"=\r\n", quoted), "quoted-printable", size) == octets
    assert _read(_uuencoded(octets), "x-uuencode", size) == octets
    assert _read(octets, "binary", size) == octets


@settings(deadline=None)
@given(
    st.binary(max_size=600),
    st.integers(1, 50),
    st.sampled_from(["base64", "quoted-printable", "uuencode", "x"]),
)
def test_the_size_of_the_pieces_is_no_matter(octets: bytes, size: int, encoding: str) -> None:
    assert _read(octets, encoding, size) == _read(octets, encoding, 10**6)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"QUJD", b"ABC"),
        (b"QUI=", b"AB"),
        (b"QUI", b"AB"),
        (b"QQ==QUJD", b"AABC"),
        (b"Q!U@J#D", b"ABC"),
        (b"QUJDR", b"ABC"),
        (b"====", b""),
        (b"", b""),
    ],
)
def test_broken_base64(octets: bytes, expected: bytes) -> None:
    assert _read(octets, "base64", 3) == expected


def test_an_endless_line_is_decoded_in_bounded_pieces() -> None:
    longest = max(map(len, decode(pieces(b"=41" * 1_000_000, 0, 3_000_000), "quoted-printable")))
    assert longest < 1_000_000
    assert measure(b"=41" * 1_000_000, 0, 3_000_000, "quoted-printable")[0] == 1_000_000
