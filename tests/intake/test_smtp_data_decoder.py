"""The octets of DATA: however they are cut into blocks, the mail is the same, and it ends where it ends."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.intake.buffer import MEMORY, FileRaw
from gateway.intake.smtp_data import DataDecoder, Fault


def decoded(
    octets: bytes, cuts: list[int] | None = None, max_size: int = 10**6, max_line: int = 10**6
) -> tuple[bytes, bytes | None, Fault | None]:
    """(mail, what stood behind its end or None, fault) of octets that come in the pieces between `cuts`."""
    kept: list[bytes] = []
    decoder = DataDecoder(kept.append, max_size, max_line)
    edges = [0, *sorted(cut % (len(octets) + 1) for cut in cuts or []), len(octets)]
    for start, stop in pairwise(edges):
        rest = decoder.feed(octets[start:stop])
        if rest is not None:
            return b"".join(kept), rest + octets[stop:], decoder.fault
    return b"".join(kept), None, decoder.fault


def by_line(octets: bytes) -> tuple[bytes, bytes | None]:
    """What the standard says, line by line."""
    mail = b""
    while True:
        line, end, octets = octets.partition(b"\r\n")
        if not end:
            return mail, None
        if line == b".":
            return mail, octets
        mail += line.removeprefix(b".") + b"\r\n"


wire = st.lists(
    st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"a", b"Subject: x", b"\r\n.", b"\r\n.\r\n", b"\0"]),
    max_size=30,
).map(b"".join)


@given(wire, st.lists(st.integers(min_value=0), max_size=8))
@example(b".\r\n", [])
@example(b"..\r\n.\r\nMAIL", [1, 2, 3, 4, 5, 6])
def test_blocks_give_what_lines_would_give(octets: bytes, cuts: list[int]) -> None:
    mail, rest, fault = decoded(octets, cuts)
    expected, expected_rest = by_line(octets)
    assert fault is None
    assert rest == expected_rest
    if rest is not None:
        assert mail == expected


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\n\0.\r\n", b"\n.\r"]
)
def test_only_crlf_dot_crlf_ends_the_data(end: bytes) -> None:
    smuggled = b"MAIL FROM:<ceo@example.com>\r\nRCPT TO:<support@example.com>\r\nDATA\r\nx\r\n.\r\n"
    mail, rest, _ = decoded(b"Subject: a\r\n\r\nhello" + end + smuggled)
    assert rest == b""
    assert smuggled.removesuffix(b".\r\n") in mail


@given(
    st.lists(st.integers(min_value=0, max_value=40), min_size=1, max_size=12),
    st.lists(st.integers(min_value=0), max_size=8),
)
def test_a_line_longer_than_the_cap_is_found_wherever_the_blocks_are_cut(
    lengths: list[int], cuts: list[int]
) -> None:
    octets = b"".join(b"x" * length + b"\n" for length in lengths) + b"\r\n.\r\n"
    _, rest, fault = decoded(octets, cuts, max_line=20)
    assert rest == b""
    assert fault == (Fault.LINE_TOO_LONG if max(lengths) > 20 else None)


@given(st.integers(min_value=0, max_value=60), st.lists(st.integers(min_value=0), max_size=5))
def test_a_mail_larger_than_the_cap_is_found_and_read_to_its_end(size: int, cuts: list[int]) -> None:
    octets = b"x" * size + b"\r\n.\r\nNOOP\r\n"
    _, rest, fault = decoded(octets, cuts, max_size=40)
    assert rest == b"NOOP\r\n"
    assert fault == (Fault.TOO_LARGE if size + 2 > 40 else None)


def test_a_disk_that_is_full_is_no_fault_of_the_mail() -> None:
    def write(octets: bytes) -> None:
        raise OSError(28, "No space left on device")

    decoder = DataDecoder(write, 100, 100)
    assert decoder.feed(b"x\r\n.\r\n") == b""
    assert decoder.fault is Fault.NO_ROOM


def test_octets_beyond_what_is_in_reserve_are_not_kept() -> None:
    kept: list[bytes] = []
    decoder = DataDecoder(kept.append, 100, 100, lambda octets: octets < 10)
    assert decoder.feed(b"x" * 50 + b"\r\n.\r\n") == b""
    assert decoder.fault is Fault.NO_ROOM
    assert kept == []


def test_a_large_mail_does_not_stay_in_memory() -> None:
    block = b"x" * 997 + b"\r\n"
    tracemalloc.start()
    try:
        with FileRaw() as raw:
            decoder = DataDecoder(raw.write, 10**9, 10**6)
            for _ in range(40_000):
                assert decoder.feed(block) is None
            assert decoder.feed(b".\r\n") == b""
            assert raw.size == 40_000 * len(block)
            assert sum(map(len, raw.chunks())) == raw.size
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_an_endless_line_does_not_stay_in_memory() -> None:
    block = b"x" * 65536
    tracemalloc.start()
    try:
        with FileRaw() as raw:
            decoder = DataDecoder(raw.write, 50_000_000, 1_000_000)
            for _ in range(2000):
                decoder.feed(block)
                if decoder.fault:
                    raw.close()
        assert decoder.fault is Fault.LINE_TOO_LONG
        assert raw.size <= 1_000_000 + len(block)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@given(st.lists(st.binary(max_size=200_000), max_size=8))
def test_a_mail_gives_back_what_was_written(parts: list[bytes]) -> None:
    import hashlib

    with FileRaw() as raw:
        for part in parts:
            raw.write(part)
        octets = b"".join(parts)
        assert b"".join(raw.chunks()) == octets
        assert b"".join(raw.chunks()) == octets, "a second reading gives the same"
        assert (raw.size, raw.sha256) == (len(octets), hashlib.sha256(octets).digest())
        assert raw.in_memory == (len(octets) <= MEMORY)


def test_two_readers_do_not_disturb_each_other() -> None:
    with FileRaw() as raw:
        raw.write(b"a" * 2**20)
        raw.write(b"b" * 2**20)
        one, two = raw.chunks(), raw.chunks()
        assert [next(one)[:1], next(two)[:1], next(one)[:1], next(two)[:1]] == [b"a", b"a", b"b", b"b"]


def test_a_closed_mail_cannot_be_read_as_if_it_were_empty() -> None:
    raw = FileRaw()
    raw.write(b"x")
    raw.close()
    with pytest.raises(ValueError, match="closed"):
        list(raw.chunks())
