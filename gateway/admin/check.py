"""`ticketgate check`: is the config right, and is everything there that it names?

It loads all files, reads each secret, certificate and key, looks for the programs and libraries that the
config asks for, and renders the admin's own templates. With --connect it also logs in at each mailbox and at
the way out. Each trouble is one line with its place; the exit code is 0, 78 (mistakes) or 69 (the
config is right and a server cannot be reached).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.admin.options import ConfigOption, config_folder

if TYPE_CHECKING:
    from gateway.settings.cross import Loc
    from gateway.settings.draft import Draft
    from gateway.settings.load import Loaded, Reading
    from gateway.settings.mistakes import Mistake
    from gateway.settings.model import Model, Secret

_SIGNING_KEY_OCTETS = 16


def check(
    config: ConfigOption = None,
    connect: Annotated[
        bool, typer.Option("--connect", help="Log in at each mailbox and at the way out.")
    ] = False,
    hash_password: Annotated[
        bool, typer.Option("--hash-password", help="Ask for a password and print its hash for agents.yaml.")
    ] = False,
) -> int:
    """Check the config files and everything that they name.

    Examples:

        ticketgate check

        ticketgate check --config /etc/ticketgate --connect

        ticketgate check --hash-password
    """
    if hash_password:
        return _hash_password()
    from gateway.settings.load import Loaded, read
    from gateway.settings.mistakes import ConfigMistakes

    folder = config_folder(config)
    try:
        reading = read(folder)
    except ConfigMistakes as told:
        return _unusable(folder, map(str, told.mistakes))
    for warning in (*reading.warnings, *_odd(reading)):
        print(f"warning: {warning}", file=sys.stderr)
    mistakes = [*map(str, reading.mistakes), *found_mistakes(reading)]
    if mistakes or reading.settings is None:
        return _unusable(folder, mistakes)
    loaded = Loaded(reading.settings, folder, reading.files, reading.warnings, reading.tree)
    print(summary(loaded))
    if not connect:
        return os.EX_OK
    from gateway.admin.connect import connections

    well = True
    for found in connections(loaded):
        well = well and found.trouble is None
        print(found, file=sys.stderr if found.trouble else sys.stdout)
    return os.EX_OK if well else os.EX_UNAVAILABLE


def _unusable(folder: Path, mistakes: Iterable[str]) -> int:
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    print(f"the config in {folder} cannot be used", file=sys.stderr)
    return os.EX_CONFIG


def found_mistakes(reading: Reading) -> Iterator[str]:
    """What is wrong outside the config files, a line each: secrets, keys, programs, libraries, templates.
    Looks at each section that is right, also where others have mistakes."""
    for part in (_secrets, _tls_files, _ways, _state):
        yield from map(str, part(reading))
    yield from _templates(reading.folder)


def summary(loaded: Loaded) -> str:
    """The config in a few lines."""
    from gateway.settings.model import LmtpDelivery, MaildirDelivery, SmtpDelivery

    settings = loaded.settings
    via = settings.delivery.via
    if isinstance(via, SmtpDelivery):
        way = f"smtp {via.host}"
    elif isinstance(via, LmtpDelivery):
        way = f"lmtp {via.socket or via.host}"
    else:
        way = f"maildir {via.path}" if isinstance(via, MaildirDelivery) else f"sendmail {via.command[0]}"
    lines = {
        "queues": ", ".join(f"{queue.name} ({queue.addresses[0]})" for queue in settings.queues),
        "agents": ", ".join(agent.name for agent in settings.agents),
        "mailboxes": ", ".join(
            f"{mailbox.name} ({mailbox.user} at {mailbox.host})" for mailbox in settings.mailboxes
        ),
        "listeners": ", ".join(
            f"{entry.name} ({entry.protocol} {entry.listen})" for entry in settings.listeners
        ),
        "delivery": way,
        "database": settings.database.url.partition("?")[0],
    }
    told = [f"config is right: {loaded.folder}"]
    return "\n".join(told + [f"  {key:9}  {value or 'none'}" for key, value in lines.items()])


def _hash_password() -> int:
    from gateway.runtime import SystemIds
    from gateway.settings.passwords import hash_password

    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        print("the password is empty", file=sys.stderr)
        return os.EX_DATAERR
    print(hash_password(password, SystemIds().token(26).encode("ascii")))
    return os.EX_OK


def secrets_of(draft: Draft) -> Iterator[tuple[Loc, Secret]]:
    """Each secret that the config names, with its place."""
    for key in ("signing", "mailboxes", "listeners", "delivery", "database"):
        value = getattr(draft, key)
        listed = value if isinstance(value, tuple) else ((None, value),)
        for at, section in listed:
            if section is not None:
                yield from _secrets_in(section, (key,) if at is None else (key, at))


def _secrets_in(section: Model, loc: Loc) -> Iterator[tuple[Loc, Secret]]:
    from gateway.settings.model import Model, Secret

    for key in type(section).model_fields:
        value = getattr(section, key)
        listed = enumerate(value) if isinstance(value, tuple) else ((None, value),)
        for at, item in listed:
            place = (*loc, key) if at is None else (*loc, key, at)
            if isinstance(item, Secret):
                yield place, item
            elif isinstance(item, Model):
                yield from _secrets_in(item, place)


def _secrets(reading: Reading) -> Iterator[Mistake]:
    from gateway.settings.secrets import SecretTrouble, read_secret

    for loc, secret in secrets_of(reading.draft):
        try:
            value = read_secret(secret, reading.folder)
        except SecretTrouble as trouble:
            yield reading.mistake(loc, trouble.public)
            continue
        if loc[0] == "signing" and len(value.encode()) < _SIGNING_KEY_OCTETS:
            right = "make one: openssl rand -base64 32"
            yield reading.mistake(loc, f"the key is shorter than {_SIGNING_KEY_OCTETS} octets", right)


def _tls_files(reading: Reading) -> Iterator[Mistake]:
    draft, folder = reading.draft, reading.folder
    for at, listener in draft.listeners:
        if listener.tls:
            loc: Loc = ("listeners", at, "tls")
            certificate, key = folder / listener.tls.certificate, folder / listener.tls.key
            if trouble := _unreadable(certificate):
                yield reading.mistake((*loc, "certificate"), trouble)
            elif trouble := _unreadable(key):
                yield reading.mistake((*loc, "key"), trouble)
            elif trouble := _no_pair(certificate, key):
                yield reading.mistake(
                    (*loc, "key"), trouble, "give the key of this certificate, without a passphrase"
                )
    clients: list[tuple[Loc, str | None]] = [
        (("mailboxes", at, "tls", "ca_file"), mailbox.tls.ca_file) for at, mailbox in draft.mailboxes
    ]
    if draft.delivery is not None and draft.delivery.via.type == "smtp":
        clients.append((("delivery", "via", "tls", "ca_file"), draft.delivery.via.tls.ca_file))
    for loc, ca_file in clients:
        if ca_file is not None and (trouble := _unreadable(folder / ca_file) or _no_ca(folder / ca_file)):
            yield reading.mistake(loc, trouble)
    for at, mailbox in draft.mailboxes:
        if mailbox.oauth and (trouble := _not_writable(folder / mailbox.oauth.refresh_token_file)):
            yield reading.mistake(("mailboxes", at, "oauth", "refresh_token_file"), trouble)


def _ways(reading: Reading) -> Iterator[Mistake]:
    """Programs and libraries that the config asks for."""
    from importlib.util import find_spec
    from shutil import which

    database, delivery = reading.draft.database, reading.draft.delivery
    if database and database.url.startswith("postgresql:") and find_spec("psycopg") is None:
        right = "install ticketgate with its extra `postgres`"
        yield reading.mistake(("database", "url"), "PostgreSQL needs psycopg, which is not installed", right)
    if delivery and delivery.via.type == "sendmail" and which(delivery.via.command[0]) is None:
        wrong = f"there is no program {delivery.via.command[0]}"
        yield reading.mistake(("delivery", "via", "command"), wrong)


def _state(reading: Reading) -> Iterator[Mistake]:
    state_dir = _state_dir(reading)
    if state_dir.is_absolute() and (trouble := no_room(state_dir)):
        yield reading.mistake(("state_dir",), trouble)


def _odd(reading: Reading) -> Iterator[Mistake]:
    """A relative state folder is another one for whoever starts the daemon in another folder."""
    state_dir = _state_dir(reading)
    if not state_dir.is_absolute() and (trouble := no_room(state_dir.absolute())):
        yield reading.mistake(("state_dir",), trouble, "start the daemon elsewhere, or give the whole path")


def _state_dir(reading: Reading) -> Path:
    return Path(reading.draft.state_dir)


def no_room(folder: Path) -> str | None:
    """Why nothing can be written in `folder`, which may have to be made; None where something can."""
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    if not there.is_dir():
        return f"{there} is no folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written by the user of this call"
    return None


def _templates(config: Path) -> Iterator[str]:
    """The admin's own templates; the shipped ones are held right by tests, and rendering takes time."""
    folder = config / "templates"
    if not folder.is_dir():
        return
    from gateway.notices.render import check_templates

    yield from check_templates(folder)


def _unreadable(path: Path) -> str | None:
    if os.path.exists(path) and not os.path.isfile(path):
        return f"{path} is no file"
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return None


def _not_writable(path: Path) -> str | None:
    if not os.path.isfile(path):
        return f"there is no file {path}"
    return None if os.access(path, os.R_OK | os.W_OK) else f"{path} cannot be read and written"


def _no_pair(certificate: Path, key: Path) -> str | None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty passphrase keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError):
        return "certificate and key do not fit or are no PEM"
    return None


def _no_ca(path: Path) -> str | None:
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return f"{path} holds no certificates (PEM)"
    return None
