"""Putting the house together from a loaded config: signing keys, policy, store.

Raises `HouseTrouble` with one line for the admin where something that the config names cannot be used, and
with the exit code that says whether trying again may help.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gateway.mail.signed import Signer
from gateway.notices.render import TemplateMistake
from gateway.pipeline import Policy
from gateway.ports import Clock, Ids
from gateway.settings.base import Secret
from gateway.settings.load import Loaded
from gateway.settings.model import Settings
from gateway.settings.secrets import SecretTrouble, read_secret
from gateway.store.database import Database
from gateway.store.errors import StoreTrouble, cause_of
from gateway.store.location import database_url
from gateway.store.store import Store, open_store

KEY_FILE = "signing.key"
_LEAST_KEY = 16


class HouseTrouble(Exception):
    """Something that the config names cannot be used; the text says what, where, and what to do. `exit_code`:
    78 where an admin must mend it, 69 where it may come back by itself (the database, the disk)."""

    def __init__(self, text: str, exit_code: int = os.EX_CONFIG) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class House:
    """A config in use."""

    settings: Settings
    config_folder: Path
    state_dir: Path
    policy: Policy
    store: Store


def signing_keys(settings: Settings, folder: Path, state_dir: Path, ids: Ids) -> dict[str, bytes]:
    """Key id → secret octets, the signing one first. Without keys in the config and with SQLite, a key is
    made once and kept in the state folder (mode 0600); where tickets exist already, a missing one is not
    replaced. Raises HouseTrouble."""
    try:
        keys = {key.id: read_secret(key.secret, folder).encode("utf-8") for key in settings.signing.keys}
    except SecretTrouble as trouble:
        raise HouseTrouble(str(trouble)) from trouble
    if not keys:
        if not settings.database.url.startswith("sqlite:"):
            raise HouseTrouble(
                "signing.keys: nodes that share a database must share a key; write one with"
                " `openssl rand -hex 32 > signing.key` and name it under signing.keys"
            )
        database = Path(database_url(settings.database.url, state_dir).removeprefix("sqlite:"))
        keys = {"a": _own_key(state_dir / KEY_FILE, database, ids)}
    for key_id, secret in keys.items():
        if len(secret) < _LEAST_KEY:
            raise HouseTrouble(f"signing key {key_id}: {len(secret)} octets are too few; use 32")
    return keys


def _own_key(path: Path, database: Path, ids: Ids) -> bytes:
    try:
        if path.exists():
            return _read_key(path)
        if _holds_tickets(database):
            raise HouseTrouble(
                f"{path} is missing, and {database} holds tickets: restore the key from the backup or give it"
                " by signing.keys; with another key no reply address that is out would be believed any more"
            )
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _read_key(path)
        with os.fdopen(descriptor, "wb") as file:
            secret = ids.token(52).encode("ascii")
            file.write(secret + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return secret
    except SecretTrouble as trouble:
        raise HouseTrouble(f"signing key: {trouble.public}") from trouble
    except StoreTrouble as trouble:
        raise _database_trouble(trouble) from trouble
    except OSError as error:
        raise HouseTrouble(
            f"{path}: {error.strerror}; the daemon must be able to write there", os.EX_UNAVAILABLE
        ) from error


def _read_key(path: Path) -> bytes:
    return read_secret(Secret(file=str(path)), path.parent).strip().encode("utf-8")


def _holds_tickets(path: Path) -> bool:
    if not path.exists():
        return False
    database = Database(f"sqlite:{path}")
    try:
        with database.read():
            if "ticket" not in database.peewee.get_tables():
                return False
            return database.sql("SELECT 1 FROM ticket LIMIT 1").fetchone() is not None
    finally:
        database.disconnect()


def _database_trouble(trouble: StoreTrouble) -> HouseTrouble:
    cause = cause_of(trouble)
    told = f"database.url: {trouble.public}" + (f": {cause}" if cause else "")
    by_itself = not isinstance(trouble.__cause__, ImportError)
    return HouseTrouble(told, os.EX_UNAVAILABLE if by_itself else os.EX_CONFIG)


def make_policy(loaded: Loaded, state_dir: Path, ids: Ids) -> Policy:
    """The config with its keys and templates read. Raises HouseTrouble."""
    settings = loaded.settings
    keys = signing_keys(settings, loaded.folder, state_dir, ids)
    signer = Signer(keys, next(iter(keys)), settings.signing.delimiter)
    try:
        policy = Policy(settings, signer, loaded.folder / "templates")
        policy.renderer.load()
        return policy
    except TemplateMistake as mistake:
        raise HouseTrouble(str(mistake)) from mistake


def open_house(loaded: Loaded, clock: Clock, ids: Ids) -> House:
    """Everything that a command or the daemon works with. Raises HouseTrouble."""
    settings = loaded.settings
    state_dir = Path(settings.state_dir).absolute()
    policy = make_policy(loaded, state_dir, ids)
    try:
        password = settings.database.password
        secret = read_secret(password, loaded.folder) if password else None
        store = open_store(policy, state_dir, secret, clock, ids)
    except SecretTrouble as trouble:
        raise HouseTrouble(str(trouble)) from trouble
    except StoreTrouble as trouble:
        raise _database_trouble(trouble) from trouble
    except OSError as error:
        raise HouseTrouble(
            f"state_dir: {state_dir}: {error.strerror}; the daemon must be able to write there",
            os.EX_UNAVAILABLE,
        ) from error
    return House(settings, loaded.folder, state_dir, policy, store)
