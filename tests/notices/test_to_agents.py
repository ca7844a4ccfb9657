"""What agents' notices tell: the facts in words, an encrypted mail as such, who was not taken along, and
why a mail is held."""

from __future__ import annotations

import re
from email.message import EmailMessage
from pathlib import Path

import pytest

from gateway.mail.message import Address
from gateway.mail.quotes import MARKER
from gateway.notices.render import KINDS, Renderer
from gateway.notices.samples import VARIABLES
from gateway.notices.to_agents import _honest
from gateway.resources import templates_folder
from gateway.tickets.values import Participant, Said
from tests.pipeline_world import (
    NOW,
    agent_address,
    all_text,
    customer_address,
    envelope,
    facts,
    mail,
    policy,
    run,
    ticket,
)

AS_PETRA = envelope(authenticated_as="petra")
PETRA = "Petra <petra@private.example>"
ARMOUR = "-----BEGIN PGP MESSAGE-----\n\nhQEMA+seCrEt=\n-----END PGP MESSAGE-----\n"


def pgp_mime(sender: str = "Jana <jana@customer.example>", to: str = "support@acme.example") -> bytes:
    """RFC 3156 section 4."""
    return f"""From: {sender}
To: {to}
Subject: Printer
Message-ID: <p1@customer.example>
MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"

--b
Content-Type: application/pgp-encrypted

Version: 1

--b
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Disposition: inline; filename="encrypted.asc"

{ARMOUR}
--b--
""".encode()


def smime() -> bytes:
    one = EmailMessage()
    one["From"], one["To"], one["Subject"] = "jana@customer.example", "support@acme.example", "Printer"
    one.set_content(b"0\x80secret", "application", "pkcs7-mime", filename="smime.p7m")
    return one.as_bytes()


def notices(raw: bytes, **more: object) -> list[str]:
    """Text and HTML of the notice that Petra or Pavel gets."""
    work = run(raw, **more)  # type: ignore[arg-type]
    one = next(one for one in work.outgoing if one.audience == "agent")
    return [one.text, re.sub(r"<style>.*?</style>|<[^>]+>", "", one.html, flags=re.DOTALL)]


@pytest.mark.parametrize(
    ("raw", "how", "file"), [(pgp_mime(), "OpenPGP", "encrypted.asc"), (smime(), "S/MIME", "smime.p7m")]
)
def test_an_encrypted_mail_is_named_on_top_with_the_way_to_it(raw: bytes, how: str, file: str) -> None:
    for shown in notices(raw):
        assert f"This mail is encrypted ({how})" in shown.partition("Priority:")[0]
        assert f"{file} (" in shown.partition("wrote:")[0]
        assert "(encrypted)" in shown
        assert "pgp-encrypted" not in shown.partition("wrote:")[0]
    work = run(raw)
    assert any(part for one in work.outgoing if one.audience == "agent" for part in one.attachments)


def test_where_it_is_too_large_to_come_along_that_is_said() -> None:
    small = policy(delivery={"via": {"type": "maildir"}, "attach_up_to": "10 B"})
    for shown in notices(pgp_mime(), desk=small):
        assert "too large to come along" in shown


def test_encrypted_text_in_the_mail_itself_is_shown_as_it_came() -> None:
    for shown in notices(mail(ARMOUR)):
        assert "This mail is encrypted (OpenPGP)" in shown
        assert "stands below" in shown
        assert "hQEMA+seCrEt" in shown


def test_an_ordinary_mail_is_not_called_encrypted_and_an_empty_one_is_called_empty() -> None:
    assert "encrypted" not in all_text(run(mail()), "agent")
    assert all("(no text)" in shown for shown in notices(mail("\n")))


def test_an_encrypted_answer_of_an_agent_is_held() -> None:
    """Nobody here can see whether there is a note in it."""
    for raw in (pgp_mime(PETRA, agent_address()), mail(ARMOUR, sender=PETRA, to=agent_address())):
        work = run(raw, facts(ticket()), AS_PETRA)
        assert work.decision is not None
        assert work.decision.action == "hold"
        assert "encrypted (OpenPGP)" in work.decision.outcome
        assert all_text(work, "customer") == ""


def test_the_facts_are_told_in_words() -> None:
    ivan = Participant(Address("", "ivan@customer.example"), "cc")
    known = ticket(participants=(*ticket().participants, ivan), assignee="pavel")
    text, html = notices(mail(to=customer_address()), known=facts(known))
    assert "Priority: normal (came to queue support; nothing says that it is more or" in " ".join(
        text.split()
    )
    for line in (
        "State: open, in queue support",
        "Assigned to: Pavel",
        "Requester: Jana <jana@customer.example>",
        "Also on it: Otto <otto@customer.example>, ivan@customer.example",
        "Opened: Mon 23 Nov 2026, 09:00 UTC",
    ):
        assert line in [" ".join(one.split()) for one in text.splitlines()]
        assert line.replace("<", "&lt;").replace(">", "&gt;") in " ".join(html.split())
    assert text.index(MARKER) < text.index("ACME-1042") < text.index("Priority:") < text.index("wrote:")


def test_no_line_of_facts_is_so_long_that_a_client_breaks_it() -> None:
    people = tuple(
        Participant(
            Address("A Name Of Some Length", f"person.of.the.firm.{at}@subsidiary.customer.example"), "cc"
        )
        for at in range(9)
    )
    known = ticket(
        participants=(*ticket().participants, *people),
        requester=Address("Jana With A Long Name Indeed", "jana.with.a.long.address@subsidiary.example"),
    )
    text, _ = notices(mail(to=customer_address()), known=facts(known))
    block = text.partition("Priority:")[2].partition("Opened:")[0]
    told = ["Priority:" + block.splitlines()[0], *block.splitlines()[1:]]
    assert all(len(line) < 76 for line in told)
    assert all(
        re.match(r"(?:Priority|State|Assigned to|Requester|Also on it): ", line) for line in told if line
    )
    assert "more or less than normal)" in " ".join(" ".join(told).replace("Priority:", "").split())
    assert all(word in block for word in ("jana.with.a.long.address@", "firm.4@", "and 4 more"))


def test_what_was_split_off_a_customers_text_is_shown_below_it() -> None:
    said = "I tried it.\n-- \nThen it exploded & my hand hurts.\n"
    for shown in notices(mail(said, to=customer_address()), known=facts(ticket())):
        assert shown.index("I tried it.") < shown.index("As a signature Jana wrote:")
        assert "Then it exploded" in shown.partition("As a signature")[2]
    text, _ = notices(mail(said, to=customer_address()), known=facts(ticket()))
    assert "> Then it exploded & my hand hurts." in text
    assert text.split("\n").count("-- ") == 1
    assert "> --" not in text


def test_what_was_split_off_is_bounded_and_shown_once() -> None:
    text, _ = notices(mail("Hi.\n-- \n" + "long " * 9000, to=customer_address()), known=facts(ticket()))
    assert len(text) < 7000
    assert "more characters stand in the original mail" in text
    for first in notices(mail("Hi.\n-- \nJana Nova\n")):
        assert first.count("Jana Nova") == 1
        assert "As a signature" not in first


def test_a_signature_of_an_agent_or_a_note_is_not_shown() -> None:
    for to in (agent_address(), agent_address("n")):
        work = run(mail("Hi.\n-- \nsecretary\n", sender=PETRA, to=to), facts(ticket()), AS_PETRA)
        assert "secretary" not in all_text(work, "agent")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("petra@private.example", False),
        ("petra@private.example (evil@z.example)", False),
        ("pet\u200bra＠private.example", False),
        ("evil@z.example", True),
        ("Jana @ ACME", True),
        ("Jana", True),
    ],
)
def test_a_display_name_that_is_another_address_is_not_shown(name: str, shown: bool) -> None:
    evil = Address(name, "evil@z.example")
    assert (_honest(evil) == evil) == shown
    work = run(mail(sender=f'"{name}" <evil@z.example>'))
    one = next(one for one in work.outgoing if one.audience == "agent")
    head = one.skeleton.partition(b"\r\n\r\n")[0].decode()
    assert ("evil@z.example via ACME Support" in head) == (not shown or name == "evil@z.example")
    assert ("petra@private.example" in one.text) is False


def test_somebody_of_no_name_has_one_in_the_history() -> None:
    said = Said("public", "third_party", "", NOW, "Out of paper.")
    for shown in notices(mail(to=customer_address()), known=facts(ticket(history=(said,)))):
        assert "somebody unknown, Mon 23 Nov 2026" in shown


def test_nobody_yet() -> None:
    text, _ = notices(mail())
    assert "Assigned to: nobody yet" in text
    assert "Also on it" not in text


def test_who_comes_along_by_this_very_mail_is_on_it() -> None:
    text, _ = notices(mail(to=customer_address(), Cc="new@customer.example"), known=facts(ticket()))
    assert "new@customer.example" in text.partition("Opened:")[0]


def many(count: int) -> str:
    return ", ".join(f"u{number}@customer.example" for number in range(count))


@pytest.mark.parametrize(("to", "number"), [("support@acme.example", 2000), (customer_address(), 1042)])
def test_who_is_not_taken_along_is_told(to: str, number: int) -> None:
    work = run(mail(to=to, Cc=many(32)), facts(ticket()))
    assert work.decision is not None
    assert work.decision.ticket is not None
    assert work.decision.ticket.number == number
    (event,) = [one for one in work.decision.events if one.kind == "copies_left_out"]
    assert event.data == {"count": 12}
    for one in work.outgoing:
        told = "12 more addresses in Cc were not taken along" in one.text
        assert told == (one.audience == "agent")
        assert told == ("12 more addresses in Cc were not taken along" in one.html)


def test_nor_is_it_silent_in_an_agents_mail() -> None:
    work = run(mail("Hi.\n", sender=PETRA, to=agent_address(), Cc=many(21)), facts(ticket()), AS_PETRA)
    assert "1 more address in Cc was not taken along" in all_text(work, "agent")


def test_nothing_is_told_where_all_come_along_or_are_there() -> None:
    people = tuple(Participant(Address("", one.strip()), "cc") for one in many(25).split(","))
    for known in (ticket(), ticket(participants=(*ticket().participants, *people))):
        work = run(mail(to=customer_address(), Cc=many(20 if known == ticket() else 25)), facts(known))
        assert work.decision is not None
        assert "copies_left_out" not in [one.kind for one in work.decision.events]
        assert "not taken along" not in all_text(work, "agent")


def test_with_signed_message_ids_the_held_notice_speaks_of_those() -> None:
    desk = policy(signing={"mode": "message_id"}, security={"agent_trust": "signed"})
    raw = mail("Hi.\n", sender=PETRA, In_Reply_To="<first@customer.example>")
    work = run(raw, facts(ticket(), known_ids={"first@customer.example": 1042}), desk=desk)
    assert work.decision is not None
    assert work.decision.action == "hold"
    (one,) = work.outgoing
    assert one.kind == "held"
    for told in (work.decision.outcome, one.text, one.html):
        assert "reply address" not in told
        assert "In-Reply-To or References" in told
    plus = run(mail("Hi.\n", sender=PETRA, to=agent_address(to="pavel@private.example")), facts(ticket()))
    assert "no signed reply address" in plus.outgoing[0].text


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_separator_has_its_blank(kind: str) -> None:
    text, _ = Renderer(None, "UTC").render(kind, VARIABLES)
    assert "--" not in text.splitlines()
    foot = kind in ("acknowledgement", "answer", "new_ticket", "customer_reply", "agent_answer", "note",
                    "delivery_trouble")  # fmt: skip
    assert ("-- " in text.splitlines()) == foot


def test_every_line_of_a_notice_is_known_as_one() -> None:
    """Else what an agent leaves of it could be taken for the agent's own quote."""
    from gateway.pipeline import Work
    from gateway.tickets.notice_lines import Known

    raw = mail("zwieback\n", to=customer_address(), Cc=many(32))
    works: list[Work] = [
        run(raw, facts(ticket())),
        run(
            mail("zwieback\n", sender=PETRA, to=agent_address(), Cc="otto@customer.example"),
            facts(ticket()),
            envelope(authenticated_as="*"),
        ),
        run(mail("zwieback\n", sender=PETRA, to=agent_address("n")), facts(ticket()), AS_PETRA),
    ]
    for work in works:
        assert work.mail is not None
        known = Known(work.mail, ticket())
        shown = next(one.text for one in work.outgoing if one.audience == "agent")
        for line in shown.splitlines():
            if line.strip() not in ("", "--", "zwieback"):
                assert known.is_ours(f"> {line}"), line


def test_no_template_holds_a_lone_separator() -> None:
    for path in Path(templates_folder()).glob("*.txt.j2"):
        assert "--" not in path.read_text("utf-8").split("\n"), path.name


def test_pavel_sees_what_the_customer_got() -> None:
    text = "Look for:\n> disk full\nand send it."
    work = run(mail(f"{text}\n", sender=PETRA, to=agent_address()), facts(ticket()), AS_PETRA)
    assert text in next(one.text for one in work.outgoing if one.audience == "agent")
