"""SQLite for several processes that write much: who finds the file locked asks again soon.

SQLite's own waiting sleeps 1, 2, 5, 10, 15 milliseconds and more between two looks. Our transactions take
about one, so two busy processes would sleep through a quarter of their time.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Any

from peewee import SqliteDatabase

PATIENCE_S = 30.0
_FIRST_PAUSE_S = 0.0002
_LONGEST_PAUSE_S = 0.005


class PatientSqlite(SqliteDatabase):
    """A `SqliteDatabase` that waits for the right to write by short naps, up to `PATIENCE_S`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._local = threading.local()

    def patient(self, patience_s: float) -> None:
        """How long the driver itself waits for a lock, on this thread's connection."""
        connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]
        if getattr(self._local, "set", None) != (connection, patience_s):
            connection.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}")
            self._local.set = connection, patience_s

    def begin(self, lock_type: str | None = None) -> None:
        """Raises what the driver raises; "database is locked" only after `PATIENCE_S`. Once it has begun to
        write, nothing else in the transaction can find the file locked (WAL)."""
        connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]
        if not lock_type:
            self.patient(PATIENCE_S)
            connection.execute("BEGIN")
            return
        self.patient(0)
        self._begin(connection, f"BEGIN {lock_type}")

    def rollback(self) -> None:
        """A full disk or a broken file makes SQLite roll back by itself; what had gone wrong then must not
        hide behind "no transaction is active"."""
        connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]
        if connection.in_transaction:
            super().rollback()

    @staticmethod
    def _begin(connection: sqlite3.Connection, statement: str) -> None:
        left_s, pause_s = PATIENCE_S, _FIRST_PAUSE_S
        while True:
            try:
                connection.execute(statement)
            except sqlite3.OperationalError as error:
                if left_s <= 0 or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return
            time.sleep(pause_s)
            left_s -= pause_s
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
