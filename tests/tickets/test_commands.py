"""Lines that begin with #: a note stays inside however it is written, and what is not understood is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tickets.commands import WORDS, read
from tests.pipeline_world import agent_address, all_text, envelope, facts, mail, run, ticket

AS_PETRA = envelope(authenticated_as="petra")
PETRA = "Petra <petra@private.example>"


def outcome(text: str) -> str:
    work = run(mail(text, sender=PETRA, to=agent_address()), facts(ticket()), AS_PETRA)
    assert work.decision is not None
    if work.decision.outcome != "answer":
        assert all_text(work, "customer") == ""
    return work.decision.outcome


@pytest.mark.parametrize(
    "text",
    [
        "#note she never pays\n",
        "#Note: she never pays\n",
        "# note she never pays\n",
        "#\u00a0note she never pays\n",
        "*#note* she never pays\n",
        "**#note** she never pays\n",
        "`#note` she never pays\n",
        "_#note_ she never pays\n",
        "\u200b#note she never pays\n",
        "\ufeff#no\u200bte she never pays\n",
        "\u2060\u00ad# \u200dnote\n",
        "\uff03note she never pays\n",
        "\ufe5fnote she never pays\n",
        "\n\n   #NOTE\nshe never pays\n",
        "\u200b\n#note\n",
    ],
)
def test_a_note_at_the_top_is_a_note_however_it_is_written(text: str) -> None:
    assert outcome(text) == "note"


@pytest.mark.parametrize(
    "text",
    [
        "##note she never pays\n",
        "#no te she never pays\n",
        "#nóte she never pays\n",
        "#n\u043ete she never pays\n",
        "- #note she never pays\n",
        '"#note" she never pays\n',
        "#take\nHello.\n",
        "# Heading\n\nHello.\n",
        "#notiz sie zahlt nie\n",
        "Hi Pavel,\n#note she never pays\n",
        "Hi Pavel,\n\n  # note she never pays\n",
        "Hi Pavel,\n*#note* she never pays\n",
        "Hi Pavel,\n\u200b\uff03note she never pays\n",
        "Hi Pavel,\n##note she never pays\n",
        "Hello.\n#close\n",
        "Hello.\n\n#Pending until friday\n",
        "Hello.\n- #resolve\n",
    ],
)
def test_what_is_not_understood_or_stands_in_the_middle_is_held(text: str) -> None:
    assert outcome(text).startswith("held: ")
    assert "#" in outcome(text)


@pytest.mark.parametrize(
    "text",
    [
        "#1042 is yours.\n",
        "#3 of the list\n",
        "# 3 of the list\n",
        "Hello,\n#1042 is yours.\nand #note is a word.\n",
        "Put this in:\n# listen on all interfaces\nlisten = *\n#!/bin/sh\n#include <stdio.h>\n",
        "Colours:\n#ffffff\n#c0ffee\n",
        "Hello.\n> #note this is a quote\nFine.\n",
        "Hello,\nticket #note and C# close to it\n",
        "####\nHello.\n",
    ],
)
def test_usual_text_goes_out(text: str) -> None:
    assert outcome(text) == "answer"


@given(
    st.sampled_from(sorted(WORDS)),
    st.text("*_~` \t\u200b\ufeff\u2060\u00ad\u00a0", max_size=4),
    st.sampled_from("#\uff03\ufe5f"),
    st.text("*_~` \u200b\u00a0#", max_size=3),
    st.booleans(),
)
def test_no_spelling_of_a_command_passes(word: str, before: str, sign: str, behind: str, first: bool) -> None:
    above = "" if first else "Hello.\n"
    told = read(f"{above}{before}{sign}{behind}{word} it\n")
    assert told.note or told.doubt is not None
    assert first or not told.note


@pytest.mark.parametrize("text", ["#" * 300_000, "*" * 300_000, "\u200b" * 300_000, "# \n" * 100_000])
def test_hostile_text_takes_little_time(text: str) -> None:
    assert read(text).doubt is None
