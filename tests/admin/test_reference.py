"""The reference pages tell what the code says now."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tools"))

import reference  # noqa: E402


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_not_stale(name: str) -> None:
    page = REPO / "docs" / "reference" / name
    assert page.is_file(), "run: python tools/reference.py"
    assert page.read_text(encoding="utf-8") == reference.PAGES[name](), "run: python tools/reference.py"


def test_each_key_has_a_meaning() -> None:
    rows = [line for line in reference.config_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert not [row for row in rows if not row.split(" | ")[1].strip()]


def test_each_link_leads_to_a_heading() -> None:
    import re

    page = reference.config_page()
    headings = {reference._anchor(line[3:]) for line in page.splitlines() if line.startswith("## ")}
    assert headings
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= headings


def test_a_stale_page_is_told_by_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(reference, "PAGES", {"config.md": reference.config_page})
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])
    assert reference.main() == 1
    monkeypatch.setattr(sys, "argv", ["reference.py"])
    assert reference.main() == 0
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])
    assert reference.main() == 0
