"""Telling admins, once a day and key, by mail through the outbox."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from gateway.notices.desk import Desk
from gateway.notices.to_admins import alert
from gateway.pipeline import Policy
from gateway.ports import Clock, Ids
from gateway.store.database import Database
from gateway.store.models import to_ms
from gateway.store.outbox import Outbox

log = structlog.get_logger()
_AGAIN_AFTER = timedelta(days=1)


class Alerts:
    """What the daemon needs help with."""

    def __init__(self, database: Database, outbox: Outbox, policy: Policy, clock: Clock, ids: Ids) -> None:
        self._db = database
        self._outbox = outbox
        self.policy = policy
        self._clock = clock
        self._ids = ids

    def raise_(self, kind: str, subject_key: str, text: str) -> None:
        """Mail `text` to all admins, unless the same (kind, subject_key) was told within a day. `kind`:
        quarantine, delivery_trouble, config_trouble, mailbox_trouble. Opens its own transaction."""
        now = self._clock.now()
        with self._db.write():
            told = self.raise_inside(kind, subject_key, text, now)
        if told:
            log.warning("alert", kind=kind, about=subject_key, reason=text)

    def raise_inside(self, kind: str, subject_key: str, text: str, now: datetime) -> bool:
        """The same inside a transaction that is open already."""
        key = f"{kind}/{subject_key}"[:500]
        found = self._db.sql(
            "INSERT INTO alert (key, last_at) VALUES (?, ?) ON CONFLICT (key) DO UPDATE"
            " SET last_at = excluded.last_at WHERE alert.last_at <= ?",
            (key, to_ms(now), to_ms(now - _AGAIN_AFTER)),
        )
        if found.rowcount != 1:
            return False
        desk = Desk(self.policy.settings, self.policy.directory)
        for admin in self.policy.settings.desk.admins:
            mail = self.policy.builder.build(alert(desk, kind, text, admin), self._ids, now)
            self._outbox.add(mail, None, now, now + self.policy.settings.delivery.retry.expiry)
        return True
