"""One SMTP or LMTP connection as a client: smtplib's greeting and extensions, our own replies and sending.

Guarantees beyond smtplib's: a reply is bounded in lines and octets; each reply and each write is bounded in
time, and so is the whole hand-over (`begin`); `send` returns only when the kernel has taken all octets, so
that whoever gets an exception knows that the last of them never left; nothing that came in before TLS is
believed after it. Everything that ends the connection is `smtplib.SMTPException`.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from typing import TYPE_CHECKING

from gateway.delivery.replies import Reply, make_reply
from gateway.mail.spelling import a_labels
from gateway.ports import Clock

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_LONGEST_LINE = 8192
_MOST_LINES = 128
_GOODBYE_TIMEOUT_S = 2.0
_LAST_WORDS_TIMEOUT_S = 1.0


class Wire(smtplib.SMTP):
    """A connected peer. `usable` turns False when the connection must not carry another mail; `stale_mail`
    says that the peer still holds an unfinished transaction, which RSET has to end."""

    def __init__(self, sock: socket.socket, clock: Clock, helo: str, timeout_s: float, lmtp: bool) -> None:
        """Takes over `sock`. `helo`: our name, told in A-labels. `timeout_s` bounds the wait for one reply
        and for progress in one write."""
        super().__init__(local_hostname=a_labels(helo) or "localhost", timeout=timeout_s)
        if lmtp:
            self.ehlo_msg = "lhlo"
        self.sock: socket.socket | None = sock
        self.usable = True
        self.stale_mail = False
        self._clock = clock
        self._timeout_s = timeout_s
        self._until = float("inf")
        self._input = bytearray()

    def begin(self, budget_s: float) -> None:
        """From now on all that happens ends within `budget_s` seconds."""
        self._until = self._clock.monotonic() + budget_s

    def _connected(self) -> socket.socket:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        return self.sock

    def _set_patience(self, limit_at: float) -> socket.socket:
        sock = self._connected()
        left_s = limit_at - self._clock.monotonic()
        if left_s <= 0:
            raise self._ended("it took too long")
        sock.settimeout(left_s)
        return sock

    def _ended(self, why: str) -> smtplib.SMTPServerDisconnected:
        self.usable = False
        return smtplib.SMTPServerDisconnected(why)

    def _broken(self, error: OSError) -> smtplib.SMTPServerDisconnected:
        if isinstance(error, TimeoutError):
            return self._ended("it took too long")
        return self._ended(f"connection lost ({type(error).__name__})")

    def send(self, s: ReadableBuffer | str) -> None:
        """Write all of `s`."""
        left = memoryview(s.encode(self.command_encoding) if isinstance(s, str) else s)
        while left:
            limit_at = min(self._clock.monotonic() + self._timeout_s, self._until)
            sock = self._set_patience(limit_at)
            try:
                left = left[sock.send(left) :]
            except OSError as error:
                raise self._broken(error) from error

    def getreply(self) -> tuple[int, bytes]:
        """The next reply as (code, lines without code, joined by LF)."""
        limit_at = min(self._clock.monotonic() + self._timeout_s, self._until)
        lines = []
        for _ in range(_MOST_LINES):
            line = self._read_line(limit_at)
            code = line[:3]
            if not (len(code) == 3 and code.isdigit() and line[3:4] in (b" ", b"-", b"")):
                raise self._ended("the reply is not SMTP")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(code), b"\n".join(lines)
        raise self._ended("the reply does not end")

    def _read_line(self, limit_at: float) -> bytes:
        searched = 0
        while (end := self._input.find(b"\n", searched)) < 0:
            searched = len(self._input)
            if searched > _LONGEST_LINE:
                raise self._ended("a line of the reply does not end")
            sock = self._set_patience(limit_at)
            try:
                octets = sock.recv(4096)
            except OSError as error:
                raise self._broken(error) from error
            if not octets:
                raise self._ended("connection closed")
            self._input += octets
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        return line.rstrip(b"\r")

    def reply(self) -> Reply:
        """The next reply, taken apart."""
        return make_reply(*self.getreply())

    def command(self, line: str) -> Reply:
        """Send a command line and read its reply. The line holds no CR or LF."""
        return make_reply(*self.docmd(line))

    def final_reply(self, patience_s: float) -> Reply:
        """The reply to the end of the mail; servers may take their time (RFC 5321 section 4.5.3.2.6)."""
        usual_s, self._timeout_s = self._timeout_s, patience_s
        self.begin(patience_s)
        try:
            return self.reply()
        finally:
            self._timeout_s = usual_s

    def last_words(self) -> Reply | None:
        """What the peer said before it broke the connection off, where that can still be read."""
        self._timeout_s = _LAST_WORDS_TIMEOUT_S
        with contextlib.suppress(smtplib.SMTPException):
            return self.reply()
        return None

    def secure(self, context: ssl.SSLContext, server_hostname: str) -> None:
        """Put TLS on the connection. Raises OSError (ssl.SSLError among them). Extensions told before are
        forgotten (RFC 3207 section 4.2); a peer that sent more than was asked for is refused."""
        if self._input:
            raise self._ended("the peer sent octets between STARTTLS and TLS")
        sock = self._set_patience(min(self._clock.monotonic() + self._timeout_s, self._until))
        self.sock = context.wrap_socket(sock, server_hostname=server_hostname)
        self.ehlo_resp = None
        self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def close(self) -> None:
        """Close at once; never raises."""
        self.usable = False
        with contextlib.suppress(OSError):
            super().close()

    def goodbye(self) -> None:
        """Say QUIT where that makes sense, and close; never raises."""
        if self.usable and self.sock is not None:
            self._timeout_s = _GOODBYE_TIMEOUT_S
            self.begin(_GOODBYE_TIMEOUT_S)
            with contextlib.suppress(smtplib.SMTPException):
                self.docmd("QUIT")
        self.close()
