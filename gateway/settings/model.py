"""The schema of the config files: what may stand in them, what each key means, what holds by default.

Unknown keys are mistakes. Secrets stand in files, environment variables or systemd credentials
(`Secret`), never in these values. Relative paths of what the admin writes (password files,
certificates) start at the config folder; relative paths of what the daemon writes start at `state_dir`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.settings.base import MailAddress, Model, Name, PasswordHash, Port, Secret, Tls
from gateway.settings.delivery import (
    DeliverySettings,
    LmtpDelivery,
    MaildirDelivery,
    Retry,
    SendmailDelivery,
    SmtpDelivery,
)
from gateway.settings.intake import Listener, ListenerLimits, ListenerTls, Mailbox, OAuth
from gateway.settings.units import Size, Wait
from gateway.settings.words import Says


class Desk(Model):
    """Who the desk is."""

    name: str = "Support"
    """Name in the From of mails to customers."""
    domain: str = "localhost"
    """Domain in our Message-IDs and, where a listener does not say otherwise, in SMTP greetings."""
    address: MailAddress
    """Address from which the daemon itself writes (notices to agents and admins)."""
    ticket_prefix: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,15}$"),
        Says("up to 16 of A-Z and 0-9, a letter first"),
    ] = "TICKET"
    """Shown before ticket numbers: ACME-1042."""
    language: Annotated[
        str, StringConstraints(pattern=r"^[a-z]{2,3}$"), Says("a language code such as en")
    ] = "en"
    """Language of mails to customers while nothing better is known."""
    timezone: Annotated[str, Says("an IANA name such as Europe/Prague")] = "UTC"
    """IANA name; local times in mails are in this zone."""
    admins: tuple[MailAddress, ...] = ()
    """Who is told what the daemon needs help with."""
    control_address: MailAddress | None = None
    """Address for commands that belong to no ticket."""


class SigningKey(Model):
    """A key that signs reply addresses and Message-IDs."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z]$"), Says("one letter of a-z")]
    """One letter; it stands inside each signed address."""
    secret: Secret
    """At least 16 octets that nobody can guess: `openssl rand -base64 32`."""


class Signing(Model):
    """How addresses and Message-IDs are signed. The first key signs; the others are still believed."""

    keys: tuple[SigningKey, ...] = ()
    """Where empty, one key "a" is made at the first start and kept in `signing.key` in the state folder
    (only with SQLite: several nodes must share a key that the admin gives)."""
    mode: Literal["plus", "message_id"] = "plus"
    """`plus`: reply addresses are support+…@domain, which the mail server has to deliver (Postfix:
    `recipient_delimiter = +`). `message_id`: the reply address is the queue's own, and the signed
    Message-ID alone tells the ticket and the agent."""
    delimiter: Annotated[str, StringConstraints(pattern=r"^[+=#-]$"), Says("one of + = # -")] = "+"
    """Stands between the address and what is signed."""


class Queue(Model):
    """One support address (or several) and the people behind it."""

    name: Name
    """Other sections, commands and logs call the queue by this name. A change makes a new queue."""
    addresses: Annotated[tuple[MailAddress, ...], Field(min_length=1)]
    """Addresses to which customers write. Mails of this queue go out from the first one."""
    display_name: str | None = None
    """Name in the From of mails to customers; the desk's where empty."""
    agents: tuple[Name, ...] = ()
    """Agents who are told of new tickets and answers; all agents where empty."""
    acknowledge: bool = True
    """Whether a new ticket is acknowledged to its requester."""
    signature: str = ""
    """Stands below agents' answers."""


class Agent(Model):
    """A person who answers."""

    name: Name
    """Other sections, commands and logs call the agent by this name; also the user of SMTP AUTH."""
    display_name: str
    """The public name; customers see this and the desk's address, never the agent's own."""
    address: MailAddress
    """Where notices go."""
    aliases: tuple[MailAddress, ...] = ()
    """Further addresses from which this agent writes."""
    password_hash: PasswordHash | None = None
    """For SMTP AUTH at our listeners; made by `ticketgate check --hash-password`. None: no AUTH."""


class Security(Model):
    """What is asked of those who write."""

    agent_trust: Literal["signed_and_authenticated", "signed"] = "signed_and_authenticated"
    """What an agent's mail must show before it may act as the agent. `signed_and_authenticated`: the signed
    reply address that was given to this agent, and a proof that the mail is the agent's (SMTP AUTH, or
    the Authentication-Results of an `authserv_ids` server). `signed`: the signed address alone; whoever
    gets hold of a notice (a forward, a stolen phone, a mailbox breach) can then answer customers in
    the agent's name."""
    authserv_ids: tuple[str, ...] = ()
    """Names under which our own border servers write Authentication-Results (RFC 8601); other fields are not
    read. The topmost field of such a name is believed, so the border MUST remove every field of its own name
    that comes from outside, or anybody can write one and be an agent. Postfix: in `header_checks`
    `/^Authentication-Results\\s*:.*\\bmx\\.example\\.com\\b/ IGNORE` (what milters add does not pass there).
    OpenDKIM: `RemoveARFrom mx.example.com` beside the same `AuthservID`. Rspamd: in
    `local.d/milter_headers.conf` `use = ["authentication-results"]; routines { authentication-results {
    remove = 0; } }` (0 removes all; it leaves out local and logged-in clients, unless `skip_local` and
    `skip_authenticated` are false). Then send a mail with a forged field from outside: `ticketgate explain`
    must not say that the border has authenticated the domain."""
    acknowledgements_per_hour: Annotated[int, Field(ge=1)] = 4
    """Most acknowledgements that one address gets in an hour."""


class ParseLimits(Model):
    """Bounds within which a mail is taken apart. A mail beyond them is kept whole and marked."""

    header_octets: Size = 256 * 1024
    """Most octets of a header."""
    headers: Annotated[int, Field(ge=10)] = 2000
    """Most header fields."""
    depth: Annotated[int, Field(ge=1, le=200)] = 40
    """Deepest nesting of parts."""
    parts: Annotated[int, Field(ge=1)] = 1000
    """Most parts."""
    text_octets: Size = 1024 * 1024
    """Most octets of text or HTML that are read for the ticket's text."""


class Database(Model):
    """Where everything is kept."""

    url: str = "sqlite:ticketgate.db"
    """`sqlite:FILE` (relative to the state folder) or `postgresql://user@host/name`."""
    password: Secret | None = None
    """For PostgreSQL."""


class DaemonSettings(Model):
    """The daemon itself."""

    node: Name | None = None
    """Name of this node among several; the host's name where empty."""
    workers: Annotated[int, Field(ge=1, le=32)] = 1
    """Threads that take mail through the pipeline."""
    helpers: Annotated[int, Field(ge=0, le=32)] = 1
    """Further processes that are started while much mail is waiting, and end when it is done."""
    lease: Wait = timedelta(seconds=60)
    """How long a node's claim on work holds when the node dies."""
    tick: Wait = timedelta(seconds=5)
    """How often is looked for what is due."""
    log_format: Literal["text", "json"] = "text"
    """`text`: key=value for people. `json`: for programs."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written."""


class Settings(Model):
    """All of gateway.yaml and its neighbours."""

    state_dir: str = "var"
    """Folder for what the daemon writes; relative to the folder in which it is started."""
    desk: Desk
    """Who the desk is."""
    signing: Signing = Signing()
    """How reply addresses are signed."""
    security: Security = Security()
    """What is asked of those who write."""
    queues: Annotated[tuple[Queue, ...], Field(min_length=1)]
    """Support addresses."""
    agents: tuple[Agent, ...] = ()
    """People who answer; in agents.yaml."""
    mailboxes: tuple[Mailbox, ...] = ()
    """IMAP accounts that are read."""
    listeners: tuple[Listener, ...] = ()
    """Ports on which mail is taken."""
    delivery: DeliverySettings
    """How mail leaves."""
    database: Database = Database()
    """Where everything is kept."""
    daemon: DaemonSettings = DaemonSettings()
    """The daemon itself."""
    parse: ParseLimits = ParseLimits()
    """Bounds within which a mail is taken apart."""


__all__ = [
    "Agent",
    "DaemonSettings",
    "Database",
    "DeliverySettings",
    "Desk",
    "Listener",
    "ListenerLimits",
    "ListenerTls",
    "LmtpDelivery",
    "MailAddress",
    "Mailbox",
    "MaildirDelivery",
    "Model",
    "Name",
    "OAuth",
    "ParseLimits",
    "PasswordHash",
    "Port",
    "Queue",
    "Retry",
    "Secret",
    "Security",
    "SendmailDelivery",
    "Settings",
    "Signing",
    "SigningKey",
    "SmtpDelivery",
    "Tls",
]  # fmt: skip
