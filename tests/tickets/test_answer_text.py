"""What a customer gets of an agent's mail: the agent's text, the agent's own quotes, the questions above the
answers, and nothing else of the notice that was quoted, however the mail client quotes."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.html import to_text
from gateway.mail.lines import unmarked
from gateway.mail.quotes import MARKER
from gateway.pipeline import Work
from gateway.tickets.values import Said, TicketFacts
from tests.pipeline_world import (
    NOW,
    agent_address,
    all_text,
    customer_address,
    envelope,
    facts,
    mail,
    run,
    ticket,
)

AS_PETRA = envelope(authenticated_as="petra")
PETRA = "Petra Privatename <petra@private.example>"
QUESTION = """Hello,

the printer on the second floor is on fire.
Shall I pull the plug, or shall I wait for you here beside it with the bucket that stood in the kitchen?
What about the paper?

Jana"""
NOTE = "she sets a printer on fire each winter\nmust pay\nask Pavel about insurance of the second floor"
ENTRIES = (
    Said("public", "customer", "Jana", NOW, QUESTION),
    Said("note", "agent", "Petra Privatename", NOW, NOTE, "petra"),
    Said("public", "third_party", "Boss", NOW, "I am her boss and she knows nothing of this"),
)
KNOWN = ticket(history=ENTRIES, notes=(NOTE,))


def notice(known: TicketFacts = KNOWN, html: bool = False) -> str:
    """What Petra got when Jana wrote QUESTION."""
    before = ticket(history=known.history[1:], notes=known.notes)
    told = run(mail(f"{QUESTION}\n", to=customer_address()), facts(before)).outgoing
    one = next(one for one in told if one.forward_path == "petra@private.example")
    return one.html if html else one.text


def answered(text: str, known: TicketFacts = KNOWN, *, html: str | None = None) -> Work:
    """What becomes of Petra's mail."""
    one = EmailMessage()
    one["From"], one["To"], one["Subject"] = PETRA, agent_address(), "Re: Printer"
    one["Message-ID"] = "<a1@private.example>"
    one.set_content(text)
    if html is not None:
        one.add_alternative(html, subtype="html")
    return run(one.as_bytes(), facts(known), AS_PETRA)


def sent(text: str, known: TicketFacts = KNOWN, *, html: str | None = None) -> str:
    """The text that Jana gets of Petra's mail, without the desk's signature."""
    work = answered(text, known, html=html)
    assert work.decision is not None
    assert work.decision.outcome == "answer", work.decision.outcome
    told = next(one.text for one in work.outgoing if one.forward_path == "jana@customer.example")
    text, _, signature = told.rpartition("\n-- \n")
    assert signature.startswith("Petra\n")
    assert work.decision.entry is not None
    assert work.decision.entry.new_text == text.strip(), "what is stored is what was sent"
    return text.strip()


def signs(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


# How mail clients introduce and mark what is answered.


def thunderbird(text: str) -> str:
    return f"On 23/11/2026 10:00, Jana via ACME Support wrote:\n{signs(text)}"


def mutt(text: str) -> str:
    return f"On Mon, Nov 23, 2026 at 10:00:00AM +0100, Jana via ACME Support wrote:\n{signs(text)}"


def gmail(text: str) -> str:
    """Wraps what it quotes, and the introduction too."""
    lines = [piece for line in text.splitlines() for piece in textwrap.wrap(line, 68) or [""]]
    return f"On Mon, 23 Nov 2026 at 10:00, Jana via ACME Support <\n{agent_address()}> wrote:\n\n" + signs(
        "\n".join(lines)
    )


def apple(text: str) -> str:
    """Quotes the introduction too."""
    intro = f"On 23 Nov 2026, at 10:00, Jana via ACME Support <{agent_address()}> wrote:"
    return signs(f"{intro}\n\n{text}")


def unknown(text: str) -> str:
    """Some client with an introduction in a language that nobody has heard of."""
    return f"Xq zvb 23/11/2026 10:00 Jana via ACME Support blorked:\n{signs(text)}"


CLIENTS = {one.__name__: one for one in (thunderbird, mutt, gmail, apple, unknown)}
every_client = pytest.mark.parametrize("quote", CLIENTS.values(), ids=CLIENTS.keys())


def below(quoted: str, line: str, text: str) -> str:
    """`quoted` with the agent's `text` written under the line in which `line` stands."""
    before, found, after = quoted.partition(line)
    assert found, quoted
    rest = after.partition("\n")
    return f"{before}{found}{rest[0]}\n\n{text}\n\n{rest[2]}"


# The agent's own quotes.


def test_a_line_that_the_agent_quotes_is_kept_where_it_stands() -> None:
    text = "Please look for this line in the log:\n> disk full on /dev/sda1\nand send it."
    assert sent(text) == text


@every_client
def test_so_it_is_above_the_quoted_notice(quote: Callable[[str], str]) -> None:
    text = (
        "Please look for this line in the log:\n\n> disk full on /dev/sda1\n> no space left\n\nand send it."
    )
    assert sent(f"{text}\n\n{quote(notice())}\n") == text


def test_and_at_the_end_of_the_agents_text() -> None:
    text = "Please look for this line in the log:\n> disk full on /dev/sda1"
    assert sent(text) == text
    assert sent(f"{text}\n\n{thunderbird(notice())}\n").startswith("Please look for this line")


@pytest.mark.parametrize(
    "words", ["The log of 23.11.2026 has this line:", "You wrote:", "The server said:", "At 10:15 it says:"]
)
def test_words_above_an_own_quote_stay_with_it(words: str) -> None:
    text = f"{words}\n> disk full on /dev/sda1\nIs that so?"
    assert sent(text) == text


def test_a_customers_line_quoted_by_hand_is_kept() -> None:
    text = "You wrote:\n> What about the paper?\nIt burns, too.\n\nSee the log:\n> paper jam"
    assert sent(text) == text


# Top posting, bottom posting, answers between the lines.


@every_client
def test_nothing_of_the_notice_comes_along_below_the_answer(quote: Callable[[str], str]) -> None:
    assert sent(f"Pull the plug.\n\n{quote(notice())}\n\n-- \nPetra Privatename\n") == "Pull the plug."


@every_client
def test_a_question_below_the_answer_is_no_context(quote: Callable[[str], str]) -> None:
    assert sent(f"Let it burn.\n\n{quote('What about the paper?')}\n") == "Let it burn."


@every_client
def test_nor_above_it(quote: Callable[[str], str]) -> None:
    assert sent(f"{quote(notice())}\n\nPull the plug.\n") == "Pull the plug."


@every_client
def test_answers_between_the_lines_go_out_with_their_questions(quote: Callable[[str], str]) -> None:
    text = below(quote(notice()), "that stood in the kitchen?", "Pull it.")
    text = below(text, "What about the paper?", "Let it burn.\nWe have more.")
    lines = sent(f"See below.\n\n{text}\n").splitlines()
    assert (lines[0], lines[-4:]) == (
        "See below.",
        ["> What about the paper?", "", "Let it burn.", "We have more."],
    )
    assert "Pull it." in lines
    questions = [line.removeprefix(">") for line in lines[2 : lines.index("Pull it.") - 1]]
    assert " ".join(" ".join(questions).split()) == " ".join(QUESTION.partition("What")[0].split())


@every_client
def test_the_question_that_was_left_above_an_answer_comes_along(quote: Callable[[str], str]) -> None:
    """Bottom posting, the notice cut down to the question, with or without its introduction."""
    intro, marked, _ = quote("What about the paper?").rpartition("> What")
    assert sent(f"{intro}{marked} about the paper?\n\nLet it burn.\n") == (
        "> What about the paper?\n\nLet it burn."
    )
    assert sent("> What about the paper?\n\nLet it burn.\n") == "> What about the paper?\n\nLet it burn."


def test_depth_of_quotes_and_blanks_are_of_no_matter() -> None:
    text = below(thunderbird(notice()), "What about the paper?", "Let it burn.")
    for wanted in (">> What about the paper?", ">>What  about the paper?", "> > what about the paper?"):
        lines = sent(text.replace("> What about the paper?", wanted)).splitlines()
        assert lines[-1] == "Let it burn."
        assert (
            lines[-3].lower().split() == ["> what", "about", "the", "paper?"][:0] + lines[-3].lower().split()
        )
        assert lines[-3].startswith("> ")
        assert not lines[-3].startswith("> >")


def test_a_long_question_is_cut() -> None:
    question = "\n".join(f"This is line number {number} of it." for number in range(40))
    known = ticket(history=(Said("public", "customer", "Jana", NOW, question),))
    quoted = f"On 23/11/2026 10:00, Jana via ACME Support wrote:\n{signs(question)}"
    lines = sent(f"{quoted}\n\nYes.\n", known).splitlines()
    assert lines[0] == "> […]"
    assert lines[1] == "> This is line number 28 of it."
    assert lines[-3:] == ["> This is line number 39 of it.", "", "Yes."]
    assert len(lines) == 15


def test_an_answer_below_the_names_of_the_attachments_keeps_the_question() -> None:
    quoted = thunderbird(
        f"{notice().partition('Jana wrote:')[0]}Jana wrote:\n\n{QUESTION}\n\nAttachments: a.pdf (1 kB)"
    )
    assert sent(f"{quoted}\n\nYes.\n").endswith("> Jana\n\nYes.")


def test_a_third_partys_words_are_no_question() -> None:
    text = below(thunderbird(notice()), "I am her boss and she knows nothing of this", "So what?")
    assert sent(text) == "So what?"


# Notes.


@every_client
def test_an_answer_below_a_note_goes_out_without_it(quote: Callable[[str], str]) -> None:
    text = below(quote(notice()), "must pay", "I have asked him.")
    assert sent(text) == "I have asked him."


@pytest.mark.parametrize(
    "line", [*NOTE.splitlines(), "fire each winter", "> > must pay", "pay", "I am her boss and she"]
)
def test_a_line_of_a_note_without_anything_around_it_is_left_out(line: str) -> None:
    assert sent(f"Let me see.\n\n> {line}\n\nIt is paid.\n> see the bill\n") == "Let me see.\n\nIt is paid."


def test_a_customers_line_that_is_also_a_line_of_a_note_is_left_out() -> None:
    for line in ("What about the paper?", "Jana"):
        known = ticket(history=ENTRIES, notes=(line,))
        assert sent(f"> {line}\n\nLet it burn.\n", known) == "Let it burn."


def test_lines_of_a_note_that_a_client_wrapped_without_signs_are_left_out() -> None:
    quoted = thunderbird(notice()).replace("> > she sets a printer on fire each winter",
                                           "> > she sets a printer on fire\neach winter")  # fmt: skip
    assert "\neach winter" in quoted
    assert sent(f"Yes.\n\n{quoted}\n") == "Yes."


@pytest.mark.parametrize("line", [MARKER, *[one for one in notice().splitlines() if one.strip()][1:8]])
def test_facts_left_over_are_left_out(line: str) -> None:
    assert sent(f"Look:\n> {line}\nSo be it.\n") == "Look:\n\nSo be it."


@pytest.mark.parametrize("line", ["--- Jana, Mon 23 Nov 2026, 09:00 UTC", "Petra noted, for agents only:",
                                  "Reply to answer the customer.", "Internal note: x@y.example"])  # fmt: skip
def test_a_notice_without_any_marks_is_held(line: str) -> None:
    work = answered(f"Pull it.\n{line}\nsomething\n")
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert "not marked as quoted" in work.decision.outcome
    assert all_text(work, "customer") == ""


# Clients that mark quotes in HTML only, or by a block of header lines.


def outlook(text: str) -> str:
    return (
        "________________________________\nFrom: Jana via ACME Support <support@acme.example>\n"
        f"Sent: Monday, 23 November 2026 10:00\nTo: Petra <petra@private.example>\nSubject: Printer\n\n{text}"
    )


def test_outlook_quotes_without_signs() -> None:
    text = "Look for:\n> disk full on /dev/sda1"
    assert sent(f"{text}\n\n{outlook(notice())}\n") == text


def test_answers_between_lines_without_signs_cannot_be_told_and_are_held() -> None:
    work = answered(below(outlook(notice()), "What about the paper?", "Let it burn."))
    assert work.decision is not None
    assert work.decision.action == "hold"


def test_html_alone() -> None:
    own = "<p>Look for this:</p><blockquote type='cite'>disk full</blockquote><p>and send it.</p>"
    quoted = f"<div class='gmail_quote'>On Mon Jana wrote:<blockquote>{notice(html=True)}</blockquote></div>"
    work_text = sent("", html=f"<html><body>{own}{quoted}</body></html>")
    assert work_text == "Look for this:\n\n> disk full\n\nand send it."


@every_client
def test_a_client_that_makes_text_of_our_html(quote: Callable[[str], str]) -> None:
    shown = unmarked(to_text(notice(html=True)))
    assert MARKER in shown
    text = below(quote(shown), "What about the paper?", "Let it burn.")
    assert sent(f"{text}\n").splitlines()[-3:] == ["> What about the paper?", "", "Let it burn."]
    assert sent(below(quote(shown), "must pay", "I have asked him.")) == "I have asked him."


def test_outlook_writes_html_alone() -> None:
    """With the header lines of the notice in a block of their own, and no sign before any line."""
    markup = (
        "<html><body><div class='elementToProof'>Look for:</div><blockquote>disk full</blockquote>"
        "<div id='appendonsend'></div><hr><div id='divRplyFwdMsg'><b>From:</b> Jana via ACME Support<br>"
        f"<b>Sent:</b> Monday<br><b>To:</b> petra@private.example</div>{notice(html=True)}</body></html>"
    )
    assert sent("", html=markup).split() == ["Look", "for:", "disk", "full"]


def test_gmail_writes_both() -> None:
    """What is read is the text; the HTML beside it says the same."""
    text = below(gmail(notice()), "What about the paper?", "Let it burn.")
    markup = (
        "<div dir='ltr'><div class='gmail_quote'><div class='gmail_attr'>On Mon, Jana wrote:</div>"
        f"<blockquote class='gmail_quote'>{notice(html=True)}</blockquote></div>Let it burn.</div>"
    )
    assert sent(text, html=markup).splitlines()[-3:] == ["> What about the paper?", "", "Let it burn."]


def test_questions_marked_in_html() -> None:
    one = "<blockquote type='cite'>On 23/11/2026 10:00, Jana via ACME Support wrote:<br>{}</blockquote>"
    markup = one.format(f"{MARKER}<br>Jana wrote:<br>What about the paper?") + "<p>Let it burn.</p>"
    assert sent("", html=markup) == "> What about the paper?\n\nLet it burn."


# Whatever is mixed.

OWN = ["Pull the plug.", "Thanks", "see the log:", "yes"]
SECRETS = (
    "petra@private.example", "petra@phone.example", "pavel@private.example", "support+1042-", "privatename",
    "her boss", "must pay", "each winter", "ask pavel", MARKER.lower(), "assigned to", "internal",
    "reply to answer",
)  # fmt: skip
NOTICE = [line for line in notice().splitlines() if line.strip()]
PIECES = st.lists(
    st.one_of(
        st.sampled_from(OWN),
        st.just(""),
        st.sampled_from([">", "> "]).flatmap(
            lambda sign: st.sampled_from([*NOTICE, *NOTE.splitlines(), *QUESTION.splitlines()]).map(
                lambda line: f"{sign}{line}"
            )
        ),
        st.sampled_from(["> petra@private.example", f"> {agent_address('n')}", "Ask PETRA@private.example"]),
        st.sampled_from([quote("").splitlines()[0] for quote in CLIENTS.values()]),
        st.sampled_from(NOTE.splitlines()[::2]),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(PIECES)
def test_no_interleaving_gives_anything_private_away(pieces: list[str]) -> None:
    work = answered("\n".join(["Hello.", *pieces]) + "\n")
    shown = "\n".join(one.text + one.html for one in work.outgoing if one.audience == "customer").lower()
    for secret in SECRETS:
        assert secret not in shown


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(CLIENTS.values())),
    st.integers(30, 90),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(OWN)), max_size=6),
    st.integers(0, 8),
)
def test_no_wrapping_and_cutting_does(
    quote: Callable[[str], str], width: int, answers: list[tuple[int, str]], cut: int
) -> None:
    lines = [piece for line in notice().splitlines() for piece in textwrap.wrap(line, width) or [""]]
    quoted = quote("\n".join(lines)).splitlines()[cut:]
    for place, text in answers:
        quoted[place:place] = ["", text, ""]
    work = answered("\n".join(["Hello.", "", *quoted]) + "\n")
    shown = "\n".join(one.text for one in work.outgoing if one.audience == "customer").lower()
    for secret in SECRETS:
        assert secret not in shown


@pytest.mark.parametrize(
    "text",
    [
        "> x\ny\n" * 20_000,
        "> What about the paper?\ny\n" * 20_000,
        "y\n" + "> " * 200_000 + "x\n",
        "y\n> " + "the printer " * 40_000,
        "y\n> " + "a, " * 100_000 + "\n",
        "Petra noted, " * 50_000,
        "x+1-" * 100_000,
    ],
    ids=["many blocks", "many questions", "deep", "long line", "commas", "foot", "addresses"],
)
def test_hostile_text_takes_little_time(text: str) -> None:
    began = time.perf_counter()
    answered(text)
    assert time.perf_counter() - began < 3
