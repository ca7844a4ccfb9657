"""`ticketgate explain`: what the desk would do with a mail, and why, stage by stage.

It runs the pipeline of the daemon on mails from files, and needs no database: nothing is known of tickets,
so each person's mail opens ticket number 1. Nothing is written, also no signing key: the desk's own keys are
used where they can be read, else one that lasts for this call.

A mail that breaks a stage is told as an error with what was understood before it, and the next one goes on.
Exit code: 0; 66 a path cannot be read; 70 a stage broke on a mail, which is a fault of ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.admin.mail_files import Found, mails
from gateway.admin.opened import fail
from gateway.admin.options import ConfigOption, JsonOption, load_or_exit
from gateway.admin.tables import Paint, as_json, forgiving_output, screen_width

if TYPE_CHECKING:
    from gateway.admin.explain_object import Explained
    from gateway.pipeline import Policy
    from gateway.settings.load import Loaded
    from gateway.settings.model import Settings


def explain(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, folders, mboxes, Maildirs; - or none is standard input."),
    ] = None,
    config: ConfigOption = None,
    as_array: JsonOption = False,
    as_lines: Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a mail and line.")] = False,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="The instant to judge at (2026-11-23T09:15, in the desk's zone unless it has an offset).",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show texts whole.")] = False,
) -> int:
    """Show what the desk would do with a mail, and why. Needs no database and changes nothing.

    Examples:

        ticketgate explain mail.eml

        ticketgate explain --jsonl ~/Maildir | jq -r 'select(.screen.verdict != "accept") | .file'

        ssh mx cat /var/spool/odd.eml | ticketgate explain
    """
    if as_array and as_lines:
        raise typer.BadParameter("give one of --json and --jsonl")
    forgiving_output()
    if not paths and sys.stdin.isatty():
        print("reading a mail from the terminal; end it with Ctrl-D", file=sys.stderr)
    loaded = load_or_exit(config)
    now = _instant(at, loaded.settings)
    explained = explain_mails(loaded, mails(paths or ()), now)
    if as_lines:
        return _print_lines(explained)
    return _print_array(explained) if as_array else _print_pages(explained, full)


def explain_mails(loaded: Loaded, found: Iterable[Found], now: datetime | None) -> Iterator[Explained]:
    """Each mail through the pipeline, one after the other. `now` None: when its turn comes."""
    from gateway.admin.explain_object import explain_mail
    from gateway.notices.render import TemplateMistake
    from gateway.runtime import SystemClock, SystemIds

    clock, ids = SystemClock(), SystemIds()
    policy = _policy(loaded)
    for mail in found:
        try:
            yield explain_mail(mail, policy, ids, now or clock.now())
        except TemplateMistake as mistake:
            raise fail(str(mistake), os.EX_CONFIG) from mistake


def _policy(loaded: Loaded) -> Policy:
    from gateway.admin.signing import readable_signer
    from gateway.pipeline import Policy
    from gateway.runtime import SystemIds

    signer = readable_signer(loaded, SystemIds())
    return Policy(loaded.settings, signer, loaded.folder / "templates")


def _instant(text: str | None, settings: Settings) -> datetime | None:
    if text is None:
        return None
    from zoneinfo import ZoneInfo

    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--at {text}: write an instant such as 2026-11-23T09:15+01:00") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(settings.desk.timezone))


def _print_lines(explained: Iterable[Explained]) -> int:
    code = os.EX_OK
    for one in explained:
        sys.stdout.write(as_json(one.value, indent=None) + "\n")
        sys.stdout.flush()
        code = code or one.exit_code
    return code


def _print_array(explained: Iterable[Explained]) -> int:
    code, separator = os.EX_OK, "["
    for one in explained:
        sys.stdout.write(f"{separator}\n{as_json(one.value)}")
        code, separator = code or one.exit_code, ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")
    return code


def _print_pages(explained: Iterable[Explained], full: bool) -> int:
    from gateway.admin.explain_view import page, summary

    code, verdicts = os.EX_OK, list[str]()
    paint, width = Paint.for_stdout(), screen_width()
    for one in explained:
        print(page(one, paint, width, full), flush=True)
        verdicts.append(one.value["screen"]["verdict"] if one.value["screen"] else "error")
        code = code or one.exit_code
    if len(verdicts) != 1:
        print(summary(verdicts))
    return code
