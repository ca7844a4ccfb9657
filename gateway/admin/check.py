"""`ticketgate check`: is the config right, and is everything there that it names?

It loads all files, reads each secret, certificate and key, looks for the programs and libraries that the
config asks for, and renders the admin's own templates. With --connect it also logs in at each mailbox and at
the way out. Each trouble is one line with its place; the exit code is 0, 78 (mistakes) or 69 (the
config is right and a server cannot be reached).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.admin.options import ConfigOption, load_or_exit

if TYPE_CHECKING:
    from gateway.settings.cross import Loc
    from gateway.settings.load import Loaded
    from gateway.settings.mistakes import Mistake
    from gateway.settings.model import Model, Secret, Settings

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
    loaded = load_or_exit(config)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    mistakes = list(found_mistakes(loaded))
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    if mistakes:
        print(f"the config in {loaded.folder} cannot be used", file=sys.stderr)
        return os.EX_CONFIG
    print(summary(loaded))
    if not connect:
        return os.EX_OK
    from gateway.admin.connect import connections

    well = True
    for name, trouble in connections(loaded):
        well = well and trouble is None
        print(f"{name}: {trouble or 'works'}", file=sys.stderr if trouble else sys.stdout)
    return os.EX_OK if well else os.EX_UNAVAILABLE


def found_mistakes(loaded: Loaded) -> Iterator[str]:
    """What is wrong outside the config files, a line each: secrets, keys, programs, libraries, templates."""
    for part in (_secrets, _tls_files, _ways):
        yield from map(str, part(loaded))
    yield from _templates(loaded)


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


def secrets_of(settings: Settings) -> Iterator[tuple[Loc, Secret]]:
    """Each secret that the config names, with its place."""
    yield from _secrets_in(settings, ())


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


def _secrets(loaded: Loaded) -> Iterator[Mistake]:
    from gateway.settings.secrets import SecretTrouble, read_secret

    for loc, secret in secrets_of(loaded.settings):
        try:
            value = read_secret(secret, loaded.folder)
        except SecretTrouble as trouble:
            yield loaded.mistake(loc, trouble.public)
            continue
        if loc[0] == "signing" and len(value.encode()) < _SIGNING_KEY_OCTETS:
            right = "make one: openssl rand -base64 32"
            yield loaded.mistake(loc, f"the key is shorter than {_SIGNING_KEY_OCTETS} octets", right)


def _tls_files(loaded: Loaded) -> Iterator[Mistake]:
    settings, folder = loaded.settings, loaded.folder
    for at, listener in enumerate(settings.listeners):
        if listener.tls:
            loc: Loc = ("listeners", at, "tls")
            certificate, key = folder / listener.tls.certificate, folder / listener.tls.key
            if trouble := _unreadable(certificate):
                yield loaded.mistake((*loc, "certificate"), trouble)
            elif trouble := _unreadable(key):
                yield loaded.mistake((*loc, "key"), trouble)
            elif trouble := _no_pair(certificate, key):
                yield loaded.mistake(
                    (*loc, "key"), trouble, "give the key of this certificate, without a passphrase"
                )
    clients: list[tuple[Loc, str | None]] = [
        (("mailboxes", at, "tls", "ca_file"), mailbox.tls.ca_file)
        for at, mailbox in enumerate(settings.mailboxes)
    ]
    if settings.delivery.via.type == "smtp":
        clients.append((("delivery", "via", "tls", "ca_file"), settings.delivery.via.tls.ca_file))
    for loc, ca_file in clients:
        if ca_file is not None and (trouble := _unreadable(folder / ca_file) or _no_ca(folder / ca_file)):
            yield loaded.mistake(loc, trouble)
    for at, mailbox in enumerate(settings.mailboxes):
        if mailbox.oauth and (trouble := _not_writable(folder / mailbox.oauth.refresh_token_file)):
            yield loaded.mistake(("mailboxes", at, "oauth", "refresh_token_file"), trouble)


def _ways(loaded: Loaded) -> Iterator[Mistake]:
    """Programs and libraries that the config asks for."""
    from importlib.util import find_spec
    from shutil import which

    settings = loaded.settings
    if settings.database.url.startswith("postgresql:") and find_spec("psycopg") is None:
        right = "install ticketgate with its extra `postgres`"
        yield loaded.mistake(("database", "url"), "PostgreSQL needs psycopg, which is not installed", right)
    via = settings.delivery.via
    if via.type == "sendmail" and which(via.command[0]) is None:
        yield loaded.mistake(("delivery", "via", "command"), f"there is no program {via.command[0]}")


def _templates(loaded: Loaded) -> Iterator[str]:
    """The admin's own templates; the shipped ones are held right by tests, and rendering takes time."""
    folder = loaded.folder / "templates"
    if not folder.is_dir():
        return
    from gateway.notices.render import check_templates

    yield from check_templates(folder)


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return None


def _not_writable(path: Path) -> str | None:
    if not path.is_file():
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
