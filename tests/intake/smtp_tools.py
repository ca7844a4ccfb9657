"""A listener in a thread of its own, a spool that remembers, and a client that speaks in plain lines."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gateway.intake.listeners import Listeners
from gateway.intake.recipients import Recipients
from gateway.runtime import SystemClock, SystemIds
from gateway.settings.model import Settings
from gateway.store.errors import StoreTrouble
from gateway.store.spool import Accept
from tests.peers.process import wait_until

T = TypeVar("T")

SIGNED = "support+1042-cq7f3ka-kmnopqrstuvwxyz23@example.com"


def password_hash(password: str) -> str:
    """In the form of a real hash, but cheap."""
    return f"scrypt$14$8$1${b64encode(password.encode()).decode()}$AAAA"


@dataclass(frozen=True)
class Stored:
    """One accepted mail, with its octets."""

    accept: Accept
    octets: bytes


@dataclass
class FakeSpool:
    """`Spool.accept` in memory. `trouble` is raised in place of storing; `gate` holds commits back."""

    trouble: Exception | None = None
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    commits: list[list[Stored]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def accept(self, mails: Sequence[Accept]) -> list[int | None]:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.trouble is not None:
            raise self.trouble
        new = [mail for mail in mails if mail.key not in self.keys]
        self.commits.append([Stored(mail, b"".join(mail.raw.chunks())) for mail in new])
        answer = [None if mail.key in self.keys else next(self.ids) for mail in mails]
        self.keys |= {mail.key for mail in mails}
        return answer

    @property
    def mails(self) -> list[Stored]:
        return [stored for commit in self.commits for stored in commit]


class HandClock(SystemClock):
    """The real wall clock and a monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


def desk_settings(state_dir: Path, *listeners: dict[str, Any], **more: Any) -> Settings:
    """Settings of a desk with two queues and two agents, one of whom can log in."""
    return Settings.model_validate(
        {
            "state_dir": str(state_dir),
            "desk": {
                "name": "Example",
                "domain": "desk.example.com",
                "address": "desk@example.com",
                "control_address": "control@example.com",
            },
            "queues": [
                {"name": "support", "addresses": ["support@example.com", "help@example.com"]},
                {"name": "billing", "addresses": ["billing@bücher.example"]},
            ],
            "agents": [
                {
                    "name": "ada",
                    "display_name": "Ada",
                    "address": "ada@private.example",
                    "password_hash": password_hash("lovelace"),
                },
                {"name": "bob", "display_name": "Bob", "address": "bob@private.example"},
            ],
            "listeners": [{"name": "in", "listen": "127.0.0.1:0", **listener} for listener in listeners],
            "delivery": {"via": {"type": "maildir"}},
            **more,
        }
    )


def verify_signed(address: str) -> str | None:
    return "support" if address.lower() == SIGNED else None


def verify_password(password: str, hashed: str) -> bool:
    return hashed == password_hash(password)


@dataclass
class Served:
    """What a test gets of a running listener."""

    listeners: Listeners
    spool: FakeSpool
    woken: list[int]
    loop: asyncio.AbstractEventLoop
    settings: Settings
    config_folder: Path
    clock: HandClock

    @property
    def port(self) -> int:
        return self.listeners.port("in")

    @property
    def context(self) -> Any:
        return self.listeners._open["in"].context

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the listener's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def client(self, greet: bool = True) -> Client:
        return Client(socket.create_connection(("127.0.0.1", self.port), timeout=10), greet)


@contextmanager
def serving(
    folder: Path,
    listener: dict[str, Any] | None = None,
    spool: FakeSpool | None = None,
    config_folder: Path | None = None,
    **more: Any,
) -> Iterator[Served]:
    """One listener called "in" on a free port, while the block runs."""
    extra = {key: more.pop(key) for key in ("inherited", "at_end") if key in more}
    settings = desk_settings(folder / "state", listener or {}, **more)
    spool = spool or FakeSpool()
    woken: list[int] = []
    clock = HandClock()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    served = Served(
        Listeners(
            settings,
            spool,
            Recipients(settings, verify_signed),
            clock=clock,
            ids=SystemIds(),
            config_folder=config_folder or folder,
            on_accept=woken.append,
            verify_password=verify_password,
            login_delay_s=0.0,
            **extra,
        ),
        spool,
        woken,
        loop,
        settings,
        config_folder or folder,
        clock,
    )
    thread.start()
    try:
        served.run(served.listeners.start())
        yield served
    finally:
        if spool.gate is not None:
            spool.gate.set()
        served.run(served.listeners.stop(1.0))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class Client:
    """A client that sends octets and reads replies."""

    def __init__(self, sock: socket.socket, greet: bool = True, lmtp: bool = False) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")
        if greet:
            assert self.reply().startswith("220 ")
            self.say("LHLO test" if lmtp else "EHLO test")

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def reply(self) -> str:
        """The next reply, all its lines."""
        lines = []
        while line := self.file.readline():
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    def say(self, command: str) -> str:
        """Send a line, return the reply."""
        self.send(command.encode() + b"\r\n")
        return self.reply()

    def envelope(self, *forward_paths: str, reverse_path: str = "kim@customer.example") -> list[str]:
        """MAIL and RCPT and DATA; the replies."""
        replies = [self.say(f"MAIL FROM:<{reverse_path}>")]
        replies += [self.say(f"RCPT TO:<{path}>") for path in forward_paths or ("support@example.com",)]
        return [*replies, self.say("DATA")]

    def mail(self, octets: bytes = b"Subject: hi\r\n\r\nhello\r\n", *forward_paths: str) -> str:
        """A whole mail; the reply to its data."""
        assert self.envelope(*forward_paths)[-1].startswith("354 ")
        self.send(octets + b".\r\n")
        return self.reply()

    def is_closed(self) -> bool:
        """Whether the server closed the connection (waits for it)."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True

    def reset(self) -> None:
        """Leave without a word (RST)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it becomes true in time."""
    try:
        wait_until("what the test expects", holds, 5)
    except TimeoutError:
        return False
    return True


STORE_TROUBLE = StoreTrouble("the disk of host db7 is full")
