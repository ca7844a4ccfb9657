"""Addresses in MAIL and RCPT: how they are read, and which of them this desk takes mail for."""

from __future__ import annotations

from pathlib import Path as Folder

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.paths import BadPath, comparable, parse_path
from gateway.intake.recipients import Recipients
from tests.intake.smtp_tools import SIGNED, desk_settings, verify_signed


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<kim@example.org>", "kim@example.org"),
        (" <kim@example.org>", "kim@example.org"),
        ("kim@example.org", "kim@example.org"),
        ("<>", ""),
        ("<postmaster>", "postmaster"),
        ("<@relay.example,@b.example:kim@example.org>", "kim@example.org"),
        ('<"kim"@example.org>', "kim@example.org"),
        ('<"k i>m"@example.org>', '"k i>m"@example.org'),
        (r'<"a\"b"@example.org>', r'"a\"b"@example.org'),
        ("<kim@[192.0.2.1]>", "kim@[192.0.2.1]"),
        ("<kim@[IPv6:2001:db8::1]>", "kim@[IPv6:2001:db8::1]"),
        ("<jürgen@bücher.example>", "jürgen@bücher.example"),
        ("<bounces+1=kim=example.org@mailer_1.example>", "bounces+1=kim=example.org@mailer_1.example"),
    ],
)
def test_a_path_is_read(text: str, address: str) -> None:
    assert parse_path(text).address == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        "<kim@example.org",
        "<kim@>",
        "<@example.org>",
        "<kim@a@b>",
        "<kim smith@example.org>",
        "<kim@example.org>SIZE=1",
        "<kim\0@example.org>",
        "<kim@exam\tple.org>",
        "<kim\u202e@example.org>",
        "<kim\udcff@example.org>",
        '<"kim@example.org>',
        '<"kim"x@example.org>',
        f"<{'k' * 600}@example.org>",
        "<kim@example.org> SIZE=",
        "<kim@example.org> SIZE=1 size=2",
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(BadPath):
        parse_path(text)


def test_parameters_come_by_upper_case_name() -> None:
    path = parse_path("<kim@example.org> size=12 BODY=8BITMIME SMTPUTF8")
    assert path.parameters == {"SIZE": "12", "BODY": "8BITMIME", "SMTPUTF8": None}


@given(st.text(max_size=80) | st.text(alphabet='<>@"\\,:;[] abc\0\r\n', max_size=40))
def test_whatever_is_read_can_be_stored_and_read_again(text: str) -> None:
    try:
        address = parse_path(text).address
    except BadPath:
        return
    address.encode()
    assert not any(ord(sign) < 32 or ord(sign) == 127 for sign in address)
    assert parse_path(f"<{address}>").address == address
    comparable(address)


@pytest.fixture
def recipients(tmp_path: Folder) -> Recipients:
    return Recipients(desk_settings(tmp_path), verify_signed)


@pytest.mark.parametrize(
    ("forward_path", "queue"),
    [
        ("support@example.com", "support"),
        ("SUPPORT@Example.COM", "support"),
        ('"support"@example.com', "support"),
        ("help@example.com", "support"),
        ("billing@bücher.example", "billing"),
        ("Billing@XN--Bcher-kva.example", "billing"),
        ("billing@bu\u0308cher.example", "billing"),
        (SIGNED, "support"),
        (SIGNED.upper(), "support"),
        ("control@example.com", None),
        ("postmaster", "support"),
        ("Postmaster@example.com", "support"),
        ("postmaster@bücher.example", "support"),
        ("postmaster@desk.example.com", "support"),
    ],
)
def test_mail_for_the_desk_is_taken(recipients: Recipients, forward_path: str, queue: str | None) -> None:
    route = recipients.route(forward_path)
    assert route is not None
    assert (route.forward_path, route.queue) == (forward_path, queue)


@pytest.mark.parametrize(
    "forward_path",
    [
        "support+anything@example.com",
        SIGNED.replace("z23", "z24"),
        "nobody@example.com",
        "support@elsewhere.example",
        "support@example.com.elsewhere.example",
        "support",
        "support@[127.0.0.1]",
        "postmaster@elsewhere.example",
        '"support@example.com"@elsewhere.example',
        "support%example.com@elsewhere.example",
        "ada@private.example",
    ],
)
def test_any_other_address_is_unknown(recipients: Recipients, forward_path: str) -> None:
    assert recipients.route(forward_path) is None
