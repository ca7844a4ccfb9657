"""A ticket on which nobody can be answered (its mail had no From): how the agent's answer gets to the
customer without the agent's own address."""

from __future__ import annotations

import pytest

from gateway.mail.message import Address
from gateway.pipeline import Work
from tests.pipeline_world import agent_address, all_text, envelope, facts, mail, run, ticket

FROM_OUTSIDE = envelope(authenticated_as="*")
PETRA = "Petra <petra@private.example>"
NOBODY = ticket(participants=(), requester=Address("", ""))


def answered(text: str, **headers: str) -> Work:
    return run(mail(text, sender=PETRA, to=agent_address(), **headers), facts(NOBODY), FROM_OUTSIDE)


def told(work: Work) -> list[str]:
    return [one.forward_path for one in work.outgoing if one.audience == "customer"]


def test_the_held_words_tell_a_way_that_works() -> None:
    work = answered("Hi.\n")
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert "#customer" in work.decision.outcome
    assert "#customer" in work.outgoing[0].text
    again = answered("#customer jana@customer.example\n\nHi.\n")
    assert told(again) == ["jana@customer.example"]
    assert again.decision is not None
    assert [one.address.address for one in again.decision.add_participants] == ["jana@customer.example"]
    assert again.decision.entry is not None
    assert again.decision.entry.new_text == "Hi."
    assert "#customer" not in all_text(again, "customer")
    assert "private.example" not in all_text(again, "customer")


def test_who_stands_in_cc_gets_the_desks_answer_too() -> None:
    work = answered("Hi.\n", Cc="jana@customer.example")
    assert told(work) == ["jana@customer.example"]
    assert work.decision is not None
    assert work.decision.had_directly == frozenset()
    assert [one.address.address for one in work.decision.add_participants] == ["jana@customer.example"]


@pytest.mark.parametrize("line", ["# customer <jana@customer.example>", "*#Customer:* jana@customer.example",
                                  "\u200b\uff03customer\u00a0jana@customer.example"])  # fmt: skip
def test_spellings(line: str) -> None:
    assert told(answered(f"{line}\nHi.\n")) == ["jana@customer.example"]


@pytest.mark.parametrize(
    "text",
    [
        "#customer\nHi.\n",
        "#customer Jana\nHi.\n",
        "#customer a@x.example b@x.example\nHi.\n",
        "#customer pavel@private.example\nHi.\n",
        "#customer support@acme.example\nHi.\n",
        "#customer jana@customer.example\n",
        "#customer jana@customer.example\nHi.\n#note psst\n",
        "Hi.\n#customer jana@customer.example\n",
    ],
)
def test_what_is_not_understood_is_held(text: str) -> None:
    work = answered(text)
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert told(work) == []
