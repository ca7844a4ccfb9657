"""The header lines of another mail, as mail clients write them above what they quote or forward.

A block is a run of "Label: value" lines. Labels that are known in many languages (`phrases.py`) are one
witness, an address and a date with a time among the values the other, so that a list of appointments is not
taken for one. Each look reads a bounded number of lines.
"""

from __future__ import annotations

import re

from gateway.mail.phrases import FROM, LABELS, SENT

_LABEL = re.compile(
    r"[ \t>]*[*_]{0,2}([^\s:：*_<>@,][^:：\n<>@]{0,30}?)[*_]{0,2}[ \t\xa0\u202f]{0,3}[:：][*_]{0,2}"
    r"(?:[\s\xa0]+(.*)|)$"
)
DATE = re.compile(
    r"\d{1,2}[:.h]\d\d|(?:19|20)\d\d(?!\d)|\d{1,4}[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,4}|"
    r"\d{1,2}\.?\s+[^\W\d_]{3,12}\.?,?\s+'?\d\d"
)
"""A date or a time of day, in most ways of writing one."""
_TIME = re.compile(r"\d{1,2}[:.h]\d\d")
_MOST_LINES = 14
_LONGEST_LABEL = 48


def may_be_label(shape: str) -> bool:
    """Whether a line can begin with a label at all; a quick look before `header_block`."""
    return ":" in shape[:_LONGEST_LABEL] or "：" in shape[:_LONGEST_LABEL]


def header_block(shapes: list[str], start: int, least: int) -> bool:
    """Whether the header lines of another mail begin at line `start` (after blank lines, for a rule)."""
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
    if len(known) < least:
        return len(labels) >= 4 and _foreign_block(labels)
    who, when = bool(known & FROM), bool(known & SENT)
    if least == 1:
        return True
    if len(known) == 2:
        return (
            (who or when)
            and any("@" in value or _TIME.search(value) for _, value in labels)
            and (labels[0][0] in known and len(labels) <= 3)
        )
    return labels[0][0] in known and (who or when)


def _foreign_block(labels: list[tuple[str, str]]) -> bool:
    values = [value for _, value in labels[:6]]
    return (
        any("@" in value for value in values[:4])
        and any(_TIME.search(value) and DATE.search(value) for value in values[:4])
        and all(len(label.split()) <= 2 for label, _ in labels[:4])
    )
