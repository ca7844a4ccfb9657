"""Templates of admins: what is wrong with them is told with file and line, before a mail is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.notices.render import KINDS, Renderer, check_templates
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
    from gateway.notices.render import paragraphs

    shown = paragraphs('See https://x.example/a?b=1&c="2" or javascript:alert(1) <b>')
    assert 'href="https://x.example/a?b=1&amp;c="' in shown
    assert "<b>" not in shown
    assert shown.count("<a ") == 1
