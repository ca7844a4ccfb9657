"""Templates of admins: what is wrong with them is told with file and line, before a mail is written."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.notices.render import KINDS, Renderer, check_templates, paragraphs
from gateway.notices.samples import VARIABLES


def test_the_shipped_templates_are_right() -> None:
    assert check_templates(None) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("one\n{{ nothing_of_this_name }}\n", r"answer.txt.j2:2: 'nothing_of_this_name' is undefined"),
        ("one\ntwo {{ text\n", r"answer.txt.j2:"),
        ("{{ text.__class__.__mro__ }}", r"answer.txt.j2:1: "),
        ("a\nb\n{{ 1 / 0 }}", r"answer.txt.j2:3: division by zero"),
        ("{{ ticket.append(1) }}", r"answer.txt.j2:1: "),
    ],
    ids=["undefined", "syntax", "sandbox", "arithmetic", "not a method"],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "answer.txt.j2").write_text(text)
    (mistake,) = check_templates(tmp_path)
    assert told in mistake


def test_text_of_mails_that_a_template_lets_through_unescaped_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "answer.html.j2").write_text("<p>{{ text | safe }}</p>")
    (mistake,) = check_templates(tmp_path)
    assert "unescaped" in mistake


@pytest.mark.parametrize("kind", KINDS)
def test_html_is_small_and_loads_nothing_from_elsewhere(kind: str) -> None:
    _, html = Renderer(None, "Europe/Prague").render(kind, VARIABLES)
    assert len(html) < 60_000
    for bad in ("<img", "<script", "<link", "src=", "url(", "@import"):
        assert bad not in html


def test_text_and_html_say_the_same() -> None:
    renderer = Renderer(None, "UTC")
    for kind in KINDS:
        text, html = renderer.render(kind, {**VARIABLES, "text": "a telling sentence", "reason": "a reason"})
        for telling in ("a telling sentence",):
            assert (telling in text) == (telling in html), kind


def test_web_addresses_become_links_and_nothing_else_does() -> None:
    shown = paragraphs('See https://x.example/a?b=1&c="2" or javascript:alert(1) <b>')
    assert 'href="https://x.example/a?b=1&amp;c="' in shown
    assert "<b>" not in shown
    assert shown.count("<a ") == 1


def test_blanks_are_kept_in_html() -> None:
    shown = paragraphs("run:\n    cd /var/log\n  grep  error   x.log\n\tcol1\tcol2\none two")
    assert "&nbsp;" * 4 + "cd /var/log" in shown
    assert "&nbsp;" * 2 + "grep&nbsp; error&nbsp;&nbsp; x.log" in shown
    assert "&nbsp;" * 8 + "col1" + "&nbsp;" * 3 + " col2" in shown
    assert "one two" in shown
    assert len(paragraphs(" " * 50_000 + "x" + " " * 50_000)) < 2_000


def test_quoted_lines_are_quotes_in_html() -> None:
    shown = str(paragraphs("Hello.\n\n> Is it <on>?\n> > Was it?\n> No.\n\nYes."))
    assert "&gt; " not in shown
    bare = re.sub(r"<blockquote[^>]*>", "<q>", shown).replace("</blockquote>", "</q>").replace("\n", "")
    assert bare == "Hello.<q>Is it &lt;on&gt;?<q>Was it?</q>No.</q>Yes."


def test_prompts_are_no_quotes_and_quotes_have_a_bottom() -> None:
    assert str(paragraphs("Type:\n>>> print(1)\n1")) == "Type:<br>\n&gt;&gt;&gt; print(1)<br>\n1"
    deep = str(paragraphs("\n".join(">" * depth + " x" for depth in range(1, 300))))
    assert deep.count("<blockquote") == deep.count("</blockquote") == 4
    many = str(paragraphs("> x\ny\n" * 20_000))
    assert len(many) < 400_000
    assert many.count("<blockquote") == many.count("</blockquote") < 600


@given(st.text(alphabet=st.sampled_from("ab> \n\t&<h"), max_size=80))
@settings(deadline=None)
def test_html_of_a_text_loses_no_word_and_closes_what_it_opens(text: str) -> None:
    shown = str(paragraphs(text))
    assert shown.count("<blockquote") == shown.count("</blockquote")
    read = unescape(re.sub(r"<[^>]+>", "", shown))
    assert [one for one in read if one in "ab&<h"] == [one for one in text if one in "ab&<h"]


def test_long_words_break() -> None:
    _, html = Renderer(None, "UTC").render("customer_reply", VARIABLES)
    assert "overflow-wrap:anywhere" in html
    assert "word-wrap:break-word" in html


def test_many_blank_lines_beside_a_quote_take_little_time() -> None:
    began = time.process_time()
    assert "<blockquote" in paragraphs("> a\n" + "\n" * 300_000 + "b")
    assert time.process_time() - began < 3
