"""Who may act as an agent: all three proofs, or the mail is held and nobody hears of it."""

from __future__ import annotations

import pytest

from tests.pipeline_world import (
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

PASS = "mx.acme.example; dmarc=pass header.from=private.example"
FAIL = "mx.acme.example; dmarc=fail header.from=private.example"
PETRA = "Petra P. <petra@private.example>"


def agents_mail(results: str | None = None, to: str | None = None, sender: str = PETRA, **more: str) -> bytes:
    headers = dict(more)
    if results:
        headers["Authentication_Results"] = results
    return mail(
        "Please pull the plug.\n",
        sender=sender,
        to=to or agent_address(),
        message_id="<a1@private.example>",
        **headers,
    )


@pytest.mark.parametrize(
    ("raw", "authenticated_as"),
    [
        (agents_mail(PASS), None),
        (agents_mail("mx.acme.example; dkim=pass header.d=private.example"), None),
        (agents_mail("mx.acme.example 1; spf=pass smtp.mailfrom=petra@private.example"), None),
        (agents_mail(), "petra"),
        (agents_mail(), "*"),
        (
            agents_mail(PASS, sender="petra@phone.example", to=agent_address(to="petra@phone.example")),
            "petra",
        ),
    ],
    ids=["dmarc", "dkim", "spf", "login", "agents-only mailbox", "alias"],
)
def test_with_all_three_proofs_the_answer_goes_out(raw: bytes, authenticated_as: str | None) -> None:
    work = run(raw, facts(ticket()), envelope(authenticated_as=authenticated_as))
    assert work.decision is not None
    assert work.decision.outcome == "answer", work.screening
    assert [one.forward_path for one in work.outgoing if one.audience == "customer"] == [
        "jana@customer.example",
        "otto@customer.example",
    ]


@pytest.mark.parametrize(
    ("raw", "authenticated_as"),
    [
        (agents_mail(), None),
        (agents_mail(FAIL), None),
        (agents_mail("mx.evil.example; dmarc=pass"), None),
        (agents_mail("mx.acme.example; dkim=pass header.d=evil.example"), None),
        (agents_mail("mx.acme.example; dkim=fail header.d=private.example"), None),
        (agents_mail("mx.acme.example; (dmarc=pass) dmarc=fail"), None),
        (agents_mail(), "pavel"),
        (agents_mail(PASS, to=agent_address(to="pavel@private.example")), None),
        (agents_mail(PASS, to=customer_address()), None),
        (
            agents_mail(
                PASS,
                to=agent_address()[:-20] + "x" * 8 + agent_address()[-12:],
                References="<first@customer.example>",
            ),
            None,
        ),
    ],
    ids=[
        "no proof at all",
        "dmarc fail",
        "somebody else's results",
        "another domain's signature",
        "failed signature",
        "pass in a comment",
        "another agent's login",
        "another agent's address",
        "a customer's address",
        "forged address",
    ],
)
def test_with_less_nothing_reaches_the_customer(raw: bytes, authenticated_as: str | None) -> None:
    known = facts(ticket(), known_ids={"first@customer.example": 1042})
    work = run(raw, known, envelope(authenticated_as=authenticated_as))
    assert work.decision is not None
    assert work.decision.action != "append"
    assert all_text(work, "customer") == "" or "pull the plug" not in all_text(work, "customer")


def test_a_held_answer_is_told_to_the_agent_at_the_address_of_the_config() -> None:
    work = run(agents_mail(FAIL, sender="petra@phone.example"), facts(ticket()))
    assert work.decision is not None
    assert work.decision.action == "hold"
    (told,) = work.outgoing
    assert told.forward_path == "petra@private.example"
    assert "pull the plug" in told.text
    assert told.reverse_path == ""


def test_a_flood_of_forged_mails_makes_no_flood_of_warnings() -> None:
    work = run(agents_mail(FAIL), facts(ticket(), acknowledged_lately=4))
    assert work.decision is not None
    assert (work.decision.action, work.outgoing) == ("hold", ())


@pytest.mark.parametrize(
    "sender",
    [
        '"petra@private.example" <evil@z.example>',
        "petra@private.example <evil@z.example>",
        "petra@private.example, evil@z.example",
        "=?utf-8?q?petra=40private=2Eexample?= <evil@z.example>",
        "Petra <petra@private.example.evil.example>",
    ],
)
def test_a_from_that_only_looks_like_an_agents_gives_no_privilege(sender: str) -> None:
    raw = agents_mail(PASS).replace(PETRA.encode(), sender.encode(), 1)
    assert sender.encode() in raw
    work = run(raw, facts(ticket()))
    assert work.screening is not None
    assert work.screening.trust.level == "unknown"
    assert work.decision is not None
    assert work.decision.action == "new_ticket"
    assert "pull the plug" not in all_text(work, "customer")


def test_a_desk_can_ask_for_the_signed_address_alone() -> None:
    desk = policy(security={"agent_trust": "signed"})
    assert run(agents_mail(), facts(ticket()), desk=desk).decision.outcome == "answer"  # type: ignore[union-attr]
    assert run(agents_mail(FAIL), facts(ticket()), desk=desk).decision.action == "hold"  # type: ignore[union-attr]


def test_what_an_admin_has_released_counts_as_the_agents() -> None:
    work = run(agents_mail(FAIL), facts(ticket()), envelope(released=True))
    assert work.decision is not None
    assert work.decision.outcome == "answer"


def test_an_agents_vacation_reply_is_kept_and_told_to_nobody() -> None:
    work = run(agents_mail(Auto_Submitted="auto-replied"), facts(ticket()))
    assert work.decision is not None
    assert (work.decision.outcome, work.outgoing) == ("silent", ())
    assert work.decision.entry is not None
    assert work.decision.entry.kind == "silent"


@pytest.mark.parametrize(
    "disguised",
    [
        "=?utf-8?q?mx=2Eacme=2Eexample?=; dmarc=pass header.from=private.example",
        "=?us-ascii?b?bXguYWNtZS5leGFtcGxlOyBkbWFyYz1wYXNz?=",
        "(border) mx.acme.example; dmarc=pass header.from=private.example",
        "mx.ac\0me.example; dmarc=pass header.from=private.example",
        "\u00admx.acme.example; dmarc=pass header.from=private.example",
        "mx.acme.example.evil.example; dmarc=pass header.from=private.example",
        "evil.example; x=mx.acme.example; dmarc=pass header.from=private.example",
    ],
)
def test_a_result_that_a_border_would_not_know_as_its_own_is_not_believed(disguised: str) -> None:
    """A border removes foreign fields of its name as they stand; who reads them otherwise lets them in."""
    raw = agents_mail("the place").replace(b"the place", disguised.encode())
    work = run(raw, facts(ticket()))
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert not [one for one in work.outgoing if one.audience == "customer"]
