"""A small SMTP server that remembers each mail whose final dot it has seen, whoever is gone by then."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Sunk:
    """One mail as it came, dots unstuffed."""

    forward_path: str
    octets: bytes

    def field(self, name: str) -> str:
        """A header field, unfolded; "" where there is none."""
        head = self.octets.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
        found = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith(f"{name}: ")]
        return found[0] if found else ""


class Sink:
    """A context; `port` is open while it lasts, also while the daemon is dead."""

    def __init__(self) -> None:
        self.mails: list[Sunk] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        sink = self

        class Session(socketserver.StreamRequestHandler):
            """One connection."""

            timeout = 30

            def handle(self) -> None:
                # the daemon may die in the middle of any line
                with contextlib.suppress(OSError):
                    self._serve()

            def _say(self, line: str) -> None:
                self.wfile.write(line.encode() + b"\r\n")

            def _serve(self) -> None:
                self._say("220 sink.test ESMTP")
                recipient = ""
                for line in self.rfile:
                    verb = line[:4].upper().strip()
                    if verb == b"EHLO":
                        self._say("250-sink.test")
                        self._say("250 8BITMIME")
                    elif verb == b"RCPT":
                        recipient = line.partition(b"<")[2].partition(b">")[0].decode()
                        self._say("250 2.1.5 ok")
                    elif verb == b"DATA":
                        self._say("354 go on")
                        octets = self._data()
                        if octets is None:
                            return
                        sink.mails.append(Sunk(recipient, octets))
                        self._say("250 2.0.0 taken")
                    elif verb == b"QUIT":
                        self._say("221 2.0.0 bye")
                        return
                    else:
                        self._say("250 2.0.0 ok")

            def _data(self) -> bytes | None:
                lines = []
                for line in self.rfile:
                    if line == b".\r\n":
                        return b"".join(lines)
                    lines.append(line.removeprefix(b"."))
                return None

        return Session
