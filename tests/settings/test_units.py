"""Durations and sizes as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.units import parse_duration, parse_size, show_duration


@given(st.integers(0, 3660 * 86_400_000))
def test_a_shown_duration_reads_back_as_itself(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(show_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("2D", 172800),
        ("0", 0),
        ("1.5h", 5400),
        (" 250ms ", 0.25),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["30", "s", "", "1h and 3m", "-1s", "1y", "٣s", 30, None, "5 5s"])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration; write a number with its unit"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "octets"),
    [("1000", 1000), ("25MB", 25_000_000), ("64 KiB", 65536), ("1.5 gb", 1_500_000_000), (7, 7), ("0", 0)],
)
def test_sizes(text: object, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["MB", "", "-1", "1 XB", "1,5MB", True, None, 1.5])
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match="is no size; write a number with its unit"):
        parse_size(text)


@pytest.mark.parametrize("value", ["9999999d", "1000000w", "3661d", f"{10**400}d"])
def test_a_duration_beyond_ten_years_is_a_mistake(value: str) -> None:
    """Instants that are reckoned with it may not exist."""
    with pytest.raises(ValueError, match="the longest duration is ten years"):
        parse_duration(value)


def test_ten_years_are_a_duration() -> None:
    assert parse_duration("3660d") == timedelta(days=3660)
