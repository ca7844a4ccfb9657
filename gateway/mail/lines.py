"""The lines of a mail's text, and what each shows of itself: quote signs, and the marks that stand in text
which was made from HTML, around what a mail client marked there as quoted or as signature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BEGIN, END, REST = "\ue0f0", "\ue0f1", "\ue0f2"
"""Around what a client marked as quoted, and where such a quote goes on to the end."""
SIGNED, UNSIGNED = "\ue0f3", "\ue0f4"
"""Around what a client marked as signature."""
MARKS = (BEGIN, END, REST, SIGNED, UNSIGNED)

_LONG = 1000
_MARGIN = " \t\xa0>|*\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_SIGN = re.compile(r"[ \t]{0,3}(?:>|[A-Za-z]{1,4}>(?![\w/])|\|(?:[ \t]|$))")
_MARK = re.compile("[\ue0f0-\ue0f4]")
_MOST_LINES = 20000


@dataclass(slots=True)
class Line:
    """A line: part of a quote, of the introduction above one, of a signature, or else new."""

    text: str
    quoted: bool = False
    intro: bool = False
    signed: bool = False


def unmarked(text: str) -> str:
    """`text` without marks, for what a sender wrote."""
    return _MARK.sub("", text) if _has_marks(text) else text


def trimmed(text: str) -> str:
    """A line without blanks at its end, but for the separator of signatures, which has one."""
    return text if text == "-- " else text.rstrip()


def _has_marks(text: str) -> bool:
    return not text.isascii() and _MARK.search(text) is not None


def read_lines(marked: str) -> list[Line]:
    """The lines of `marked`, marks taken out. What comes after a great many lines is one line."""
    texts = marked.split("\n", _MOST_LINES)
    if _has_marks(marked):
        lines = _marked_lines(texts)
    else:
        lines = [Line(trimmed(text), _SIGN.match(text) is not None) for text in texts]
    _lone_bars(lines)
    return lines


def _marked_lines(texts: list[str]) -> list[Line]:
    lines: list[Line] = []
    depth, rest, signed = 0, False, False
    for text in texts:
        plain = _MARK.sub("", text)
        was_depth, was_quoted, was_signed = depth, depth > 0 or rest, signed
        depth = max(0, depth + text.count(BEGIN) - text.count(END))
        rest = rest or REST in text
        signed = SIGNED in text or (signed and UNSIGNED not in text)
        if lines and lines[-1].text and not plain.strip() and (depth > 0) != (was_depth > 0) and not rest:
            lines.append(Line(""))
        elif plain.strip() or plain == text:
            quoted = was_quoted and (depth > 0 or rest or END in text)
            lines.append(Line(trimmed(plain), quoted or _SIGN.match(plain) is not None, signed=was_signed))
    return lines


def _lone_bars(lines: list[Line]) -> None:
    """A bar is a quote sign only in a run of such lines, else it is a table or a letter."""
    if not any("|" in line.text for line in lines):
        return
    bars = [line.quoted and line.text.lstrip().startswith("|") for line in lines]
    for index, bar in enumerate(bars):
        alone = not any(bars[max(0, index - 1) : index]) and not any(bars[index + 1 : index + 2])
        if bar and (alone or lines[index].text.count("|") > 1):
            lines[index].quoted = False


def shape_of(text: str) -> str:
    """A line without quote signs and blanks at its ends, for its shape; long lines have none."""
    return "" if len(text) > _LONG else text.strip(_MARGIN)
