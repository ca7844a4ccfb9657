"""Where the signature begins in a run of lines that one person wrote: "-- " (RFC 3676 section 4.3) and its
relatives, drawn lines near the end, and what telephones add by themselves.
"""

from __future__ import annotations

from gateway.mail.phrases import SENT_FROM

_SIGNATURE_LINES = 12
_LINES_AFTER_PHONE = 4
_MOST_LINES = 40


def signature_start(segment: list[str]) -> int:
    """The index of the first signature line, `len(segment)` where there is none."""
    filled = 0
    found = len(segment)
    for at in range(len(segment) - 1, -1, -1):
        line = segment[at].strip()
        if not line:
            continue
        if segment[at].rstrip() in ("--", "—", "––"):
            return at
        drawn = (segment[at].startswith("-- ") and len(line) < 60) or (set(line) == {"_"} and len(line) >= 2)
        phone = len(line) < 120 and line.lstrip("[*(").casefold().startswith(SENT_FROM)
        if (drawn and filled <= _SIGNATURE_LINES) or (phone and filled <= _LINES_AFTER_PHONE):
            found = at
        filled += 1
        if filled > _MOST_LINES:
            break
    return found
