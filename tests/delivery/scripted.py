"""A mail server that says what a test tells it to, one scripted conversation a connection.

A conversation is a function of a `Peer`. It runs in the server's thread; an exception in it, a failed
assertion for example, is raised again when the server is left.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from typing import Self

from gateway.ports import Delivery

MAIL = b"Subject: hello\r\nMessage-ID: <1@desk.test>\r\n\r\nHello.\r\n.dots\r\n..\r\n.\r\nend\r\n"


def make_delivery(
    chunks: Iterable[bytes] = (MAIL,),
    *,
    reverse_path: str = "support@desk.test",
    forward_path: str = "kim@customer.test",
    size: int | None = None,
    needs_smtputf8: bool = False,
    outbox_id: int = 1,
) -> Delivery:
    """A mail to hand over."""
    if size is None:
        size = sum(len(chunk) for chunk in chunks)
    return Delivery(
        outbox_id, reverse_path, forward_path, f"<{outbox_id}@desk.test>", size, chunks, needs_smtputf8
    )


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._input = b""
        self.heard: list[str] = []
        self.mails: list[bytes] = []

    def say(self, *lines: str) -> None:
        self.sock.sendall("".join(line + "\r\n" for line in lines).encode())

    def _more(self) -> None:
        octets = self.sock.recv(65536)
        if not octets:
            raise EOFError("the client has gone")
        self._input += octets

    def hear(self, begin: str = "") -> str:
        """The next line; it has to begin with `begin`."""
        while b"\r\n" not in self._input:
            self._more()
        line, self._input = self._input.split(b"\r\n", 1)
        text = line.decode()
        self.heard.append(text)
        assert text.upper().startswith(begin.upper()), f"heard {text!r}, wanted {begin}"
        return text

    def waiting_octets(self) -> bytes:
        """What has come and was not read as a line yet."""
        return self._input

    def hear_mail(self) -> bytes:
        """DATA up to and with the lone dot; kept as it came over the wire."""
        while not (self._input.startswith(b".\r\n") or b"\r\n.\r\n" in self._input):
            self._more()
        if self._input.startswith(b".\r\n"):
            mail, self._input = b".\r\n", self._input[3:]
        else:
            end = self._input.index(b"\r\n.\r\n") + 5
            mail, self._input = self._input[:end], self._input[end:]
        self.mails.append(mail)
        return mail

    def greet(self, *extensions: str) -> None:
        """Greeting and EHLO with these extensions."""
        self.say("220 relay.test ESMTP")
        self.hear("EHLO")
        self.offer(*extensions)

    def offer(self, *extensions: str) -> None:
        names = ["relay.test", *extensions]
        self.say(*(f"250-{name}" for name in names[:-1]), f"250 {names[-1]}")

    def take_mail(self, reply: str = "250 2.0.0 queued as 42") -> bytes:
        """One whole accepted transaction."""
        self.take_envelope()
        mail = self.hear_mail()
        self.say(reply)
        return mail

    def take_envelope(self) -> None:
        """All that goes before the mail itself, accepted."""
        for command, reply in (("MAIL", "250 2.1.0 ok"), ("RCPT", "250 2.1.5 ok"), ("DATA", "354 go")):
            self.hear(command)
            self.say(reply)

    def hear_end(self) -> bool:
        """Whether the client closes, with or without QUIT, and says nothing else."""
        try:
            line = self.hear()
        except (EOFError, ConnectionError):
            return True
        assert line == "QUIT"
        self.say("221 bye")
        return True

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def reset(self) -> None:
        """Break the connection off with a TCP RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class ScriptedServer:
    """A context in which the conversations are held in turn, one a connection, on a loopback port."""

    def __init__(self, *conversations: Callable[[Peer], object], host: str = "127.0.0.1") -> None:
        """`host`: any address in 127.0.0.0/8, or localhost."""
        self._conversations = conversations
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.peers: list[Peer] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        for conversation in self._conversations:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(10)
            peer = Peer(sock)
            self.peers.append(peer)
            try:
                conversation(peer)
            except BaseException as error:
                self._failure = error
                return
            finally:
                peer.sock.close()
                sock.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        if kind is None:
            assert not self._thread.is_alive(), "not all conversations were held"
            if self._failure is not None:
                raise self._failure
