"""Why a message was left on the server: the short texts in `FolderState.left`, written and read.

    too_large size=61234567            waits until `max_size` allows it
    not_given tries=2 next=<instant>   the server did not give it; tried again at `next`
    first_contact older=37             at UID 0, which no message has: the first look at the folder is not
                                       finished; this many older mails were left so far
    uidvalidity older=37               the same, after the server renumbered the folder

An unknown text (from a later version, or an admin's hand) is kept and never acted on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_LOOK = 0
"""The UID under which an unfinished first look is noted."""
TELL_AFTER = 3
"""Tries after which admins are told that a message cannot be had."""

_TOO_LARGE = re.compile(r"too_large size=(\d+)", re.ASCII)
_NOT_GIVEN = re.compile(r"not_given tries=(\d+) next=(\S+)", re.ASCII)
_LOOK = re.compile(r"(first_contact|uidvalidity) older=(\d+)", re.ASCII)
_LONGEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NotGiven:
    """A message that was asked for `tries` times in vain, to be tried again at `next_at`."""

    tries: int
    next_at: datetime

    def __str__(self) -> str:
        return f"not_given tries={self.tries} next={self.next_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Look:
    """A first look under way. `why`: first_contact or uidvalidity."""

    why: str
    older: int

    def __str__(self) -> str:
        return f"{self.why} older={self.older}"


def too_large(size: int) -> str:
    """The reason of a message of `size` octets."""
    return f"too_large size={size}"


def size_of(reason: str | None) -> int | None:
    """The size in a `too_large` reason, or None for another one."""
    match = _TOO_LARGE.fullmatch(reason or "")
    return int(match[1]) if match else None


def not_given(reason: str | None, now: datetime) -> NotGiven:
    """The next reason of a message that was not given, after `reason`. At once the first time (a whole batch
    may be suspected for one message), then after 1, 2, 4 … minutes, at most a day."""
    before = parse_not_given(reason)
    tries = before.tries + 1 if before else 1
    pause = timedelta() if tries == 1 else min(_LONGEST, timedelta(minutes=2 ** min(tries - 2, 20)))
    return NotGiven(tries, now + pause)


def parse_not_given(reason: str | None) -> NotGiven | None:
    """A `not_given` reason, or None for another one."""
    match = _NOT_GIVEN.fullmatch(reason or "")
    if not match:
        return None
    try:
        next_at = datetime.fromisoformat(match[2])
    except ValueError:
        return None
    return NotGiven(int(match[1]), next_at) if next_at.tzinfo else None


def parse_look(reason: str | None) -> Look | None:
    """A first look's note, or None where none is under way."""
    match = _LOOK.fullmatch(reason or "")
    return Look(match[1], int(match[2])) if match else None
