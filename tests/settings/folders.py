"""Config folders for tests: a right one, and what a test changes in it."""

from __future__ import annotations

from pathlib import Path

from gateway.settings.load import Loaded, load
from gateway.settings.mistakes import ConfigMistakes

RIGHT = """\
desk:
  address: desk@example.com
queues:
  - name: support
    addresses: [support@example.com]
security:
  agent_trust: signed
delivery:
  via: {type: maildir}
"""
AGENTS = """\
agents:
  - name: petra
    display_name: Petra
    address: petra@example.com
"""


def folder_with(where: Path, files: dict[str, str] | None = None) -> Path:
    """A right config folder, with `files` (name → text) in place of or beside its own."""
    for name, text in ({"gateway.yaml": RIGHT, "agents.yaml": AGENTS} | (files or {})).items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return where


def loaded(where: Path, files: dict[str, str] | None = None) -> Loaded:
    return load(folder_with(where, files))


def in_folder(where: Path, line: object) -> str:
    """The line without the folder, which must stand before the name of the file."""
    assert str(line).startswith(f"{where}/"), line
    return str(line).removeprefix(f"{where}/")


def mistakes(where: Path, files: dict[str, str]) -> list[str]:
    """The lines that loading such a folder tells, each without the folder before it."""
    try:
        load(folder_with(where, files))
    except ConfigMistakes as told:
        return [in_folder(where, line) for line in str(told).split("\n")]
    return []
