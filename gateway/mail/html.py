"""HTML to readable text, with the quotes that mail clients marked kept apart (inscriptis over lxml).

`to_text` gives text in which `lines.MARKS` stand around what a client marked as quoted or as signature;
tables and lists keep their layout; scripts, styles and what is hidden from the reader (preheaders) are
dropped. It takes any input: what is too large, too deep or too strange for the renderer has its tags
stripped instead. Never raises; linear in the length of the markup.
"""

from __future__ import annotations

import html as entities
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from gateway.mail.charsets import safe
from gateway.mail.lines import BEGIN, END, REST, SIGNED, UNSIGNED, unmarked

_MOST_CHARACTERS = 512 * 1024
_MOST_TAGS = 6000
_DEEPEST = 150
_LONGEST_LINK = 300
_TAG = re.compile(r"<(?:(!--)|(/?)([a-zA-Z][a-zA-Z0-9:]*)[^<>]*+>?|[!?][^<>]*+>)")
_BLOCKS = frozenset(
    ("p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "blockquote", "ul", "ol",
     "hr", "pre", "td", "th", "section")
)  # fmt: skip
_SILENT = frozenset(("script", "style", "head", "title"))
_BLANKS = re.compile(r"[ \t\xa0\u200b\u200c\ufeff\u00ad\u034f]+")
_QUOTE_CLASSES = frozenset(
    ("gmail_quote", "gmail_quote_container", "yahoo_quoted", "protonmail_quote", "tutanota_quote",
     "zmail_extra", "gmx_quote", "iosymail", "moz-cite-prefix", "mail-quote", "front-blockquote", "hs_reply",
     "quoted-message")
)  # fmt: skip
_QUOTE_IDS = ("OLK_SRC_BODY_SECTION", "yahoo_quoted", "isReplyContent", "reply-intro", "replyBlockquote")
_REST_IDS = frozenset(
    ("divRplyFwdMsg", "appendonsend", "stopSpelling", "zwchr", "mail-editor-reference-message-container",
     "ms-outlook-mobile-reference-message")
)  # fmt: skip
_SIGNATURE_CLASSES = frozenset(
    (
        "gmail_signature",
        "gmail_signature_prefix",
        "moz-signature",
        "protonmail_signature_block",
        "ms-outlook-ios-signature",
    )
)
_SIGNATURE_IDS = frozenset(("signature", "applemailsignature", "ms-outlook-mobile-signature"))
_SUSPECT = (
    "gmail_quote", "cite", "quote", "divrplyfwdmsg", "appendonsend", "olk_src", "border-top", "stopspelling",
    "zwchr", "reply", "iosymail", "reference-message", "zmail_extra", "signature",
)  # fmt: skip
_SURE = (
    "gmail_quote", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", 'type="cite', "type=cite",
    "type='cite", "divRplyFwdMsg", "OLK_SRC_BODY_SECTION", "appendonsend",
)  # fmt: skip

if TYPE_CHECKING:
    from lxml import etree


def to_text(markup: str) -> str:
    """The readable text of `markup`, with `lines.MARKS`."""
    markup = unmarked(markup)
    if len(markup) <= _MOST_CHARACTERS and markup.count("<") <= _MOST_TAGS:
        text = _rendered(markup)
        if text.strip():
            return safe(text)
    return safe(strip_tags(markup))


def marks_quotes(markup: str) -> bool:
    """Whether a mail client marked a quote in `markup`."""
    return any(sign in markup for sign in _SURE)


@cache
def _config() -> Any:
    from inscriptis.css_profiles import STRICT_CSS_PROFILE
    from inscriptis.model.config import ParserConfig

    return ParserConfig(css=STRICT_CSS_PROFILE)


def _rendered(markup: str) -> str:
    """What inscriptis makes of it; "" where it cannot."""
    # a command that meets no HTML starts without them
    from inscriptis.html_engine import Inscriptis
    from lxml import etree

    try:
        parser = etree.HTMLParser(encoding="utf-8", remove_pis=True, remove_comments=True)
        root = etree.fromstring(markup.encode("utf-8", "replace"), parser)
        if root is None or _depth(root) > _DEEPEST:
            return ""
        if "style" in markup or "hidden" in markup:
            _drop_hidden(root)
        lowered = markup.lower()
        if any(sign in lowered for sign in _SUSPECT):
            _mark_quotes(root)
        if "href" in markup:
            _show_links(root)
        return str(Inscriptis(root, _config()).get_text())
    except (etree.LxmlError, ValueError, RecursionError, IndexError, TypeError, AttributeError, KeyError):
        return ""


def _depth(root: etree._Element) -> int:
    from lxml import etree

    depth = deepest = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _drop_hidden(root: etree._Element) -> None:
    for element in root.xpath("//*[@style or @hidden]"):
        style = (element.get("style") or "").lower().replace(" ", "")
        if (
            element.get("hidden") is not None
            or "display:none" in style
            or "visibility:hidden" in style
            or ("max-height:0" in style and "overflow:hidden" in style)
            or re.search(r"opacity:0(?:\.0*)?(?:;|$)", style)
            or (
                re.search(r"font-size:0(?:px|pt|em)?(?:;|$)", style)
                and "font-size" not in "".join(element.xpath(".//@style"))
            )
        ):
            parent = element.getparent()
            if parent is None or element.tag in ("body", "html"):
                continue
            tail, before = element.tail, element.getprevious()
            parent.remove(element)
            if tail and before is not None:
                before.tail = (before.tail or "") + tail
            elif tail:
                parent.text = (parent.text or "") + tail


def _mark_quotes(root: etree._Element) -> None:
    inside: set[etree._Element] = set()
    for element in list(root.iter("div", "blockquote", "hr", "span", "table", "section", "p", "pre")):
        kind = _quote_kind(element)
        if not kind or element.getparent() is None:
            continue
        if any(ancestor in inside for ancestor in element.iterancestors()):
            continue
        if kind == "rest":
            _mark_before(element, REST)
            return
        if kind == "signature":
            inside.add(element)
            _mark_before(element, SIGNED)
            _mark_after(element, UNSIGNED)
            continue
        blocks = [] if element.tag == "blockquote" else element.findall("blockquote")
        _mark_before(element, BEGIN)
        _mark_after(blocks[0] if blocks else element, END)
        for block in blocks[1:]:
            _mark_before(block, BEGIN)
            _mark_after(block, END)
        inside.update(blocks or (element,))


def _show_links(root: etree._Element) -> None:
    """Put the target of each link behind its text, where the text does not tell it."""
    for link in root.iter("a"):
        target = (link.get("href") or "").strip()
        if not target.startswith(("http://", "https://")) or len(target) > _LONGEST_LINK:
            continue
        text = "".join(link.itertext()).strip()
        if not text or text.rstrip("/") in target:
            continue
        if len(link):
            link[-1].tail = f"{link[-1].tail or ''} <{target}>"
        else:
            link.text = f"{link.text or ''} <{target}>"


def _mark_before(element: etree._Element, mark: str) -> None:
    from lxml import etree

    begin = etree.Element("div")
    begin.text = mark
    element.addprevious(begin)


def _mark_after(element: etree._Element, mark: str) -> None:
    from lxml import etree

    end = etree.Element("div")
    end.text, end.tail, element.tail = mark, element.tail, None
    element.addnext(end)


def _quote_kind(element: etree._Element) -> str:
    """ "part" where the element is a quote, "rest" where it begins one, "" otherwise."""
    tag, name = element.tag, element.get("id") or ""
    if tag == "blockquote" and ((element.get("type") or "").lower() == "cite" or element.get("cite")):
        return "part"
    classes = element.get("class")
    if classes:
        words = classes.split()
        if not _QUOTE_CLASSES.isdisjoint(words):
            return "part"
        if not _SIGNATURE_CLASSES.isdisjoint(words):
            return "signature"
    if name:
        if name in _REST_IDS or name.removeprefix("x_") in _REST_IDS:
            return "rest"
        if name.startswith(_QUOTE_IDS):
            return "part"
        if name.removeprefix("x_").lower() in _SIGNATURE_IDS:
            return "signature"
    if element.get("name") in ("quote", "messageReplySection"):
        return "part"
    style = element.get("style")
    if style and tag == "div" and "border-top" in style:
        flat = style.lower().replace(" ", "").replace("\n", "").replace("\r", "")
        if "border:none;border-top:solid" in flat and "padding:3.0pt0" in flat:
            return "rest"
    return ""


def strip_tags(markup: str) -> str:
    """Text of markup by taking the tags away; for what no renderer should be given."""
    pieces: list[str] = []
    position, comments, silent_ends = 0, True, True
    while (found := _TAG.search(markup, position)) is not None:
        pieces.append(markup[position : found.start()])
        position = found.end()
        if found[1]:
            end = markup.find("-->", position) if comments else -1
            comments = end >= 0
            position = end + 3 if end >= 0 else position
            continue
        name = (found[3] or "").lower()
        if name in _BLOCKS:
            pieces.append("\n")
        elif name in _SILENT and not found[2] and silent_ends:
            closing = re.compile(rf"</{name}\b", re.IGNORECASE).search(markup, position)
            silent_ends = closing is not None
            position = closing.start() if closing else position
    pieces.append(markup[position:])
    lines = (_BLANKS.sub(" ", line).strip() for line in entities.unescape("".join(pieces)).split("\n"))
    text = "\n".join(lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")
