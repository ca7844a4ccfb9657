"""smtp-sink as a server that misbehaves on request, and swaks as the client of a person at a terminal."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.process import HOST, Server, find_program, free_port, is_root, server_folder


@dataclass(frozen=True, slots=True)
class Dumped:
    """One mail that the sink took: the envelope that it noted above the mail, and the mail itself."""

    reverse_path: str
    forward_paths: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Sink:
    """A running smtp-sink."""

    host: str
    port: int
    folder: Path
    server: Server

    def mails(self) -> list[Dumped]:
        """What it took so far, oldest first; only where it was started with `dump=True`."""
        files = sorted(self.folder.glob("mail.*"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [_read_dump(path.read_bytes()) for path in files]


def _read_dump(octets: bytes) -> Dumped:
    """Take a capture file apart: X-… lines of smtp-sink stand before its own Received line."""
    reverse_path, forward_paths = "", []
    lines = octets.split(b"\n")
    start = 0
    for number, line in enumerate(lines):
        name, _, value = line.decode("utf-8", "replace").partition(": ")
        if name == "X-Mail-Args":
            reverse_path = value.partition(">")[0].lstrip("<")
        elif name == "X-Rcpt-Args":
            forward_paths.append(value.partition(">")[0].lstrip("<"))
        elif not name.startswith("X-"):
            start = number
            break
    body = lines[start:]
    while body and (body[0].startswith((b"Received: ", b"\t", b" "))):
        body.pop(0)
    return Dumped(reverse_path, tuple(forward_paths), b"\n".join(body))


@pytest.fixture
def smtp_sink() -> Iterator[Callable[..., Sink]]:
    """A maker of sinks. Each call starts one: `smtp_sink("-r", "RCPT")` answers 4xx to RCPT, `-f` 5xx,
    `-q` drops the connection, `-w 2` waits before the reply to DATA, `-L` speaks LMTP (smtp-sink(1));
    `dump=True` keeps what comes."""
    program = find_program("smtp-sink (package postfix)", "/usr/sbin/smtp-sink", "smtp-sink")
    numbers = itertools.count(1)
    running: list[Server] = []
    with server_folder("sink") as folder:

        def start(*options: str, dump: bool = False) -> Sink:
            port = free_port()
            target = folder / str(next(numbers))
            target.mkdir()
            target.chmod(0o777)
            user = ["-u", "nobody"] if is_root() else []
            keep = ["-d", f"{target}/mail."] if dump else []
            command = [program, *user, *keep, *options, f"{HOST}:{port}", "100"]
            server = Server(command, target / "output.log", lambda: _listens(port))
            running.append(server)
            server.start()
            return Sink(HOST, port, target, server)

        try:
            yield start
        finally:
            for server in running:
                server.kill()


def _listens(port: int) -> bool:
    """Whether the kernel shows a listener; a connection would count as one of the sink's sessions."""
    wanted = f":{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


@pytest.fixture(scope="session")
def swaks() -> Callable[..., subprocess.CompletedProcess[str]]:
    """A runner: `swaks("--server", …, "--to", …)`; raises `AssertionError` with the dialogue unless swaks
    ends with 0 or `check=False`."""
    program = find_program("swaks", "swaks")

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run
