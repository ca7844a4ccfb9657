"""What a mail does to its ticket, and whom it brings along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tickets.states import Cause, State, after
from gateway.tickets.subject import base_subject
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

AS_PETRA = envelope(authenticated_as="petra")
PETRA = "Petra <petra@private.example>"


def people(work: object) -> list[tuple[str, str]]:
    new = work.decision.new_ticket  # type: ignore[attr-defined]
    return [(one.address.address, one.role) for one in new.participants]


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Printer", "Printer"),
        ("Re: Printer", "Printer"),
        ("RE: AW: Re[2]: Fwd: Printer", "Printer"),
        ("Re: [ACME-1042-kabcd] Printer", "Printer"),
        ("[ACME-1042-kabcd] Re: Printer", "Printer"),
        ("Regarding: my order", "Regarding: my order"),
        ("Re:", ""),
        ("", ""),
        ("Ticket [ACME-1] stays", "Ticket [ACME-1] stays"),
    ],
)
def test_the_base_of_a_subject(subject: str, base: str) -> None:
    assert base_subject(subject) == base


@given(st.text(max_size=3000))
def test_any_subject_has_a_base_that_stays(subject: str) -> None:
    base = base_subject(subject)
    assert base_subject(base) == base


def test_a_mail_without_a_subject_is_named_after_its_first_line() -> None:
    new = run(mail("\n\nIt burns!\nReally.\n", subject="")).decision.new_ticket  # type: ignore[union-attr]
    assert new is not None
    assert new.subject == "It burns!"
    assert run(mail("\n", subject="Re: ")).decision.new_ticket.subject == "(no subject)"  # type: ignore[union-attr]


def test_the_requester_and_the_ccs_take_part_but_never_we_nor_agents() -> None:
    signed = customer_address()
    raw = mail(
        to="support@acme.example, Otto <otto@customer.example>, petra@private.example",
        Cc=f"help@acme.example, {signed}, Ivan <ivan@customer.example>, jana@customer.example",
    )
    assert people(run(raw)) == [
        ("jana@customer.example", "requester"),
        ("ivan@customer.example", "cc"),
        ("otto@customer.example", "cc"),
    ]


def test_reply_to_names_the_requester_and_from_may_still_write() -> None:
    raw = mail(sender="Form <form@shop.example>", Reply_To="jana@customer.example")
    work = run(raw)
    assert people(work) == [("jana@customer.example", "requester"), ("form@shop.example", "author")]
    assert work.outgoing[0].forward_path == "jana@customer.example"
    assert all(one.forward_path != "form@shop.example" for one in work.outgoing)


@pytest.mark.parametrize(
    "reply_to", ["support@acme.example", "a@x.example, b@x.example", "petra@private.example"]
)
def test_a_reply_to_that_cannot_be_answered_is_not_the_requester(reply_to: str) -> None:
    assert people(run(mail(Reply_To=reply_to)))[0] == ("jana@customer.example", "requester")


def test_a_mail_without_any_sender_is_a_ticket_that_nobody_is_told_about_but_agents() -> None:
    work = run(mail(sender=""))
    assert work.decision is not None
    assert work.decision.action == "new_ticket"
    assert {one.audience for one in work.outgoing} == {"agent"}


def test_a_machines_mail_brings_no_ccs() -> None:
    raw = mail(Cc="victim@elsewhere.example", List_Id="<l.example>")
    assert people(run(raw)) == [("jana@customer.example", "requester")]


@pytest.mark.parametrize("state", [State.RESOLVED, State.CLOSED, State.PENDING, State.ON_HOLD])
def test_a_customers_answer_opens_the_ticket_again(state: State) -> None:
    work = run(mail(to=customer_address()), facts(ticket(state=state)))
    assert work.decision is not None
    assert work.decision.state is State.OPEN
    assert [event.kind for event in work.decision.events] == ["customer_replied", "state_changed"]


@pytest.mark.parametrize(
    "headers", [{"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"List_Id": "<l>"}]
)
def test_a_machines_answer_opens_nothing_and_goes_to_no_customer(headers: dict[str, str]) -> None:
    work = run(mail(to=customer_address(), **headers), facts(ticket(state=State.RESOLVED)))
    assert work.decision is not None
    assert (work.decision.state, work.decision.events) == (None, ())
    assert {one.audience for one in work.outgoing} == {"agent"}


def test_silence_and_delivery_reports_are_no_cause() -> None:
    assert {cause.value for cause in Cause} == {"customer_wrote", "agent_answered"}
    assert after(State.SPAM, Cause.CUSTOMER_WROTE) is State.SPAM


def test_the_same_wire_mail_twice_is_one_entry() -> None:
    work = run(mail(), facts(ticket(), duplicate_of=(1042, 9)))
    assert work.decision is not None
    assert (work.decision.action, work.decision.entry, work.outgoing) == ("duplicate", None, ())


def test_the_acknowledgement_is_held_back_when_the_hour_is_full() -> None:
    work = run(mail(), facts(acknowledged_lately=4))
    assert work.decision is not None
    assert "acknowledgement_held_back" in [event.kind for event in work.decision.events]
    assert {one.audience for one in work.outgoing} == {"agent"}


def test_a_queue_may_do_without_acknowledgements() -> None:
    desk = policy(queues=[{"name": "support", "addresses": ["support@acme.example"], "acknowledge": False}])
    assert {one.audience for one in run(mail(), desk=desk).outgoing} == {"agent"}


def test_an_agent_who_answers_all_brings_a_new_participant() -> None:
    raw = mail("Hi.\n", sender=PETRA, to=f"{agent_address()}, boss@customer.example, pavel@private.example")
    work = run(raw, facts(ticket()), AS_PETRA)
    assert work.decision is not None
    assert [one.address.address for one in work.decision.add_participants] == ["boss@customer.example"]
    assert "boss@customer.example" in [one.forward_path for one in work.outgoing]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("#note she is wrong\n", "note"),
        ("  #NOTE\nshe is wrong\n", "note"),
        ("#resolve\nDone.\n", "hold"),
        ("#assign petra\n", "hold"),
        ("", "hold"),
        ("#1 is the cause\n", "answer"),
        ("Call #take-off\n", "answer"),
    ],
)
def test_lines_that_begin_with_a_mark_never_reach_the_customer(text: str, outcome: str) -> None:
    work = run(mail(text, sender=PETRA, to=agent_address()), facts(ticket()), AS_PETRA)
    assert work.decision is not None
    assert outcome in (work.decision.outcome, work.decision.action)
    if outcome != "answer":
        assert all_text(work, "customer") == ""


def test_what_comes_to_the_note_address_is_a_note() -> None:
    work = run(mail("Between us.\n", sender=PETRA, to=agent_address("n")), facts(ticket()), AS_PETRA)
    assert work.decision is not None
    assert work.decision.entry is not None
    assert work.decision.entry.kind == "note"
    assert [one.forward_path for one in work.outgoing] == ["pavel@private.example"]


@pytest.mark.parametrize("order", [("n", "a"), ("a", "n")])
def test_both_kinds_of_address_are_unsure_and_the_agent_is_asked(order: tuple[str, str]) -> None:
    to = ", ".join(agent_address(role) for role in order)
    work = run(mail("Between us?\n", sender=PETRA, to=to), facts(ticket()), AS_PETRA)
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert [(one.kind, one.forward_path) for one in work.outgoing] == [("held", "petra@private.example")]


def test_an_answer_to_a_ticket_that_is_gone_is_held() -> None:
    work = run(mail("Hi.\n", sender=PETRA, to=agent_address()), facts(), AS_PETRA)
    assert work.decision is not None
    assert work.decision.action == "hold"


def test_an_agent_who_writes_as_a_customer_is_one() -> None:
    work = run(mail(sender=PETRA))
    assert work.decision is not None
    assert work.decision.action == "new_ticket"
    assert work.outgoing[0].kind == "acknowledgement"


def test_queues_by_recipient() -> None:
    for to, queue in (
        ("sales@acme.example", "sales"),
        ("HELP@acme.example", "support"),
        ("x@y.example", "support"),
    ):
        work = run(mail(to=to), env=envelope(queue=None, forward_paths=()))
        assert work.triage is not None
        assert work.triage.queue == queue
    assert [one.forward_path for one in run(mail(), env=envelope(queue="sales")).outgoing] == [
        "jana@customer.example",
        "pavel@private.example",
    ]
