"""The kinds of trouble with a mail source that a caller has to tell apart.

All are `ports.SourceTrouble`. A plain one means that the connection is of no more use: close it, wait,
connect again. `SourceRefused` means that the server said no to one command: the connection lives on, and
so do the other folders. `LoginRefused` and `AccessRevoked` need a person.
"""

from __future__ import annotations

import re

from gateway.ports import SourceTrouble

_NOT_PLAIN = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


class SourceRefused(SourceTrouble):
    """The server refused this one command (NO or BAD, RFC 3501 section 7.1), or its folder cannot be used."""


class LoginRefused(SourceTrouble):
    """The server does not take our user and password or token."""


class AccessRevoked(SourceTrouble):
    """The refresh token, or our registration with the provider, is no longer valid: waiting cannot help."""


def one_line(text: object, limit: int = 200) -> str:
    """What a neighbour said, fit for a log line: printable, one line, at most `limit` characters."""
    plain = " ".join(_NOT_PLAIN.sub(" ", str(text)).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
