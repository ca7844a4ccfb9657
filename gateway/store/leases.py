"""Leases: a claim on something by name (a mailbox, a job) that ends by itself when its holder dies."""

from __future__ import annotations

from datetime import datetime

from gateway.store.database import Database
from gateway.store.models import to_ms


class Leases:
    """The table of named leases."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def take(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or renew the lease `name` until `until`. True where it is ours."""
        with self._db.write():
            self._db.sql(
                "INSERT INTO lease (name, owner, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET owner = excluded.owner, until = excluded.until"
                " WHERE lease.owner = excluded.owner OR lease.until <= ?",
                (name, owner, to_ms(until), to_ms(now)),
            )
            holder = self._db.sql("SELECT owner FROM lease WHERE name = ?", (name,)).fetchone()
        return bool(holder[0] == owner)

    def give(self, name: str, owner: str) -> None:
        """Give the lease back, where it is still ours."""
        with self._db.write():
            self._db.sql("DELETE FROM lease WHERE name = ? AND owner = ?", (name, owner))
