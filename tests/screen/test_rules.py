"""What each rule makes of a mail, and which verdict holds when several speak."""

from __future__ import annotations

import pytest

from tests.pipeline_world import SIGNER, envelope, mail, run

OWN_ID = SIGNER.message_id(7, "c", "jana@customer.example", "abc", "acme.example")


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"Auto_Submitted": "auto-replied"}, "auto_submitted"),
        ({"Auto_Submitted": "auto-generated; reason=x"}, "auto_submitted"),
        ({"Auto_Submitted": "auto-notified (by us)"}, "auto_submitted"),
        ({"Precedence": "bulk"}, "auto_reply_fields"),
        ({"Precedence": "auto_reply"}, "auto_reply_fields"),
        ({"X_Autoreply": "yes"}, "auto_reply_fields"),
        ({"X_Autorespond": "Out of office"}, "auto_reply_fields"),
        ({"X_Auto_Response_Suppress": "DR, OOF, AutoReply"}, "auto_reply_fields"),
        ({"List_Id": "<users.lists.example>"}, "mailing_list"),
        ({"List_Unsubscribe": "<mailto:off@lists.example>"}, "mailing_list"),
        ({"Precedence": "list"}, "mailing_list"),
        ({"sender": "No Reply <no-reply@shop.example>"}, "machine_sender"),
        ({"sender": "donotreply@shop.example"}, "machine_sender"),
        ({"sender": "MAILER-DAEMON@shop.example"}, "machine_sender"),
    ],
)
def test_a_machines_mail_is_silent_and_not_answered(headers: dict[str, str], rule: str) -> None:
    work = run(mail(**headers))
    assert work.screening is not None
    assert work.screening.verdict == "silent"
    assert not work.screening.may_reply
    assert rule in [signal.rule for signal in work.screening.signals]
    assert work.decision is not None
    assert work.decision.action == "new_ticket"
    assert not work.decision.acknowledge
    assert [one.kind for one in work.outgoing] == ["new_ticket", "new_ticket"], (
        "agents hear of it all the same"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "no"},
        {"Auto_Submitted": "No (a person)"},
        {"Precedence": "first-class"},
        {"X_Autoreply": "no"},
        {"X_Auto_Response_Suppress": "DR"},
        {"subject": "Re: Jana is out of the office"},
        {"sender": "Noreen Reply <noreen@customer.example>"},
    ],
)
def test_a_persons_mail_is_accepted_and_answered(headers: dict[str, str]) -> None:
    work = run(mail(**headers))
    assert work.screening is not None
    assert (work.screening.verdict, work.screening.may_reply, work.screening.signals) == ("accept", True, ())
    assert work.outgoing[0].kind == "acknowledgement"


def test_the_null_reverse_path_is_a_machines() -> None:
    for work in (
        run(mail(), env=envelope(reverse_path="")),
        run(mail(Return_Path="<>"), env=envelope(reverse_path=None)),
    ):
        assert work.screening is not None
        assert work.screening.verdict == "silent"
    # what SMTP said counts more than what a header says
    assert run(mail(Return_Path="<>")).screening.verdict == "accept"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "headers",
    [{"message_id": f"<{OWN_ID}>"}, {"X_Ticketgate_Loop": OWN_ID, "sender": "x <support@acme.example>"}],
)
def test_our_own_mail_coming_back_is_discarded(headers: dict[str, str]) -> None:
    work = run(mail(**headers))
    assert work.decision is not None
    assert work.decision.action == "discard"
    assert work.outgoing == ()


def test_nobody_can_have_a_mail_discarded_with_a_loop_field_of_their_own() -> None:
    forged = OWN_ID.replace("abc", "abd")
    assert run(mail(X_Ticketgate_Loop=forged)).decision.action == "new_ticket"  # type: ignore[union-attr]


def test_a_person_who_copied_our_loop_field_is_heard() -> None:
    """ "Edit as new" takes all fields of our mail along."""
    assert run(mail(X_Ticketgate_Loop=OWN_ID)).decision.action == "new_ticket"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "headers",
    [
        {"sender": "support@acme.example"},
        {"Authentication_Results": "mx.acme.example; dmarc=fail header.from=customer.example"},
    ],
)
def test_ourselves_and_forged_senders_are_not_acknowledged(headers: dict[str, str]) -> None:
    work = run(mail(**headers))
    assert work.decision is not None
    assert work.decision.action == "new_ticket"
    assert {one.audience for one in work.outgoing} == {"agent"}


def test_all_signals_are_kept_and_the_strongest_verdict_holds() -> None:
    work = run(mail(message_id=f"<{OWN_ID}>", Precedence="bulk", List_Id="<x>"))
    assert work.screening is not None
    assert [signal.rule for signal in work.screening.signals] == [
        "own_mail",
        "auto_reply_fields",
        "mailing_list",
    ]
    assert work.screening.verdict == "discard"
