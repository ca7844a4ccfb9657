"""Opening an IMAP connection: TLS by all three modes, then LOGIN, AUTHENTICATE PLAIN or XOAUTH2.

Passwords are never sent over a connection that was to be encrypted and is not: a server without STARTTLS is
trouble, not a reason to go on in clear text. Every wait is bounded by the mailbox's `timeout`. A password is
asked for at each login, so a new one needs no restart.

Raises `LoginRefused`, `AccessRevoked` or `SourceTrouble`; none of their texts holds a secret.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from imapclient import SocketTimeout
from imapclient.exceptions import CapabilityError, LoginError

from gateway.intake.imap_client import Client, told_as
from gateway.intake.trouble import LoginRefused, one_line
from gateway.ports import SourceTrouble
from gateway.settings.model import Mailbox, Tls

log = structlog.get_logger("intake.imap")

_CONNECT_S = 20.0
_ATOM = re.compile(r"[A-Za-z0-9@._+=/-]+")
_BYTES = re.compile(r"\Ab(['\"])(.*)\1\Z", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Tokens(Protocol):
    """`oauth.AccessTokens`."""

    def get(self) -> str:
        """A valid access token."""
        ...

    def forget(self) -> None:
        """The last one was refused."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to prove who we are: `password` for LOGIN and PLAIN, `tokens` for XOAUTH2."""

    password: Callable[[], str] | None = None
    tokens: Tokens | None = None


def tls_context(tls: Tls, config_dir: Path) -> ssl.SSLContext:
    """The client side of TLS 1.2 or later. `ca_file` is relative to `config_dir` and replaces the system's
    certificates. Raises SourceTrouble where it cannot be read."""
    try:
        context = ssl.create_default_context(cafile=config_dir / tls.ca_file if tls.ca_file else None)
    except OSError as error:
        raise SourceTrouble(f"the certificates in {tls.ca_file} cannot be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def open_client(mailbox: Mailbox, credentials: Credentials, config_dir: Path) -> Client:
    """A connection that is logged in. Whoever gets it closes it with `part`."""
    client = _connect(mailbox, config_dir)
    try:
        _login(client, mailbox, credentials)
    except BaseException:
        client.part(patience_s=1.0)
        raise
    return client


def _connect(mailbox: Mailbox, config_dir: Path) -> Client:
    mode = mailbox.tls.mode
    port = mailbox.port or (993 if mode == "implicit" else 143)
    read_s = mailbox.timeout.total_seconds()
    context = None if mode == "none" else tls_context(mailbox.tls, config_dir)
    with told_as(f"connecting to {mailbox.host}:{port}"):
        client = Client(
            mailbox.host,
            port,
            ssl=mode == "implicit",
            ssl_context=context if mode == "implicit" else None,
            timeout=SocketTimeout(connect=min(_CONNECT_S, read_s), read=read_s),
        )
    if mode != "starttls":
        return client
    try:
        with told_as(f"STARTTLS with {mailbox.host}:{port}"):
            try:
                client.starttls(context)
            except CapabilityError as error:
                raise SourceTrouble(f"{mailbox.host} does not offer STARTTLS") from error
    except BaseException:
        client.part(patience_s=1.0)
        raise
    return client


def _login(client: Client, mailbox: Mailbox, credentials: Credentials) -> None:
    if mailbox.auth == "xoauth2":
        if credentials.tokens is None:
            raise SourceTrouble("no token is configured for XOAUTH2")
        _xoauth2(client, mailbox.user, credentials.tokens)
    else:
        if credentials.password is None:
            raise SourceTrouble("no password is configured")
        _password(client, mailbox, credentials.password())
    with told_as("asking for capabilities"):
        offered = client.refresh_capabilities()
        if "ID" in offered:
            _introduce(client)


def _password(client: Client, mailbox: Mailbox, password: str) -> None:
    user = mailbox.user
    if _CONTROL.search(user + password):
        raise SourceTrouble("user or password holds a control character")
    with told_as("asking for capabilities"):
        offered = client.refresh_capabilities()
    # imaplib sends arguments as ASCII; PLAIN carries UTF-8 (RFC 4616).
    plain = mailbox.auth == "plain" or not (user + password).isascii()
    if plain and "AUTH=PLAIN" not in offered:
        raise SourceTrouble("the server does not offer AUTH=PLAIN, which this login needs")
    if not plain and "LOGINDISABLED" in offered:
        raise SourceTrouble("the server allows no LOGIN on this connection (it may want TLS)")
    try:
        with told_as("login"):
            if plain:
                client.plain_login(user, password)
            else:
                client.login(_astring(user), password)
    except SourceTrouble as trouble:
        raise _refusal(trouble, user, password) from trouble.__cause__


def _xoauth2(client: Client, user: str, tokens: Tokens) -> None:
    for last_try in (False, True):
        token = tokens.get()
        challenges: list[bytes] = []

        def respond(challenge: bytes, token: str = token, challenges: list[bytes] = challenges) -> str:
            # A second challenge holds the error as JSON and wants an empty response.
            challenges.append(challenge)
            return f"user={user}\1auth=Bearer {token}\1\1" if len(challenges) == 1 else ""

        try:
            with told_as("login"):
                client.sasl_login("XOAUTH2", respond)
        except SourceTrouble as trouble:
            refusal = _refusal(trouble, user, token)
            if not isinstance(refusal, LoginRefused):
                raise refusal from trouble.__cause__
            tokens.forget()
            if last_try:
                raise refusal from trouble.__cause__
        else:
            return


def _refusal(trouble: SourceTrouble, user: str, secret: str) -> SourceTrouble:
    """Lost connections stay what they are; a refused login becomes one, cleared of the secret."""
    error = trouble.__cause__
    # The library turns all errors of a login into one, a lost connection too.
    if isinstance(error, LoginError) and isinstance(error.__context__, imaplib.IMAP4.abort):
        return SourceTrouble("login: the connection is lost")
    if isinstance(error, imaplib.IMAP4.error) and not isinstance(error, imaplib.IMAP4.abort):
        # what the server said is bytes, which the library hands on as their literal
        told = _BYTES.sub(lambda found: found[2], str(error))
        said = one_line(told.replace(secret, "***") if secret else told)
        return LoginRefused(f"the server refuses the login of {user}: {said}")
    return trouble


def _introduce(client: Client) -> None:
    """RFC 2971. Some providers open no folder to a client that does not say who it is."""
    try:
        client.id_({"name": "ticketgate"})
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        log.debug("imap_id_refused", reason=one_line(error))


def _astring(text: str) -> str:
    """RFC 3501's astring; imaplib quotes passwords and not users, and DOMAIN\\user is no atom."""
    if _ATOM.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
