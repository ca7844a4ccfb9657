"""PostgreSQL with a data folder of its own. It never syncs to disk: a killed server loses no commit,
only a machine without power would.

Clients reach it at a loopback port or at a unix socket, as the superuser `postgres`, without a password.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.process import (
    HOST,
    PeerFailed,
    Server,
    account,
    answers,
    find_program,
    free_port,
    is_root,
    server_folder,
)

_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "warning",
}


def _program(name: str) -> str:
    """The newest installed version of a server program; Debian keeps them off the search path."""
    roots = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return find_program("PostgreSQL", *(str(root / name) for root in reversed(roots)), name)


class Postgres:
    """The running server; see the module."""

    def __init__(self, folder: Path) -> None:
        self.host = HOST
        self.port = free_port()
        self.socket_folder = folder
        self._initdb, server, self._psql = _program("initdb"), _program("postgres"), _program("psql")
        self._data = folder / "data"
        self._owner = account("postgres")
        if is_root() and self._owner.pw_uid == 0:
            pytest.skip("PostgreSQL refuses to run as root and there is no account postgres")
        options = {**_OPTIONS, "listen_addresses": HOST, "port": str(self.port)}
        options["unix_socket_directories"] = str(folder)
        self._server = Server(
            [server, "-D", str(self._data), *(f"--{key}={value}" for key, value in options.items())],
            folder / "output.log",
            lambda: answers(self.port) and self._takes_queries(),
            user="postgres",
        )
        self._names = itertools.count(1)
        folder.chmod(0o777)

    def _takes_queries(self) -> bool:
        return self._run("SELECT 1").returncode == 0

    def _run(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                self._psql,
                "-X",
                "-q",
                "-At",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                self.url(database),
                "-c",
                statement,
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=30,
        )

    def start(self) -> None:
        """Make the data folder where there is none, and start; returns when queries are answered."""
        if not self._data.exists():
            command = [self._initdb, "-D", str(self._data), "-U", "postgres", "-A", "trust"]
            made = subprocess.run(
                [*command, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
                capture_output=True,
                check=False,
                text=True,
                timeout=60,
                cwd="/",
                user=self._owner.pw_uid if is_root() else None,
                group=self._owner.pw_gid if is_root() else None,
                extra_groups=[] if is_root() else None,
            )
            if made.returncode != 0:
                raise PeerFailed(made.stdout + made.stderr)
        self._server.start()

    def url(self, database: str) -> str:
        """The connection URL of a database, as `database.url` in gateway.yaml takes it."""
        return f"postgresql://postgres@{HOST}:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement by psql; rows as lines, columns divided by |. Raises `PeerFailed`."""
        done = self._run(statement, database)
        if done.returncode != 0:
            raise PeerFailed(done.stderr)
        return done.stdout.strip()

    def new_database(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"test{next(self._names)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, even while clients hold connections to it."""
        self.sql(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def end_backends(self, url: str) -> None:
        """End every connection to a database from the server's side."""
        name = url.rpartition("/")[2]
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def stop(self) -> None:
        """End it at once; connections break."""
        self._server.stop()

    def kill(self) -> None:
        """End it as a crash does."""
        self._server.kill()

    def restart(self) -> None:
        """Start it again on the same port and data."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._server.restart()

    def log(self) -> str:
        """The end of its log."""
        return self._server.log()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL, shared by the tests of this process."""
    with server_folder("postgres") as folder:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database for this test alone."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)
