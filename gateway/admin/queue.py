"""`ticketgate queue`: the mail that waits, is held, is in quarantine or could not be delivered.

Mail that came in is spool:ID, mail that goes out is outbox:ID; the number alone does where only one of the
two has it. Exit codes: 0; 64 wrong usage; 65 it cannot be done to this mail; 66 there is no such mail; 69 the
database cannot be used; 78 the config is wrong. Each of several ids must name a
mail; then each mail is done or refused by itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeGuard

import typer

from gateway.admin.opened import fail, opened
from gateway.admin.options import ConfigOption, JsonOption
from gateway.admin.tables import Paint, as_json, clean

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.settings.load import Loaded
    from gateway.store.database import Database
    from gateway.store.queue_admin import QueueAdmin
    from gateway.store.queue_views import OutboxItem, QueueViews, SpoolItem

    Item = SpoolItem | OutboxItem

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="spool:12, outbox:12, or 12.")]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID", help="spool:12, outbox:12, or 12.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Also where somebody works on it; a mail may then go out twice.")
]

app = typer.Typer(no_args_is_help=True, help="List, show, retry, release and drop waiting mail.")


@app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Also what is done, sent and dropped.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many of each.")] = 50,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> int:
    """List what waits, is held or has failed, in and out.

    Examples:

        ticketgate queue list

        ticketgate queue list --all --limit 500 --json
    """
    with opened(config) as (loaded, database):
        from gateway.admin.queue_view import listing, outbox_json, spool_json
        from gateway.store.queue_views import OUTBOX_OPEN, OUTBOX_STATES, SPOOL_OPEN, SPOOL_STATES

        views = _views(database)
        spool = views.spool(SPOOL_STATES if all_ else SPOOL_OPEN, limit)
        outbox = views.outbox(OUTBOX_STATES if all_ else OUTBOX_OPEN, limit)
    if json_:
        value = {
            "spool": [spool_json(one) for one in spool[0]],
            "outbox": [outbox_json(one) for one in outbox[0]],
            "spool_total": spool[1],
            "outbox_total": outbox[1],
        }
        print(as_json(value))
    else:
        print(listing(loaded.settings, *spool, *outbox, Paint.for_stdout()))
    return os.EX_OK


@app.command()
def show(
    id_: IdArgument,
    raw: Annotated[bool, typer.Option("--raw", help="Print the mail itself.")] = False,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> int:
    """Show one mail. Its envelope, its state, what became of it, why it is in quarantine; of a held mail,
    what letting it in would do.

    Examples:

        ticketgate queue show spool:12

        ticketgate queue show outbox:7 --raw > mail.eml
    """
    with opened(config) as (loaded, database):
        from gateway.admin.queue_view import outbox_json, outbox_page, spool_json, spool_page
        from gateway.store.queue_views import OutboxItem

        views = _views(database)
        item = _item(views, id_)
        paint, settings = Paint.for_stdout(), loaded.settings
        if raw:
            _print_raw(views, item)
        elif isinstance(item, OutboxItem):
            print(as_json(outbox_json(item)) if json_ else outbox_page(settings, item, paint))
        else:
            release = _released(loaded, database, item)
            print(
                as_json(spool_json(item) | {"release": release or None})
                if json_
                else spool_page(settings, item, paint, release)
            )
    return os.EX_OK


@app.command()
def retry(
    ids: IdsArgument, force: ForceOption = False, config: ConfigOption = None, json_: JsonOption = False
) -> int:
    """Try mail again now. That is deferred and quarantined mail that came in, queued and failed mail that
    goes out.

    Example: ticketgate queue retry spool:12 outbox:7
    """

    def one(admin: QueueAdmin, item: Item, loaded: Loaded, database: Database) -> str:
        if _is_spool(item):
            admin.retry_spool(item.id, force)
            return "is tried again"
        admin.retry_outbox(item.id, loaded.settings.delivery.retry.expiry, force)
        return "is sent again"

    return _each(ids, config, json_, one)


@app.command()
def release(
    ids: IdsArgument, force: ForceOption = False, config: ConfigOption = None, json_: JsonOption = False
) -> int:
    """Let held mail in. You have looked at it, and it is from whom it says: what it was held for is not
    asked again. It then does what such a mail does. A note stays a note, and nobody outside hears of it. An
    agent's answer goes to the customer word for word, also a #word at its beginning that is no command.
    Anybody else's mail makes a ticket or is added to one. `ticketgate queue show` tells beforehand which of
    these it is.

    Example: ticketgate queue release spool:12
    """

    def one(admin: QueueAdmin, item: Item, loaded: Loaded, database: Database) -> str:
        from gateway.store.queue_admin import Refused

        if not _is_spool(item):
            raise Refused(f"outbox:{item.id} goes out; only mail that came in is held")
        what = _released(loaded, database, item)
        admin.release_spool(item.id, force)
        return f"is let in: {what}"

    return _each(ids, config, json_, one)


@app.command()
def drop(
    ids: IdsArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: ForceOption = False,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> int:
    """Take mail out of the queue for good. It makes no ticket and is not delivered. It asks first.

    Example: ticketgate queue drop spool:12 --yes
    """

    def one(admin: QueueAdmin, item: Item, loaded: Loaded, database: Database) -> str:
        if _is_spool(item):
            admin.drop_spool(item.id, force)
        else:
            admin.drop_outbox(item.id, force)
        return "is dropped"

    return _each(ids, config, json_, one, None if yes else _confirm)


def _confirm(items: list[Item]) -> None:
    from gateway.admin.queue_view import one_line

    if not sys.stdin.isatty():
        raise fail("nobody can be asked here; give --yes to drop without a question", os.EX_USAGE)
    for item in items:
        print(one_line(item), file=sys.stderr)
    if not typer.confirm(f"Drop {len(items)} mail{'s' * (len(items) != 1)} for good?", err=True):
        raise typer.Abort


def _each(
    ids: list[str],
    config: Path | None,
    json_: bool,
    act: Callable[[QueueAdmin, Item, Loaded, Database], str],
    before: Callable[[list[Item]], None] | None = None,
) -> int:
    """Do something to each mail; the worst outcome is the exit code."""
    code, told = os.EX_OK, []
    with opened(config) as (loaded, database):
        from gateway.store.queue_admin import QueueAdmin, Refused

        views = _views(database)
        items = [_item(views, text) for text in dict.fromkeys(ids)]
        if before is not None:
            before(items)
        admin = QueueAdmin(database, _now())
        for item in items:
            name = f"{'spool' if _is_spool(item) else 'outbox'}:{item.id}"
            try:
                done = act(admin, item, loaded, database)
            except Refused as refused:
                code = os.EX_DATAERR
                told.append({"id": name, "done": False, "text": str(refused)})
                print(f"ticketgate: {clean(str(refused))}", file=sys.stderr)
            else:
                told.append({"id": name, "done": True, "text": f"{name} {done}"})
                if not json_:
                    print(f"{name} {done}")
    if json_:
        print(as_json({"results": told}))
    return code


def _now() -> datetime:
    from gateway.runtime import SystemClock

    return SystemClock().now()


def _views(database: Database) -> QueueViews:
    from gateway.runtime import SystemClock
    from gateway.store.queue_views import QueueViews
    from gateway.store.spool import Spool

    return QueueViews(database, Spool(database, SystemClock()))


def _released(loaded: Loaded, database: Database, item: SpoolItem) -> str:
    """What letting a held mail in does; empty for any other."""
    if item.state != "hold":
        return ""
    from gateway.admin.release import what_release_does

    return what_release_does(loaded, database, item, _now())


def _is_spool(item: Item) -> TypeGuard[SpoolItem]:
    from gateway.store.queue_views import SpoolItem

    return isinstance(item, SpoolItem)


def _item(views: QueueViews, text: str) -> Item:
    """The mail that `text` names. Ends the command where it names none, or two."""
    kind, colon, number = text.strip().rpartition(":")
    if not (number.isascii() and number.isdigit() and len(number) <= 18) or (
        colon and kind not in ("spool", "outbox")
    ):
        raise fail(f"{text!r} is no mail: write spool:12 or outbox:12", os.EX_USAGE)
    row_id = int(number)
    spool = views.spool_item(row_id) if kind in ("spool", "") else None
    outbox = views.outbox_item(row_id) if kind in ("outbox", "") else None
    if spool and outbox:
        raise fail(f"{row_id} is two mails: write spool:{row_id} or outbox:{row_id}", os.EX_USAGE)
    found = spool or outbox
    if found is None:
        named = text if kind else f"mail {row_id}"
        raise fail(f"there is no {named}; `ticketgate queue list --all` shows what there is", os.EX_NOINPUT)
    return found


def _print_raw(views: QueueViews, item: Item) -> None:
    from gateway.store.queue_views import SpoolItem

    chunks = views.raw_chunks(item.raw_id) if isinstance(item, SpoolItem) else views.mail_chunks(item.id)
    if sys.stdout.isatty():
        from gateway.admin.tables import clean_lines

        for line in clean_lines(b"".join(chunks).decode("utf-8", "replace")):
            print(line)
        return
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
