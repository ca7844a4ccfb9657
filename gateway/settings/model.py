"""The schema of the config files: what may stand in them, what each key means, what holds by default.

Unknown keys are mistakes. Secrets stand in files, environment variables or systemd credentials
(`Secret`), never in these values. Relative paths of what the admin writes (password files,
certificates) start at the config folder; relative paths of what the daemon writes start at `state_dir`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.settings.units import Duration, Size, Wait
from gateway.settings.words import Says

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Says("a short name of a-z, 0-9, - and _"),
]
_ADDR_SPEC = r"^[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+$"
MailAddress = Annotated[
    str,
    StringConstraints(pattern=_ADDR_SPEC, max_length=254),
    Says("a mail address such as help@example.com"),
]
Port = Annotated[int, Field(ge=1, le=65535)]
PasswordHash = Annotated[
    str,
    StringConstraints(pattern=r"^scrypt\$\d{1,2}\$\d{1,2}\$\d{1,2}\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$"),
    Says("what `ticketgate check --hash-password` prints"),
]


class Model(BaseModel):
    """Base of all sections: frozen, no unknown keys, an empty value means the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {
                key: value for key, value in given.items() if value is not None or key not in cls.model_fields
            }
        return given


class Secret(Model):
    """Where a secret is found; just one of the three."""

    file: str | None = None
    """A file that holds nothing but the secret; relative to the config folder. Not readable by others."""
    env: str | None = None
    """Name of an environment variable."""
    credential: str | None = None
    """Name of a systemd credential (`LoadCredential=`), read from $CREDENTIALS_DIRECTORY."""

    @model_validator(mode="after")
    def _just_one(self) -> Self:
        if sum(value is not None for value in (self.file, self.env, self.credential)) != 1:
            raise ValueError("give just one of file, env, credential")
        return self


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
    """Names in Authentication-Results fields (RFC 8601) that our own border writes; others are not."""
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


class Tls(Model):
    """TLS as a client."""

    mode: Literal["implicit", "starttls", "none"] = "implicit"
    """`implicit`: TLS from the first octet. `starttls`: asked for, and required. `none`: in the clear."""
    verify: bool = True
    """Whether the peer's certificate must be valid for its host name."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's (PEM)."""


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
    """host:port, [v6]:port or unix:/path."""
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


class SendmailDelivery(Model):
    """A sendmail-compatible program."""

    type: Literal["sendmail"]
    """Which way."""
    command: tuple[str, ...] = ("/usr/sbin/sendmail", "-i")
    """`-f SENDER -- RECIPIENT` is added."""
    timeout: Wait = timedelta(seconds=60)
    """Longest wait for the program."""


class MaildirDelivery(Model):
    """A Maildir that any mail client opens: for a look, and for tests."""

    type: Literal["maildir"]
    """Which way."""
    path: str = "mail"
    """Relative to the state folder. One Maildir for all recipients."""


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
