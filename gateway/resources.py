"""Where the shipped folders are: `templates`, `config` (the example) and `systemd`.

In a checkout they stand beside the package; in an installed wheel they travel inside it, under `_shipped`.
Raises FileNotFoundError where neither holds them: the installation is broken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: Literal["templates", "config", "systemd"]) -> Path:
    """The shipped folder of this name."""
    for folder in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the shipped folder {name} is missing from this installation")


def systemd_folder() -> Path:
    """The example units."""
    return shipped("systemd")


def templates_folder() -> Path:
    """The shipped templates of mails."""
    return shipped("templates")


def config_folder() -> Path:
    """The commented example config."""
    return shipped("config")
