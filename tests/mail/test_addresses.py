"""Who wrote: the strict address parser, by table and by property."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.addresses import parse_addresses
from gateway.mail.message import Address, address_key


def _pairs(value: str) -> list[tuple[str, str]]:
    return [(one.name, one.address) for one in parse_addresses(value)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@b.example", [("", "a@b.example")]),
        ("A B <a@b.example>", [("A B", "a@b.example")]),
        ('"B, A" <a@b.example>, c@d.example', [("B, A", "a@b.example"), ("", "c@d.example")]),
        (r'"A \"B\" C" <a@b.example>', [('A "B" C', "a@b.example")]),
        ("a@b.example (A B)", [("A B", "a@b.example")]),
        ("A (x (y) <no@no>) B <a@b.example>", [("A B", "a@b.example")]),
        ("=?utf-8?Q?Ji=C5=99=C3=AD?= <a@b.example>", [("Jiří", "a@b.example")]),
        ('"=?utf-8?Q?Ji=C5=99=C3=AD?=" <a@b.example>', [("Jiří", "a@b.example")]),
        ("=?utf-8?Q?Doe,_J?= <a@b.example>", [("Doe, J", "a@b.example")]),
        ("team: a@b.example, C <c@d.example>; e@f.example",
         [("", "a@b.example"), ("C", "c@d.example"), ("", "e@f.example")]),
        ("undisclosed-recipients:;", []),
        ("a@b.example; c@d.example", [("", "a@b.example"), ("", "c@d.example")]),
        ("<@x.example,@y.example:a@b.example>", [("", "a@b.example")]),
        ('"john doe"@b.example', [("", '"john doe"@b.example')]),
        ("john . doe @ b . example", [("", "john.doe@b.example")]),
        ("A <a@[192.0.2.1]>", [("A", "a@[192.0.2.1]")]),
        ("A <a@b.example", [("A", "a@b.example")]),
        ('"A <a@b.example>', [("A", "a@b.example")]),
        ("A <a@b.example>>", [("A", "a@b.example")]),
        ("Jiří <jiří@háčky.example>", [("Jiří", "jiří@háčky.example")]),
        ("A <mailto:a@b.example>", [("A", "a@b.example")]),
        ("a@b.example A B", [("A B", "a@b.example")]),
        ("root", []),
        ("A <>", []),
        ("", []),
        ("a@b@c.example", []),
        (",,;", []),
    ],
)  # fmt: skip
def test_mailboxes(value: str, expected: list[tuple[str, str]]) -> None:
    assert _pairs(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "agent@a.example <evil@z.example>",
        '"agent@a.example" <evil@z.example>',
        "<agent@a.example> <evil@z.example>",
        "agent@a.example, evil@z.example",
        "agent@a.example evil@z.example",
        "evil@z.example (agent@a.example)",
        "agent@a.example <evil@z.example",
        "<evil@z.example> agent@a.example",
        "=?utf-8?Q?agent=40a.example=20=3C?= <evil@z.example>",
        "=?utf-8?Q?agent=40a.example?=, evil@z.example",
        "agent@a.example\t<evil@z.example>, <agent@a.example>",
        "agent@a.example:evil@z.example",
        "agent@a.example: evil@z.example;",
        '"agent@a.example <agent@a.example>" <evil@z.example>',
        r'"agent@a.example\" <agent@a.example>" <evil@z.example>',
    ],
)
def test_nobody_becomes_the_agent_alone(value: str) -> None:
    found = [address for _, address in _pairs(value)]
    assert found != ["agent@a.example"]
    assert found[:1] != ["agent@a.example"] or len(found) > 1


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text_is_taken(value: str) -> None:
    for one in parse_addresses(value):
        assert "@" in one.address
        assert not any(character in one.address for character in "\r\n\0 <>") or '"' in one.address
        one.address.encode("utf-8")
        one.name.encode("utf-8")


_atom = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
_mailbox = st.builds(
    Address,
    st.from_regex(r"[A-Za-z ,.@<>]{0,20}", fullmatch=True),
    st.builds("{}@{}.example".format, _atom, _atom),
)


@given(st.lists(_mailbox, max_size=5))
@settings(deadline=None)
def test_what_is_written_in_order_is_read_back(mailboxes: list[Address]) -> None:
    value = ", ".join(f'"{one.name}" <{one.address}>' for one in mailboxes)
    assert [one.address for one in parse_addresses(value)] == [one.address for one in mailboxes]


def test_idn_domains_compare_in_their_ascii_form() -> None:
    assert address_key("A@BÜCHER.example") == "a@xn--bcher-kva.example"
