"""`ticketgate run` that kills itself: `python -m tests.crash.dying POINT NTH CONFIG_FOLDER`.

At the NTH time that POINT is reached the process sends itself SIGKILL: no handler runs, nothing is
flushed, no connection is closed in good order. Everything else is the product as it is.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import pipeline
from gateway.admin.run import run
from gateway.delivery.hand_over import WireSubmitter
from gateway.delivery.wire import Wire
from gateway.intake.imap_source import ImapSource
from gateway.store.change import Change
from gateway.store.mailboxes import Mailboxes
from gateway.store.outbox import Outbox
from gateway.store.spool import Spool

MARKER = b"X-Deadly: yes"


@dataclass(frozen=True, slots=True)
class Point:
    """Where: before or after a call of `owner.name`. Empty answers of it do not count."""

    owner: type
    name: str
    after: bool


BEFORE, AFTER = False, True
POINTS: dict[str, Point] = {
    "mail fetched, nothing stored": Point(Spool, "accept", BEFORE),
    "mail stored, not committed": Point(Spool, "_accept_one", AFTER),
    "mail accepted, folder state not saved": Point(Spool, "accept", AFTER),
    "folder state saved, mail not flagged": Point(ImapSource, "settle", BEFORE),
    "mail flagged, not recorded as settled": Point(ImapSource, "settle", AFTER),
    "mail recorded as settled": Point(Mailboxes, "settled", AFTER),
    "mail leased": Point(Spool, "lease", AFTER),
    "mail understood, change not begun": Point(Change, "apply", BEFORE),
    "ticket written, not committed": Point(Spool, "done", AFTER),
    "ticket and answers committed": Point(Change, "apply", AFTER),
    "outgoing mail leased": Point(Outbox, "lease", AFTER),
    "recipient told, before the mail itself": Point(WireSubmitter, "_send_mail", BEFORE),
    "final dot sent, reply not read": Point(Wire, "final_reply", BEFORE),
    "reply read, not recorded": Point(WireSubmitter, "submit", AFTER),
    "recorded, not committed": Point(Outbox, "_record", AFTER),
    "recorded as sent": Point(Outbox, "sent", AFTER),
}


def die() -> None:
    """No exit code, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point: Point, nth: int) -> None:
    """Arrange it."""
    real: Callable[..., Any] = getattr(point.owner, point.name)
    times: Iterator[int] = itertools.count(1)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if not point.after and next(times) == nth:
            die()
        answer = real(*arguments, **named)
        if point.after and answer != [] and next(times) == nth:
            die()
        return answer

    setattr(point.owner, point.name, wrapped)


def die_of_marked_mail() -> None:
    """Each time that a mail with the marker is looked at."""

    def look(work: pipeline.Work) -> None:
        if MARKER in bytes(work.raw):
            die()

    pipeline.UNDERSTAND = (pipeline.Stage("look", look), *pipeline.UNDERSTAND)


if __name__ == "__main__":
    if sys.argv[1] == "marked mail":
        die_of_marked_mail()
    else:
        die_at(POINTS[sys.argv[1]], int(sys.argv[2]))
    sys.exit(run(Path(sys.argv[3])))
