"""HTML becomes text that a person can read, whatever the markup."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mail.html import marks_quotes, strip_tags, to_text
from gateway.mail.quotes import split


@pytest.mark.parametrize(
    ("markup", "lines"),
    [
        ("<p>one</p><p>two</p>", ["one", "two"]),
        ("a<br>b<div>c</div>d", ["a", "b", "c", "d"]),
        ("<ul><li>x<li>y</ul>", ["* x", "* y"]),
        ("<table><tr><td>a</td><td>b</td></tr></table>", ["a  b"]),
        ("&lt;b&gt; &amp; &#x10D;", ["<b> & č"]),
        ("<style>p{}</style><script>x()</script><title>t</title>seen", ["seen"]),
        ("<div style='display:none'>pre</div>seen", ["seen"]),
        ("<div style='max-height:0; overflow: hidden'>pre</div>seen", ["seen"]),
        ("<span style='visibility:hidden'>pre</span>seen", ["seen"]),
        ("<div hidden>pre</div>seen", ["seen"]),
        ("<div style='font-size:0'><span style='font-size:12px'>seen</span></div>", ["seen"]),
        ("<p>unclosed <b>tags", ["unclosed tags"]),
        ("<?xml version='1.0' encoding='utf-8'?><html><body>xml</body></html>", ["xml"]),
        ("no markup", ["no markup"]),
        ("", []),
    ],
)
def test_text_of_markup(markup: str, lines: list[str]) -> None:
    assert [" ".join(line.split()) for line in to_text(markup).splitlines() if line.strip()] == [
        " ".join(line.split()) for line in lines
    ]


@pytest.mark.parametrize(
    "quote",
    [
        '<div class="gmail_quote"><div class="gmail_attr">On Monday, S wrote:</div>'
        "<blockquote>old</blockquote></div>",
        '<blockquote type="cite">old</blockquote>',
        '<div class="moz-cite-prefix">On 6/1/25 S wrote:</div>'
        '<blockquote type="cite" cite="mid:x">old</blockquote>',
        '<div id="divRplyFwdMsg">From: S</div><div>old</div>',
        '<hr id="stopSpelling">old',
        "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'>"
        "<p>From: S</p></div><p>old</p>",
        '<div class="yahoo_quoted">old</div>',
        '<div name="quote">old</div>',
        "<div>On 6 Jan 2025 at 10:00 S &lt;s@desk.example&gt; wrote:</div><div>old</div>",
    ],
)
def test_quotes_that_clients_mark(quote: str) -> None:
    found = split(to_text(f"<html><body><p>new</p>{quote}</body></html>"))
    assert found.new_text.strip() == "new"
    assert "old" in found.quoted
    assert "old" in found.text


def test_text_between_and_below_marked_quotes_is_new() -> None:
    cited = '<blockquote type="cite">old {}</blockquote>'
    found = split(to_text(f"<p>a</p>{cited.format(1)}<p>b</p>{cited.format(2)}tail<p>c</p>"))
    assert found.new_text.split() == ["a", "b", "tail", "c"]


def test_answers_inside_the_clients_quote_are_new() -> None:
    found = split(
        to_text(
            '<div class="gmail_quote"><div class="gmail_attr">On Monday, S wrote:</div>'
            '<blockquote class="gmail_quote">one?</blockquote><div>yes</div>'
            '<blockquote class="gmail_quote">two?</blockquote><div>no</div></div>'
        )
    )
    assert found.new_text.split() == ["yes", "no"]
    assert found.quoted.split("\n")[-2:] == ["one?", "two?"]


@pytest.mark.parametrize(
    "block",
    [
        '<div class="gmail_signature">Anna</div>',
        '<div id="Signature">Anna</div>',
        '<pre class="moz-signature">Anna</pre>',
    ],
)
def test_signatures_that_clients_mark(block: str) -> None:
    found = split(to_text(f'<div>new</div>{block}<blockquote type="cite">old</blockquote>'))
    assert (found.new_text.strip(), found.signature.strip(), found.quoted.strip()) == ("new", "Anna", "old")


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ('<a href="https://x.example/p">here</a>', "here <https://x.example/p>"),
        ('<a href="https://x.example/p"><b>here</b></a>', "here <https://x.example/p>"),
        ('<a href="https://x.example/">https://x.example</a>', "https://x.example"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="javascript:alert(1)">here</a>', "here"),
        ('<a href="https://x.example/p"><img src="x"></a>', ""),
    ],
)
def test_links_tell_their_target(link: str, text: str) -> None:
    assert " ".join(to_text(f"<p>{link}</p>").split()) == text


def test_a_blockquote_that_no_client_made_is_text() -> None:
    assert split(to_text("<p>He said</p><blockquote>wisdom</blockquote>")).new_text.split() == [
        "He",
        "said",
        "wisdom",
    ]
    assert not marks_quotes("<blockquote>wisdom</blockquote>")


def test_too_deep_and_too_large_markup_has_its_tags_stripped() -> None:
    assert to_text("<div>" * 5000 + "deep").strip() == "deep"
    assert "x y" in to_text("<p>x y</p>" * 100_000)
    assert strip_tags("<script>a<b</script>b<!-- c -->d<p>e") == "bd\ne"


@given(st.text(alphabet="<>/!-abdpivtr =\"'&;#x1\0é", max_size=200))
@settings(deadline=None)
def test_any_markup_is_taken(markup: str) -> None:
    to_text(markup).encode("utf-8")
    strip_tags(markup).encode("utf-8", "surrogatepass")
