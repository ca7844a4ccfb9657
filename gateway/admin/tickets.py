"""`ticketgate tickets`: list, show and search tickets. Reads the database and nothing else, also while the
daemon runs.

Exit codes: 0; 64 wrong usage; 66 there is no such ticket; 69 the database cannot be used; 78 the config is
wrong. A search that finds nothing ends with 1, as grep does.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.admin.opened import fail, label, opened, ticket_number, zone_of
from gateway.admin.options import ConfigOption, JsonOption
from gateway.admin.tables import Paint, as_json, clean, local, screen_width, shorten, table

if TYPE_CHECKING:
    from gateway.settings.model import Settings
    from gateway.store.admin_views import TicketRow

STATES = ("new", "open", "pending", "on_hold", "resolved", "closed", "merged", "spam")
_LIVE = STATES[:5]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Show at most so many.")]

app = typer.Typer(no_args_is_help=True, help="List, show and search tickets.")


@app.command("list")
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help=f"{', '.join(STATES)}, or all; may be repeated."),
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Only this queue.")] = None,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> int:
    """List tickets, the last changed first. Without --state those that are not closed, merged or spam.

    Examples:

        ticketgate tickets list

        ticketgate tickets list --state open --state pending --queue support

        ticketgate tickets list --state all --limit 1000 --json
    """
    states = _states(state or [])
    with opened(config) as (loaded, database):
        settings = loaded.settings
        from gateway.store.admin_views import AdminViews

        _known_queue(settings, queue)
        rows, total = AdminViews(database).tickets(states, queue, limit)
    if json_:
        print(as_json({"tickets": [_row_json(settings, row) for row in rows], "total": total}))
        return os.EX_OK
    if rows:
        print(_table(settings, rows))
    if total > len(rows):
        print(f"{len(rows)} of {total} tickets; --limit shows more", file=sys.stderr)
    elif not rows:
        print("no tickets", file=sys.stderr)
    return os.EX_OK


@app.command()
def show(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="1042, or DESK-1042.")],
    history: Annotated[bool, typer.Option("--history", help="Show the events too.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show texts whole, with what they quote.")] = False,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> int:
    """Show a ticket. Its people, its entries, why each mail came to it, and what went out.

    Examples:

        ticketgate tickets show 1042

        ticketgate tickets show DESK-1042 --history --full
    """
    with opened(config) as (loaded, database):
        settings = loaded.settings
        from gateway.store.admin_views import AdminViews

        wanted = ticket_number(settings, number)
        view = AdminViews(database).ticket(wanted)
        if view is None:
            raise fail(f"there is no ticket {label(settings, wanted)}", os.EX_NOINPUT)
    if json_:
        value = asdict(view)
        value["ticket"] = _row_json(settings, view.ticket)
        for entry in value["entries"]:
            entry["from"] = _person(entry.pop("from_"))
        print(as_json(value))
        return os.EX_OK
    from gateway.admin.ticket_view import page

    print(page(settings, view, Paint.for_stdout(), screen_width(), history, full))
    return os.EX_OK


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="All of them must be found.")],
    limit: LimitOption = 20,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> int:
    """Find tickets by subject, text or sender. Case and accents do not matter.

    Each word may stand in another entry of the ticket; quote words that stand together. It reads all text
    that is kept, so a large database takes a while.

    Examples:

        ticketgate tickets search printer jane@example.org

        ticketgate tickets search "paper jam"
    """
    asked = [word for word in words if word.strip()]
    if not asked:
        raise typer.BadParameter("give a word to look for")
    with opened(config) as (loaded, database):
        settings = loaded.settings
        from gateway.store.admin_views import AdminViews

        found = AdminViews(database).search(asked, limit)
    if json_:
        tickets = [
            {"ticket": _row_json(settings, one.ticket), "entry": one.entry, "line": one.line} for one in found
        ]
        print(as_json({"found": tickets}))
    elif found:
        paint, width = Paint.for_stdout(), screen_width()
        lines = _table(settings, [one.ticket for one in found]).split("\n")
        print(lines[0])
        for line, one in zip(lines[1:], found, strict=True):
            print(line)
            if one.line:
                print(paint(f"    {shorten(clean(one.line), width - 4)}", "dim"))
        if len(found) == limit:
            print(f"the newest {limit}; --limit shows more", file=sys.stderr)
    else:
        print("nothing found", file=sys.stderr)
    return os.EX_OK if found else 1


def _states(given: list[str]) -> tuple[str, ...]:
    if not given:
        return _LIVE
    for one in given:
        if one not in STATES and one != "all":
            raise typer.BadParameter(f"--state {one}: write one of {', '.join(STATES)}, all")
    return () if "all" in given else tuple(given)


def _known_queue(settings: Settings, queue: str | None) -> None:
    known = [one.name for one in settings.queues]
    if queue is not None and queue not in known:
        print(
            f"ticketgate: no queue {clean(queue)} is in the config (there are: {', '.join(known)})",
            file=sys.stderr,
        )


def _table(settings: Settings, rows: list[TicketRow]) -> str:
    zone = zone_of(settings)
    return table(
        ("TICKET", "STATE", "PRIORITY", "CHANGED", "REQUESTER", "SUBJECT"),
        [
            (
                label(settings, row.number),
                row.state,
                row.priority,
                local(row.updated_at, zone),
                shorten(row.requester.name or row.requester.address, 20),
                row.subject,
            )
            for row in rows
        ],
        flexible=5,
    )


def _row_json(settings: Settings, row: TicketRow) -> dict[str, Any]:
    value = asdict(row)
    value["requester"] = _person(value["requester"])
    return {"label": label(settings, row.number), **value}


def _person(value: dict[str, str]) -> dict[str, str]:
    return {"name": value["name"], "address": value["address"]}
