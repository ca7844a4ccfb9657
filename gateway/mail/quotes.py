"""What a person wrote now, and what is quoted or signature.

The shape of the mail decides before any word of any language: quote signs, a date and an address in a
line that ends in a colon above them, blocks of "Label: value" lines, rules with words inside, and for HTML
the marks that clients leave (`html.py` hands these over as marked lines). Text between and below quoted
lines is new text. When nothing would be left, the new text is the full text.

Time is linear in the length of the text: each line is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from gateway.mail.headerblocks import DATE, header_block
from gateway.mail.phrases import WROTE
from gateway.mail.signatures import signature_start

MARKER = "##- Please write above this line -##"
"""Stands on a line of its own at the top of our notices. In an answer, what follows it is quoted."""

BEGIN, END, REST = "\ue0f0", "\ue0f1", "\ue0f2"
"""Marks in text made from HTML: around what a client marked as quoted, and where such a quote goes on to
the end."""
MARKS = (BEGIN, END, REST)

_LONG = 1000
_MARGIN = " \t\xa0>|*\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_SIGN = re.compile(r"[ \t]{0,3}(?:>|[A-Za-z]{1,4}>(?![\w/])|\|(?:[ \t]|$))")
_RULE = re.compile(r"[ \t]*[-=_*]{2,}[ \t]*([^\s\-=_*].{0,80}?)[ \t]*[-=_*]{2,}:?[ \t]*")
_LINE_RULE = re.compile(r"[ \t]*(?:_{5,}|-{5,}|={5,}|\*{5,}|—{3,}|─{3,})[ \t]*")
_ADDRESS = re.compile(r"[^\s<>@\"]@[^\s<>@\"]")
_OTHERS_MARKER = re.compile(r"##-[^\n]{5,90}-##|\W{2,8}[^\n]{3,60} above this line\W{0,8}", re.IGNORECASE)
_NAMED = re.compile(r"<[^\s<>@]+@[^\s<>@]+>")
_INTRO_END = re.compile(r"(?:[:：]|-{2,})[\s*_>\"]*$")
_CALENDAR = re.compile(r"(?:19|20)\d\d|\d{1,4}[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,4}")
_SHARED = re.compile(r"([^\n]{0,400}?[^\s-])--- ([^-\n][^\n]{0,400}[:：])\s*")
_WORD = re.compile(r"[^\W\d_]+(?:\(\w+\))?")
_MOST_LINES = 20000


@dataclass(frozen=True, slots=True)
class Split:
    """`text` is all of it; `new_text`, `quoted` and `signature` are its lines told apart."""

    text: str
    new_text: str
    quoted: str
    signature: str


@dataclass(slots=True)
class _Line:
    text: str
    quoted: bool = False
    intro: bool = False


def split(marked: str) -> Split:
    """Tell the lines of a mail's text apart. `marked` may hold `MARKS`; they are in none of the results."""
    lines = _lines(marked)
    text = "\n".join(line.text for line in lines).strip("\n")
    shapes = [_stripped(line.text) for line in lines]
    _mark_residues(lines, shapes)
    _mark_intros(lines, shapes)
    cut, intro = _cut(lines, shapes, 0)
    new, signature = _assemble(lines, cut)
    if not new.strip() and intro > cut:
        for line in lines[cut:intro]:
            line.intro = True
        cut, _ = _cut(lines, shapes, intro)
        new, signature = _assemble(lines, cut)
    if not new.strip() and cut < len(lines):
        new, signature = _assemble(lines, len(lines))
    if not new.strip():
        new, signature = signature or text, ""
    quoted = "\n".join(
        line.text for index, line in enumerate(lines) if index >= cut or line.quoted or line.intro
    )
    if new == text:
        quoted = ""
    return Split(text, new.strip("\n"), quoted.strip("\n"), signature.strip("\n"))


def _lines(marked: str) -> list[_Line]:
    lines: list[_Line] = []
    depth, rest, marks = 0, False, any(mark in marked for mark in MARKS)
    for text in marked.split("\n", _MOST_LINES):
        if not marks:
            if "---" in text and (shared := _SHARED.fullmatch(text)) and _intro_alone(shared[2]):
                lines.append(_Line(shared[1]))
                text = f"--- {shared[2]}"  # noqa: PLW2901
            lines.append(_Line(text.rstrip(), bool(_SIGN.match(text))))
            continue
        plain = text
        begins = depth > 0 or rest
        for mark in MARKS:
            if mark in plain:
                plain = plain.replace(mark, "")
        depth = max(0, depth + text.count(BEGIN) - text.count(END))
        rest = rest or REST in text
        inside = begins and (depth > 0 or rest or not plain.strip() or END in text)
        if plain.strip() or plain == text:
            lines.append(_Line(plain.rstrip(), inside or bool(_SIGN.match(plain))))
    if len(lines) > 1:
        _lone_bars(lines)
    return lines


def _lone_bars(lines: list[_Line]) -> None:
    """A bar is a quote sign only in a run of such lines, else it is a table or a letter."""
    bars = [line.quoted and line.text.lstrip().startswith("|") for line in lines]
    for index, bar in enumerate(bars):
        alone = not any(bars[max(0, index - 1) : index]) and not any(bars[index + 1 : index + 2])
        if bar and (alone or lines[index].text.count("|") > 1):
            lines[index].quoted = False


def _stripped(text: str) -> str:
    """A line without quote signs and blanks at its ends, for its shape; long lines have none."""
    return "" if len(text) > _LONG else text.strip(_MARGIN)


def _intro_alone(text: str) -> bool:
    return all((DATE.search(text), _ADDRESS.search(text) or _wrote(text)))


def _evidence(shape: str) -> tuple[bool, bool, bool, bool]:
    """(date or time, address, wrote-word, ends as an introduction does)."""
    ends = bool(_INTRO_END.search(shape[-8:])) if shape else False
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


def _mark_residues(lines: list[_Line], shapes: list[str]) -> None:
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


def _mark_intros(lines: list[_Line], shapes: list[str]) -> None:
    """Mark the lines above a quote that tell who wrote it and when."""
    for index, line in enumerate(lines):
        if not line.quoted or (index and lines[index - 1].quoted):
            continue
        last = index - 1
        while last >= 0 and index - last <= 4 and not shapes[last] and not lines[last].quoted:
            last -= 1
        if last < 0 or lines[last].quoted or not shapes[last]:
            continue
        first = _intro_start(lines, shapes, last, before_quote=True)
        for intro in range(first, last + 1) if first >= 0 else ():
            lines[intro].intro = True


def _intro_start(lines: list[_Line], shapes: list[str], last: int, *, before_quote: bool) -> int:
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
        if before_quote or (calendar and (wrote or addressed)):
            return first
    named = ends and len(shapes[last]) <= 160 and _NAMED.search(shapes[last]) is not None
    return last if (wrote and ends and (before_quote or named)) or (before_quote and named) else -1


def _cut(lines: list[_Line], shapes: list[str], start: int) -> tuple[int, int]:
    """(first line of the quote that goes on to the end of the mail without quote signs; the line behind its
    introduction where it has one, else 0). Looks from line `start` on."""
    total = len(lines)
    for index in range(start, total):
        shape = shapes[index]
        if not shape or lines[index].intro or lines[index].quoted:
            continue
        if MARKER in shape or _OTHERS_MARKER.fullmatch(lines[index].text.strip()):
            return _with_intro(lines, shapes, index), 0
        rule = _RULE.fullmatch(lines[index].text) if len(shape) < 200 and shape[0] in "-=_*" else None
        if rule is not None and (
            header_block(shapes, index + 1, 1) or "original message" in shape.casefold()
        ):
            return index, 0
        if header_block(shapes, index, 2):
            return _with_rule(lines, shapes, index), 0
        if shape[-1] in ":：-" and (first := _intro_start(lines, shapes, index, before_quote=False)) >= 0:
            following = next((at for at in range(index + 1, min(index + 5, total)) if shapes[at]), total)
            if not (following < total and lines[following].quoted):
                return first, index + 1
    return total, 0


def _with_intro(lines: list[_Line], shapes: list[str], index: int) -> int:
    last = index - 1
    while last >= 0 and index - last <= 4 and not shapes[last]:
        last -= 1
    if last >= 0 and shapes[last]:
        first = _intro_start(lines, shapes, last, before_quote=True)
        if first >= 0:
            return first
    return index


def _with_rule(lines: list[_Line], shapes: list[str], index: int) -> int:
    """Take a drawn line above a header block, and the line that announces it, along."""
    last = index - 1
    while last >= 0 and index - last <= 3 and not shapes[last].strip("_-=") and not lines[last].quoted:
        if _LINE_RULE.fullmatch(lines[last].text):
            return last
        last -= 1
    if last >= 0 and shapes[last].endswith((":", "：")) and len(shapes[last]) < 60:
        return last
    return index


def _assemble(lines: list[_Line], cut: int) -> tuple[str, str]:
    """(new text, signature) of the lines before `cut` that are not quoted."""
    new: list[str] = []
    signature: list[str] = []
    segment: list[str] = []
    for line in lines[:cut]:
        if line.quoted or line.intro:
            if segment:
                _segment(segment, new, signature)
                segment = []
        else:
            segment.append(line.text)
    _segment(segment, new, signature)
    return "\n".join(new).strip("\n"), "\n".join(signature)


def _segment(segment: list[str], new: list[str], signature: list[str]) -> None:
    """Add one run of unquoted lines to the new text, its end perhaps to the signature."""
    start = next((index for index, line in enumerate(segment) if line.strip()), len(segment))
    end = signature_start(segment)
    signature.extend(segment[end:])
    while end > start and not segment[end - 1].strip():
        end -= 1
    if end > start:
        new.extend(["", *segment[start:end]] if new else segment[start:end])
