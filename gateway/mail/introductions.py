"""The introduction above a quote, which tells who wrote it and when ("On Monday, Anna wrote:").

Known by its shape in any language: a date, an address and a colon at its end, in up to a few lines; words
for "wrote" (`phrases.py`) are a further witness. More is asked of an introduction below which no quote signs
stand, since all that follows it is then taken for quoted. Each look reads a bounded number of lines.
"""

from __future__ import annotations

import re
from itertools import pairwise

from gateway.mail.headerblocks import DATE
from gateway.mail.lines import Line
from gateway.mail.phrases import WROTE

_ADDRESS = re.compile(r"[^\s<>@\"]@[^\s<>@\"]")
_NAMED = re.compile(r"<[^\s<>@]+@[^\s<>@]+>")
_BRACKETED = re.compile(r"[<(\[](?:mailto:)?\s?[^\s<>@()\[\]]+@[^\s<>@()\[\]]+|mailto:")
_TIME = re.compile(r"\d{1,2}[:.h]\d\d(?![.\d])")
_ENDING = re.compile(r"(?:[:：]|-{2,})[\s*_>\"]*$")
_CALENDAR = re.compile(r"(?:19|20)\d\d|\d{1,4}[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,4}")
_LONGEST_SHARED = 800
_NO_NAMES = frozenset(word for phrase in WROTE for word in phrase.split()) | {
    "am",
    "pm",
    "uhr",
    "via",
    "sent",
}
"""Small words that stand behind the time in an introduction."""
_WORD = re.compile(r"[^\W\d_]+(?:\(\w+\))?")


def split_shared(lines: list[Line]) -> list[Line]:
    """`lines`, with an introduction that begins behind "---" on a line of its own."""
    if not any("--- " in line.text for line in lines):
        return lines
    found: list[Line] = []
    for line in lines:
        before, rule, after = line.text.partition("--- ")
        shared = rule and before.strip() and not line.quoted and len(line.text) <= _LONGEST_SHARED
        if shared and before[-1] not in " \t-" and after.rstrip().endswith((":", "：")) and _alone(after):
            found += (Line(before), Line(f"--- {after}"))
        else:
            found.append(line)
    return found


def _alone(text: str) -> bool:
    return all((DATE.search(text), _ADDRESS.search(text) or _wrote(text)))


def _evidence(shape: str) -> tuple[bool, bool, bool, bool]:
    """(date or time, address, wrote-word, ends as an introduction does)."""
    ends = bool(_ENDING.search(shape[-8:])) if shape else False
    return (
        bool(DATE.search(shape)),
        bool(_ADDRESS.search(shape)) or "mailto:" in shape,
        _wrote(shape),
        ends,
    )


def _wrote(shape: str) -> bool:
    tail = shape[-80:].casefold()
    words = _WORD.findall(tail)[-6:]
    return (
        any(word in WROTE for word in words)
        or any(f"{first} {second}" in WROTE for first, second in pairwise(words))
        or any(word in tail for word in ("写道", "寫道", "のメッセージ", "のメール", "書きました", "작성"))
    )


def _by_a_client(shown: str) -> bool:
    """Whether an introduction is as mail clients write it: the address in brackets, or behind the time of day
    a name and nothing else. A person who tells what somebody wrote gives neither."""
    if _BRACKETED.search(shown) is not None:
        return True
    times = list(_TIME.finditer(shown))
    return bool(times) and not any(
        word[0].islower() and "@" not in word and word.casefold() not in _NO_NAMES
        for word in (one.strip("\"'.,:;()*_-") for one in shown[times[-1].end() :].split())
        if len(word) > 1
    )


def mark_residues(lines: list[Line], shapes: list[str]) -> None:
    """Mend what wrapping did to quote signs: the end of a broken link between two quoted lines is quoted;
    the end of an introduction that got a sign from the bracket of an address is not."""
    for index in range(1, len(lines) - 1):
        line, shape = lines[index], shapes[index]
        if not line.quoted and lines[index - 1].quoted and lines[index + 1].quoted:
            word = line.text.strip().removesuffix(">").strip()
            link = word.startswith(("(http", "<http", "http")) or any(sign in word for sign in "=/&%_")
            line.quoted = bool(word) and link and len(word.split()) == 1
        elif line.quoted and len(shape) < 40 and shapes[index - 1].startswith("mailto:") and _wrote(shape):
            line.quoted = False


def mark_intros(lines: list[Line], shapes: list[str]) -> None:
    """Mark the lines above a quote that tell who wrote it and when."""
    for index, line in enumerate(lines):
        if not line.quoted or (index and lines[index - 1].quoted):
            continue
        last = index - 1
        while last >= 0 and index - last <= 4 and not shapes[last] and not lines[last].quoted:
            last -= 1
        if last < 0 or lines[last].quoted or not shapes[last]:
            continue
        first = intro_start(lines, shapes, last, before_quote=True)
        for intro in range(first, last + 1) if first >= 0 else ():
            lines[intro].intro = True


def intro_start(lines: list[Line], shapes: list[str], last: int, *, before_quote: bool) -> int:
    """The first line of the introduction that ends at line `last`, -1 where there is none there."""
    dated, addressed, wrote, ends = _evidence(shapes[last])
    if not ends and not (before_quote and (wrote or (dated and addressed))):
        return -1
    first = last
    enough = 2 if before_quote else 3
    for step in range(6):
        at = last - step
        if at < 0 or lines[at].quoted:
            break
        if not shapes[at]:
            if not dated and wrote:
                continue
            break
        if step:
            more_dated, more_addressed, _, more_ends = _evidence(shapes[at])
            if more_ends:
                break
            dated, addressed = dated or more_dated, addressed or more_addressed
        if dated:
            first = at
            break
    if dated and sum((dated, addressed, wrote, ends)) >= enough:
        calendar = before_quote or any(_CALENDAR.search(shape) for shape in shapes[first : last + 1])
        shown = " ".join(shapes[first : last + 1])
        if before_quote or (calendar and (wrote or addressed) and _by_a_client(shown)):
            return first
    named = ends and len(shapes[last]) <= 160 and _NAMED.search(shapes[last]) is not None
    return last if (wrote and ends and (before_quote or named)) or (before_quote and named) else -1
