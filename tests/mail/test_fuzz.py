"""Whatever the octets, `parse` gives a mail whose strings any database and any JSON takes, in linear time."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.attachments import content
from gateway.mail.parse import parse
from gateway.settings.model import ParseLimits
from tests.mail.mails import SELF_WRITTEN, assert_safe, corpus, mutations, read

_TIGHT = ParseLimits(header_octets=300, headers=10, depth=2, parts=4, text_octets=200)


@pytest.mark.parametrize("part", range(6))
def test_six_thousand_damaged_mails(part: int) -> None:
    mails = [*SELF_WRITTEN, *corpus(largest=6000)[part::6]]
    for number, raw in enumerate(mutations(1000 + part, 1000, mails)):
        mail = read(raw)
        assert_safe(mail)
        assert "parser-failed" not in mail.defects
        assert len(mail.attachments) < 100
        if number % 10 == 0:
            for one in mail.attachments:
                octets = b"".join(content(raw, one))
                assert (len(octets), hashlib.sha256(octets).hexdigest()) == (one.size, one.sha256)


def test_damaged_mails_under_tight_limits() -> None:
    for raw in mutations(5, 500, list(SELF_WRITTEN)):
        mail = parse(raw, _TIGHT)
        assert_safe(mail)
        assert "parser-failed" not in mail.defects


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=100)
def test_any_octets(raw: bytes) -> None:
    for one in (
        raw,
        b"Content-Type: text/html; charset=" + raw,
        b"From: " + raw,
        b"Content-Type: text/html\n\n" + raw,
    ):
        mail = read(one)
        assert_safe(mail)
        assert "parser-failed" not in mail.defects


@given(st.text(max_size=400))
@settings(deadline=None, max_examples=300)
def test_no_text_vanishes_from_a_plain_mail(text: str) -> None:
    raw = b"Content-Type: text/plain; charset=utf-8\n\n" + text.encode("utf-8", "replace")
    mail = read(raw)
    kept = "".join(mail.text.split())
    assert kept == "".join(text.encode("utf-8", "replace").decode().replace("\0", "").split()).translate(
        dict.fromkeys(range(0xE0F0, 0xE0F5))
    )
    assert bool(mail.new_text.strip()) == bool(mail.text.strip())


_MANY = 150_000
_HEAD = b"From: a@b.example\nSubject: s\n"
_HTML = _HEAD + b"Content-Type: text/html\n\n"
_GUESSES = b"Content-Type: multipart/mixed\n\n" + (b"--" + b" " * 190 + b"x\n") * 9000
_ENCODED = _HEAD + b"Content-Transfer-Encoding: %s\n\n"
_MULTIPART = b'Content-Type: multipart/mixed; boundary="%s"\n\n'


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\0" * _MANY, id="nul"),
        pytest.param(b"\n" * _MANY, id="blank lines"),
        pytest.param(b"\r" * _MANY, id="bare carriage returns"),
        pytest.param(b"a:b\n" * _MANY, id="header fields"),
        pytest.param(b"Subject: " + b"=?a?q?" * _MANY, id="encoded words that do not end"),
        pytest.param(b"Subject: " + b"=?utf-8?q?a?= " * _MANY, id="encoded words"),
        pytest.param(b"Subject: x" + b"\n " * _MANY, id="folds"),
        pytest.param(b"From: " + b"(" * _MANY, id="comments that do not end"),
        pytest.param(b"From: " + b"<a@b>" * _MANY, id="angle brackets"),
        pytest.param(b"From: " + b'"' * _MANY, id="quotes"),
        pytest.param(b"From: " + b"a:" * _MANY, id="groups"),
        pytest.param(b"From: " + b"a@b " * _MANY, id="addresses without commas"),
        pytest.param(b"References: " + b"<" * _MANY, id="reference brackets"),
        pytest.param(b"References: " + b"a@" * _MANY, id="reference words"),
        pytest.param(b"Date: " + b"1 " * _MANY, id="date"),
        pytest.param(b"Content-Type: text/plain" + b";a=b" * _MANY, id="parameters"),
        pytest.param(b"Content-Type: text/plain;" + b"a" * _MANY, id="a parameter name"),
        pytest.param(b"Content-Type: text/plain;" + b'"' * _MANY, id="parameter quotes"),
        pytest.param(b"Content-Type: text/plain" + b";" * _MANY, id="semicolons"),
        pytest.param(b"Content-Type: text/plain" + b";a*0=b" * _MANY, id="parameter sections"),
        pytest.param(_HEAD + _MULTIPART % b"" + b"--" * _MANY, id="dashes"),
        pytest.param(_HEAD + _MULTIPART % b"b" + b"--bx\n" * _MANY, id="false boundaries"),
        pytest.param(_HEAD + _MULTIPART % b"b" + b"--b\n\nx\n" * _MANY, id="parts"),
        pytest.param(_HEAD + _MULTIPART % b"b" + b"--b\n" * _MANY, id="boundaries without parts"),
        pytest.param(_HTML + b"<" * _MANY, id="html brackets"),
        pytest.param(_HTML + b"<div>" * _MANY, id="html depth"),
        pytest.param(_HTML + b"<table><tr><td>x" * 40, id="html tables in tables"),
        pytest.param(_HTML + b"<!--" * _MANY, id="html comments"),
        pytest.param(_HTML + b"<script>" * _MANY, id="html scripts"),
        pytest.param(_HTML + b"<p " + b"a=" * _MANY, id="html attributes"),
        pytest.param(_HEAD + b"\n" + b">" * _MANY, id="quote signs"),
        pytest.param(_HEAD + b"\n" + b">\n" * _MANY, id="quoted lines"),
        pytest.param(_HEAD + b"\n" + b"On 1 Jan 2025 10:00 a@b wrote:\n" * _MANY, id="introductions"),
        pytest.param(_HEAD + b"\n" + b"On 1 Jan 2025 10:00 a@b wrote:\n> x\n" * _MANY, id="quotes"),
        pytest.param(_HEAD + b"\n" + b"From: a\n\n" * _MANY, id="header blocks"),
        pytest.param(_HEAD + b"\n" + b"--\n" * _MANY, id="signatures"),
        pytest.param(_HEAD + b"\n" + b"--a--\n" * _MANY, id="rules"),
        pytest.param(_HEAD + b"\n" + (b"a--- " * 150 + b"\n") * 1500, id="rules inside lines"),
        pytest.param(_HEAD + b"\n" + (b" " * 900 + b"1:\n") * 1500, id="blank lines with an end"),
        pytest.param(_GUESSES, id="guesses"),
        pytest.param(_HEAD + b"\n" + b"-=_* " * _MANY, id="a long rule"),
        pytest.param(_HEAD + b"Content-Type: text/plain; format=flowed\n\n" + b"a \n" * _MANY, id="flowed"),
        pytest.param(_HEAD + b"Content-Type: text/plain; charset=utf-7\n\n" + b"+2AA-" * _MANY, id="utf-7"),
        pytest.param(_HEAD + b"\n" + bytes(range(128, 256)) * 4000, id="undeclared octets"),
        pytest.param(_ENCODED % b"base64" + b"=" * _MANY, id="base64 padding"),
        pytest.param(_ENCODED % b"quoted-printable" + b"=" * _MANY, id="soft breaks"),
        pytest.param(_ENCODED % b"uuencode" + b"begin 6 x\n" + b"!0\n" * _MANY, id="uuencode"),
    ],
)  # fmt: skip
def test_pathological_mails_take_linear_time(raw: bytes) -> None:
    """Up to four megabytes; whatever is quadratic in these takes minutes."""
    started = time.process_time()
    mail = read(raw)
    assert time.process_time() - started < 4
    assert_safe(mail)
    assert "parser-failed" not in mail.defects
