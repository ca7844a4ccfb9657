"""A subject without what mail programs and we have put around it."""

from __future__ import annotations

import re

_PREFIX = re.compile(
    r"(?:re|aw|sv|antw|odp|vs|ynt|res|rif|fwd?|wg|fw)\s{0,3}(?:\[\d{1,3}\])?\s{0,3}:\s*", re.IGNORECASE
)
_ANY_TAG = re.compile(r"\[[A-Z][A-Z0-9]{0,15}-\d{1,12}-[a-z2-7]{5}\]\s*", re.ASCII | re.IGNORECASE)


def base_subject(subject: str) -> str:
    """The subject without "Re:" and the like and without our tags."""
    shorter = _ANY_TAG.sub("", subject[:2000]).strip()
    while (found := _PREFIX.match(shorter)) is not None:
        shorter = shorter[found.end() :].strip()
    return shorter[:500]
