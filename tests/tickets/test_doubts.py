"""Answers that are unsure: each is held, nothing reaches the customer, and the agent hears why."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage

import pytest

from gateway.mail.quotes import MARKER
from tests.pipeline_world import (
    NOW,
    SIGNER,
    agent_address,
    all_text,
    envelope,
    facts,
    mail,
    run,
    ticket,
)

AS_PETRA = envelope(authenticated_as="petra")
PETRA = "Petra <petra@private.example>"
NOTE = "she never pays her bills on time"


def notice() -> str:
    """The text of the notice that Petra got."""
    return next(one.text for one in run(mail()).outgoing if one.audience == "agent")


def quoted() -> str:
    return "\n".join(f"> {line}" for line in notice().splitlines())


def answer(text: str, **headers: str) -> bytes:
    return mail(text, sender=PETRA, to=headers.pop("to", agent_address()), **headers)


def attached(octets: bytes, kind: str, name: str) -> bytes:
    one = EmailMessage()
    one["From"], one["To"], one["Subject"] = PETRA, agent_address(), "Re: Printer"
    one.set_content("See the attachment.\n")
    main, sub = kind.split("/")
    one.add_attachment(octets, maintype=main, subtype=sub, filename=name)
    return one.as_bytes()


OTHER = SIGNER.address("support@acme.example", 7, "a", "petra@private.example")
UNSURE = {
    "nothing but the quoted notice": answer(f"\n\nOn Monday, Jana via ACME wrote:\n{quoted()}\n"),
    "nothing but quoted lines": answer("> line one\n> line two\n"),
    "nothing but a signature": answer("-- \nPetra Private\nHer own company\n"),
    "a note, pasted": answer(f"Hello,\n\nPavel says {NOTE}\n"),
    "a note, attached as text": attached(f"{NOTE}\n".encode(), "text/plain", "a.txt"),
    "an attached notice": attached(f"{MARKER}\nACME-1042".encode(), "text/plain", "notice.txt"),
    "an invitation with her private address": attached(
        b"BEGIN:VCALENDAR\nORGANIZER:mailto:Petra@private.example\n", "text/calendar", "i.ics"
    ),
    "two tickets": answer("Hello.\n", to=f"{agent_address()}, {OTHER}"),
    "a vacation reply without a mark": answer("I am away.\n", subject="Automatic reply: Printer"),
    "another one": answer("I am away.\n", subject="Out of Office: Printer"),
}


@pytest.mark.parametrize("raw", UNSURE.values(), ids=UNSURE.keys())
def test_it_is_held_and_the_agent_is_told(raw: bytes) -> None:
    work = run(raw, facts(ticket(notes=(f"Well: old.\n{NOTE}",)), ticket(7)), AS_PETRA)
    assert work.decision is not None
    assert work.decision.action == "hold", work.decision
    assert all_text(work, "customer") == ""
    assert [one.kind for one in work.outgoing] == ["held"]


def test_two_machines_that_talk_are_stopped() -> None:
    answered = tuple(NOW - timedelta(minutes=number) for number in range(20))
    work = run(answer("I am away.\n"), facts(ticket(answered_at=answered)), AS_PETRA)
    assert work.decision is not None
    assert work.decision.action == "hold"
    calm = tuple(NOW - timedelta(hours=number) for number in range(1, 21))
    assert run(answer("Hi.\n"), facts(ticket(answered_at=calm)), AS_PETRA).decision.outcome == "answer"  # type: ignore[union-attr]


def test_an_answer_that_could_go_to_nobody_is_held() -> None:
    work = run(answer("Hi.\n"), facts(ticket(participants=())), AS_PETRA)
    assert work.decision is not None
    assert work.decision.action == "hold"
    named = run(answer("Hi.\n", Cc="jana@customer.example"), facts(ticket(participants=())), AS_PETRA)
    assert named.decision is not None
    assert named.decision.outcome == "answer"


@pytest.mark.parametrize(
    "raw",
    [
        answer("Please pull the plug.\n"),
        answer(f"Please pull the plug.\n\nOn Monday, Jana wrote:\n{quoted()}\n"),
        attached(b"how to pull a plug", "text/plain", "plug.txt"),
        attached(b"%PDF-1.4", "application/pdf", "plug.pdf"),
    ],
)
def test_an_ordinary_answer_is_not_held(raw: bytes) -> None:
    work = run(raw, facts(ticket(notes=(NOTE,))), AS_PETRA)
    assert work.decision is not None
    assert work.decision.outcome == "answer", work.decision.outcome


def test_what_an_admin_releases_goes_out() -> None:
    work = run(UNSURE["two tickets"], facts(ticket(), ticket(7)), envelope(released=True))
    assert work.decision is not None
    assert work.decision.outcome == "answer"


def test_a_signature_over_the_agents_mail_is_not_passed_on() -> None:
    raw = attached(b"0\x80", "application/pkcs7-signature", "smime.p7s")
    work = run(raw, facts(ticket()), AS_PETRA)
    assert b"smime" not in b"".join(
        p.head for one in work.outgoing for p in one.attachments if one.audience == "customer"
    )


def test_agents_see_the_whole_of_a_first_mail_and_what_it_quotes() -> None:
    forwarded = "---------- Forwarded message ---------\nFrom: Shop <shop@x.example>\n\nPay 500 now\n"
    raw = mail(f"FYI, what is this?\n\n{forwarded}")
    assert "Pay 500 now" in all_text(run(raw), "agent")


def test_history_shows_agents_by_their_public_name() -> None:
    from gateway.tickets.values import Said

    said = Said("public", "agent", "Petra Privatename", NOW, "Hello.", "petra")
    work = run(
        mail(to=SIGNER.address("support@acme.example", 1042, "c", "jana@customer.example")),
        facts(ticket(history=(said,))),
    )
    assert "Privatename" not in all_text(work, "agent")
    assert "--- Petra," in all_text(work, "agent")
