"""Logging in wherever the config says, for `ticketgate check --connect`. Folders are opened for reading only
(EXAMINE); nothing is read, moved or sent.

Troubles are values, one line each, and hold no secret. A refresh token that the server rotates is saved.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.intake.imap_client import Client
    from gateway.intake.imap_login import Credentials
    from gateway.settings.load import Loaded
    from gateway.settings.model import LmtpDelivery, Mailbox, SmtpDelivery


@dataclass(frozen=True, slots=True)
class Connection:
    """What was found at `name`: `trouble` where it cannot be used, else `said`."""

    name: str
    trouble: str | None = None
    said: str = "works"

    def __str__(self) -> str:
        return f"{self.name}: {self.trouble or self.said}"


def connections(loaded: Loaded) -> Iterator[Connection]:
    """Each mailbox and the way out, one after the other."""
    settings = loaded.settings
    for mailbox in settings.mailboxes:
        yield _mailbox(loaded, mailbox)
    if not settings.mailboxes:
        yield Connection("mailboxes", said="there is none to log in to")
    via = settings.delivery.via
    name = f"delivery by {via.type}"
    if via.type in ("smtp", "lmtp"):
        yield Connection(name, _delivery(loaded, via))
    elif via.type == "maildir":
        from gateway.admin.check import no_room

        yield Connection(name, no_room(Path(settings.state_dir).absolute() / via.path / "new"))
    else:
        yield Connection(name, said="there is nothing to log in to; the program is there")


def _mailbox(loaded: Loaded, mailbox: Mailbox) -> Connection:
    from gateway.intake.imap_login import open_client
    from gateway.ports import SourceTrouble
    from gateway.settings.secrets import SecretTrouble

    name = f"mailbox {mailbox.name}"
    try:
        client = open_client(mailbox, _credentials(loaded, mailbox), loaded.folder)
    except (SourceTrouble, SecretTrouble) as trouble:
        return Connection(name, trouble.public)
    try:
        troubles = [told for folder in mailbox.folders if (told := _folder(client, folder)) is not None]
        return Connection(name, "; ".join(troubles) or None, _works(client, mailbox))
    except SourceTrouble as trouble:
        return Connection(name, trouble.public)
    finally:
        client.part(patience_s=1.0)


def _folder(client: Client, written: str) -> str | None:
    """Why the folder cannot be opened. Raises SourceTrouble where the connection is lost."""
    from gateway.intake.imap_client import told_as
    from gateway.intake.imap_folders import exists, server_names
    from gateway.intake.trouble import SourceRefused

    refusal = ""
    for name in server_names(client, written):
        if name != written and not exists(client, name):
            continue
        try:
            with told_as(f"opening folder {written}"):
                client.select_folder(name, readonly=True)
        except SourceRefused as refused:
            refusal = refusal or refused.public
        else:
            return None
    return refusal


def _works(client: Client, mailbox: Mailbox) -> str:
    from gateway.intake.imap_folders import exists, server_names

    written = mailbox.after.removeprefix("move:")
    if written == mailbox.after or any(exists(client, name) for name in server_names(client, written)):
        return "works"
    return f"works, but there is no folder {written} yet: it will be made"


def _credentials(loaded: Loaded, mailbox: Mailbox) -> Credentials:
    from gateway.intake.imap_login import Credentials
    from gateway.settings.secrets import read_secret

    if (oauth := mailbox.oauth) is None:
        secret = mailbox.password
        assert secret is not None
        return Credentials(password=lambda: read_secret(secret, loaded.folder))
    from gateway.intake.oauth import AccessTokens
    from gateway.runtime import SystemClock

    own = oauth.client_secret
    client_secret = None if own is None else lambda: read_secret(own, loaded.folder)
    token_file = loaded.folder / oauth.refresh_token_file
    return Credentials(tokens=AccessTokens(oauth, token_file, client_secret, SystemClock()))


def _delivery(loaded: Loaded, via: SmtpDelivery | LmtpDelivery) -> str | None:
    from gateway.delivery.hand_over import Unusable
    from gateway.settings.secrets import SecretTrouble

    try:
        with _lmtp(loaded, via) if via.type == "lmtp" else _smtp(loaded, via) as client:
            code, _ = client.noop()
    except (Unusable, SecretTrouble) as trouble:
        return trouble.public
    except smtplib.SMTPAuthenticationError as error:
        return f"the server refuses the login ({error.smtp_code})"
    except smtplib.SMTPResponseException as error:
        return f"the server answers {error.smtp_code}"
    except smtplib.SMTPNotSupportedError:
        return "the server does not offer STARTTLS or AUTH on this connection"
    except (smtplib.SMTPException, OSError) as error:
        return f"no connection ({getattr(error, 'strerror', None) or type(error).__name__})"
    return None if code == 250 else f"the server answers {code}"


def _smtp(loaded: Loaded, via: SmtpDelivery) -> smtplib.SMTP:
    from gateway.delivery.smtp_submitter import client_context
    from gateway.settings.secrets import read_secret

    helo = via.helo or loaded.settings.desk.domain
    timeout_s = via.timeout.total_seconds()
    context = None if via.tls.mode == "none" else client_context(via.tls, loaded.folder)
    client: smtplib.SMTP
    if via.tls.mode == "implicit":
        client = smtplib.SMTP_SSL(via.host, via.port or 465, helo, timeout=timeout_s, context=context)
    else:
        client = smtplib.SMTP(via.host, via.port or (587 if via.user else 25), helo, timeout=timeout_s)
    try:
        if via.tls.mode == "starttls":
            client.starttls(context=context)
        if via.user is not None and via.password is not None:
            client.login(via.user, read_secret(via.password, loaded.folder))
    except BaseException:
        client.close()
        raise
    return client


def _lmtp(loaded: Loaded, via: LmtpDelivery) -> smtplib.SMTP:
    return smtplib.LMTP(
        via.socket or via.host or "",
        via.port,
        loaded.settings.desk.domain,
        timeout=via.timeout.total_seconds(),
    )
