"""Durations and sizes with units, and file modes, as people write them in config files."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from gateway.settings.words import Says

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE_UNITS = {
    "": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3,
}  # fmt: skip
_DURATION_TERM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])", re.ASCII)
_MODE = re.compile(r"(?:0o?)?([0-7]{3})", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)


LONGEST = timedelta(days=3660)
"""Beyond ten years a duration is a slip, and instants that are reckoned with it may not exist."""


def parse_duration(value: object) -> object:
    """ "90s", "5m", "1h 30m", "2d" → timedelta. A bare number has no unit, so it is a mistake (0 is not),
    and so is what goes beyond `LONGEST`."""
    if isinstance(value, timedelta):
        return value
    if value in (0, "0"):
        return timedelta()
    if isinstance(value, str) and (text := value.strip().lower()):
        terms = _DURATION_TERM.findall(text)
        if terms and not _DURATION_TERM.sub("", text).strip():
            seconds = sum(float(number) * _DURATION_UNITS[unit] for number, unit in terms)
            if seconds > LONGEST.total_seconds():
                raise ValueError(f"{value!r} is too long; the longest duration is ten years: 3660d")
            return timedelta(seconds=seconds)
    raise ValueError(f"{value!r} is no duration; write a number with its unit: 30s, 5m, 2h, 3d, 1w")


def parse_size(value: object) -> object:
    """ "25 MB", "64KiB", 1000 → octets."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        unit = found[2].upper()
        if unit in _SIZE_UNITS:
            return int(float(found[1]) * _SIZE_UNITS[unit])
    raise ValueError(f"{value!r} is no size; write a number with its unit: 64KB, 25MB, 1GiB")


def show_duration(value: timedelta) -> str:
    """The duration in the form in which `parse_duration` reads it: "1h 30m"."""
    seconds = value.total_seconds()
    shown = []
    for unit in ("w", "d", "h", "m", "s"):
        count, seconds = divmod(seconds, _DURATION_UNITS[unit])
        if count:
            shown.append(f"{int(count)}{unit}")
    if seconds:
        shown.append(f"{round(seconds * 1000)}ms")
    return " ".join(shown) or "0s"


def parse_mode(value: object) -> object:
    """ "0660", "660", "0o660" → permissions. Always octal, whatever YAML makes of the digits."""
    if isinstance(value, str) and (found := _MODE.fullmatch(value.strip())):
        return int(found[1], 8)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777:
        return value
    raise ValueError(f"{value!r} is no file mode; write three octal digits: 0660")


FileMode = Annotated[
    int,
    Field(ge=0, le=0o777),
    BeforeValidator(parse_mode),
    PlainSerializer(lambda mode: f"{mode:04o}", return_type=str),
    Says("a file mode in octal digits, such as 0660"),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration, return_type=str),
    Says("a number with its unit, such as 30s, 5m, 2h, 3d"),
]
Wait = Annotated[
    timedelta,
    Field(gt=timedelta()),
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration, return_type=str),
    Says("a number with its unit, such as 30s, 5m, 2h, 3d, and more than 0"),
]
Size = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(parse_size),
    Says("a number of octets, or a number with its unit, such as 64KB, 25MB, 1GiB"),
]
