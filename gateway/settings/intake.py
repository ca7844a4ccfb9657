"""The schema of where mail comes from: IMAP accounts and listeners."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.settings.base import Model, Name, Port, Secret, Tls
from gateway.settings.units import Duration, FileMode, Size, Wait
from gateway.settings.words import Says


class OAuth(Model):
    """OAuth 2.0 with a refresh token (RFC 6749 section 6)."""

    token_url: str
    """Where tokens are asked for; must begin with https://."""
    client_id: str
    """The provider's name for our registration."""
    client_secret: Secret | None = None
    """The provider's secret for our registration, where it has one."""
    refresh_token_file: str
    """Holds the refresh token, and takes the new one whenever the server rotates it: must be writable;
    relative to the config folder."""
    scope: str | None = None
    """What is asked for; the provider's words."""


class Mailbox(Model):
    """An IMAP account that is read."""

    name: Name
    """Commands and logs call the account by this name; what was taken already is kept under it."""
    host: str
    """The IMAP server."""
    port: Port | None = None
    """993 for implicit TLS, 143 otherwise."""
    tls: Tls = Tls()
    """How the connection is protected."""
    user: str
    """The login name."""
    auth: Literal["login", "plain", "xoauth2"] = "login"
    """`login` and `plain` need `password`, `xoauth2` needs `oauth`."""
    password: Secret | None = None
    """For `auth: login` and `auth: plain`."""
    oauth: OAuth | None = None
    """For `auth: xoauth2`."""
    folders: Annotated[tuple[str, ...], Field(min_length=1)] = ("INBOX",)
    """Folders that are read."""
    queue: Name | None = None
    """The queue of mails whose recipients name none."""
    after: Annotated[
        str,
        StringConstraints(pattern=r"^(seen|delete|leave|move:.+)$"),
        Says("seen, move:Folder, delete or leave"),
    ] = "seen"
    """What happens to a mail on the server once it is safely stored: seen, move:Folder, delete, leave."""
    poll: Wait = timedelta(seconds=60)
    """How often the folders are looked into, whatever IDLE says."""
    idle: bool = True
    """Use IDLE (RFC 2177) as a hint between polls, where the server offers it."""
    first_take: Duration = timedelta(days=7)
    """At the very first contact with a folder, older mails than this are left alone."""
    max_size: Size = 50_000_000
    """Larger mails stay on the server; admins are told."""
    timeout: Wait = timedelta(seconds=60)
    """Longest wait for the server."""
    agents_only: bool = False
    """Only agents can write into this mailbox (an internal one): its mails count as authenticated."""


class ListenerTls(Model):
    """TLS as a server."""

    certificate: str
    """PEM with the chain; relative to the config folder."""
    key: str
    """PEM without a passphrase; relative to the config folder."""
    mode: Literal["starttls", "implicit"] = "starttls"
    """`implicit`: TLS from the first octet. `starttls`: offered."""
    required: bool = False
    """Refuse mail before STARTTLS."""


class ListenerLimits(Model):
    """What one listener bears."""

    message_size: Size = 50_000_000
    """Octets of one mail."""
    line_length: Size = 1_000_000
    """Octets of one line of DATA; real mail breaks the 998 of RFC 5322."""
    connections: Annotated[int, Field(ge=1)] = 100
    """Connections at a time."""
    connections_per_client: Annotated[int, Field(ge=1)] = 50
    """Connections at a time from one address."""
    recipients: Annotated[int, Field(ge=1)] = 100
    """Recipients of one mail."""
    mails_per_minute_per_client: Annotated[int, Field(ge=1)] = 6000
    """Mails in a minute from one address."""
    bytes_in_flight: Size = 500_000_000
    """Octets of unfinished DATA over all connections; beyond it new mails are asked to come later."""
    command_timeout: Wait = timedelta(seconds=300)
    """Longest wait for a command."""
    data_timeout: Wait = timedelta(seconds=600)
    """For one whole DATA."""


class Listener(Model):
    """A port on which mail is accepted."""

    name: Name
    """Logs call the listener by this name."""
    protocol: Literal["smtp", "lmtp"] = "smtp"
    """LMTP gives one reply for each recipient (RFC 2033)."""
    listen: Annotated[
        str,
        StringConstraints(pattern=r"^(unix:.+|\[?[^\s]+\]?:\d{1,5})$"),
        Says("host:port, [v6]:port or unix:/path"),
    ]
    """host:port, [v6]:port or unix:/path. The folder of a unix socket must be there, and the client must be
    able to enter it: Postfix, whose lmtp client often runs in a chroot, sees
    `unix:/var/spool/postfix/desk/lmtp` as `lmtp:unix:desk/lmtp`. A socket of systemd
    (`ticketgate-lmtp.socket`) is taken in place of `listen`, and has a mode and group of its own."""
    socket_mode: FileMode = 0o660
    """Mode of a unix socket: whoever may write to it can hand mail in."""
    socket_group: str | None = None
    """Group of a unix socket; the daemon's own where empty. For Postfix `postfix`, as Postfix gives up all
    further groups of its user; the daemon's user must be a member of it, or root."""
    hostname: str | None = None
    """Name in the greeting; the desk's domain where empty."""
    tls: ListenerTls | None = None
    """Certificate and key; no TLS where empty."""
    auth: bool = False
    """Offer AUTH (PLAIN, LOGIN) to agents that have a password_hash."""
    auth_without_tls: bool = False
    """Offer it on an unencrypted connection too. Only for loopback."""
    auth_required: bool = False
    """A submission port: no mail without AUTH."""
    proxy_protocol: bool = False
    """Expect a PROXY header (haproxy) before the greeting."""
    limits: ListenerLimits = ListenerLimits()
    """What it bears."""
