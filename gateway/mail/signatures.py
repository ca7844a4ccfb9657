"""Where the signature begins in a run of lines that one person wrote.

"-- " on a line of its own is the separator of RFC 3676 section 4.3, and what stands below is the signature.
Everything else is doubtful, and what is doubtful is text: a line drawn in another way counts only above a few
short lines of names, telephone numbers and addresses, and what telephones and programs add by themselves only
as a short last line that names one.
"""

from __future__ import annotations

import re

from gateway.mail.phrases import DEVICES, SENT_FROM

_MOST_LINES = 40
_MOST_BELOW = 8
_MOST_BELOW_DEVICE = 4
_LONGEST_BELOW = 76
_LONGEST_DEVICE = 90
_SHORTEST_DRAWN = 5
_MOST_WORDS_OF_DEVICE = 12
_MOST_WORDS_OF_NAME = 6

_CONTACT = re.compile(
    r"[^\s@]+@[^\s@]+\.[^\s@]+|https?://\S+|www\.\S+|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/\S*)?|"
    r"\(?\+?[\d(][\d\s()./\-]{5,}\d",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[^\W\d_][\w .\-/]{0,18}:\s*")
_LINK = re.compile(r"[<(\[]?https?://[^\s>)\]]*[>)\]]?")
_ENDS_SENTENCE = (".", "!", "?", ":", ";", ",", "…", "。", "！", "？", "：")
_COMPANY = re.compile(
    r"\b[a-z]\.\s?(?:[a-z]\.\s?)+$|\b(?:inc|ltd|llc|co|corp|jr|sr|dr|ing|bc|mgr|phd|ph\.d|st|str)\.$",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\b(?:our|ours|unser\w*|notre|nos|nuestr\w+|noss[oa]s?|nostr\w+|onze?|v[åa]r|vår[at]?|našeho|naší|naše|"
    r"našich|nášho|nasz\w*|naszego|нашего|нашей|нашого|this|the)\b",
    re.IGNORECASE,
)
_SMALL_WORDS = frozenset(
    ("s", "r", "o", "a", "sp", "z", "oo", "van", "von", "de", "der", "den", "di", "da", "la", "le", "of",
     "and", "und", "et", "y", "i")
)  # fmt: skip
_EXCUSE = re.compile(r"[.,;!\-–\s]+(?:please\s+)?(?:excuse|pardon|forgive|sorry|apolog)\b.*$", re.IGNORECASE)


def signature_start(segment: list[str]) -> int:
    """The index of the first signature line, `len(segment)` where there is none."""
    below: list[str] = []
    filled = 0
    found = len(segment)
    for at in range(len(segment) - 1, -1, -1):
        line = segment[at].strip()
        if not line:
            continue
        if segment[at] == "-- ":
            return at
        if _is_device(line):
            if len(below) <= _MOST_BELOW_DEVICE and _all_signed(below):
                found = at
            below.append(line)
        elif _is_drawn(line) and _drawn_above(segment, at, below):
            found, below = at, []
        else:
            below.append(line)
        filled += 1
        if filled > _MOST_LINES:
            break
    return found


def _is_drawn(line: str) -> bool:
    return (
        line in ("--", "—", "––")
        or line.startswith("-- ")
        or (set(line) == {"_"} and len(line) >= _SHORTEST_DRAWN)
    )


def _drawn_above(segment: list[str], at: int, below: list[str]) -> bool:
    """Whether the drawn line at `at` has a signature below it; `below`: the filled lines, last one first."""
    if len(below) > _MOST_BELOW or any(_is_drawn(line) for line in below):
        return False
    line = segment[at].strip()
    above = next((one.strip() for one in reversed(segment[:at]) if one.strip()), "")
    if above.endswith((":", "：")) or (line.startswith("-- ") and _is_drawn(above)):
        return False
    shown = [*below, line[3:].strip()] if line.startswith("-- ") else below
    if not shown:
        return line[0] != "_"
    if _reaches(shown[-2:]) and not any(_is_said(one) for one in shown):
        return True
    form = line[0] == "_" and sum(set(one.strip()) == {"_"} for one in segment[:at]) > 0
    return not form and _all_signed(shown)


def _all_signed(lines: list[str]) -> bool:
    return all(_is_signed(line) for line in lines)


def _reaches(lines: list[str]) -> bool:
    """Whether one of the first lines tells an address or a link."""
    return any(("@" in line or "://" in line or "www." in line) and _is_contact(line) for line in lines)


def _is_said(line: str) -> bool:
    """Whether a line is or goes on with a sentence."""
    return (
        len(line) > _LONGEST_BELOW
        or (len(line.split()) > _MOST_BELOW and line != line.upper())
        or (line[0].islower() and not _is_contact(line))
        or (line.endswith((".", "!", "?", ";")) and not _COMPANY.search(line) and not _is_contact(line))
    )


def _is_signed(line: str) -> bool:
    """Whether a line can stand in a signature: a name, a firm, a way to reach it, a device."""
    if len(line) > _LONGEST_BELOW:
        return _is_device(line)
    return _is_contact(line) or _is_name(line) or _is_device(line)


def _is_contact(line: str) -> bool:
    """Whether a line is a telephone number, an address or a link, perhaps with a label or name before it."""
    if len(line) > _LONGEST_BELOW:
        return False
    rest, count = _CONTACT.subn(" ", line)
    return count > 0 and _few(_LABEL.sub("", rest)) <= 2


def _few(rest: str) -> int:
    """How many words of a sentence are left: those that begin with a small letter."""
    return sum(word[0].islower() and len(word) > 1 for word in re.findall(r"[^\W\d_]+", rest))


def _is_name(line: str) -> bool:
    """Whether a line is a name, a firm, a place: few words, of which most begin with a capital letter or are
    of a writing that has none."""
    words = re.findall(r"[^\W\d_]+", line)
    if not words or len(words) > _MOST_WORDS_OF_NAME or len(line) > _LONGEST_BELOW or ":" in line:
        return False
    if line.endswith(_ENDS_SENTENCE) and not (_COMPANY.search(line) or (line[-1] == "," and len(words) <= 3)):
        return False
    if words[0][0].islower():
        return False
    caseless = not any(word[0].islower() or word[0].isupper() for word in words)
    if caseless:
        return len(line) <= 24
    small = [word for word in words if word[0].islower() and word.casefold() not in _SMALL_WORDS]
    return len(small) * 3 <= len(words) and not (len(words) == 2 and small)


def _is_device(line: str) -> bool:
    """Whether a line is what a telephone or a mail program adds by itself."""
    if len(line) > _LONGEST_DEVICE + 60 or not line.lstrip("[*(_ ").casefold().startswith(SENT_FROM):
        return False
    said = _EXCUSE.sub("", _LINK.sub("", line)).strip(" *_[]()")
    if len(said) > _LONGEST_DEVICE or len(said.split()) > _MOST_WORDS_OF_DEVICE:
        return False
    if any(sign in said for sign in (",", ":", ";", "?")):
        return False
    device = DEVICES.search(said)
    return device is not None and _OURS.search(said[: device.start()]) is None
