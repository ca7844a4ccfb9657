"""What the stories share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk in a folder of its own, not yet started; its log stands beside a failure."""
    one = Desk(tmp_path)
    yield one
    one.close()
    for path in sorted(tmp_path.glob("*.log")):
        print(f"--- {path.name}\n{path.read_text()}")
