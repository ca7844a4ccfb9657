"""The envelope of a mail: EHLO, MAIL, RCPT (RFC 5321 sections 4.1.1.1 to 4.1.1.3).

A client is told early what cannot be: a size beyond the limit, an unknown recipient, too many of anything.
Nobody learns who is here but by RCPT, and guessing there ends the connection.
"""

# The base has no types, and names its methods for the commands.
# mypy: disable-error-code="misc, untyped-decorator"
# ruff: noqa: N802

from __future__ import annotations

from aiosmtpd.smtp import Envelope, syntax

from gateway.intake.paths import BadPath, Path, parse_path
from gateway.intake.recipients import Route
from gateway.intake.smtp_context import ListenerContext
from gateway.intake.smtp_secure import SecureConnection

TOO_LARGE = "552 5.3.4 Message is too large"
NO_ROOM = "452 4.3.1 No room for the message now, try again later"
_REFUSED_RECIPIENTS = 20


class Transaction(Envelope):
    """One mail transaction. `mail_from` is None before MAIL, "" for the null reverse path."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: list[Route] = []


class EnvelopeCommands(SecureConnection):
    """A conversation in which a mail transaction can begin."""

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._refused = 0

    def _create_envelope(self) -> Transaction:
        return Transaction()

    def mail_stored(self) -> None:
        super().mail_stored()
        self._refused = 0

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, arg: str | None) -> None:
        if not arg:
            await self.push("501 5.5.4 A host name is wanted")
            return
        self._set_rset_state()
        self.session.extended_smtp = True
        self.session.host_name = arg
        words = [
            self.hostname,
            "PIPELINING",
            f"SIZE {self.data_size_limit}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
        ]
        if self.tls_context is not None and not self.encrypted:
            words.append("STARTTLS")
        if self.auth_is_offered():
            words.append("AUTH PLAIN LOGIN")
        words.append("HELP")
        lines = [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]
        self._out += ("\r\n".join(lines) + "\r\n").encode()
        await self.flush()

    @syntax("HELO hostname")
    async def smtp_HELO(self, arg: str | None) -> None:
        if not arg:
            await self.push("501 5.5.4 A host name is wanted")
            return
        self._set_rset_state()
        self.session.extended_smtp = False
        self.session.host_name = arg
        self._out += f"250 {self.hostname}\r\n".encode()
        await self.flush()

    @syntax("VRFY address")
    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.push("252 2.5.0 Send some mail, it may arrive")

    @syntax("MAIL FROM:<address>", extended=" [SIZE=octets] [BODY=8BITMIME] [SMTPUTF8]")
    async def smtp_MAIL(self, arg: str | None) -> None:
        if await self.check_helo_needed() or await self.check_auth_needed("MAIL"):
            return
        if self.envelope.mail_from is not None:
            await self.push("503 5.5.1 A mail transaction is already begun")
            return
        path = _path("FROM:", arg)
        if path is None:
            await self.push("501 5.1.7 Bad sender address syntax")
            return
        refusal = self._unknown_parameter(path) or self._refusal_of_mail(path)
        if refusal is not None:
            await self.push(refusal)
            return
        self.envelope.mail_from = path.address
        await self.push("250 2.1.0 Sender ok")

    def _unknown_parameter(self, path: Path) -> str | None:
        known = {"SIZE", "BODY", "SMTPUTF8"} | ({"AUTH"} if self.context.logins else set())
        parameters = path.parameters
        if parameters.keys() - known:
            return "555 5.5.4 Unknown parameter of MAIL"
        if (parameters.get("BODY", "7BIT") or "").upper() not in {"7BIT", "8BITMIME"}:
            return "501 5.5.4 BODY can only be 7BIT or 8BITMIME"
        if parameters.get("SMTPUTF8") is not None:
            return "501 5.5.4 SMTPUTF8 takes no value"
        size = parameters.get("SIZE", "0") or ""
        if not (size.isascii() and size.isdigit() and len(size) <= 20):
            return "501 5.5.4 SIZE is no number"
        return None

    def _refusal_of_mail(self, path: Path) -> str | None:
        size = int(path.parameters.get("SIZE") or 0)
        if size > self.context.listener.limits.message_size:
            self.log_refusal("too large", path.address, size=size)
            return TOO_LARGE
        if not self.context.in_flight.has_room(max(size, 1)):
            self.log_refusal("too many octets in flight", path.address, size=size)
            return NO_ROOM
        assert self._client_key is not None
        if not self.context.rate.take(self._client_key):
            self.log_refusal("too many mails a minute", path.address)
            return "450 4.7.1 Too many mails from you in this minute, try again later"
        return None

    @syntax("RCPT TO:<address>")
    async def smtp_RCPT(self, arg: str | None) -> None:
        if await self.check_helo_needed() or await self.check_auth_needed("RCPT"):
            return
        if self.envelope.mail_from is None:
            await self.push("503 5.5.1 MAIL comes first")
            return
        path = _path("TO:", arg)
        if path is None or not path.address:
            await self._refuse_recipient("501 5.1.3 Bad recipient address syntax")
            return
        if path.parameters:
            await self._refuse_recipient("555 5.5.4 Unknown parameter of RCPT")
            return
        if len(self.envelope.routes) >= self.context.listener.limits.recipients:
            await self.push("452 4.5.3 Too many recipients")
            return
        route = self.context.recipients.route(path.address)
        if route is None:
            self.log_refusal("unknown recipient", forward_path=path.address)
            await self._refuse_recipient("550 5.1.1 No such recipient here")
            return
        self.envelope.routes.append(route)
        await self.push("250 2.1.5 Recipient ok")

    async def _refuse_recipient(self, reply: str) -> None:
        self._refused += 1
        if self._refused > _REFUSED_RECIPIENTS:
            await self._dismiss("too many refused recipients")
            return
        await self.push(reply)

    def log_refusal(self, reason: str, reverse_path: str | None = None, **details: object) -> None:
        """One line for a mail or a recipient that is not taken. `reverse_path`: where MAIL itself is
        refused."""
        sender = self.envelope.mail_from if reverse_path is None else reverse_path
        self.log.info("mail_refused", client=self.client, reason=reason, reverse_path=sender, **details)


def _path(keyword: str, arg: str | None) -> Path | None:
    if arg is None or arg[: len(keyword)].upper() != keyword:
        return None
    try:
        return parse_path(arg[len(keyword) :])
    except BadPath:
        return None
