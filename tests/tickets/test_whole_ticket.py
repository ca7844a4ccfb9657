"""What an agent may quote is held against all that agents were shown, also long ago; what cannot be known is
left out."""

from __future__ import annotations

import pytest

from gateway.tickets.values import Said, Shown
from tests.pipeline_world import NOW, ticket
from tests.tickets.test_answer_text import sent, thunderbird

LATE = tuple(Said("note", "agent", "Petra", NOW, f"thought {number}", "petra") for number in range(5))
QUESTION = "Hello,\nWhat about the paper in the drawer?\n\nJana"
THIRD = (
    "Jana will be dismissed next week.\nDo not tell her.\n\n> Her salary is 12345.\n-- \nManaging director"
)


def known(**changes: object):  # type: ignore[no-untyped-def]
    values = {"public": (QUESTION,), "answers": ("We will see.",), "hidden": (THIRD,)} | changes
    return ticket(history=LATE, notes=tuple(one.text for one in LATE), shown=Shown(**values))  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["Jana will be dismissed next week.", "Her salary is 12345.",
                                  "Managing director",
                                  "> Do not tell her.", "be dismissed next week."])  # fmt: skip
def test_a_third_partys_line_of_long_ago_is_left_out(line: str) -> None:
    assert sent(f"I read:\n> {line}\nOK.\n", known()) == "I read:\n\nOK."


def test_a_question_of_long_ago_keeps_its_place_above_the_answer() -> None:
    quoted = thunderbird(f"Jana wrote:\n\n{QUESTION}").replace(
        "in the drawer?", "in the drawer?\n\nKeep it.\n"
    )
    assert sent(quoted, known()).splitlines()[-3:] == [
        "> What about the paper in the drawer?",
        "",
        "Keep it.",
    ]


def test_where_not_all_is_known_nothing_of_a_quote_goes_out() -> None:
    text = f"Look:\n> {QUESTION.splitlines()[1]}\nand:\n> her secret salary\nOK.\n"
    assert sent(text, known(complete=False)).split() == ["Look:", "and:", "OK."]
