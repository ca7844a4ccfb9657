"""What all commands share: the option --config, and the way a config is found and loaded.

The config is `--config`, else $TICKETGATE_CONFIG, else ./config where it holds a gateway.yaml, else
/etc/ticketgate, else the example that is shipped.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.settings.load import Loaded

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="DIR",
        envvar="TICKETGATE_CONFIG",
        help="The config folder. Without it: ./config, /etc/ticketgate, or the shipped example.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_PLACES = (Path("config"), Path("/etc/ticketgate"))


def config_folder(given: Path | None) -> Path:
    """The config folder of this call; `given` is what --config says."""
    if given is not None:
        return given
    for place in _PLACES:
        if (place / "gateway.yaml").is_file():
            return place
    from gateway.resources import config_folder as example

    return example()


def load_or_exit(given: Path | None, exit_code: int = os.EX_CONFIG) -> Loaded:
    """The config of this call. With mistakes in it, prints them on standard error and ends the command with
    `exit_code` (a command that an MTA calls gives EX_TEMPFAIL, so that no mail bounces for our mistake)."""
    from gateway.settings.load import load
    from gateway.settings.mistakes import ConfigMistakes

    folder = config_folder(given)
    try:
        return load(folder)
    except ConfigMistakes as mistakes:
        print(mistakes, file=sys.stderr)
        print(f"the config in {folder} cannot be used", file=sys.stderr)
        raise typer.Exit(exit_code) from mistakes
