"""The command `ticketgate`: a table of commands, of which only the called one is loaded.

A command is a function that takes its options as typer parameters, or a `typer.Typer` of several such
functions. It may return its exit code; None is success. Exit codes are those of sysexits: 64 wrong usage, 70
an error of ours (its traceback is on standard error), 78 mistakes in the config. A command that an MTA calls
has 75 (try again later) in place of 64 and 70, so that no mail bounces for a trouble of ours.

Every file that a command makes is its owner's alone (umask 077): mail, keys and tickets are nobody else's.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer._click.exceptions import ClickException  # typer has no public name for it
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

NAME = "ticketgate"
_YOUNG = 50_000
"""New objects after which the youngest are looked at, in a command. The daemon has a number of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: where it stands ("module:attribute"), its line in --help, and the exit code of wrong usage
    and of our own errors (None: sysexits' own)."""

    name: str
    target: str
    help: str
    trouble_code: int | None = None


COMMANDS = (
    Entry("run", "gateway.admin.run:run", "Start the daemon."),
    Entry("check", "gateway.admin.check:check", "Check the config files and everything that they name."),
    Entry("accept", "gateway.admin.accept:accept", "Take one mail from standard input.", os.EX_TEMPFAIL),
    Entry("explain", "gateway.admin.explain:explain", "Show what the desk would do with a mail, and why."),
    Entry("tickets", "gateway.admin.tickets:app", "List, show and search tickets."),
    Entry("queue", "gateway.admin.queue:app", "List, show, retry, release and drop waiting mail."),
    Entry("send", "gateway.admin.send:send", "Send a test mail by the configured way out."),
)
_ENTRIES = {entry.name: entry for entry in COMMANDS}


def load_command(entry: Entry) -> Any:
    """The click command of `entry`, imported now."""
    module, _, attribute = entry.target.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        # Without this, rich would be imported for each --help and each mistake.
        found.rich_markup_mode = None
        command: Any = get_group(found)
    else:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(entry.name)(found)
        command = get_command(app)
    command.name = entry.name
    return command


class LazyGroup(TyperGroup):
    """Holds a stub for each command, enough for --help, completion and "did you mean"; the command that is
    called is loaded in its place."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for entry in COMMANDS:
            self.add_command(TyperCommand(entry.name, help=entry.help, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that `args` call, loaded."""
        name, stub, rest = super().resolve_command(ctx, args)
        if name is not None and stub is not None:
            return name, load_command(_ENTRIES[name]), rest
        return name, stub, rest


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        from gateway import __version__

        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=False)
def _frame(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    """A help desk that lives entirely in e-mail."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` (default: those of the process) call; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    entry = _ENTRIES.get(given[0]) if given else None
    trouble_code = entry.trouble_code if entry else None
    umask = os.umask(0o077)
    thresholds = gc.get_threshold()
    _start_quickly()
    try:
        code = get_command(app).main(args=given, prog_name=NAME, standalone_mode=False)
    except typer.Abort:
        print("aborted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read us has gone; without this, the flush at exit would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ClickException as error:
        error.show()
        return trouble_code or os.EX_USAGE
    except Exception:  # noqa: BLE001 — the last door: everything else is an error of ours
        traceback.print_exc()
        return trouble_code or os.EX_SOFTWARE
    finally:
        os.umask(umask)
        gc.set_threshold(*thresholds)
        if arguments is None:
            # the process ends now, and would look for garbage once more among all that it has ever imported
            gc.freeze()
    return code if isinstance(code, int) else 0


def _start_quickly() -> None:
    """What costs each command a tenth of its start and is of no use to it: pydantic's search of all installed
    packages for plugins (we have none), and looking for garbage among what is being imported."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(_YOUNG, 20, 20)


def program() -> str:
    """How to call us again from the same shell: the script as it was called, or the plain name where the PATH
    leads to it."""
    from shlex import quote
    from shutil import which

    called = sys.argv[0]
    if os.path.basename(called) != NAME:
        return NAME
    found = which(NAME)
    if found is not None and os.path.exists(called) and os.path.samefile(found, called):
        return NAME
    return quote(called)
