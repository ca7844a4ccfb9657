"""What a person wrote now, and what is quoted or signature.

The shape of the mail decides before any word of any language: quote signs, a date and an address in a
line that ends in a colon above them, blocks of "Label: value" lines, rules with words inside, and for HTML
the marks that clients leave (`html.py` hands these over as the marks of `lines.py`). Text between and below
quoted lines is new text. When nothing would be left, the new text is the full text.

Time is linear in the length of the text: each line is looked at a bounded number of times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.mail.headerblocks import header_block, may_be_label
from gateway.mail.introductions import intro_start, mark_intros, mark_residues, split_shared
from gateway.mail.lines import Line, read_lines, shape_of
from gateway.mail.signatures import signature_start

MARKER = "##- Please write above this line -##"
"""Stands on a line of its own at the top of our notices. In an answer, what follows it is quoted."""

_RULE = re.compile(r"[ \t]*[-=_*]{2,}[ \t]*([^\s\-=_*].{0,80}?)[ \t]*[-=_*]{2,}:?[ \t]*")
_INTRO_ENDS = (":", "：", "--", ':"', ":_")
_LINE_RULE = re.compile(r"[ \t]*(?:_{5,}|-{5,}|={5,}|\*{5,}|—{3,}|─{3,})[ \t]*")
_OTHERS_MARKER = re.compile(r"##-[^\n]{5,90}-##|\W{2,8}[^\n]{3,60} above this line\W{0,8}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Split:
    """`text` is all of it; `new_text`, `quoted` and `signature` are its lines told apart."""

    text: str
    new_text: str
    quoted: str
    signature: str


def split(marked: str) -> Split:
    """Tell the lines of a mail's text apart. `marked` may hold `lines.MARKS`; no result holds one."""
    lines, cut, new, signature = _read(marked)
    text = "\n".join(line.text for line in lines).strip("\n")
    if not new.strip():
        new, signature = signature or text, ""
    quoted = "\n".join(
        line.text for index, line in enumerate(lines) if index >= cut or line.quoted or line.intro
    )
    if new == text:
        quoted = ""
    return Split(text, new.strip("\n"), quoted.strip("\n"), signature.strip("\n"))


@dataclass(frozen=True, slots=True)
class Told:
    """A line and what it is: new, quoted, intro (it introduces a quote), signature, or rest (of a quote
    that goes on to the end of the mail without quote signs)."""

    kind: str
    text: str


def tell_apart(marked: str) -> tuple[list[Told], str]:
    """(the lines in order, the new text that `split` makes of them; "" where none of them is new)."""
    lines, cut, new, _ = _read(marked)
    told: list[Told] = []
    start = 0
    for index, line in enumerate(lines):
        kind = "rest" if index >= cut else "quoted" if line.quoted else "intro" if line.intro else ""
        kind = kind or ("signature" if line.signed else "new")
        if kind != "new":
            _sign(told, start)
            start = index + 1
        told.append(Told(kind, line.text))
    _sign(told, start)
    return told, new


def _sign(told: list[Told], start: int) -> None:
    """Mark the signature at the end of the run of new lines that begins at `start`."""
    run = [line.text for line in told[start:]]
    for index in range(start + signature_start(run), len(told)):
        told[index] = Told("signature", told[index].text)


def _read(marked: str) -> tuple[list[Line], int, str, str]:
    """(lines, first of them that belongs to a quote without signs, new text, signature)."""
    lines = split_shared(read_lines(marked))
    shapes = [shape_of(line.text) for line in lines]
    mark_residues(lines, shapes)
    mark_intros(lines, shapes)
    cut, intro = _cut(lines, shapes, 0)
    new, signature = _assemble(lines, cut)
    if not new.strip() and intro > cut:
        for line in lines[cut:intro]:
            line.intro = True
        cut, _ = _cut(lines, shapes, intro)
        new, signature = _assemble(lines, cut)
    if not new.strip() and cut < len(lines):
        cut = len(lines)
        new, signature = _assemble(lines, cut)
    return lines, cut, new, signature


def _cut(lines: list[Line], shapes: list[str], start: int) -> tuple[int, int]:
    """(first line of the quote that goes on to the end of the mail without quote signs; the line behind its
    introduction where it has one, else 0). Looks from line `start` on."""
    total = len(lines)
    for index in range(start, total):
        shape = shapes[index]
        if not shape or lines[index].intro or lines[index].quoted:
            continue
        if (shape[0] == "#" or "above" in shape) and (
            MARKER in shape or _OTHERS_MARKER.fullmatch(lines[index].text.strip())
        ):
            return _with_intro(lines, shapes, index), 0
        drawn = shape[0] in "-=_*"
        if not drawn and ":" not in shape and "：" not in shape and not shape.endswith("--"):
            continue
        rule = _RULE.fullmatch(lines[index].text) if drawn and len(shape) < 200 else None
        if rule is not None and (
            header_block(shapes, index + 1, 1) or "original message" in shape.casefold()
        ):
            return index, 0
        if may_be_label(shape) and header_block(shapes, index, 2, ruled=_ruled(lines, index)):
            return _with_rule(lines, shapes, index), 0
        if (
            shape.endswith(_INTRO_ENDS)
            and (first := intro_start(lines, shapes, index, before_quote=False)) >= 0
        ):
            following = next((at for at in range(index + 1, min(index + 5, total)) if shapes[at]), total)
            if not (following < total and lines[following].quoted):
                return first, index + 1
    return total, 0


def _ruled(lines: list[Line], index: int) -> bool:
    """Whether a line is drawn above line `index`, blank ones between them."""
    for at in range(index - 1, max(index - 4, -1), -1):
        if lines[at].text:
            return _LINE_RULE.fullmatch(lines[at].text) is not None
    return False


def _with_intro(lines: list[Line], shapes: list[str], index: int) -> int:
    last = index - 1
    while last >= 0 and index - last <= 4 and not shapes[last]:
        last -= 1
    if last >= 0 and shapes[last]:
        first = intro_start(lines, shapes, last, before_quote=True)
        if first >= 0:
            return first
    return index


def _with_rule(lines: list[Line], shapes: list[str], index: int) -> int:
    """Take a drawn line above a header block, and the line that announces it, along."""
    last = index - 1
    while last >= 0 and index - last <= 3 and not shapes[last].strip("_-=") and not lines[last].quoted:
        if _LINE_RULE.fullmatch(lines[last].text):
            return last
        last -= 1
    if last >= 0 and shapes[last].endswith((":", "：")) and len(shapes[last]) < 60:
        return last
    return index


def _assemble(lines: list[Line], cut: int) -> tuple[str, str]:
    """(new text, signature) of the lines before `cut` that are not quoted."""
    new: list[str] = []
    signature: list[str] = []
    segment: list[str] = []
    for line in lines[:cut]:
        if line.quoted or line.intro or line.signed:
            if segment:
                _segment(segment, new, signature)
                segment = []
            if line.signed and not line.quoted:
                signature.append(line.text)
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
