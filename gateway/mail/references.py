"""Message identifiers in Message-ID, In-Reply-To and References (RFC 5322 section 3.6.4).

Reads several ids in one field, folded ids, ids that a relay wrapped into encoded words (RFC 2047), ids
without angle brackets, and the prose that old clients put beside them. Ids come out without <>, without
blanks and controls, each once, in order. Linear in the length of the field; never raises.
"""

from __future__ import annotations

import re

from gateway.mail.charsets import safe
from gateway.mail.headers import decode_words, unfold

_ANGLE = re.compile(r"<([^<>]{1,2000})>")
_WORD = re.compile(r"[^\s<>,;()\"']++")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]+")
_MOST = 1000
_LONGEST = 2000


def message_ids(value: bytes) -> tuple[str, ...]:
    """The ids in a folded field value. Text beside ids in angle brackets is passed over; where there is no
    bracket, each word with an @ is one, and else the whole field if it is a single word."""
    line = unfold(value)
    text = safe(decode_words(line) if b"=?" in line else line.decode("utf-8", "replace"))
    found = [_BLANK.sub("", one) for one in _ANGLE.findall(text)]
    found = [one for one in found if one]
    if not found:
        words = [one.strip("[]") for one in _WORD.findall(text)]
        found = [one for one in words if len(one) <= _LONGEST and "@" in one[1:-1]]
        if not found and len(words) == 1 and len(words[0]) <= _LONGEST:
            found = words
    return tuple(dict.fromkeys(one for one in found if one))[-_MOST:]


def message_id(value: bytes) -> str | None:
    """The one id of a Message-ID field, None where there is none."""
    found = message_ids(value)
    return found[0] if found else None
