"""Opening the database, transactions, and running queries on it.

Guarantees: a `write()` block is one transaction; leaving it by an exception rolls back. On SQLite it
begins IMMEDIATE under a lock of this process, so that no thread finds "database is locked" half-way; WAL
and synchronous=FULL make a commit durable. On PostgreSQL each thread has its connection; one that died is
closed and made anew at the next block.

Raises `StoreTrouble` where the database cannot be used now, `Conflict` where a unique key stood in the way.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peewee
from peewee import (
    BigAutoField,
    BigIntegerField,
    DatabaseError,
    DataError,
    ForeignKeyField,
    ImproperlyConfigured,
    IntegerField,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    PostgresqlDatabase,
    ProgrammingError,
    TextField,
)

from gateway.store._peewee import add_psycopg
from gateway.store.errors import Conflict, StoreTrouble
from gateway.store.patience import PATIENCE_S, PatientSqlite

MIGRATIONS = Path(__file__).parent / "migrations"

_PLAIN = (TextField, IntegerField, BigIntegerField, BigAutoField, ForeignKeyField)
"""Fields whose values the drivers take as they are."""
_AS_PEEWEE: Any = vars(peewee)["__exception_wrapper__"]
_TROUBLE = (OperationalError, DatabaseError, InterfaceError, InternalError, ImproperlyConfigured)
"""What the neighbour is to blame for. Anything else that the database raises is a mistake of ours."""


def _is_ours(error: Any) -> bool:
    """Whether SQLite complains of a statement that cannot be, which it calls operational too."""
    while error is not None:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            return True
        error = getattr(error, "orig", None)
    return False


class Database:
    """A SQLite file or a PostgreSQL database behind one door.

    `url` is "sqlite:PATH" or "postgresql://…"; `password` is used for PostgreSQL only.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self.is_sqlite = url.startswith("sqlite:")
        if self.is_sqlite:
            self.path: Path | None = Path(url.removeprefix("sqlite:"))
            self.peewee: Any = PatientSqlite(
                str(self.path),
                pragmas={
                    "journal_mode": "wal",
                    "synchronous": "full",
                    "foreign_keys": 1,
                    "cache_size": -4000,
                    # 16 MB: what is written often is copied into the file less often
                    "wal_autocheckpoint": 4000,
                },
                timeout=PATIENCE_S,
            )
        else:
            self.path = None
            try:
                add_psycopg()
            except ImportError as error:
                public = "PostgreSQL needs psycopg: install ticketgate with its extra `postgres`"
                raise StoreTrouble(public) from error
            extra = {} if password is None else {"password": password}
            self.peewee = PostgresqlDatabase(None)
            self.peewee.init(url, prefer_psycopg3=True, **extra)
        self._writing = threading.Lock() if self.is_sqlite else None
        self._local = threading.local()
        self._inserts: dict[tuple[Any, ...], tuple[str, list[Callable[[Any], Any] | None]]] = {}

    @contextmanager
    def _trouble_told(self) -> Iterator[None]:
        try:
            # the driver's errors become peewee's, also those of statements that went around it
            with _AS_PEEWEE:
                yield
        except IntegrityError as error:
            raise Conflict(str(error)) from error
        except (DataError, ProgrammingError, NotSupportedError):
            raise
        except _TROUBLE as error:
            if _is_ours(error):
                raise
            if not self.peewee.in_transaction():
                self.disconnect()
            raise StoreTrouble(f"the database cannot be used now ({type(error).__name__})") from error

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[None]:
        """One transaction that changes something. Not nestable.

        A commit that is `durable` outlives a power failure, and so does every commit before it, of any
        connection: there is one log. One that is not durable outlives our own death, but may be undone by
        a power failure until a durable one follows; it costs no wait for the disk."""
        with self._trouble_told():
            if self._writing is None:
                self._connect()
                with self.peewee.atomic():
                    if not durable:
                        self.peewee.execute_sql("SET LOCAL synchronous_commit = off")
                    yield
            else:
                with self._writing:
                    self._connect()
                    self._synchronous(durable)
                    with self.peewee.atomic("IMMEDIATE"):
                        yield

    def _synchronous(self, durable: bool) -> None:
        connection = self.peewee.connection()
        if getattr(self._local, "connection", None) is not connection or self._local.durable != durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._local.connection, self._local.durable = connection, durable

    @contextmanager
    def read(self) -> Iterator[None]:
        """Reading without changing. On SQLite and PostgreSQL alike each statement sees what is committed."""
        with self._trouble_told():
            self._connect()
            if self.is_sqlite:
                self.peewee.patient(PATIENCE_S)
            yield

    def _connect(self) -> None:
        database = self.peewee
        if not self.is_sqlite and not database.is_closed() and not database.is_connection_usable():
            database.close()
        database.connect(reuse_if_open=True)

    def disconnect(self) -> None:
        """Close this thread's connection."""
        self.peewee.close()

    def run(self, query: Any) -> Any:
        """Execute a peewee query on this database; returns what peewee returns."""
        return query.bind(self.peewee).execute()

    def rows(self, query: Any) -> list[Any]:
        """All rows of a SELECT as a list of what the query's shape says (models, tuples, dicts)."""
        return list(self.run(query))

    def first(self, query: Any) -> Any | None:
        """The first row, or None."""
        return next(iter(self.run(query.limit(1))), None)

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Execute one statement written with `?` for parameters; returns the cursor."""
        if not self.is_sqlite:
            statement = statement.replace("?", "%s")
        return self._execute(statement, parameters)

    def _execute(self, statement: str, parameters: Sequence[Any]) -> Any:
        """Straight to the driver: peewee's own way costs as much as the statement."""
        return self.peewee.connection().execute(statement, parameters)

    def insert(self, model: type[peewee.Model], or_ignore: str = "", **values: Any) -> int | None:
        """Insert one row; returns its id where the table has one. With `or_ignore` (a unique column) a row
        that is there already is left as it is, and None is returned. The statement is written once per set of
        columns, as building it anew costs more than running it."""
        meta: Any = model._meta
        key = (model, or_ignore, *values)
        known = self._inserts.get(key)
        if known is None:
            fields = [meta.fields[name] for name in values]
            convert = [None if type(one) in _PLAIN else one.db_value for one in fields]
            known = self._inserts[key] = self._insert_statement(meta, or_ignore, list(values)), convert
        statement, convert = known
        row = [
            value if one is None else one(value) for one, value in zip(convert, values.values(), strict=True)
        ]
        cursor = self._execute(statement, row)
        if "id" not in meta.fields:
            return None
        if self.is_sqlite and not or_ignore:
            return int(cursor.lastrowid)
        row = cursor.fetchone()
        return None if row is None else int(row[0])

    def _insert_statement(self, meta: Any, or_ignore: str, names: list[str]) -> str:
        columns = ", ".join(f'"{meta.fields[name].column_name}"' for name in names)
        marks = ", ".join([self.peewee.param] * len(names))
        statement = f'INSERT INTO "{meta.table_name}" ({columns}) VALUES ({marks})'  # noqa: S608
        if or_ignore:
            statement += f' ON CONFLICT ("{or_ignore}") DO NOTHING'
        if "id" in meta.fields and (or_ignore or not self.is_sqlite):
            statement += ' RETURNING "id"'
        return statement

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """On SQLite, keep other processes from opening the file anew meanwhile: two that turn a fresh file to
        WAL at once find it locked, and SQLite does not wait there."""
        descriptor = -1
        if self.path is not None and self.path.parent.is_dir():
            descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def migrate(self) -> list[str]:
        """Bring the schema up to date; returns the names of the migrations that ran."""
        from playhouse.migrations import Runner

        with self._trouble_told(), self._alone():
            self._connect()
            runner = Runner(self.peewee, str(MIGRATIONS))
            if all(step.applied for step in runner.status()):
                return []
            if self.is_sqlite:
                # whoever comes second (a command beside the daemon) waits here, and finds nothing to do
                with self.peewee.atomic("IMMEDIATE"):
                    return list(runner.up())
            self.sql("SELECT pg_advisory_lock(7135501)")
            try:
                return list(Runner(self.peewee, str(MIGRATIONS)).up())
            finally:
                self.sql("SELECT pg_advisory_unlock(7135501)")

    def pending_migrations(self) -> list[str]:
        """Names of the migrations that have not run on this database."""
        from playhouse.migrations import Runner

        with self._trouble_told():
            self._connect()
            return [step.name for step in Runner(self.peewee, str(MIGRATIONS)).status() if not step.applied]
