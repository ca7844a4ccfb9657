"""What is told of a trouble with the database: the driver's first line, and no address."""

from __future__ import annotations

import pytest

from gateway.store.errors import StoreTrouble, cause_of


def trouble(cause: Exception | None) -> StoreTrouble:
    try:
        raise StoreTrouble("the database cannot be used now") from cause
    except StoreTrouble as raised:
        return raised


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (None, ""),
        (OSError("disk I/O error"), "disk I/O error"),
        (OSError("connection refused\n\tIs the server running?"), "connection refused"),
        (
            OSError('missing "=" after "postgresql://desk:tr0ub4dor@db/desk" in connection info'),
            'missing "=" after "(address)" in connection info',
        ),
    ],
)
def test_the_first_line_of_the_cause_is_told(cause: Exception | None, told: str) -> None:
    assert cause_of(trouble(cause)) == told
