"""What never reaches a customer, however it is spelled; and what may, although a note holds it too."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tickets.guards import holds_note, holds_private_address, without_private_addresses
from tests.pipeline_world import POLICY, agent_address, envelope, facts, mail, run, ticket

SPELLED = [
    "petra@private.example",
    '"petra"@private.example',
    "'petra'@private.example",
    "petra%40private.example",
    "https://x.example/?to=petra%2540private.example",
    "p%65tra@private.example",
    "petra\u200b@private.example",
    "petra@\u2060private.example",
    "pe\u00adtra@private\ufeff.example",
    "petra\uff20private.example",
    "petra @private.example",
    "petra@ private.example",
    "petra @\u00a0private.example",
    '"pe\\tra"@private.example',
    '"petra+x"@PRIVATE.example',
    "petra+desk@private.example",
    "mailto:petra@private.example",
    "PETRA@PRIVATE.EXAMPLE.",
    agent_address(),
    agent_address().replace("@", "%40"),
    agent_address().replace("@", "\u200b@"),
    agent_address().replace("@", " @ "),
]


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_private_address_is_found_and_taken_out(spelled: str) -> None:
    text = f"Write to {spelled} or call."
    assert holds_private_address(POLICY.directory, text)
    clean = without_private_addresses(POLICY.directory, text, "support@acme.example")
    assert not holds_private_address(POLICY.directory, clean)
    assert "support@acme.example" in clean
    assert "etra" not in clean
    assert "1042" not in clean


@pytest.mark.parametrize(
    "text",
    ["petra", "a.petra@private.example", "x@private.example", "100%40 petra",
     "apetra@private.example", "petra@notprivate.example"],
)  # fmt: skip
def test_other_text_is_not(text: str) -> None:
    assert not holds_private_address(POLICY.directory, text)


@given(st.text(st.sampled_from('petra@%40"\\ \u200bprivate.example+-'), max_size=60))
def test_what_is_left_holds_none(text: str) -> None:
    clean = without_private_addresses(POLICY.directory, text, "support@acme.example")
    assert not holds_private_address(POLICY.directory, clean)


@pytest.mark.parametrize(
    "text",
    ["\u200b" * 200_000 + "@private.example", "p\u200b" * 200_000 + "@private.example",
     "@private.example" * 50_000,
     " @ " * 200_000 + "@private.example", "petra+" * 100_000 + "@private.example",
     '"' * 300_000 + "@private.example"],
)  # fmt: skip
def test_hostile_text_takes_little_time(text: str) -> None:
    began = time.perf_counter()
    without_private_addresses(POLICY.directory, text, "support@acme.example")
    assert time.perf_counter() - began < 3


# Notes.

AS_PETRA = envelope(authenticated_as="petra")
PETRA = "Petra Private <petra@private.example>"


@pytest.mark.parametrize(
    "closing",
    ["Best regards,", "Kind regards", "Mit freundlichen Grüßen", "Mit freundlichen Grüssen,", "Viele Grüße",
     "S pozdravem",
     "Cordialement,", "Un saludo cordial,", "Best regards, Petra", "Petra Private", "Thanks in advance!",
     "Many thanks and best regards,"],
)  # fmt: skip
def test_a_closing_phrase_in_a_note_blocks_no_answer(closing: str) -> None:
    note = f"I asked Pavel about the contract.\n\n{closing}\nPetra"
    work = run(
        mail(f"A technician comes tomorrow.\n\n{closing}\nPetra\n", sender=PETRA, to=agent_address()),
        facts(ticket(notes=(note,))),
        AS_PETRA,
    )
    assert work.decision is not None
    assert work.decision.outcome == "answer", work.decision.outcome


def test_nor_does_what_stands_in_the_tickets_public_text() -> None:
    notes = ("Pavel, she asks:\nwhen will the order 4711 arrive?\nhas she paid at all?",)
    public = ("Hello,\nwhen will the order 4711 arrive? I wait.",)
    assert not holds_note("You ask when will the order 4711 arrive? Tomorrow.", notes, public)
    assert holds_note("You ask when will the order 4711 arrive? Tomorrow.", notes)
    assert holds_note("when will the order 4711 arrive?\nhas she paid at all?", notes, public)


def test_any_other_line_still_counts() -> None:
    assert holds_note("Hello, she never pays in time, bye", ("she never pays in time\nBest regards,",))
    assert holds_note("Best regards, she never pays", ("Best regards, she never pays",))
