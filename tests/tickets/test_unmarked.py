"""Mail clients that quote without signs: what is left of a notice goes out to nobody, and answers that were
written inside it are not lost without a word."""

from __future__ import annotations

import pytest

from tests.pipeline_world import all_text
from tests.tickets.test_answer_text import KNOWN, NOTE, answered, below, notice, outlook, sent

FACTS = [line for line in notice().splitlines() if line.strip()]
REMAINS = [
    "or less than normal)",
    "Priority:    less than normal)",
    "came to queue support; nothing says that it is more or",
    "is more or less than normal)",
    "ACME-1042  Printer\n\nPriority:    normal",
    "*ACME-1042* Printer",
    "Priority:    normal (came to queue support; nothing says that it is more or less than normal)",
    "State:       open, in queue support",
    "Requester:   Jana <jana@customer.example>\nOpened: today",
    "Opened:      Mon 23 Nov 2026, 09:00 UTC",
    "Also on it:  Otto <otto@customer.example>",
    "\n".join(FACTS[1:]),
    "\n".join(FACTS[2:5]),
]


@pytest.mark.parametrize("line", REMAINS)
def test_remains_of_a_notice_are_held(line: str) -> None:
    work = answered(f"Yes, remove it.\n\n{line}\n")
    assert work.decision is not None
    assert work.decision.action == "hold", all_text(work, "customer")
    assert all_text(work, "customer") == ""


@pytest.mark.parametrize(
    "text",
    [
        "Priority: high\nand I mean it.",
        "Your ticket ACME-1042 Printer is done.",
        "We need more or less than normal paper.",
        "Opened: yes, it was.",
        "State: California",
    ],
)
def test_the_agents_own_words_are_not(text: str) -> None:
    assert sent(text) == text


def html(text: str, own: str = "Hello Jana, see my answers below in red.") -> str:
    return (
        f"<html><body><div class=WordSection1><p>{own}</p><div><div style='border:none;border-top:solid"
        " #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p><b>From:</b> Jana via ACME Support<br>"
        "<b>Sent:</b> Sunday"
        f"<br><b>To:</b> Petra<br><b>Subject:</b> Printer</p></div></div>{text}</div></body></html>"
    )


INSIDE = {
    "plain": lambda: answered(
        f"See below.\n\n{outlook(below(notice(), 'What about the paper?', 'Let it burn.'))}"
    ),
    "plain, not announced": lambda: answered(
        f"Hello.\n\n{outlook(below(notice(), 'What about the paper?', '[Petra] Let it burn.'))}"
    ),
    "under the last line": lambda: answered(
        f"Hello.\n\n{outlook(below(notice(), 'the bucket', 'Let it burn.'))}"
    ),
    "html": lambda: answered(
        "",
        html=html(
            notice(html=True).replace("What about the paper?", "What about the paper?<p>BURN IT.</p>", 1)
        ),
    ),
    "html, not announced": lambda: answered(
        "",
        html=html(
            notice(html=True).replace("What about the paper?", "What about the paper?<p>BURN IT.</p>", 1),
            "Hello.",
        ),
    ),
    "beside a note": lambda: answered(
        f"Hello.\n\n{outlook(below(notice(), NOTE.splitlines()[1], 'Did she?'))}"
    ),
}


@pytest.mark.parametrize("make", INSIDE.values(), ids=INSIDE.keys())
def test_answers_inside_an_unmarked_quote_are_held(make) -> None:  # type: ignore[no-untyped-def]
    work = make()
    assert work.decision is not None
    assert work.decision.action == "hold", all_text(work, "customer")
    assert "answers inside the quoted mail" in work.decision.outcome
    assert all_text(work, "customer") == ""


@pytest.mark.parametrize("own", ["Pull the plug.", "See below what you wrote.", "Unten steht alles."])
def test_an_unmarked_quote_without_answers_is_not(own: str) -> None:
    assert sent(f"{own}\n\n{outlook(notice())}\n") == own
    assert sent("", html=html(notice(html=True), own)) == own
    linked = notice(html=True).replace(
        "What about the paper?",
        "What about <a href='https://safe.example/x?u=1'>the paper</a>?<img src='cid:1'>",
    )
    assert sent("", html=html(linked, own)) == own
    assert KNOWN.shown.complete
