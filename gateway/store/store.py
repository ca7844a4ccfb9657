"""The store as a whole: all tables behind one object, made by `open_store`."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.notices.desk import Desk
from gateway.notices.to_agents import not_delivered
from gateway.pipeline import Policy
from gateway.ports import Clock, Ids
from gateway.settings.units import show_duration
from gateway.store import models
from gateway.store.alerts import Alerts
from gateway.store.change import Change
from gateway.store.database import Database
from gateway.store.facts import FactsReader
from gateway.store.leases import Leases
from gateway.store.location import database_url
from gateway.store.mailboxes import Mailboxes
from gateway.store.outbox import Outbox
from gateway.store.spool import Spool


class Store:
    """Everything that is kept, for one config. `policy` may be exchanged at a reload."""

    def __init__(self, database: Database, policy: Policy, clock: Clock, ids: Ids) -> None:
        self.database = database
        self.policy = policy
        self._clock = clock
        self._ids = ids
        self.spool = Spool(database, clock)
        self.outbox = Outbox(database, self.spool)
        self.facts = FactsReader(database)
        self.change = Change(database, self.spool, self.outbox, self.facts)
        self.leases = Leases(database)
        self.mailboxes = Mailboxes(database)
        self.alerts = Alerts(database, self.outbox, policy, clock, ids)
        self.outbox.on_failure = self._mail_failed
        self.change.on_hold = self._mail_held

    def take(self, policy: Policy) -> None:
        """From now on the config is this one."""
        self.policy = policy
        self.alerts.policy = policy

    @property
    def expiry(self) -> timedelta:
        """How long an outgoing mail is tried."""
        return self.policy.settings.delivery.retry.expiry

    def _mail_held(self, spool_id: int, outcome: str, at: datetime) -> None:
        """Admins hear once a day that mail is held; the agents' own warnings have a budget."""
        text = (
            f"Mail is held until somebody looks at it; the first today is spool:{spool_id}.\n{outcome}\n\n"
            "See all:  ticketgate queue list\n"
            f"Let in:   ticketgate queue release spool:{spool_id}"
        )
        self.alerts.raise_inside("quarantine", "held", text, at)

    def _mail_failed(self, outbox_id: int, at: datetime, reply: str, expired: bool) -> None:
        row: Any = self.database.first(models.Outbox.select().where(models.Outbox.id == outbox_id))
        why = f"given up after {show_duration(self.expiry)}; last reply: {reply}" if expired else reply
        if row.ticket_id is not None:
            self.change.add_event(
                row.ticket_id,
                row.entry_id,
                "delivery_failure",
                "system",
                {"outbox": outbox_id, "kind": row.kind, "recipient": row.forward_path, "reply": why[:500]},
                at,
            )
        if row.audience == "admin":
            return
        if row.audience == "agent":
            self.alerts.raise_inside(
                "delivery_trouble", row.recipient_key, f"Mail to {row.forward_path} was refused: {why}", at
            )
            return
        tickets, _ = self.facts.tickets([row.ticket_id] if row.ticket_id else [])
        desk = Desk(self.policy.settings, self.policy.directory)
        for ticket in tickets.values():
            for notice in not_delivered(desk, ticket, row.kind, row.forward_path, why):
                mail = self.policy.builder.build(notice, self._ids, at)
                self.outbox.add(mail, row.entry_id, at, at + self.expiry)

    def close(self) -> None:
        """Close this thread's connection."""
        self.database.disconnect()


def open_store(policy: Policy, state_dir: Path, password: str | None, clock: Clock, ids: Ids) -> Store:
    """Open the database that the config names, and bring its schema up to date. Raises StoreTrouble."""
    settings = policy.settings
    url = database_url(settings.database.url, state_dir)
    if url.startswith("sqlite:"):
        os.makedirs(state_dir, mode=0o750, exist_ok=True)
    database = Database(url, password)
    database.migrate()
    return Store(database, policy, clock, ids)
