"""A smarthost by SMTP: connection, TLS (RFC 8314, RFC 3207), AUTH (RFC 4954); the rest is `hand_over`.

Guarantees: with `tls.mode` starttls or implicit nothing but the greeting is said unencrypted, and a peer
that does not offer STARTTLS gets no mail; with `tls.verify` its certificate must be good for `host`. The
password is read anew for each connection, so a changed file holds from the next one on; it stands in no log
line and no receipt, even if the peer echoes it. A refused login, bad TLS and a dead peer are `PeerTrouble`:
they cost no mail.
"""

from __future__ import annotations

import base64
import hmac
import smtplib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from gateway.delivery.hand_over import Unusable, WireSubmitter, why_not_connected
from gateway.delivery.replies import Reply, make_reply
from gateway.delivery.wire import Wire
from gateway.ports import Clock
from gateway.settings.model import SmtpDelivery, Tls

_IMPLICIT_TLS_PORT, _SUBMISSION_PORT, _SMTP_PORT = 465, 587, 25


class SmtpSubmitter(WireSubmitter):
    """`ports.Submitter` for one smarthost and one thread."""

    def __init__(
        self,
        settings: SmtpDelivery,
        config_folder: Path,
        helo: str,
        read_password: Callable[[], str] | None,
        clock: Clock,
    ) -> None:
        """`helo`: our name, where `settings.helo` gives none. `read_password` may raise Unusable."""
        super().__init__(clock, settings.timeout.total_seconds())
        self._settings = settings
        self._config_folder = config_folder
        self._helo = settings.helo or helo
        self._read_password = read_password
        self._port = settings.port or _default_port(settings)

    def _name(self) -> str:
        return f"{self._settings.host}:{self._port}"

    def _connect(self, budget_s: float) -> Wire:
        tls = self._settings.tls
        context = None if tls.mode == "none" else client_context(tls, self._config_folder)
        patience_s = max(min(self._timeout_s, budget_s), 0.001)
        sock = socket.create_connection((self._settings.host, self._port), patience_s)
        wire = Wire(sock, self._clock, self._helo, self._timeout_s, lmtp=False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.begin(budget_s)
            self._open(wire, context)
        except BaseException:
            wire.close()
            raise
        return wire

    def _open(self, wire: Wire, context: ssl.SSLContext | None) -> None:
        tls_mode = self._settings.tls.mode
        if context is not None and tls_mode == "implicit":
            wire.secure(context, self._settings.host)
        self._expect(wire.reply(), "greeting", 220)
        self._say_hello(wire)
        if context is not None and tls_mode == "starttls":
            if not wire.has_extn("starttls"):
                raise Unusable(f"{self._name()}: STARTTLS is not offered")
            self._expect(wire.command("STARTTLS"), "STARTTLS", 220)
            wire.secure(context, self._settings.host)
            self._say_hello(wire)
        if self._settings.user is not None:
            self._log_in(wire, self._settings.user)

    def _say_hello(self, wire: Wire) -> None:
        reply = make_reply(*wire.ehlo())
        if 500 <= reply.code <= 599:
            reply = make_reply(*wire.helo())
        if not reply.good:
            raise self._unusable(reply, "EHLO")

    def _log_in(self, wire: Wire, user: str) -> None:
        if self._read_password is None:
            raise Unusable(f"{self._name()}: a user without a password is set")
        offered = wire.esmtp_features.get("auth", "").upper().split()
        order = ["PLAIN", "LOGIN", "CRAM-MD5"]
        if self._settings.tls.mode == "none":
            order = ["CRAM-MD5", "PLAIN", "LOGIN"]
        mechanism = next((name for name in order if name in offered), None)
        if mechanism is None:
            raise Unusable(f"{self._name()}: no AUTH mechanism that we know is offered", "5.7.4")
        password = self._read_password()
        try:
            reply = _MECHANISMS[mechanism](wire, user, password)
        except smtplib.SMTPException as error:
            raise Unusable(f"{self._name()}: AUTH: {why_not_connected(error)}") from None
        if not reply.good:
            raise Unusable(
                f"{self._name()}: AUTH: {_without(str(reply), user, password)}", reply.enhanced_status
            )

    def _expect(self, reply: Reply, stage: str, code: int) -> None:
        if reply.code != code:
            raise self._unusable(reply, stage)

    def _unusable(self, reply: Reply, stage: str) -> Unusable:
        return Unusable(f"{self._name()}: {stage}: {reply}", reply.enhanced_status)


def _default_port(settings: SmtpDelivery) -> int:
    if settings.tls.mode == "implicit":
        return _IMPLICIT_TLS_PORT
    return _SMTP_PORT if settings.user is None else _SUBMISSION_PORT


def client_context(tls: Tls, config_folder: Path) -> ssl.SSLContext:
    """TLS 1.2 or later, trusting the system's authorities or just those of `tls.ca_file`. Raises Unusable."""
    try:
        ca_file = None if tls.ca_file is None else str(config_folder / tls.ca_file)
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError):
        raise Unusable(f"the certificates of ca_file {tls.ca_file} cannot be read") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _plain(wire: Wire, user: str, password: str) -> Reply:
    """RFC 4616; UTF-8."""
    return wire.command("AUTH PLAIN " + _b64(f"\0{user}\0{password}"))


def _login(wire: Wire, user: str, password: str) -> Reply:
    reply = wire.command("AUTH LOGIN")
    for answer in (user, password):
        if reply.code != 334:
            break
        reply = wire.command(_b64(answer))
    return reply


def _cram_md5(wire: Wire, user: str, password: str) -> Reply:
    """RFC 2195."""
    reply = wire.command("AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.text)
    except ValueError:
        return Reply(501, "the challenge is not base64", "5.5.2")
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return wire.command(_b64(f"{user} {digest}"))


_MECHANISMS: dict[str, Callable[[Wire, str, str], Reply]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}


def _without(text: str, user: str, password: str) -> str:
    """`text` without what was told in confidence, should the peer repeat it."""
    for told in (_b64(f"\0{user}\0{password}"), _b64(password), password):
        if told:
            text = text.replace(told, "***")
    return text
