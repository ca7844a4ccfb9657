"""The header lines of another mail, as mail clients write them above what they quote or forward.

A block is a run of "Label: value" lines. Labels that are known in many languages (`phrases.py`) are one
witness, the values the other: an address, or beside a subject the time of day or a line drawn above. So the
facts of a journey or an order are not taken for one. Each look reads a bounded number of lines.
"""

from __future__ import annotations

import re

from gateway.mail.phrases import FROM, LABELS, SENT, SUBJECT

_LABEL = re.compile(
    r"[ \t>]*[*_]{0,2}([^\s:：*_<>@,][^:：\n<>@]{0,30}?)[*_]{0,2}[ \t\xa0\u202f]{0,3}[:：][*_]{0,2}"
    r"(?:[\s\xa0]+(.*)|)$"
)
DATE = re.compile(
    r"\d{1,2}[:.h]\d\d|(?:19|20)\d\d(?!\d)|\d{1,4}[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,4}|"
    r"\d{1,2}\.?\s+[^\W\d_]{3,12}\.?,?\s+'?\d\d"
)
"""A date or a time of day, in most ways of writing one."""
_NAMED = re.compile(r"<[^\s<>@]+@[^\s<>@]+")
_TIME = re.compile(r"\d{1,2}[:.h]\d\d")
_MOST_LINES = 14
_LONGEST_LABEL = 48


def may_be_label(shape: str) -> bool:
    """Whether a line can begin with a label at all; a quick look before `header_block`."""
    return ":" in shape[:_LONGEST_LABEL] or "：" in shape[:_LONGEST_LABEL]


def header_block(shapes: list[str], start: int, least: int, *, ruled: bool = False) -> bool:
    """Whether the header lines of another mail begin at line `start` (after blank lines, for a rule, where
    `least` is 1). `ruled`: a line is drawn above it."""
    labels: list[tuple[str, str]] = []
    blank = 0
    for at in range(start, min(start + _MOST_LINES, len(shapes))):
        shape = shapes[at]
        if not shape:
            blank += 1
            if blank > 1 and labels:
                break
            continue
        label = _LABEL.match(shape)
        if label is None:
            if not labels:
                if at == start or least > 1:
                    return False
                break
            if blank:
                break
            continue
        blank = 0
        labels.append((label[1].strip().casefold(), label[2] or ""))
    known = {label for label, _ in labels if label in LABELS}
    who, when = bool(known & FROM), bool(known & SENT)
    addressed = any("@" in value for _, value in labels)
    if least == 1:
        return bool(known) and (addressed or bool(known & SUBJECT) or (who and when))
    if len(known) < least:
        return len(labels) >= 4 and _foreign_block(labels)
    if labels[0][0] not in known or not (who or when):
        return False
    if len(known) == 2:
        return addressed and len(labels) <= 3
    timed = any(_TIME.search(value) for label, value in labels if label in SENT)
    return addressed or (who and bool(known & SUBJECT) and (timed or ruled))


def _foreign_block(labels: list[tuple[str, str]]) -> bool:
    values = [value for _, value in labels[:6]]
    return (
        any(_NAMED.search(value) for value in values[:4])
        and any(_TIME.search(value) and DATE.search(value) for value in values[:4])
        and all(len(label.split()) <= 2 for label, _ in labels[:4])
    )
