"""What is new in a reply: by shape first, so that it holds in any language."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.html import to_text
from gateway.mail.lines import BEGIN, END, REST
from gateway.mail.quotes import MARKER, split


def _new(text: str) -> str:
    return split(text).new_text


@pytest.mark.parametrize(
    "intro",
    [
        "On Mon, 6 Jan 2025 at 09:00, Support <s@desk.example> wrote:",
        "On Mon, 6 Jan 2025 at 09:00, A Name That Is Quite Long <\ns@desk.example> wrote:",
        "Am 6. Januar 2025 um 09:00 schrieb Support <s@desk.example>:",
        "Le lun. 6 janv. 2025 à 09:00, Support <s@desk.example> a\nécrit :",
        "El lun, 6 ene 2025 a las 9:00, Support (<s@desk.example>) escribió:",
        "Dne po 6. 1. 2025 v 9:00 odesílatel Support <s@desk.example> napsal:",
        "пн, 6 янв. 2025 г. в 09:00, Support <s@desk.example>:",
        "2025年1月6日(月) 9:00 Support <s@desk.example>:",
        "在 2025年1月6日，下午9:00，Support <s@desk.example> 写道：",
        "6.1.2025 klo 9.00 Support <s@desk.example> kirjoitti:",
        "Xq zvb 6/1/2025 09:00 Support <s@desk.example> blorked:",
        "2025/1/6 Support <s@desk.example>",
    ],
)
@pytest.mark.parametrize("blank", ["", "\n"])
def test_introductions_go_with_the_quote(intro: str, blank: str) -> None:
    found = split(f"It burns.\n\n{intro}\n{blank}> Did you turn it off?\n> Regards\n")
    assert found.new_text == "It burns."
    assert found.quoted.startswith(intro)


@pytest.mark.parametrize(
    "below",
    [
        "-----Original Message-----\nFrom: Support\nSent: Monday\nTo: Anna\nSubject: x\n\nDid you?",
        "-----Ursprüngliche Nachricht-----\nVon: Support\nGesendet: Montag\nAn: Anna\n\nHaben Sie?",
        "________________________________\nFrom: Support <s@desk.example>\nSent: Monday, 6 January 2025\n"
        "To: Anna\nSubject: x\n\nDid you?",
        "*From:* Support <s@desk.example>\n*Sent:* Monday\n*To:* Anna\n*Subject:* x\n\nDid you?",
        "Från: Support\nSkickat: den 6 januari 2025 09:00\nTill: Anna\nÄmne: x\n\nHar du?",
        "差出人: Support <s@desk.example>\n送信日時: 2025年1月6日 9:00\n宛先: Anna\n件名: x\n\n本文",
        "Zorg: Support <s@desk.example>\nBlik: 6 Flob 2025 09:00\nGrux: Anna\nWibl: x\n\nGlorp?",
        "On Mon, 6 Jan 2025 at 09:00, Support <s@desk.example> wrote:\n\nDid you turn it off?",
        f"{MARKER}\n\nDid you turn it off?",
        f"On Monday Support <s@desk.example> wrote on 6 Jan 2025 09:00:\n\n{MARKER}\nDid you?",
    ],
)
def test_quotes_without_signs_go_on_to_the_end(below: str) -> None:
    found = split(f"It burns.\n\n{below}\n")
    assert found.new_text == "It burns."
    assert found.quoted == below.strip()


def test_failure_case_17_inline_answers_and_text_below_are_new() -> None:
    text = f"""\
Hello,

On Mon, 6 Jan 2025 at 09:00, Support <s@desk.example> wrote:
> {MARKER}
> Did you turn it off?

Yes, twice.

> And on again?

That too.
> Regards

Thanks, Anna
"""
    assert _new(text).split("\n\n") == ["Hello,", "Yes, twice.", "That too.", "Thanks, Anna"]


@pytest.mark.parametrize(
    "text",
    [
        f"{MARKER}\nall of it below",
        "> everything\n> quoted",
        "--\nonly a signature",
        "From: a <a@b.example>\nSent: 6 Jan 2025 09:00\nTo: c\nSubject: d\n\nbody",
    ],
)
def test_when_nothing_would_be_left_the_new_text_is_all(text: str) -> None:
    assert _new(text) == text


def test_an_answer_below_an_unmarked_quote_is_kept() -> None:
    assert _new("On 6 Jan 2025 09:00 Support <s@desk.example> wrote:\n\nAnswer without signs.") == (
        "Answer without signs."
    )


@pytest.mark.parametrize(
    "text",
    [
        "The steps are:\n> not here\nfine",
        "Meet me:\n\nDate: Wednesday 3 October\nTime: 7:00\nAddress: 130 Fox St\n\nBring your ID.",
        "---- Enter feedback below ----\n\nGreat.",
        "Error: disk\nPath: /var\nLine: 5\n\nplease help",
        "| a | b |\n| 1 | 2 |\ntable",
        "I opened it at 10:00 and it said:\n\nout of paper",
        "Call at 10:00 or write to a@b.example",
    ],
)
def test_what_only_looks_like_a_quote_stays(text: str) -> None:
    assert _new(text) == text.replace("\n> not here", "\n")


@pytest.mark.parametrize(
    ("text", "new", "signature"),
    [
        ("Hi\n\n-- \nAnna\nCompany", "Hi", "-- \nAnna\nCompany"),
        ("Hi\n\n--\nAnna", "Hi", "--\nAnna"),
        ("Hi\n\nSent from my iPhone", "Hi", "Sent from my iPhone"),
        ("Hi\n\nVon meinem iPhone gesendet", "Hi", "Von meinem iPhone gesendet"),
        ("Hi\n\nОтправлено с iPhone", "Hi", "Отправлено с iPhone"),
        ("Hi\n\n____________\nAnna", "Hi", "____________\nAnna"),
        ("Hi\n\nGet Outlook for iOS\n> quoted", "Hi", "Get Outlook for iOS"),
        ("It was sent from my office.\n\nBye", "It was sent from my office.\n\nBye", ""),
    ],
)
def test_signatures_are_split_off(text: str, new: str, signature: str) -> None:
    found = split(text)
    assert (found.new_text, [line.rstrip() for line in found.signature.split("\n")]) == (
        new,
        [line.rstrip() for line in signature.split("\n")],
    )


SENTENCES = [
    "Hello Jana,\n\nSent from our warehouse on Monday, it should reach you on Friday.\n\nPetra",
    "Hello,\n\nSent via DHL, tracking 123.",
    "Hello,\n\nSent from our warehouse: 3 Samsung printers",
    "Hello,\n\nSent with the tablet that you ordered",
    "Dobrý den,\n\nOdesláno z našeho skladu v pondělí, dorazí v pátek.\n\nPetra",
    "Guten Tag,\n\nGesendet von unserem Lager am Montag.\n\nPetra",
    "Bonjour,\n\nEnvoyé depuis notre entrepôt lundi.",
    "Hola,\n\nEnviado de nuevo el paquete, llega mañana.",
    "Dzień dobry,\n\nWysłano z magazynu w poniedziałek.",
    "First: restart it.\n--\nSecond: if that does not help, call us.",
    "I tried it.\n--\nThen it exploded and my hand hurts.",
    "Your options:\n\n—\n\nTake A, or B.",
    "Options\n—\nTake A, or B.",
    "Run:\n-- verbose\nand tell me what it prints.",
    "-- first\n-- second\n-- third",
    "Please fill in:\n\nName:\n____________\nCity:\n____________\nand send it back.",
    "Please fill in:\n\nName\n____________\nCity\n____________",
    "Summary\n__\nAll fine.",
]


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences_are_no_signature(text: str) -> None:
    assert (_new(text), split(text).signature) == (text, "")
    quoted = split(f"{text}\n\n> the question\n")
    assert (quoted.new_text, quoted.signature) == (text, "")


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from my iPad, please excuse typos",
        "Sent from Mail for Windows 10",
        "Get Outlook for iOS<https://aka.example/o0ukef>",
        "Sent from Yahoo Mail on Android",
        "Sent with Proton Mail secure email.",
        "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
        "Odesláno z iPhonu",
        "Odesláno z mého zařízení Galaxy",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Verzonden vanaf mijn Samsung-apparaat",
        "Wysłane z iPhone'a",
        "从我的iPhone发送",
        "--\nJana Nováková\nACME s.r.o.\nTel.: +420 123 456 789\nwww.acme.example",
        "--\nJana",
        "-- Jana",
        "—\nJana Nováková",
        "_______________________________\nList mailing list\nlist@desk.example\nhttps://desk.example/list",
        "-- \nWhatever stands here. Even sentences, as RFC 3676 wants it.\nMore of it.",
    ],
)
def test_what_clients_and_people_sign_with_is_split_off(line: str) -> None:
    for below in ("", "\n\n> the question"):
        found = split(f"The printer burns.\n\n{line}{below}\n")
        assert (found.new_text, found.signature) == ("The printer burns.", line)


def test_an_answer_to_a_quote_in_html_stands_apart_from_it() -> None:
    markup = '<blockquote type="cite"><div>What of the paper?</div></blockquote><div>Keep it.</div>'
    assert split(to_text(markup)).text == "What of the paper?\n\nKeep it."


def test_a_long_run_of_drawn_lines_takes_no_time() -> None:
    text = "text\n" + "--\n____________\n" * 9000
    assert split(text).new_text.startswith("text")


@pytest.mark.parametrize(
    "text",
    [
        "Hello,\n\nFrom: Prague\nTo: Brno\nDate: 24.11.2026\n\nPlease confirm the trip.",
        "Hello,\n\nFrom: Prague\nTo: Brno\nDate: 24.11.2026 9:00\n\nPlease confirm the trip.",
        "Hello,\n\nFrom: Prague\nDate: 24.11. 9:00\n\nIs it so?",
        "Hello,\n---- Trip ----\nFrom: Prague\nTo: Brno\n\nPlease confirm.",
        "Hello,\n\nName: Jana\nE-mail: jana@x.example\nTime: 2026-11-24 09:00\nPhone: 123\n\nPlease call.",
        "Hello,\n\nOn 20.11.2026 our manager anna@example.com wrote:\n\nIt is cancelled.\n\nPlease confirm.",
        "Hello,\n\nOn 20.11.2026 at 10:00 our manager anna@example.com wrote:\n\nNo.\n\nPlease confirm.",
        "Hello,\n\nAt 10:30 on 20.11.2026 the printer wrote:\n\nPC LOAD LETTER\n\nWhat now?",
    ],
)
def test_what_a_writer_tells_of_others_cuts_nothing_off(text: str) -> None:
    assert _new(text) == text


@pytest.mark.parametrize(
    "below",
    [
        "From: Support\nSent: Monday, 6 January 2025 09:00\nTo: Anna\nSubject: x\n\nDid you?",
        "________________________________\nFrom: Support\nSent: Monday\nTo: Anna\nSubject: x\n\nDid you?",
        "On 12/29/1987 17:32 PM, Anna Novak wrote:\n\nDid you?",
        "Am 6. Januar 2025 um 09:00 schrieb Anna Novak:\n\nHaben Sie?",
    ],
)
def test_what_clients_write_above_a_quote_does(below: str) -> None:
    assert _new(f"It burns.\n\n{below}") == "It burns."


def test_marks_of_html_quotes() -> None:
    found = split(f"new\n{BEGIN}\nold\n{END}\nmore\n{REST}\nrest\nof it")
    assert (found.new_text, found.quoted) == ("new\n\nmore", "old\nrest\nof it")
    assert found.text == "new\n\nold\n\nmore\nrest\nof it"


@given(st.text(alphabet=st.sampled_from("ab >|:-_\n@<1234:." + BEGIN + END + REST), max_size=300))
@settings(deadline=None)
def test_no_line_is_lost(text: str) -> None:
    found = split(text)
    kept = "".join("".join((found.new_text, found.quoted, found.signature)).split())
    whole = "".join(found.text.split())
    assert sorted(kept) == sorted(whole) or found.new_text == found.text or not found.new_text
    assert bool(found.new_text.strip()) == bool(found.text.strip())
    assert not set(found.text) & {BEGIN, END, REST}
