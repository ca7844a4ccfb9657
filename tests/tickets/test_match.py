"""The evidence ladder and its gate."""

from __future__ import annotations

import pytest

from tests.pipeline_world import (
    SIGNER,
    agent_address,
    all_text,
    customer_address,
    envelope,
    facts,
    mail,
    run,
    ticket,
)

JANA, STRANGER = "Jana <jana@customer.example>", "Eve <eve@stranger.example>"
TO_JANA = SIGNER.message_id(1042, "c", "jana@customer.example", "abc", "acme.example")
TAG = f"[ACME-1042-{SIGNER.tag(1042)}]"


def wire(way: str, sender: str) -> bytes:
    """A mail that names ticket 1042 in one way."""
    return {
        "signed_address": mail(sender=sender, to=customer_address()),
        "signed_address_upper_case": mail(sender=sender, to=customer_address().upper()),
        "own_message_id": mail(sender=sender, In_Reply_To=f"<{TO_JANA}>"),
        "own_id_in_references": mail(sender=sender, References=f"<x@y> <{TO_JANA}> <z@y>"),
        "several_ids_in_reply_to": mail(sender=sender, In_Reply_To=f"<x@y> <{TO_JANA}>"),
        "known_message_id": mail(sender=sender, In_Reply_To="<first@customer.example>"),
        "subject_tag": mail(sender=sender, subject=f"Re: {TAG} Printer"),
        "subject_tag_lower_case": mail(sender=sender, subject=f"AW: {TAG.lower()} printer"),
    }[way]


WAYS = (
    "signed_address", "signed_address_upper_case", "own_message_id", "own_id_in_references",
    "several_ids_in_reply_to", "known_message_id", "subject_tag", "subject_tag_lower_case",
)  # fmt: skip
KNOWN = facts(ticket(), known_ids={"first@customer.example": 1042})


@pytest.mark.parametrize("way", WAYS)
def test_each_way_leads_the_requester_to_the_ticket(way: str) -> None:
    work = run(wire(way, JANA), KNOWN)
    assert work.match is not None
    assert work.match.ticket == 1042
    assert work.match.evidence[0].accepted
    assert work.decision is not None
    assert work.decision.outcome == "reply"


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_a_stranger_there(way: str) -> None:
    """A leaked address, forged References, a guessed tag: a new ticket, linked, and nothing to Jana."""
    work = run(wire(way, STRANGER), KNOWN)
    assert work.decision is not None
    assert work.decision.action == "new_ticket"
    assert work.decision.related == 1042
    assert [one.forward_path for one in work.outgoing if one.audience == "customer"] == [
        "eve@stranger.example"
    ]
    assert "May belong to ACME-1042" in all_text(work, "agent")
    assert work.match is not None
    assert work.match.evidence[0].why == "the sender is no participant"


@pytest.mark.parametrize("sender", ["otto@customer.example", "OTTO@Customer.example"])
def test_a_cc_participant_may_write_by_any_way(sender: str) -> None:
    for way in WAYS:
        assert run(wire(way, sender), KNOWN).decision.outcome == "reply"  # type: ignore[union-attr]


def test_an_authenticated_colleague_of_the_requester_is_heard_as_a_third_party() -> None:
    proof = "mx.acme.example; dmarc=pass"
    work = run(mail(sender="boss@customer.example", Authentication_Results=proof, subject=TAG), KNOWN)
    assert work.decision is not None
    assert work.decision.entry is not None
    assert work.decision.entry.author == "third_party"
    assert work.decision.add_participants == ()
    unproven = run(mail(sender="boss@customer.example", subject=TAG), KNOWN)
    assert unproven.decision is not None
    assert unproven.decision.action == "new_ticket"


def test_at_a_free_mail_provider_nobody_is_a_colleague() -> None:
    from gateway.mail.message import Address

    known = facts(ticket(requester=Address("", "someone@gmail.com"), participants=()))
    raw = mail(sender="other@gmail.com", subject=TAG, Authentication_Results="mx.acme.example; dmarc=pass")
    assert run(raw, known).decision.action == "new_ticket"  # type: ignore[union-attr]


def test_dmarc_fail_contradicts_the_requesters_address() -> None:
    raw = mail(to=customer_address(), Authentication_Results="mx.acme.example; dmarc=fail")
    work = run(raw, KNOWN)
    assert work.decision is not None
    assert work.decision.action == "new_ticket"
    assert "DMARC fail" in work.match.evidence[0].why  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "subject", ["Re: [ACME-1042-kaaaa] x", "Re: [ACME-1042] x", f"Re: [OTHER{TAG[5:]} x"]
)
def test_a_tag_without_our_mark_is_no_evidence(subject: str) -> None:
    work = run(mail(subject=subject), KNOWN)
    assert work.match is not None
    assert work.match.evidence == ()


def test_the_stronger_signal_decides_and_the_weaker_is_recorded() -> None:
    raw = mail(to=customer_address(), subject=f"[ACME-7-{SIGNER.tag(7)}] x")
    work = run(raw, facts(ticket(), ticket(7)))
    assert work.match is not None
    assert work.match.ticket == 1042
    weaker = work.match.evidence[-1]
    assert (weaker.signal, weaker.ticket, weaker.accepted) == ("subject_tag", 7, False)


def test_a_merged_ticket_leads_to_its_target_from_every_signal() -> None:
    known = facts(ticket(7), merged={1042: 7}, known_ids={"first@customer.example": 1042})
    for way in WAYS:
        assert run(wire(way, JANA), known).match.ticket == 7  # type: ignore[union-attr]


def test_a_ticket_that_is_not_there_is_said() -> None:
    work = run(wire("signed_address", JANA))
    assert work.match is not None
    assert work.match.evidence[0].why == "there is no such ticket"
    assert work.decision is not None
    assert work.decision.action == "new_ticket"


def test_a_stranger_with_an_agents_reply_address_is_no_agent() -> None:
    work = run(mail(sender=STRANGER, to=agent_address()), KNOWN)
    assert work.decision is not None
    assert work.decision.action == "new_ticket"


def test_the_envelope_counts_where_the_header_hides_the_address() -> None:
    work = run(mail(to="undisclosed-recipients:;"), KNOWN, envelope(forward_paths=(customer_address(),)))
    assert work.match is not None
    assert work.match.ticket == 1042


def test_a_vacation_reply_to_the_envelope_sender_is_put_on_its_ticket() -> None:
    verp = SIGNER.address("support@acme.example", 1042, "e", "jana@customer.example")
    work = run(mail(to=verp, Auto_Submitted="auto-replied"), KNOWN)
    assert work.decision is not None
    assert (work.decision.outcome, work.decision.state) == ("silent", None)
    assert all_text(work, "customer") == ""
