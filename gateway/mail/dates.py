"""The Date field to an instant (RFC 5322 sections 3.3 and 4.3), also in the forms that break the grammar.

Reads the RFC's own form, ISO 8601, asctime, a missing weekday or seconds, two-digit years, dots for
colons, am and pm, month names of a dozen languages, and zones by name. A zone that cannot be read counts
as UTC. Returns None where there is no date; never raises and never looks at a clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_STANDARD = re.compile(
    r"(?:[A-Za-z]{3,9}\.?,?\s*)?(\d{1,2})[ -]([A-Za-z]{3})[a-z]*[ -](\d{4})\s+(\d{1,2}):(\d\d)(?::(\d\d))?"
    r"(?:\.\d+)?\s*([+-]\d{4})(?:\s*\(.*\))?\s*"
)
_ISO = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T\s]+(\d{1,2}):(\d\d)(?::(\d\d))?(?:[.,]\d+)?)?\s*(.*)"
)
_TIME = re.compile(r"(\d{1,2})[:.](\d\d)(?:[:.](\d\d))?(?:[.,]\d+)?(?:\s*([AaPp])\.?[Mm]\b\.?)?")
_OFFSET = re.compile(r"(?:GMT|UTC)?\s*([+-])\s?(\d{1,2}):?(\d\d)\b")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_COMMENT = re.compile(r"\([^()]{0,100}\)")
_MONTH_NAMES = (
    "jan january januar janvier enero gennaio janeiro januari ledna stycznia янв января led sty ene gen",
    "feb february februar février fevrier febrero febbraio fevereiro februari února lutego фев февраля fév",
    "mar march märz mars marzo março maart března marca мар марта mär mrz mrt",
    "apr april avril abril aprile dubna kwietnia апр апреля avr abr",
    "may mai mayo maggio maio mei maj května maja мая май mag",
    "jun june juni juin junio giugno junho června czerwca июн июня giu",
    "jul july juli juillet julio luglio julho července lipca июл июля lug juil",
    "aug august août aout agosto augustus srpna sierpnia авг августа ago",
    "sep sept september septembre septiembre settembre setembro září września сен сентября set",
    "oct october oktober octobre octubre ottobre outubro října października окт октября okt ott out",
    "nov november novembre noviembre novembro listopadu listopada ноя ноября",
    "dec december dezember décembre decembre diciembre dicembre dezembro prosince grudnia дек декабря dez"
    " dic déc",
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_ZONES = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 60, "bst": 60, "ist": 330, "cet": 60, "met": 60,
    "mez": 60, "cest": 120, "mest": 120, "mesz": 120, "sast": 120, "eet": 120, "eest": 180, "msk": 180,
    "msd": 240, "trt": 180, "pkt": 300, "ict": 420, "wib": 420, "hkt": 480, "sgt": 480, "awst": 480,
    "jst": 540, "kst": 540, "acst": 570, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "nst": -210,
    "ndt": -150, "ast": -240, "adt": -180, "brt": -180, "art": -180, "est": -300, "edt": -240, "cst": -360,
    "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600,
}  # fmt: skip


def parse_date(value: str) -> datetime | None:
    """The instant, aware, UTC."""
    value = value[:200].strip()
    found = _STANDARD.fullmatch(value)
    if found is not None and (month := _MONTHS.get(found[2].lower())):
        day, year, hour, minute = int(found[1]), int(found[3]), int(found[4]), int(found[5])
        return _instant((year, month, day, hour, minute, int(found[6] or 0)), _offset(found[7]))
    value = _COMMENT.sub(" ", value)
    found = _ISO.match(value)
    if found is not None:
        year, month, day, hour, minute, second = (int(number or 0) for number in found.groups()[:6])
        return _instant((year, month, day, hour, minute, second), _offset(found[7]))
    return _loose(value)


def _loose(value: str) -> datetime | None:
    time = _TIME.search(value)
    hour = minute = second = 0
    rest, zone = value, ""
    if time is not None:
        hour, minute, second = int(time[1]), int(time[2]), int(time[3] or 0)
        if time[4]:
            hour = hour % 12 + (12 if time[4] in "pP" else 0)
        rest, zone = value[: time.start()] + " " + value[time.end() :], value[time.end() :]
    month, numbers = 0, []
    for word in _WORD.findall(_OFFSET.sub(" ", rest)):
        if word.isdigit():
            numbers.append(word)
        elif not month:
            month = _MONTHS.get(word.lower(), 0)
    if not month or len(numbers) < 2:
        return None
    first, second_number = numbers[0], numbers[1]
    day, year = (int(second_number), first) if len(first) == 4 else (int(first), second_number)
    return _instant((_year(year), month, day, hour, minute, second), _offset(zone))


def _year(digits: str) -> int:
    """RFC 5322 section 4.3: two digits are 1950 to 2049, three count from 1900."""
    year = int(digits[:6])
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _offset(zone: str) -> int:
    """Minutes east of UTC."""
    found = _OFFSET.search(zone)
    if found is not None:
        minutes = int(found[2]) * 60 + int(found[3])
        return (-minutes if found[1] == "-" else minutes) if minutes < 24 * 60 else 0
    for word in _WORD.findall(zone):
        if (offset := _ZONES.get(word.lower())) is not None:
            return offset
    return 0


def _instant(local: tuple[int, int, int, int, int, int], offset: int) -> datetime | None:
    year, month, day, hour, minute, second = local
    zone = timezone(timedelta(minutes=offset))
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
