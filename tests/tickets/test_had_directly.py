"""An agent who writes to the customer with the desk in Cc: the customer has it, and gets no second one."""

from __future__ import annotations

import pytest

from gateway.tickets.states import State
from tests.pipeline_world import agent_address, all_text, envelope, facts, mail, run, ticket

FROM_OUTSIDE = envelope(authenticated_as="*")
PETRA = "Petra <petra@private.example>"


@pytest.mark.parametrize(
    ("to", "cc", "told"),
    [
        (f"{agent_address()}, Jana <JANA@customer.example>", "", ["otto@customer.example"]),
        ("jana@customer.example", agent_address(), ["otto@customer.example"]),
        ("jana@customer.example", f"{agent_address()}, otto@customer.example", []),
        (agent_address(), "otto@customer.example", ["jana@customer.example"]),
        (agent_address(), "new@customer.example", ["jana@customer.example", "otto@customer.example"]),
        # neither a name nor a part of an address is a match
        (f'"jana@customer.example" <x@elsewhere.example>, {agent_address()}', "",
         ["jana@customer.example", "otto@customer.example"]),
        (f"ajana@customer.example, {agent_address()}", "jana@customer.example.net",
         ["jana@customer.example", "otto@customer.example"]),
    ],
)  # fmt: skip
def test_who_stands_in_to_or_cc_gets_no_copy(to: str, cc: str, told: list[str]) -> None:
    headers = {"Cc": cc} if cc else {}
    work = run(mail("Pull it.\n", sender=PETRA, to=to, **headers), facts(ticket()), FROM_OUTSIDE)
    assert work.decision is not None
    assert work.decision.outcome == "answer"
    assert [one.forward_path for one in work.outgoing if one.audience == "customer"] == told


def test_the_desk_in_bcc_is_the_same() -> None:
    env = envelope(authenticated_as="*", forward_paths=(agent_address(),))
    work = run(mail("Pull it.\n", sender=PETRA, to="jana@customer.example"), facts(ticket()), env)
    assert work.decision is not None
    assert work.decision.outcome == "answer"
    assert [one.forward_path for one in work.outgoing if one.audience == "customer"] == [
        "otto@customer.example"
    ]


def test_it_is_a_public_answer_all_the_same() -> None:
    everybody = "jana@customer.example, otto@customer.example"
    raw = mail("Pull it.\n", sender=PETRA, to=everybody, Cc=agent_address())
    work = run(raw, facts(ticket(state=State.NEW)), FROM_OUTSIDE)
    assert work.decision is not None
    assert work.decision.entry is not None
    assert (work.decision.entry.kind, work.decision.state) == ("public", State.OPEN)
    answered = work.decision.events[0]
    assert (answered.kind, answered.data) == ("answered", {"had_directly": everybody})
    assert [(one.kind, one.forward_path) for one in work.outgoing] == [
        ("agent_answer", "pavel@private.example")
    ]
    assert "Jana, Otto got it directly from Petra, so no copy was sent there." in work.outgoing[0].text
    assert "got it directly" in work.outgoing[0].html


def test_who_is_new_in_cc_takes_part_from_now_on() -> None:
    work = run(
        mail("Hi.\n", sender=PETRA, to=agent_address(), Cc="new@customer.example"),
        facts(ticket()),
        FROM_OUTSIDE,
    )
    assert work.decision is not None
    assert [one.address.address for one in work.decision.add_participants] == ["new@customer.example"]
    assert "new@customer.example" in all_text(work, "customer"), "the others see who is on it"


def test_nothing_is_told_where_nobody_has_it() -> None:
    work = run(mail("Hi.\n", sender=PETRA, to=agent_address()), facts(ticket()), FROM_OUTSIDE)
    assert work.decision is not None
    assert work.decision.events[0].data == {}
    assert "directly" not in all_text(work, "agent")


def test_a_note_goes_to_nobody_whoever_stands_beside_it() -> None:
    raw = mail("Psst.\n", sender=PETRA, to=f"{agent_address('n')}, jana@customer.example")
    work = run(raw, facts(ticket()), FROM_OUTSIDE)
    assert work.decision is not None
    assert work.decision.had_directly == frozenset()
    assert all_text(work, "customer") == ""


def test_who_is_named_in_a_mail_that_came_by_our_own_submission_port_has_nothing_yet() -> None:
    """That port takes mail for nobody outside."""
    raw = mail("Pull it.\n", sender=PETRA, to=f"{agent_address()}, jana@customer.example")
    work = run(raw, facts(ticket()), envelope(authenticated_as="petra"))
    assert [one.forward_path for one in work.outgoing if one.audience == "customer"] == [
        "jana@customer.example",
        "otto@customer.example",
    ]
