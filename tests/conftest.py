"""What all tests share: the fixtures that start real servers, the mark of the tests that use them, and the
servers' logs beside a failure."""

from __future__ import annotations

from collections.abc import Generator

import pytest

pytest_plugins = [
    "tests.peers.process",
    "tests.peers.certificates",
    "tests.peers.dovecot",
    "tests.peers.postgres",
    "tests.peers.postfix",
    "tests.peers.tools",
]

_SERVERS = ("dovecot", "postfix", "postgres")
_PEERS = {*_SERVERS, "smtp_sink", "postgres_database", "swaks"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark with `peers` each test that asks for a real server, so that `-m 'not peers'` leaves it out."""
    for item in items:
        if _PEERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.peers)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the end of the logs of a failed test's servers into its report."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if name in _SERVERS:
                end = "\n".join(value.log().splitlines()[-60:])
                report.sections.append((f"log of {name}", end))
    return report
