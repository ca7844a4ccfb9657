"""The schema of how mail leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.base import Model, Port, Secret, Tls
from gateway.settings.units import Size, Wait


class SmtpDelivery(Model):
    """A smarthost."""

    type: Literal["smtp"] = "smtp"
    """Which way."""
    host: str
    """The server that takes our mail."""
    port: Port | None = None
    """465 for implicit TLS, 587 with a user, 25 otherwise."""
    tls: Tls = Tls(mode="starttls")
    """How the connection is protected."""
    user: str | None = None
    """The login name; no AUTH where empty."""
    password: Secret | None = None
    """Needed with `user`."""
    helo: str | None = None
    """Our name in EHLO; the desk's domain where empty."""
    timeout: Wait = timedelta(seconds=60)
    """Longest wait for the server."""

    @property
    def relay(self) -> str:
        """The way out in a word, as log lines name it."""
        usual = 465 if self.tls.mode == "implicit" else 587 if self.user else 25
        return f"{self.host}:{self.port or usual}"


class LmtpDelivery(Model):
    """Straight into a mail store."""

    type: Literal["lmtp"]
    """Which way."""
    host: str | None = None
    """The server; in place of `socket`."""
    port: Port = 24
    """With `host`."""
    socket: str | None = None
    """Path of a unix socket, in place of host and port."""
    timeout: Wait = timedelta(seconds=60)
    """Longest wait for the server."""

    @property
    def relay(self) -> str:
        """The way out in a word, as log lines name it."""
        return f"unix:{self.socket}" if self.socket else f"{self.host}:{self.port}"


class SendmailDelivery(Model):
    """A sendmail-compatible program."""

    type: Literal["sendmail"]
    """Which way."""
    command: tuple[str, ...] = ("/usr/sbin/sendmail", "-i")
    """`-f SENDER -- RECIPIENT` is added."""
    timeout: Wait = timedelta(seconds=60)
    """Longest wait for the program."""

    @property
    def relay(self) -> str:
        """The way out in a word, as log lines name it."""
        return self.command[0]


class MaildirDelivery(Model):
    """A Maildir that any mail client opens: for a look, and for tests."""

    type: Literal["maildir"]
    """Which way."""
    path: str = "mail"
    """Relative to the state folder. One Maildir for all recipients."""

    @property
    def relay(self) -> str:
        """The way out in a word, as log lines name it."""
        return f"maildir:{self.path}"


class Retry(Model):
    """When a temporary failure is tried again."""

    first: Wait = timedelta(minutes=1)
    """Wait before the second try."""
    factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    """Each wait is this many times the one before."""
    longest: Wait = timedelta(hours=4)
    """No wait is longer."""
    expiry: Wait = timedelta(days=5)
    """After this the mail counts as failed."""


class DeliverySettings(Model):
    """How mail leaves."""

    via: Annotated[
        SmtpDelivery | LmtpDelivery | SendmailDelivery | MaildirDelivery, Field(discriminator="type")
    ]
    """The way out."""
    retry: Retry = Retry()
    """When a temporary failure is tried again."""
    connections: Annotated[int, Field(ge=1, le=20)] = 2
    """Hand-overs at a time."""
    attach_up_to: Size = 20_000_000
    """Larger attachments are named in agents' notices and not sent along."""
