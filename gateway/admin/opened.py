"""What the commands on the database share: opening it, telling in one line why that fails, ticket labels."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer

from gateway.admin.options import load_or_exit
from gateway.admin.tables import clean, forgiving_output

if TYPE_CHECKING:
    from gateway.settings.load import Loaded
    from gateway.settings.model import Settings
    from gateway.store.database import Database

_LABEL = re.compile(r"#?\[?(?:([A-Za-z][A-Za-z0-9]*)-)?(\d{1,12})(?:-[a-z2-7]{5})?\]?", re.ASCII)


def fail(text: str, code: int) -> typer.Exit:
    """Tell `text` on standard error; raise what comes back to end the command with `code`."""
    print(f"ticketgate: {clean(text)}", file=sys.stderr)
    return typer.Exit(code)


@contextmanager
def opened(config: Path | None) -> Iterator[tuple[Loaded, Database]]:
    """The config and the database that it names. Trouble with either, also later within the block, ends the
    command with one line: 78 the config is wrong, 69 the database cannot be used."""
    forgiving_output()
    loaded = load_or_exit(config)
    from gateway.settings.secrets import SecretTrouble
    from gateway.store.errors import Conflict, StoreTrouble, cause_of
    from gateway.store.location import open_existing

    database = None
    try:
        database = open_existing(loaded.settings, loaded.folder)
        yield loaded, database
    except SecretTrouble as trouble:
        raise fail(f"database.password: {trouble.public}", os.EX_CONFIG) from trouble
    except StoreTrouble as trouble:
        cause = cause_of(trouble)
        raise fail(f"{trouble.public}{f': {cause}' if cause else ''}", os.EX_UNAVAILABLE) from trouble
    except Conflict as conflict:
        raise fail("somebody else changed the same thing; try again", os.EX_TEMPFAIL) from conflict
    finally:
        if database is not None:
            database.disconnect()


def zone_of(settings: Settings) -> ZoneInfo:
    """The desk's time zone."""
    return ZoneInfo(settings.desk.timezone)


def label(settings: Settings, number: int) -> str:
    """DESK-1042."""
    return f"{settings.desk.ticket_prefix}-{number}"


def ticket_number(settings: Settings, text: str) -> int:
    """The number of "1042", "DESK-1042" or a whole subject tag. Ends the command with 64 where it is none."""
    found = _LABEL.fullmatch(text.strip())
    prefix = settings.desk.ticket_prefix
    if found is None or (found[1] is not None and found[1].upper() != prefix):
        raise fail(f"{text!r} is no ticket: write 1042 or {prefix}-1042", os.EX_USAGE)
    return int(found[2])
