"""Desks to be killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.house import House
from tests.crash.sink import Sink
from tests.desk import Desk

MakeHouse = Callable[..., House]
AGENTS = [
    {"name": name, "display_name": name.capitalize(), "address": f"{name}.private@example.test"}
    for name in ("petra", "pavel")
]


@pytest.fixture(scope="session")
def pycache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled code of all daemons that are started here."""
    return tmp_path_factory.mktemp("pycache")


@pytest.fixture
def make_house(tmp_path: Path, pycache: Path) -> Iterator[MakeHouse]:
    """Makes the house of this test; it is gone with the test."""
    desk = Desk(tmp_path, agents=AGENTS)
    with Sink() as sink:

        def make(protocol: str = "", **more: Any) -> House:
            house = House(desk, sink, pycache=pycache, **more)
            if protocol:
                house.smtp_port = desk.listener(protocol, protocol)
            if house.url:
                house.migrate()
            return house

        try:
            yield make
        finally:
            desk.close()
