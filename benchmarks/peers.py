"""The servers beside the daemon: those of the tests, started outside pytest, and a sink for outgoing mail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.peers.certificates import make_certificates
from tests.peers.dovecot import Dovecot, UserBox
from tests.peers.postgres import Postgres
from tests.peers.process import HOST, Server, find_program, free_port, is_root, server_folder


@contextlib.contextmanager
def dovecot() -> Iterator[Dovecot]:
    """A running Dovecot."""
    with server_folder("tls") as tls, server_folder("dovecot") as folder:
        server = Dovecot(folder, make_certificates(tls))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    with server_folder("postgres") as folder:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _listens(port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink, which takes every mail and keeps none; its port."""
    program = find_program("smtp-sink (package postfix)", "/usr/sbin/smtp-sink", "smtp-sink")
    with server_folder("sink") as folder:
        port = free_port()
        user = ["-u", "nobody"] if is_root() else []
        server = Server([program, *user, f"{HOST}:{port}", "100"], folder / "log", lambda: _listens(port))
        server.start()
        try:
            yield port
        finally:
            server.kill()


def fill(box: UserBox, mails: Sequence[bytes]) -> None:
    """Put mails into the INBOX."""
    with box.imap() as link:
        for raw in mails:
            status, reply = link.append("INBOX", None, None, raw)
            assert status == "OK", reply


def source_command(port: int, mails: int, sessions: int, keep_open: bool) -> list[str]:
    """Postfix's smtp-source: `mails` different mails of 5 KB over `sessions` connections at a time."""
    program = find_program("smtp-source (package postfix)", "/usr/sbin/smtp-source", "smtp-source")
    where = ["-f", "anna@customer.example", "-t", "support@example.test", "-M", "client.example"]
    keep = ["-d"] if keep_open else []
    return [program, "-s", str(sessions), "-m", str(mails), "-l", "5120", *where, *keep, f"{HOST}:{port}"]
