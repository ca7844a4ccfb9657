"""The stream of one connection: replies, time, stopping, closing. The lowest layer of our SMTP server.

Our server is aiosmtpd's `SMTP` with five layers over it: `Stream` (this file), `Connection` (admission and
the loop of commands), `SecureConnection` (TLS and AUTH), `EnvelopeCommands` (EHLO, MAIL, RCPT) and
`SmtpServer` (DATA). What this layer does otherwise than its base, and why:

- a client that closes its sending side is still answered (the base cancels what it is about to say);
- replies carry enhanced status codes (RFC 2034), and gather while pipelined commands wait (RFC 2920);
- a timeout is told (`421 4.4.2`), and a peer that does not read cannot hold the connection;
- a stopping server lets go of its clients (`421 4.3.2`).
"""

# The base has no types, and names its methods for the commands.
# mypy: disable-error-code="misc"

from __future__ import annotations

import asyncio
import re
from typing import Any, ClassVar

import structlog
from aiosmtpd.smtp import SMTP, Session

from gateway.intake.smtp_context import ListenerContext

log = structlog.get_logger()

STREAM_LIMIT = 64 * 1024
"""Octets that are read ahead of what is worked on; twice as many pause the socket."""
_REPLIES_OCTETS = 8192
_LINGER_S = 5.0
SHUTTING_DOWN = "421 4.3.2 Service shutting down, try again later"

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


_COMMANDS: dict[type, tuple[str, ...]] = {}


class NoHooks:
    """In place of aiosmtpd's handler: the commands are methods of the connection itself."""

    def __dir__(self) -> tuple[str, ...]:
        return ()


class QuietSession(Session):
    """aiosmtpd's session; its own `login_data` warns at each use."""

    login_data: Any = None


class Stream(SMTP):
    """What is said and heard on one connection."""

    line_length_limit: ClassVar[int] = STREAM_LIMIT
    _timeout_handle: asyncio.TimerHandle | None

    def __init__(self, context: ListenerContext) -> None:
        listener = context.listener
        super().__init__(
            NoHooks(),
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
        self.log = log.bind(listener=listener.name)
        self._deadline = 0.0
        self._linger: asyncio.TimerHandle | None = None
        self._out = bytearray()
        self._busy = False
        self._over = False
        self._stopping = False

    def __dir__(self) -> tuple[str, ...]:
        # For each connection the base looks through all attributes for commands, which costs more than MAIL,
        # RCPT and DATA together.
        kind = type(self)
        if kind not in _COMMANDS:
            _COMMANDS[kind] = tuple(name for name in dir(kind) if name.startswith(("smtp_", "auth_")))
        return _COMMANDS[kind]

    @property
    def encrypted(self) -> bool:
        """Whether the octets travel under TLS."""
        return self._tls_protocol is not None or self.context.implicit_tls

    def _create_session(self) -> QuietSession:
        return QuietSession(self.loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.context.alive.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.context.alive.discard(self)
        if self._linger is not None:
            self._linger.cancel()
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
        self.log.info("connection_closed", client=self.client, reason="timeout")
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
            self.part(SHUTTING_DOWN)

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
