"""Header values, charsets, dates, ids, parameters: by table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.body import file_name
from gateway.mail.charsets import codec_of, decode, safe
from gateway.mail.dates import parse_date
from gateway.mail.headers import decode_field
from gateway.mail.parameters import content_type_of, parameters_of
from gateway.mail.references import message_id, message_ids
from gateway.mail.structure import walk


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?Q?a_b=C5=99?=", "a bř"),
        (b"=?utf-8?B?xZk=?= =?utf-8?B?xZk=?=", "řř"),
        (b"=?utf-8?B?xQ==?=\r\n =?utf-8?B?mQ==?=", "ř"),
        (b"x =?utf-8?Q?b?= y", "x b y"),
        (b"x=?utf-8?Q?b?=y", "xby"),
        (b"=?UTF-8?q?blanks in a word?=", "blanks in a word"),
        (b"=?utf-8*en?Q?b?=", "b"),
        (b"=?utf-8?B?YWJj", "=?utf-8?B?YWJj"),
        (b"=?utf-8?B?YWJjZA?=", "abcd"),
        (b"=?nonsense?Q?=C5=99?=", "ř"),
        (b"=?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは"),
        ("ř".encode(), "ř"),
        ("ř =?utf-8?Q?=C5=99?=".encode(), "ř ř"),
        (b"\x1b$B$3$s\x1b(B", "こん"),
        (b"a\r\n\tb", "a b"),
        (b"=?utf-8?Q?a=0D=0Ab=00c?=", "a  bc"),
        (b"=?utf-7?Q?a+2AA-?=", "a�"),
        (b"", ""),
    ],
)
def test_field_values(value: bytes, expected: str) -> None:
    assert decode_field(value) == expected


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_field_values_are_one_safe_line(value: bytes) -> None:
    text = decode_field(value)
    text.encode("utf-8")
    assert len(text.splitlines()) <= 1
    assert "\0" not in text


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("iso-8859-1", "cp1252"), ("GB2312", "gb18030"), ("ks_c_5601-1987", "cp949"), ('"utf-8"', "utf-8"),
        ("utf-8\0", "utf-8"), ("us-ascii (plain)", "utf-8"), ("x-unknown", None), ("rot13", None),
        ("idna", None),
        ("unicode_escape", None), ("punycode", None), ("", None), ("hex", None), ("mbcs", None),
        ("windows-31j", "cp932"),
    ],
)  # fmt: skip
def test_charset_labels(label: str, codec: str | None) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize(
    ("octets", "label", "how", "text"),
    [
        (b"abc", None, "assumed", "abc"),
        ("čaj".encode(), None, "assumed", "čaj"),
        ("čaj".encode(), "us-ascii", "declared", "čaj"),
        ("čaj".encode(), "windows-1250", "declared", "ÄŤaj"),
        ("Здравствуйте, как дела у вас?".encode("koi8-r"), None, "guessed", "Здравствуйте, как дела у вас?"),
        (b"good text that ends in half a letter \xc5", "utf-8", "damaged", None),
        ("It’s".encode("cp1252"), "iso-8859-1", "declared", "It’s"),
        (b"a\x81b", "windows-1252", "declared", "a\x81b"),
    ],
)
def test_declared_missing_and_wrong_charsets(
    octets: bytes, label: str | None, how: str, text: str | None
) -> None:
    found = decode(octets, label)
    assert found.how == how
    assert text is None or found.text == text


def test_surrogates_are_mended_or_replaced() -> None:
    assert safe("\ud83d\ude00 \ud83d \0x") == "😀 � x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 6 Jan 2025 10:00:00 +0100", (2025, 1, 6, 9, 0, 0)),
        ("Mon, 6 Jan 2025 10:00:00 +0100 (CET)", (2025, 1, 6, 9, 0, 0)),
        ("6 Jan 2025 10:00 GMT", (2025, 1, 6, 10, 0, 0)),
        ("Mon, 06-Jan-25 10:00:00 EST", (2025, 1, 6, 15, 0, 0)),
        ("Mon Jan  6 10:00:00 CET 2025", (2025, 1, 6, 9, 0, 0)),
        ("Monday, January 6, 2025 10:00 PM", (2025, 1, 6, 22, 0, 0)),
        ("2025-01-06T10:00:00Z", (2025, 1, 6, 10, 0, 0)),
        ("2025-01-06 10:00:00.123 +02:00", (2025, 1, 6, 8, 0, 0)),
        ("Mon, 6 Jan 125 10:00:00 +0000", (2025, 1, 6, 10, 0, 0)),
        ("Mon, 6 Jan 99 10:00:00 +0000", (1999, 1, 6, 10, 0, 0)),
        ("Mo, 6 Mär 2025 10.00.00 +0000", (2025, 3, 6, 10, 0, 0)),
        ("Mon, 6 Jan 2025 23:59:60 +0000", (2025, 1, 6, 23, 59, 59)),
        ("Mon, 6 Jan 2025 10:00:00 XYZ", (2025, 1, 6, 10, 0, 0)),
        ("Mon, 6 Jan 2025 10:00:00 +9999", (2025, 1, 6, 10, 0, 0)),
        ("Mon, 6 Jan 2025 10:00:00 --0400", (2025, 1, 6, 14, 0, 0)),
        ("32 Jan 2025 10:00:00 +0000", None),
        ("Mon, 6 Jan 0000 10:00:00 +0000", None),
        ("1 Jan 0001 00:00:00 +2300", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(value: str, expected: tuple[int, int, int, int, int, int] | None) -> None:
    assert parse_date(value) == (None if expected is None else datetime(*expected, tzinfo=UTC))


@given(st.text(alphabet="0123456789 :+-,.JanFebMTZ/()", max_size=60))
@settings(deadline=None)
def test_any_date_is_taken(value: str) -> None:
    found = parse_date(value)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"<a@b>", ["a@b"]),
        (b"<a@b> <c@d>\r\n\t<e@f>", ["a@b", "c@d", "e@f"]),
        (b"<a@b><c@d><a@b>", ["a@b", "c@d"]),
        (b"a@b", ["a@b"]),
        (b"a@b, c@d", ["a@b", "c@d"]),
        (b"Your message of Monday <a@b>", ["a@b"]),
        (b"=?utf-8?Q?=3Ca=40b=3E?=", ["a@b"]),
        (b"=?us-ascii?Q?=3Clong-?=\r\n =?us-ascii?Q?id=40b=3E?=", ["long-id@b"]),
        (b"<long-\r\n id@b>", ["long-id@b"]),
        (b"<no-at>", ["no-at"]),
        (b"word", ["word"]),
        (b"two words", []),
        (b"<>", []),
        (b"< >", []),
        (b"", []),
        (b"<a@b", ["a@b"]),
    ],
)
def test_message_ids(value: bytes, expected: list[str]) -> None:
    assert list(message_ids(value)) == expected
    assert message_id(value) == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        (b'text/plain; charset="utf-8"; name=x', "text/plain", {"charset": "utf-8", "name": "x"}),
        (b'TEXT/Plain ;charset = us-ascii', "text/plain", {"charset": "us-ascii"}),
        (b'text/plain charset=utf-8', "text/plain", {"charset": "utf-8"}),
        (b'a/b; x="q\\"; y=z"; w=1', "a/b", {"x": 'q"; y=z', "w": "1"}),
        (b'a/b; name="x" size=5', "a/b", {"name": "x", "size": "5"}),
        (b'a/b; name=two words.txt; x=y', "a/b", {"name": "two words.txt", "x": "y"}),
        (b'a/b; name="open', "a/b", {"name": "open"}),
        (b"a/b; name*=utf-8'en'%C5%99.txt", "a/b", {"name": "ř.txt"}),
        (b'a/b; name*1=b; name*0=a; name*2*=%41', "a/b", {"name": "abA"}),
        (b"a/b;\r\n name=\"fol\r\n ded\"", "a/b", {"name": "fol ded"}),
        (b"nonsense", "text/plain", {}),
        (b"a/b/c; x=y", "text/plain", {"x": "y"}),
        (b"", "text/plain", {}),
    ],
)  # fmt: skip
def test_parameters(value: bytes, kind: str, parameters: dict[str, str]) -> None:
    assert content_type_of(value) == (kind, parameters)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (b"Content-Disposition: attachment; filename=a.txt", "a.txt"),
        (b"Content-Type: a/b; name=t\nContent-Disposition: attachment; filename=d", "d"),
        (b"Content-Type: a/b; name=t", "t"),
        (b'Content-Disposition: attachment; filename="../../etc/passwd"', "passwd"),
        (b'Content-Disposition: attachment; filename="C:\\\\dir\\\\a.txt"', "a.txt"),
        (b'Content-Disposition: attachment; filename="=?utf-8?Q?=C5=99.txt?="', "ř.txt"),
        ("Content-Disposition: attachment; filename=ř.txt".encode(), "ř.txt"),
        (b"Content-Disposition: attachment; filename*=utf-8''a%0D%0Ab%00.txt", "a  b.txt"),
        (b'Content-Disposition: attachment; filename="../"', ""),
        (b"Content-Disposition: attachment", ""),
    ],
)
def test_file_names(fields: bytes, name: str) -> None:
    found = walk(fields + b"\n\nx", header_octets=1000, headers=10, depth=1, parts=1)
    assert file_name(found.root) == name


def test_disposition_without_parameters() -> None:
    assert parameters_of(b"Inline") == ("inline", {})
    assert parameters_of(b"filename=x") == ("", {"filename": "x"})
