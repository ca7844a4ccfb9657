"""Reading what IMAPClient's parser makes of a server's answers, without trust in their shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def number(value: object) -> int | None:
    """`value` where it is a number of the protocol (not negative), or None."""
    return value if isinstance(value, int) and value >= 0 else None


def body(entry: Mapping[bytes, Any]) -> tuple[bytes | None, int | None]:
    """(octets, offset) of BODY[] or BODY[]<offset> in a FETCH response. Octets are None where there are none
    or NIL, the offset is None for a whole message."""
    for key, value in entry.items():
        if key.startswith(b"BODY[]"):
            origin = key[6:].strip(b"<>")
            octets = value if isinstance(value, bytes) else None
            return octets, int(origin) if origin.isdigit() else None
    return None, None


def news(answers: Sequence[Any]) -> bool:
    """Whether an EXISTS or RECENT is among the untagged responses."""
    return any(len(answer) > 1 and answer[1] in (b"EXISTS", b"RECENT") for answer in answers)
