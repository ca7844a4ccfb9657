"""Where the mail server delivers no plus addresses: the signed Message-ID alone leads to ticket and agent."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

from tests.pipeline_world import all_text, envelope, facts, mail, policy, run, ticket

DESK = policy(signing={"mode": "message_id"}, security={"agent_trust": "signed"})


def notice(kind: str):  # type: ignore[no-untyped-def]
    work = run(mail(), desk=DESK)
    (one, *_) = [mail for mail in work.outgoing if mail.kind == kind]
    return message_from_bytes(one.skeleton, policy=default), one


def test_no_signed_address_is_used() -> None:
    for kind in ("acknowledgement", "new_ticket"):
        told, mail_ = notice(kind)
        assert "support@acme.example" in told["Reply-To"]
        assert "+" not in told["Reply-To"]
        assert mail_.reverse_path in ("", "support@acme.example")
    assert "#note" in notice("new_ticket")[1].text


def test_an_agents_reply_is_known_by_the_id_that_it_answers() -> None:
    told, _ = notice("new_ticket")
    raw = mail(
        "Pull the plug.\n",
        sender="petra@private.example",
        message_id="<a@private.example>",
        In_Reply_To=told["Message-ID"],
        References=f"{told['References']} {told['Message-ID']}",
    )
    work = run(raw, facts(ticket(2000)), desk=DESK)
    assert work.decision is not None
    assert work.decision.outcome == "answer", work.screening
    assert "Pull the plug" in all_text(work, "customer")


def test_the_id_of_another_agents_notice_is_no_proof() -> None:
    told, _ = notice("new_ticket")
    raw = mail("x\n", sender="pavel@private.example", In_Reply_To=told["Message-ID"])
    work = run(raw, facts(ticket(2000)), desk=DESK)
    assert work.decision is not None
    assert work.decision.action == "hold"


def test_a_note_is_written_by_its_first_word() -> None:
    told, _ = notice("new_ticket")
    raw = mail("#note she is wrong\n", sender="petra@private.example", In_Reply_To=told["Message-ID"])
    work = run(raw, facts(ticket(2000)), desk=DESK)
    assert work.decision is not None
    assert work.decision.outcome == "note"
    assert all_text(work, "customer") == ""


def test_the_customers_reply_threads_where_the_relay_has_given_our_mail_another_id() -> None:
    told, _ = notice("acknowledgement")
    given = "<0100-abc@eu-west-1.relay.example>"
    raw = mail(
        "Thanks.\n",
        message_id="<m9@customer.example>",
        In_Reply_To=given,
        References=f"{told['References']} {given}",
    )
    work = run(raw, facts(ticket(2000)), envelope(), desk=DESK)
    assert work.match is not None
    assert work.match.ticket == 2000
    assert work.match.evidence[0].signal == "own_message_id"
