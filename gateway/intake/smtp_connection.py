"""One connection of a listener: conversation, time, TLS, AUTH, PROXY (RFC 5321, 3207, 4954).

Built on aiosmtpd's `SMTP`, from which come the stream, STARTTLS, the SASL exchange, the PROXY header and the
small commands. What it does otherwise than its base, and why:

- an exception of ours answers `451 4.3.0` and a traceback in our log (the base tells the client the
  exception's text with a permanent 500, and the mail is lost);
- a client that closes its sending side is still answered (the base cancels what it is about to say);
- AUTH and `tls.required` know of implicit TLS, mechanisms in any case of letters, and passwords that are
  checked in a thread;
- replies carry enhanced status codes (RFC 2034) and gather while pipelined commands wait (RFC 2920);
- the length of a command, the number of useless commands, connections and failed logins are bounded;
- a timeout is told (`421 4.4.2`) and a peer that does not read cannot hold the connection.

The commands of a mail transaction are in `smtp_server.py`.
"""

# The base has no types, and names its methods for the commands.
# mypy: disable-error-code="misc"
# ruff: noqa: N802

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import structlog
from aiosmtpd.proxy_protocol import AF, V2_CMD, get_proxy
from aiosmtpd.smtp import SMTP, AuthResult, Session, TLSSetupException

from gateway.intake.group_commit import GroupCommit
from gateway.intake.recipients import Recipients
from gateway.intake.smtp_auth import AgentLogins, AuthBusy
from gateway.intake.smtp_limits import Connections, InFlight, SlidingWindow, client_key
from gateway.ports import Ids
from gateway.settings.model import Listener

log = structlog.get_logger()

STREAM_LIMIT = 64 * 1024
"""Octets that are read ahead of what is worked on; twice as many pause the socket."""
_COMMAND_OCTETS = 2048
_AUTH_OCTETS = 12288  # RFC 4954 section 4
_REPLIES_OCTETS = 8192
_USELESS_COMMANDS = 100
_UNKNOWN_COMMANDS = 5
_FAILED_LOGINS = 3
_PROXY_TIMEOUT_S = 10.0
_LINGER_S = 5.0
_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS"})
_BEFORE_TLS = frozenset({"NOOP", "HELO", "EHLO", "LHLO", "STARTTLS", "QUIT", "RSET"})
_NOT_COUNTED = frozenset({"RCPT", "QUIT"})

_STATUS = {
    "220": "2.0.0", "221": "2.0.0", "235": "2.7.0", "250": "2.0.0", "252": "2.5.0", "421": "4.3.2",
    "450": "4.0.0", "451": "4.3.0", "452": "4.3.1", "454": "4.7.0", "500": "5.5.2", "501": "5.5.4",
    "502": "5.5.1", "503": "5.5.1", "504": "5.5.4", "530": "5.7.0", "550": "5.0.0", "554": "5.0.0",
    "555": "5.5.4",
}  # fmt: skip
_BARE = re.compile(r"([245]\d\d) (?!\d\.\d{1,3}\.\d{1,3} )", re.ASCII)


def with_status(reply: str) -> str:
    """The reply with an enhanced status code (RFC 3463), where it has none."""
    found = _BARE.match(reply)
    if found is None or found[1] not in _STATUS:
        return reply
    return f"{found[1]} {_STATUS[found[1]]} {reply[4:]}"


@dataclass(frozen=True)
class ListenerContext:
    """What the connections of one listener share."""

    listener: Listener
    hostname: str
    tls: ssl.SSLContext | None
    logins: AgentLogins | None
    """None: AUTH is not offered."""
    recipients: Recipients
    commit: GroupCommit
    ids: Ids
    connections: Connections
    rate: SlidingWindow
    in_flight: InFlight
    folder: Path | None
    """Takes the temporary files of large mails."""
    on_accept: Callable[[int], None]
    """Called in the event loop with each new spool id."""
    login_delay_s: float = 1.0
    """How long a wrong password waits for its answer."""
    alive: set[Connection] = field(default_factory=set)

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS comes before the greeting."""
        return self.listener.tls is not None and self.listener.tls.mode == "implicit"


class QuietSession(Session):
    """aiosmtpd's session; its own `login_data` warns at each use."""

    login_data: Any = None


class Connection(SMTP):
    """The conversation with one client. Made by `listeners.py` for each connection."""

    line_length_limit: ClassVar[int] = STREAM_LIMIT
    greeting_word: ClassVar[str] = "ESMTP"
    _timeout_handle: asyncio.TimerHandle | None

    def __init__(self, context: ListenerContext) -> None:
        listener = context.listener
        super().__init__(
            None,
            data_size_limit=listener.limits.message_size,
            enable_SMTPUTF8=True,
            hostname=context.hostname,
            tls_context=None if context.implicit_tls else context.tls,
            timeout=listener.limits.command_timeout.total_seconds(),
            auth_require_tls=not (listener.auth_without_tls or context.implicit_tls),
            loop=asyncio.get_running_loop(),
        )
        self.context = context
        self.client = "unknown"
        self._client_key: str | None = None
        self._counted = False
        self._deadline = 0.0
        self._linger: asyncio.TimerHandle | None = None
        self._out = bytearray()
        self._busy = False
        self._over = False
        self._stopping = False
        self._useless = 0
        self._unknown = 0
        self._failed_logins = 0
        self.log = log.bind(listener=listener.name)

    @property
    def encrypted(self) -> bool:
        """Whether the octets travel under TLS."""
        return self._tls_protocol is not None or self.context.implicit_tls

    @property
    def authenticated_as(self) -> str | None:
        """Name of the agent who logged in."""
        return self.session.auth_data if self.session.authenticated else None

    def _create_session(self) -> QuietSession:
        return QuietSession(self.loop)

    # The stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.context.alive.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.context.alive.discard(self)
        if self._linger is not None:
            self._linger.cancel()
        if self._client_key is not None:
            self.context.connections.leave_client(self._client_key)
            self._client_key = None
        if self._counted:
            self.context.connections.leave()
            self._counted = False
        super().connection_lost(error)

    def eof_received(self) -> bool:
        super(SMTP, self).eof_received()
        return not self.encrypted

    def _reset_timeout(self, duration: float | None = None) -> None:
        self._deadline = self.loop.time() + (duration or self._timeout_duration)
        if self._timeout_handle is None or self._timeout_handle.when() > self._deadline:
            self._arm()

    def _arm(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        if self.loop.time() < self._deadline:
            self._arm()
            return
        self.log.info("connection closed", client=self.client, reason="timeout")
        self.part("421 4.4.2 Timeout, closing connection")

    def part(self, reply: str) -> None:
        """Say a last word and close, without waiting for whatever is going on."""
        self._over = True
        if self.transport is None or self.transport.is_closing():
            return
        self._out += reply.encode() + b"\r\n"
        self._writer.write(bytes(self._out))
        self._out.clear()
        self._close()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()
            if self._linger is None:
                self._linger = self.loop.call_later(_LINGER_S, self.abort)

    def abort(self) -> None:
        """Drop the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def stop(self) -> None:
        """Take no further mail: an idle client is sent away now, the others after what they are at."""
        self._stopping = True
        if not self._busy:
            self.part("421 4.3.2 Service shutting down, try again later")

    async def push(self, status: str | bytes) -> None:
        reply = status.decode() if isinstance(status, bytes) else status
        self._out += with_status(reply).encode() + b"\r\n"
        if len(self._out) < _REPLIES_OCTETS and b"\n" in self._reader._buffer:
            return
        await self.flush()

    async def flush(self) -> None:
        """Send the replies that have gathered. Raises ConnectionResetError where nobody is there."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError
        if self._out:
            self._writer.write(bytes(self._out))
            self._out.clear()
        await self._writer.drain()

    # The conversation

    async def _handle_client(self) -> None:
        try:
            if await self._is_admitted():
                self._out += f"220 {self.hostname} {self.greeting_word} ready\r\n".encode()
                await self.flush()
                await self._converse()
            await self.flush()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.log.debug("connection closed", client=self.client, reason="the client left")
        finally:
            self._over = True
            self._close()

    async def _is_admitted(self) -> bool:
        connections = self.context.connections
        self._counted = connections.enter()
        if not self._counted:
            return await self._refuse("too many connections")
        peer = self.session.peer
        self.client = str(peer[0]) if isinstance(peer, tuple) else "local"
        if self.context.listener.proxy_protocol and not await self._read_proxy_header():
            self.log.warning("connection refused", client=self.client, reason="no valid PROXY header")
            return False
        key = client_key(self.client)
        if not connections.enter_client(key):
            return await self._refuse("too many connections of this client")
        self._client_key = key
        return True

    async def _refuse(self, reason: str) -> bool:
        self.log.warning("connection refused", client=self.client, reason=reason)
        await self.push("421 4.7.0 Too many connections, try again later")
        return False

    async def _read_proxy_header(self) -> bool:
        self._reset_timeout(min(_PROXY_TIMEOUT_S, self._timeout_duration))
        header = await get_proxy(self._reader)
        self._reset_timeout()
        self.session.proxy_data = header
        if not header.valid:
            return False
        if header.command != V2_CMD.LOCAL or header.version == 1:
            if header.family in {AF.INET, AF.INET6}:
                self.client = str(header.src_addr)
            elif header.family == AF.UNIX:
                self.client = "local"
        return True

    async def _converse(self) -> None:
        while not self._over:
            if self._stopping:
                self.part("421 4.3.2 Service shutting down, try again later")
                return
            line = await self._read_command()
            self._busy = True
            try:
                await self._obey(line)
            except (ConnectionError, asyncio.IncompleteReadError):
                raise
            except TLSSetupException as error:
                self.log.info("connection closed", client=self.client, reason="TLS failed")
                self._original_transport.abort()
                self.connection_lost(error)
                return
            except Exception as error:  # noqa: BLE001
                reply = await self.handle_exception(error)
                self._set_rset_state()
                await self.push(reply)
            finally:
                self._busy = False

    async def _read_command(self) -> bytes | None:
        """The next line without its end; None where it is too long."""
        too_long = False
        while True:
            try:
                line: bytes = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                too_long = True
                await self._reader.readexactly(error.consumed)
                continue
            limit = _AUTH_OCTETS if line[:4].upper() == b"AUTH" else _COMMAND_OCTETS
            return None if too_long or len(line) > limit else line.rstrip(b"\r\n")

    async def _obey(self, line: bytes | None) -> None:
        self._reset_timeout()
        self._useless += 1
        if self._useless > _USELESS_COMMANDS:
            await self._dismiss("too many commands without a mail")
            return
        if line is None:
            await self.push("500 5.5.2 Command line too long")
            return
        try:
            name, _, argument = line.decode().partition(" ")
        except UnicodeDecodeError:
            await self.push("500 5.5.2 Command is not UTF-8")
            return
        name = name.upper()
        method = self._smtp_methods.get(name)
        if method is None:
            self._unknown += 1
            if name in _HTTP or self._unknown >= _UNKNOWN_COMMANDS:
                await self._dismiss("too many unknown commands")
            else:
                await self.push("500 5.5.2 Command not recognized")
            return
        if name in _NOT_COUNTED:
            self._useless -= 1
        tls = self.context.listener.tls
        if tls is not None and tls.required and not self.encrypted and name not in _BEFORE_TLS:
            await self.push("530 5.7.0 Must issue a STARTTLS command first")
            return
        await method(argument.strip(" \t") or None)

    async def _dismiss(self, reason: str) -> None:
        self.log.warning("connection closed", client=self.client, reason=reason)
        await self.push("421 4.7.0 Too many errors, closing connection")
        self._over = True

    def mail_stored(self) -> None:
        """Forget the errors made so far: this client is of use."""
        self._useless = self._unknown = 0

    async def handle_exception(self, error: Exception) -> str:
        """The public answer to an exception of ours; the private side goes into the log."""
        self.log.error("listener failed", client=self.client, exc_info=error)
        return "451 4.3.0 Temporary trouble here, try again later"

    async def smtp_QUIT(self, arg: str | None) -> None:
        if arg:
            await self.push("501 Syntax: QUIT")
            return
        await self.push("221 Bye")
        self._over = True

    # TLS and AUTH

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self.encrypted:
            await self.push("503 5.5.1 TLS is already active")
            return
        if self.tls_context is not None and not arg:
            # What was pipelined behind STARTTLS is not the client's but anybody's (RFC 3207 section 6).
            self._reader._buffer.clear()
        await super().smtp_STARTTLS(arg)

    def auth_is_offered(self) -> bool:
        """Whether AUTH may be used now."""
        return bool(self.context.logins) and (self.encrypted or not self._auth_require_tls)

    async def check_auth_needed(self, caller_method: str) -> bool:
        if self.context.listener.auth_required and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
            return True
        return False

    async def smtp_AUTH(self, arg: str | None) -> None:
        if not self.context.logins:
            await self.push("502 5.5.1 AUTH is not available")
            return
        if self.envelope.mail_from is not None:
            await self.push("503 5.5.1 AUTH is not permitted during a mail transaction")
            return
        mechanism, space, initial = (arg or "").partition(" ")
        await super().smtp_AUTH(mechanism.upper() + space + initial)

    def _authenticate(self, mechanism: str, auth_data: Any) -> AuthResult:
        # The base only takes login and password out of the exchange; `_checked` looks at them.
        return AuthResult(success=True, auth_data=auth_data)

    async def auth_PLAIN(self, _: Any, args: Sequence[str]) -> AuthResult:
        return await self._checked(await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: Any, args: Sequence[str]) -> AuthResult:
        return await self._checked(await super().auth_LOGIN(_, args))

    async def _checked(self, parsed: AuthResult) -> AuthResult:
        if not parsed.success:
            return parsed
        logins = self.context.logins
        assert logins is not None
        assert self._client_key is not None
        try:
            agent = await logins.check(self._client_key, parsed.auth_data.login, parsed.auth_data.password)
        except AuthBusy:
            self.log.warning("login refused", client=self.client, reason="too many attempts")
            busy = "454 4.7.0 Temporary authentication failure"
            return AuthResult(success=False, handled=False, message=busy)
        if agent is not None:
            self.log.info("login accepted", client=self.client, agent=agent)
            return AuthResult(success=True, auth_data=agent)
        self._failed_logins += 1
        self.log.warning("login refused", client=self.client, reason="wrong user or password")
        await asyncio.sleep(self.context.login_delay_s)
        if self._failed_logins >= _FAILED_LOGINS:
            self._over = True
            goodbye = "421 4.7.0 Too many failed logins, closing connection"
            return AuthResult(success=False, handled=False, message=goodbye)
        return AuthResult(success=False, handled=False)
