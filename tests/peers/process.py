"""Ports, folders and processes of the servers that tests start.

`free_port` hands out each port once on this machine while the process lives. `Server` runs one program in
the foreground in a process group of its own, waits in a bounded loop until it answers, and ends just what
it started. A program that ends early, or does not answer in time, raises `PeerFailed` with its log.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

HOST = "127.0.0.1"
_FIRST_PORT, _LAST_PORT = 15000, 32000
_reservations: list[socket.socket] = []


class PeerFailed(Exception):
    """A server did not start; the text holds the end of its log."""


def free_port() -> int:
    """A loopback TCP port that nobody listens on, below the range from which the kernel takes ports for
    outgoing connections. A UDP socket on the same number, held until the process ends, keeps other test
    processes from choosing it too."""
    span = _LAST_PORT - _FIRST_PORT
    start = os.getpid() * 61 + len(_reservations)
    for step in range(span):
        port = _FIRST_PORT + (start + step) % span
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind((HOST, port))
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
        except OSError:
            mark.close()
            continue
        _reservations.append(mark)
        return port
    raise PeerFailed("no free loopback port")


def release_ports() -> None:
    """Give back all that `free_port` handed out."""
    while _reservations:
        _reservations.pop().close()


def find_program(title: str, *candidates: str) -> str:
    """The path of the first of `candidates` that is installed; skips the test when there is none."""
    for name in candidates:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")
        if found:
            return found
    pytest.skip(f"{title} is not installed: `make test-peers` installs what the tests need")


def is_root() -> bool:
    """Whether this process may change to other users."""
    return os.geteuid() == 0


def account(name: str) -> pwd.struct_passwd:
    """The account `name` when we are root and it exists, otherwise our own."""
    if is_root():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return pwd.getpwuid(os.geteuid())


@contextlib.contextmanager
def server_folder(name: str) -> Iterator[Path]:
    """A temporary folder with a short path (unix sockets bear 107 octets) that other accounts may enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"tg-{name}-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(what: str, ready: Callable[[], bool], seconds: float = 10.0) -> None:
    """Ask `ready` every 10 ms until it says True. Raises `TimeoutError` naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


def answers(port: int, greeting: bytes = b"") -> bool:
    """Whether the port takes a connection and, if `greeting` is given, its first octets are these."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as link:
            return not greeting or link.recv(len(greeting)) == greeting
    except OSError:
        return False


def _group_runs(group: int) -> bool:
    """Whether a process of this process group still runs; one that has ended and waits for its parent does
    not (proc_pid_stat(5))."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state not in "ZX":
                return True
    return False


def _ends_with_its_parent() -> list[str]:
    """A prefix by which a server ends when the test process is killed and cannot end it."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM", "--"] if program else []


class Server:
    """One program in the foreground.

    `command` is what to run, `log` takes its output, `ready` tells that it answers; `user` is the account
    for it where we are root. `kill` and `restart` are for crash tests: the same ports, the same data.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        *,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [*_ends_with_its_parent(), *command]
        self._name = command[0]
        self._log = log
        self._ready = ready
        self._user = user if is_root() else None
        self._stop_signal = stop_signal
        self._env = dict(env) if env is not None else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running program."""
        assert self._process is not None, "not running"
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it answers. Raises `PeerFailed`."""
        owner = account(self._user) if self._user else None
        with self._log.open("ab") as sink:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd="/",
                env=self._env,
                start_new_session=True,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
            )
        try:
            wait_until(self._name, self._came_up)
        except TimeoutError as slow:
            self.kill()
            raise PeerFailed(f"{slow}\n{self.log()}") from slow

    def _came_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise PeerFailed(f"{self._name} ended with {self._process.returncode}\n{self.log()}")
        return self._ready()

    def stop(self, seconds: float = 10.0) -> None:
        """Ask it to end, wait, and kill what is left of its process group."""
        if self._process is None:
            return
        self._process.send_signal(self._stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the program and all its children, as when the machine loses power."""
        if self._process is None:
            return
        group = self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()
        self._process = None
        wait_until(f"end of {self._name}", lambda: not _group_runs(group))

    def restart(self) -> None:
        """Start it again, after `stop` or `kill` or while it runs."""
        self.stop()
        self.start()

    def log(self, lines: int = 40) -> str:
        """The end of what it wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


@pytest.fixture(scope="session", autouse=True)
def _ports_of_the_session() -> Iterator[None]:
    yield
    release_ports()
