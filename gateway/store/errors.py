"""What can go wrong with the database, as the rest of the house sees it."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\w+://[^\s\"']*")


class StoreTrouble(Exception):
    """The database cannot be used now; nothing was changed. `public` holds no secret and no SQL."""

    def __init__(self, public: str) -> None:
        super().__init__(public)
        self.public = public


def cause_of(trouble: BaseException) -> str:
    """What lies behind a trouble, for logs and admins: the first line that the driver or the system said,
    empty where nothing did. An address (URL) is left out of it, as a password may stand there."""
    said = str(trouble.__cause__ or "").strip().partition("\n")[0]
    return _ADDRESS.sub("(address)", said)


class LeaseLost(Exception):
    """The row that was to be changed is no longer ours: our lease ended and another node took it, or an
    admin did something to it. Nothing was changed."""


class Conflict(Exception):
    """Somebody else wrote the same thing meanwhile (a unique key stood in the way). Nothing was changed;
    doing it again finds what is there."""
