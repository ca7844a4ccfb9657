"""What commands print: tables, shortened text, colour on a terminal, JSON.

Mail is written by strangers, and a terminal obeys what it is shown: `clean` takes out everything that is
no visible text (escape sequences, other controls, signs that turn the direction of writing). All that
comes out of a mail goes through it before it is printed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]+"
)
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_NARROWEST, _WIDEST = 40, 200


def clean(text: str | None) -> str:
    """`text` on one line, fit for a terminal."""
    return _UNSEEN.sub(" ", text).strip() if text else ""


def clean_lines(text: str) -> list[str]:
    """The lines of `text`, each fit for a terminal, tabs as spaces."""
    return [_UNSEEN.sub(" ", line.expandtabs(4)).rstrip() for line in text.splitlines()]


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def shorten(text: str, width: int) -> str:
    """`text` cut to `width` columns, with … where something is left out."""
    if cells(text) <= width:
        return text
    taken, used = [], 0
    for sign in text:
        used += cells(sign)
        if used >= width:
            break
        taken.append(sign)
    return "".join(taken).rstrip() + "…"


def screen_width() -> int:
    """Columns to print in; 80 where that cannot be told."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))


class Paint:
    """Colours text where `on`; `Paint.for_stdout()` is on for a terminal without NO_COLOR."""

    def __init__(self, on: bool) -> None:
        self._on = on

    @classmethod
    def for_stdout(cls) -> Paint:
        """What the standard output of this process takes."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(sys.stdout.isatty() and not plain)

    def __call__(self, text: str, *names: str) -> str:
        """`text` in these colours: bold, dim, red, green, yellow, cyan."""
        if not self._on or not text or not names:
            return text
        return f"\x1b[{';'.join(_COLOURS[name] for name in names)}m{text}\x1b[0m"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], flexible: int, width: int | None = None) -> str:
    """Rows under a head, columns two spaces apart; column `flexible` is cut so that all of it fits into
    `width`. The texts are cleaned."""
    width = screen_width() if width is None else width
    shown = [[clean(text) for text in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip(head, *shown, strict=True)]
    others = sum(widths) - widths[flexible] + 2 * (len(head) - 1)
    widths[flexible] = max(min(widths[flexible], width - others), len(head[flexible]), 8)
    lines = []
    for row in (head, *shown):
        texts = [shorten(text, widths[at]) for at, text in enumerate(row)]
        padded = [text + " " * (widths[at] - cells(text)) for at, text in enumerate(texts)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def passage(text: str, most: int | None, width: int, indent: str) -> list[str]:
    """Lines of a mail's text behind `indent`, at most `most` of them (None: all, in full)."""
    lines = clean_lines(text)
    room = width - cells(indent)
    if most is None:
        return [f"{indent}{line}" for line in lines]
    shown = [f"{indent}{shorten(line, room)}".rstrip() for line in lines[:most]]
    if len(lines) > most:
        shown.append(f"{indent}… {len(lines) - most} more lines (--full shows them)")
    return shown


def size(octets: int) -> str:
    """Octets as people say them."""
    for unit, limit in (("B", 1), ("kB", 1000), ("MB", 1_000_000)):
        if octets < limit * 1000 or unit == "MB":
            return f"{octets} B" if unit == "B" else f"{octets / limit:.{0 if unit == 'kB' else 1}f} {unit}"
    raise AssertionError("the last unit takes all")


def local(at: datetime | None, zone: ZoneInfo) -> str:
    """An instant as "2026-11-23 09:15" in the desk's zone."""
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def instant(at: datetime) -> str:
    """An instant as "2026-11-23T08:15:00Z"."""
    from datetime import UTC

    text = at.astimezone(UTC).isoformat(timespec="seconds" if at.microsecond == 0 else "milliseconds")
    return text.removesuffix("+00:00") + "Z"


def as_json(value: Any, indent: int | None = 2) -> str:
    """JSON in ASCII, so that any locale takes it and no terminal obeys it; instants as `instant`."""
    return json.dumps(value, indent=indent, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return instant(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def forgiving_output() -> None:
    """Let standard output show "?" for what its encoding does not know, in place of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
