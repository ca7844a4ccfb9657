"""The MIME walker sees what the standard library's feed parser sees, on good and on damaged mail."""

from __future__ import annotations

import email
import email.message
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.structure import Structure, _Walker, walk
from tests.mail.mails import MIXED, SELF_WRITTEN, corpus, mutations

_TOLERATED = (
    re.compile(rb"\A(?:\xef\xbb\xbf)?[\r\n]|\A>From "),
    re.compile(rb"content-type:[ \t]*+[^\s;]++(?:[ \t]|[\r\n]++[ \t])++[^\s;]", re.IGNORECASE),
    re.compile(rb"^[!-9;-~]+[ \t]+:", re.MULTILINE),
    re.compile(rb"content-type:\s*+(?![\w.+-]++/[\w.+-]++\s*+(?:;|[\r\n]|$))", re.IGNORECASE),
    re.compile(
        rb"boundary\s*+=(?!(?:\"[^\"\\<>\r\n]*\"|[^\s\"<>;()\\]++)[ \t]*+(?:;|[\r\n]++(?=\S|$|\r|\n)))",
        re.IGNORECASE,
    ),
    re.compile(rb"boundary\*", re.IGNORECASE),
)

Leaf = tuple[str, bytes | None]


def _walk(raw: bytes) -> Structure:
    return walk(raw, header_octets=10**8, headers=10**6, depth=100, parts=10**6)


def _ours(raw: bytes) -> list[Leaf]:
    return [_leaf(leaf.content_type, raw[leaf.body : leaf.stop]) for leaf in _walk(raw).root.leaves()]


def _theirs(message: email.message.Message) -> list[Leaf]:
    content_type = message.get_content_type()
    if message.is_multipart() and not content_type.startswith("message/"):
        return [leaf for part in message.get_payload() for leaf in _theirs(part)]  # type: ignore[misc, arg-type]
    payload = message._payload if isinstance(message._payload, str) else ""  # type: ignore[attr-defined]
    return [_leaf(content_type, payload.encode("ascii", "surrogateescape"))]


def _leaf(content_type: str, octets: bytes) -> Leaf:
    """Attached mails are kept whole by one and opened by the other, and a multipart without parts
    keeps its last line end in one of them: these are not compared."""
    if content_type.startswith(("message/", "multipart/")):
        return content_type, None
    return content_type, octets


def _tolerant_only(raw: bytes) -> bool:
    """Whether a field is in a form that only our walker reads: parameters without semicolons, a blank before
    the colon, types without a subtype, boundaries in <>."""
    return "boundary-guessed" in _walk(raw).defects or any(form.search(raw) for form in _TOLERATED)


def _agree(raw: bytes, *, last_line_end: bool = True) -> bool:
    """Whether both see the same leaves; without `last_line_end` a line end more or less is no matter."""
    ours, theirs = _ours(raw), _theirs(email.message_from_bytes(raw))
    if not last_line_end:
        ours, theirs = (
            [(kind, octets and octets.rstrip()) for kind, octets in all_] for all_ in (ours, theirs)
        )
    return ours == theirs


@pytest.mark.parametrize("raw", SELF_WRITTEN)
def test_self_written_mails(raw: bytes) -> None:
    assert _agree(raw)


def test_the_corpora() -> None:
    mails = corpus(most=1000, largest=200_000)
    if not mails:
        pytest.skip("the corpora are not here")
    different = [raw for raw in mails if not _agree(raw)]
    assert all(map(_tolerant_only, different))
    assert len(different) < 0.02 * len(mails)


def test_damaged_mails() -> None:
    mails = [raw for raw in [*SELF_WRITTEN, *corpus(largest=8000)] if b"ultipart" in raw]
    different = [raw for raw in mutations(7, 1500, mails) if not _agree(raw, last_line_end=False)]
    assert all(map(_tolerant_only, different))
    assert len(different) < 0.2 * 1500


_line = st.sampled_from(
    [b"--a", b"--a--", b"--b", b"--b--", b"--a ", b"x", b"", b"Content-Type: multipart/mixed; boundary=b",
     b"Content-Type: multipart/digest; boundary=\"b\"", b"Content-Type: multipart/mixed; boundary=a", b"--ab",
     b"Content-Type: text/plain", b" ; x=y", b"--", b"a: b"]
)  # fmt: skip


@given(st.lists(_line, max_size=30), st.sampled_from([b"\n", b"\r\n", b"\r"]))
@settings(deadline=None)
def test_any_order_of_delimiters_and_headers(lines: list[bytes], end: bytes) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=a" + end + end + end.join(lines)
    assert _agree(raw) or "boundary-guessed" in _walk(raw).defects


@pytest.mark.parametrize("header", [b"", b"; boundary=wrong", b"\nboundary=right"])
def test_a_missing_or_wrong_boundary_is_guessed(header: bytes) -> None:
    raw = (
        b"Content-Type: multipart/mixed"
        + header
        + b"\n\n--right\nContent-Type: text/plain\n\nthe text\n--right--\n"
    )
    found = _walk(raw)
    assert [raw[leaf.body : leaf.stop] for leaf in found.root.leaves()] == [b"the text"]
    assert "boundary-guessed" in found.defects


@pytest.mark.parametrize(
    "above", [b"\r\n", b"\n\n\n", b"\xef\xbb\xbf", b"From a@b Mon Jan  6 10:00:00 2025\n", b">From x\n"]
)
def test_what_stands_above_the_header_is_passed_over(above: bytes) -> None:
    root = _walk(above + b"Subject: s\n\nbody").root
    assert (root.fields, root.body) == ([("subject", b" s\n")], len(above) + 12)


def test_a_mailbox_line_among_the_header_is_passed_over() -> None:
    assert _agree(b"Subject: s\nFrom x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n")


def test_a_body_without_header_stays_a_body() -> None:
    assert _walk(b"\n\nDear: all\n\nbody").root.fields == []


def test_part_numbers_are_those_of_imap() -> None:
    assert [leaf.number for leaf in _walk(MIXED).root.leaves()] == ["1.1", "1.2.1", "1.2.2", "2", "3"]
    assert _walk(b"Subject: x\n\nbody").root.number == "1"


def test_too_many_parts_are_one_part() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100
    found = walk(raw, header_octets=1000, headers=100, depth=10, parts=11)
    leaves = list(found.root.leaves())
    assert len(leaves) == 10
    assert "too-many-parts" in found.defects
    assert leaves[-1].stop == len(raw.rstrip())


_HEADER_LINES = (
    *(b"A: b\r\n", b"Long-Name:\r\n", b" more\r\n", b"\tand\r\n", b"X : y\r\n", b"G: \xff\r\n", b"\r\n"),
    *(b"broken\r\n", b"From me\r\n", b": none\r\n", b"B: c\n", b"C: d\r", b"\0: e\r\n", b"\xff: f\r\n"),
)
_HEADER_OCTETS = st.lists(st.sampled_from(_HEADER_LINES), max_size=12).map(b"".join)


@given(_HEADER_OCTETS, st.integers(1, 8), st.integers(1, 80))
def test_a_regular_block_reads_as_line_by_line(octets: bytes, headers: int, header_octets: int) -> None:
    raw = octets + b"\r\nbody"
    walker = _Walker(raw, header_octets, headers, 3, 10)
    slow = _Walker(raw, header_octets, headers, 3, 10)
    slow.regular_block = lambda *_: None  # type: ignore[method-assign]
    assert walker.header_block(0, len(raw)) == slow.header_block(0, len(raw))
    assert walker.defects == slow.defects
