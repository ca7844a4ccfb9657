"""Which octets a notice becomes: whoever is on the ticket, what goes to an address in ASCII is ASCII."""

from __future__ import annotations

import email
from email.headerregistry import Address as Parsed
from email.message import EmailMessage
from email.policy import SMTPUTF8

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.compose import clean
from gateway.mail.message import Address, address_key
from gateway.mail.spelling import spelled
from gateway.notices.values import Notice, OutgoingMail
from gateway.tickets.people import carbon_copies
from gateway.tickets.values import Participant
from tests.pipeline_world import NOW, POLICY, CountingIds, customer_address, facts, mail, policy, run, ticket

JANA = Address("Jana", "jana@customer.example")
JURGEN = Address("Jürgen", "jürgen@customer.example")
OTTO = Address("Otto", "otto@bücher.example")
NOWHERE = Address("Nobody", "x@😀.example")

LOCAL = st.one_of(
    st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,20}", fullmatch=True),
    st.text(alphabet="aü.é漢\u0301\u202e", min_size=1, max_size=12),
    st.from_regex(r'"[a-z ,;:.@\[\]()]{1,10}"', fullmatch=True),
    st.text(max_size=10),
)
DOMAIN = st.one_of(
    st.from_regex(r"[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,2}", fullmatch=True),
    st.text(alphabet="aßü漢。.-É", min_size=1, max_size=12),
    st.sampled_from(["[192.0.2.1]", "[IPv6:2001:db8::1]"]),
    st.text(max_size=10),
)
NAME = st.one_of(st.text(max_size=60), st.text(alphabet='\r\n\0\u2028\ud800"\\<>,;:@=?é ', max_size=30))
PERSON = st.builds(
    Address, NAME, st.builds("{}@{}".format, LOCAL, DOMAIN) | st.emails() | st.text(max_size=20)
)
ID = st.text(max_size=40) | st.text(alphabet="a@.é<>\r\n ", max_size=1200)


def notice(recipient: Address, to: tuple[Address, ...], cc: tuple[Address, ...], **changes: object) -> Notice:
    values: dict[str, object] = {
        "kind": "alert",
        "audience": "customer",
        "role": "c",
        "recipient": recipient,
        "shown_to": to,
        "shown_cc": cc,
        "from_name": "ACME",
        "subject": "Printer",
        "ticket": 1042,
        "variables": {"kind": "k", "text": "t", "desk": {"name": "ACME"}},
        "base": "support@acme.example",
    }
    return Notice(**(values | changes))  # type: ignore[arg-type]


def built(one: Notice) -> OutgoingMail:
    return POLICY.builder.build(one, CountingIds(), NOW)


def head_of(one: OutgoingMail) -> bytes:
    return one.skeleton.partition(b"\r\n\r\n")[0]


def read(head: bytes) -> EmailMessage:
    return email.message_from_string(f"{head.decode()}\r\n\r\n", policy=SMTPUTF8)


def plain(one: Parsed) -> tuple[str, str]:
    return one.username, one.domain


def unquoted(address: str) -> tuple[str, str]:
    """An address as the standard library tells it: (local part without its quotes, domain)."""
    local, _, domain = (spelled(address) or "").rpartition("@")
    return (local[1:-1] if local.startswith('"') else local), domain


def people_of(one: OutgoingMail) -> tuple[list[str], list[str]]:
    message = read(head_of(one))
    to, cc = ([who.addr_spec for who in message[field].addresses] if message[field] else [] for field in
              ("To", "Cc"))  # fmt: skip
    return to, cc


@settings(max_examples=200, deadline=None)
@given(
    st.lists(PERSON, min_size=1, max_size=3),
    st.lists(PERSON, max_size=4),
    st.integers(0, 6),
    NAME,
    st.lists(ID, max_size=4),
    ID | st.none(),
)
def test_whatever_addresses_people_have_a_mail_to_ascii_is_ascii_and_says_them_all_as_they_are(
    to: list[Address],
    cc: list[Address],
    place: int,
    subject: str,
    references: list[str],
    in_reply_to: str | None,
) -> None:
    recipient = [*to, *cc][place % (len(to) + len(cc))]
    one = built(
        notice(
            recipient,
            tuple(to),
            tuple(cc),
            subject=subject,
            from_name=subject,
            references=tuple(references),
            in_reply_to=in_reply_to,
        )
    )
    head = head_of(one)
    spec = spelled(recipient.address)
    if spec is None or spec.isascii():
        assert head.isascii()
    lines = head.split(b"\r\n")
    assert not any(set(line) & set(b"\r\n\0") for line in lines)
    assert all(len(line.strip()) > 0 and len(line) <= 998 for line in lines)
    names = [line.partition(b":")[0] for line in lines if not line.startswith(b" ")]
    assert len(set(names)) == len(names)
    assert set(names) <= {b"Date", b"From", b"To", b"Cc", b"Reply-To", b"Subject", b"Message-ID",
                          b"In-Reply-To", b"References", b"X-Ticketgate-Loop", b"MIME-Version",
                          b"Content-Type"}  # fmt: skip

    def shown(people: list[Address]) -> list[tuple[str, str]]:
        written = [(who.address, spelled(who.address)) for who in people]
        return [
            unquoted(address)
            for address, spec_ in written
            if spec_ is not None and (spec_.isascii() or not head.isascii())
        ]

    message = read(head)
    back = {
        field: [plain(who) for who in message[field].addresses] if message[field] else []
        for field in ("From", "Reply-To", "To", "Cc")
    }
    assert back["From"] == [("support", "acme.example")]
    assert len(back["Reply-To"]) == 1
    if shown(to):
        assert (back["To"], back["Cc"]) == (shown(to), shown(cc))
    else:
        assert (back["To"], back["Cc"]) == (shown(cc), [])
    assert "".join(str(message["From"].addresses[0].display_name).split()) == "".join(clean(subject).split())


@pytest.mark.parametrize(
    ("recipient", "to", "cc"),
    [
        (JANA, ["jana@customer.example"], ["otto@xn--bcher-kva.example"]),
        (OTTO, ["jana@customer.example"], ["otto@xn--bcher-kva.example"]),
        (
            JURGEN,
            ["jana@customer.example"],
            ["jürgen@customer.example", "otto@xn--bcher-kva.example"],
        ),
    ],
)
def test_who_is_named_to_whom(recipient: Address, to: list[str], cc: list[str]) -> None:
    assert people_of(built(notice(recipient, (JANA,), (JURGEN, OTTO, NOWHERE)))) == (to, cc)


def test_where_the_requester_cannot_be_named_the_others_stand_in_to() -> None:
    assert people_of(built(notice(JANA, (JURGEN,), (JANA, OTTO)))) == (
        ["jana@customer.example", "otto@xn--bcher-kva.example"],
        [],
    )


def test_the_key_of_the_recipient_is_the_one_of_every_spelling() -> None:
    one = built(notice(OTTO, (OTTO,), ()))
    assert one.recipient_key == address_key("Otto@XN--bcher-kva.example")


def test_a_foreign_id_outside_ascii_does_not_stop_the_acknowledgement() -> None:
    work = run(mail().replace(b"<m1@customer.example>", "<é1@customer.example>".encode()))
    (one,) = [one for one in work.outgoing if one.kind == "acknowledgement"]
    assert head_of(one).isascii()
    message = read(head_of(one))
    (root,) = str(message["References"]).split()
    assert message["In-Reply-To"] == root


def test_the_newest_id_in_ascii_is_what_is_answered() -> None:
    ids = ("a@x.example", "é@x.example", "b@x.example", "ü@x.example")
    message = read(head_of(built(notice(JANA, (JANA,), (), references=ids, in_reply_to="ü@x.example"))))
    assert message["In-Reply-To"] == "<b@x.example>"
    first, _, last = str(message["References"]).split()
    assert (first, last) == ("<a@x.example>", "<b@x.example>")


def test_two_spellings_in_cc_are_one_person() -> None:
    cc = "Cc: Otto <otto@bücher.example>, o@x.example, <otto@XN--bcher-kva.example>, <otto@BÜCHER.example>\n"
    work = run(cc.encode() + mail())
    assert work.mail is not None
    assert [one.address for one in carbon_copies(work.mail)] == ["otto@bücher.example", "o@x.example"]


@pytest.mark.parametrize("issued_to", ["otto@bücher.example", "jana@customer.example"])
def test_a_participant_may_write_from_the_other_spelling(issued_to: str) -> None:
    known = facts(ticket(participants=(Participant(JANA, "requester"), Participant(OTTO, "cc"))))
    work = run(mail(sender="otto@xn--bcher-kva.example", to=customer_address(to=issued_to)), known)
    assert work.match is not None
    assert work.match.role == "participant"


def test_a_desk_in_a_domain_outside_ascii_sends_ascii() -> None:
    desk = policy(
        desk={"domain": "bücher.example", "address": "desk@bücher.example"},
        queues=[{"name": "support", "addresses": ["support@bücher.example"]}],  # type: ignore[arg-type]
    )
    work = run(mail(to="support@bücher.example"), None, None, desk)
    assert work.outgoing
    for one in work.outgoing:
        assert head_of(one).isascii()
        message = read(head_of(one))
        assert message["From"].addresses[0].domain == "xn--bcher-kva.example"
        assert one.message_id.endswith("@xn--bcher-kva.example")
        assert str(message["Message-ID"]) == f"<{one.message_id}>"
