"""Where the database is, and opening one that is there already.

For commands that read or repair and need no pipeline: nothing heavy is imported, no schema is made or
changed, and a SQLite file that is not there is not made.

Raises `StoreTrouble` where the database is not there, is not of this version or cannot be used; its text says
what to do. `open_existing` raises `SecretTrouble` too, where the password cannot be read.
"""

from __future__ import annotations

import os
from pathlib import Path

from gateway.settings.model import Settings
from gateway.settings.secrets import read_secret
from gateway.store.database import MIGRATIONS, Database
from gateway.store.errors import StoreTrouble


def database_url(url: str, state_dir: Path) -> str:
    """The config's `database.url` with a relative SQLite file put under the state folder."""
    if url.startswith("sqlite:") and not url.startswith("sqlite:/"):
        return f"sqlite:{state_dir / url.removeprefix('sqlite:')}"
    return url


def open_existing(settings: Settings, config_folder: Path) -> Database:
    """The database that the config names, connected, with the schema of this version."""
    state_dir = Path(settings.state_dir).absolute()
    password = settings.database.password
    secret = read_secret(password, config_folder) if password else None
    url = database_url(settings.database.url, state_dir)
    if url.startswith("sqlite:"):
        _there(Path(url.removeprefix("sqlite:")))
    database = Database(url, secret)
    _fits(database)
    return database


def _there(path: Path) -> None:
    if not path.exists():
        raise StoreTrouble(
            f"there is no database {path} yet: `ticketgate run` makes it"
            " (a relative state_dir starts at the folder in which the command is called)"
        )
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        raise StoreTrouble(f"{path} may not be read and written: call the command as the daemon's user")


def _fits(database: Database) -> None:
    """Raise StoreTrouble unless just the migrations of this version have run (peewee's runner would tell it
    too, and costs a tenth of a second)."""
    shipped = {path.stem for path in MIGRATIONS.glob("[0-9]*.py")}
    with database.read():
        if "schema_migration" not in database.peewee.get_tables():
            raise StoreTrouble("the database holds no tables yet: start `ticketgate run` once")
        applied = {str(name) for (name,) in database.sql("SELECT name FROM schema_migration").fetchall()}
    if shipped - applied:
        raise StoreTrouble("the database is of an older version: start `ticketgate run` of this version once")
    if applied - shipped:
        raise StoreTrouble("the database is of a newer version: use the ticketgate that the daemon runs")
