"""What an admin may do to waiting mail: try it again now, let a held one in, drop it.

Each call is one transaction that either does it or raises `Refused` and changes nothing. A row under a live
lease is being worked on: it is refused, unless `force` takes the lease away (then whoever has it finds it
lost; of an outgoing mail that is just being handed over, a second copy may be sent, byte-identical).
What is done to mail of a ticket is written into the ticket's trail, by actor `admin`.

Raises Refused, StoreTrouble.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from gateway.store import models
from gateway.store.database import Database
from gateway.store.models import from_ms, to_ms
from gateway.store.spool import RELEASED

DROPPED = "dropped by admin"
_SPOOL = "SELECT state, lease_owner, lease_until, ticket_id FROM spool WHERE id = ?"
_OUTBOX = "SELECT state, lease_owner, lease_until, ticket_id FROM outbox WHERE id = ?"


class Refused(Exception):
    """It cannot be done; the text says why and what can be. Nothing was changed."""


class QueueAdmin:
    """Changes rows of spool and outbox at the instant `now`."""

    def __init__(self, database: Database, now: datetime) -> None:
        self._db = database
        self._now = now

    def retry_spool(self, spool_id: int, force: bool = False) -> None:
        """A deferred or quarantined mail is worked on now, with all tries before it. What the last try said
        stays to be read."""
        with self._db.write():
            state, ticket = self._spool(spool_id, force)
            if state == "hold":
                raise Refused(
                    f"spool:{spool_id} is held for a person to look at:"
                    f" `ticketgate queue release spool:{spool_id}` lets it in"
                )
            if state == "done":
                raise Refused(f"spool:{spool_id} is done already")
            self._db.sql(
                "UPDATE spool SET state = 'received', attempts = 0, next_try_at = ?, lease_owner = NULL,"
                " lease_until = NULL WHERE id = ?",
                (to_ms(self._now), spool_id),
            )
            self._event(ticket, "mail_retried", {"spool": spool_id})

    def release_spool(self, spool_id: int, force: bool = False) -> None:
        """A held mail comes in: what it was held for is no longer asked."""
        with self._db.write():
            state, ticket = self._spool(spool_id, force)
            if state != "hold":
                raise Refused(f"spool:{spool_id} is not held, it is {_in_words(state)}")
            self._db.sql(
                "UPDATE spool SET state = 'received', outcome = ?, attempts = 0, next_try_at = ?,"
                " done_at = NULL, lease_owner = NULL, lease_until = NULL WHERE id = ?",
                (RELEASED, to_ms(self._now), spool_id),
            )
            self._event(ticket, "mail_released", {"spool": spool_id})

    def drop_spool(self, spool_id: int, force: bool = False) -> None:
        """A mail that waits, is held or in quarantine is never worked on. Its raw mail stays."""
        with self._db.write():
            state, ticket = self._spool(spool_id, force)
            if state == "done":
                raise Refused(f"spool:{spool_id} is done already")
            self._db.sql(
                "UPDATE spool SET state = 'done', outcome = ?, done_at = ?, lease_owner = NULL,"
                " lease_until = NULL WHERE id = ?",
                (DROPPED, to_ms(self._now), spool_id),
            )
            self._event(ticket, "mail_dropped", {"spool": spool_id})

    def retry_outbox(self, outbox_id: int, expiry: timedelta, force: bool = False) -> None:
        """A queued or failed mail is handed over now, and tried until `expiry` from now."""
        with self._db.write():
            state, ticket = self._outbox(outbox_id, force)
            if state not in ("queued", "failed"):
                raise Refused(f"outbox:{outbox_id} was {state} already")
            self._db.sql(
                "UPDATE outbox SET state = 'queued', attempts = 0, next_try_at = ?, expire_at = ?,"
                " done_at = NULL, enhanced_status = NULL, lease_owner = NULL, lease_until = NULL"
                " WHERE id = ?",
                (to_ms(self._now), to_ms(self._now + expiry), outbox_id),
            )
            self._event(ticket, "mail_retried", {"outbox": outbox_id})

    def drop_outbox(self, outbox_id: int, force: bool = False) -> None:
        """A queued or failed mail is never handed over (again)."""
        with self._db.write():
            state, ticket = self._outbox(outbox_id, force)
            if state not in ("queued", "failed"):
                raise Refused(f"outbox:{outbox_id} was {state} already")
            self._db.sql(
                "UPDATE outbox SET state = 'dropped', done_at = ?, lease_owner = NULL, lease_until = NULL"
                " WHERE id = ?",
                (to_ms(self._now), outbox_id),
            )
            self._event(ticket, "mail_dropped", {"outbox": outbox_id})

    def _spool(self, spool_id: int, force: bool) -> tuple[str, int | None]:
        return self._free(f"spool:{spool_id}", _SPOOL, spool_id, force)

    def _outbox(self, outbox_id: int, force: bool) -> tuple[str, int | None]:
        return self._free(f"outbox:{outbox_id}", _OUTBOX, outbox_id, force)

    def _free(self, name: str, select: str, row_id: int, force: bool) -> tuple[str, int | None]:
        """(state, ticket) of a row that nobody works on, locked until the transaction ends."""
        locked = "" if self._db.is_sqlite else " FOR UPDATE"
        row: Any = self._db.sql(select + locked, (row_id,)).fetchone()
        if row is None:
            raise Refused(f"there is no {name}")
        state, owner, until, ticket = row
        if owner is not None and until > to_ms(self._now) and not force:
            raise Refused(
                f"{name} is being worked on by {owner} until {from_ms(until):%H:%M:%S} UTC:"
                " wait, or give --force"
            )
        return state, ticket

    def _event(self, ticket: int | None, kind: str, data: dict[str, object]) -> None:
        if ticket is not None:
            self._db.insert(
                models.Event, ticket=ticket, entry=None, kind=kind, actor="admin", at=self._now, data=data
            )


def _in_words(state: str) -> str:
    return {"received": "waiting", "quarantined": "in quarantine: use `queue retry`"}.get(state, state)
