"""One connection of a listener: who may connect, and the loop of commands (RFC 5321).

Connections are counted in sum and by client; behind a proxy the client is the one that the PROXY header
names. What the loop does otherwise than its base in aiosmtpd, and why:

- an exception of ours answers `451 4.3.0`, with a traceback in our log (the base tells the client the
  exception's text with a permanent 500, and the mail is lost);
- the length of a command is bounded, and so is the number of useless ones;
- `tls.required` knows of implicit TLS.
"""

# The base has no types, and names its methods for the commands.
# mypy: disable-error-code="misc"
# ruff: noqa: N802

from __future__ import annotations

import asyncio
from typing import ClassVar

from aiosmtpd.proxy_protocol import AF, V2_CMD, get_proxy
from aiosmtpd.smtp import TLSSetupException

from gateway.intake.smtp_context import ListenerContext
from gateway.intake.smtp_limits import client_key
from gateway.intake.smtp_stream import SHUTTING_DOWN, Stream

_COMMAND_OCTETS = 2048
_AUTH_OCTETS = 12288  # RFC 4954 section 4
_USELESS_COMMANDS = 100
_UNKNOWN_COMMANDS = 5
_PROXY_TIMEOUT_S = 10.0
_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS"})
_BEFORE_TLS = frozenset({"NOOP", "HELO", "EHLO", "LHLO", "STARTTLS", "QUIT", "RSET"})
_NOT_COUNTED = frozenset({"RCPT", "QUIT"})


class Connection(Stream):
    """The conversation with one client."""

    greeting_word: ClassVar[str] = "ESMTP"

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._client_key: str | None = None
        self._counted = False
        self._useless = 0
        self._unknown = 0

    def connection_lost(self, error: Exception | None) -> None:
        if self._client_key is not None:
            self.context.connections.leave_client(self._client_key)
            self._client_key = None
        if self._counted:
            self.context.connections.leave()
            self._counted = False
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        try:
            if await self._is_admitted():
                self._out += f"220 {self.hostname} {self.greeting_word} ready\r\n".encode()
                await self.flush()
                await self._converse()
            await self.flush()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.log.debug("connection_closed", client=self.client, reason="the client left")
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
            self.log.warning("connection_refused", client=self.client, reason="no valid PROXY header")
            return False
        key = client_key(self.client)
        if not connections.enter_client(key):
            return await self._refuse("too many connections of this client")
        self._client_key = key
        return True

    async def _refuse(self, reason: str) -> bool:
        self.log.warning("connection_refused", client=self.client, reason=reason)
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
                self.part(SHUTTING_DOWN)
                return
            line = await self._read_command()
            self._busy = True
            try:
                await self._obey(line)
            except (ConnectionError, asyncio.IncompleteReadError):
                raise
            except TLSSetupException as error:
                self.log.info("connection_closed", client=self.client, reason="TLS failed")
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
        self.log.warning("connection_closed", client=self.client, reason=reason)
        await self.push("421 4.7.0 Too many errors, closing connection")
        self._over = True

    def mail_stored(self) -> None:
        """Forget the errors made so far: this client is of use."""
        self._useless = self._unknown = 0

    async def handle_exception(self, error: Exception) -> str:
        """The public answer to an exception of ours; the private side goes into the log."""
        self.log.error("listener_failed", client=self.client, exc_info=error)
        return "451 4.3.0 Temporary trouble here, try again later"

    async def smtp_QUIT(self, arg: str | None) -> None:
        if arg:
            await self.push("501 Syntax: QUIT")
            return
        await self.push("221 Bye")
        self._over = True
