"""Keeping a living process's leases alive: a hand-over may take minutes, a lease should end soon after its
holder is dead."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.daemon.wake import Wake
from gateway.ports import Clock
from gateway.store.errors import Conflict, StoreTrouble, cause_of
from gateway.store.store import Store

log = structlog.get_logger()


def heartbeat_loop(store: Store, process: str, clock: Clock, wake: Wake, stop: Callable[[], bool]) -> None:
    """Renew all leases of `process` three times in their length, until `stop`."""
    while not stop():
        lease = store.policy.settings.daemon.lease
        wake.wait(lease.total_seconds() / 3)
        try:
            store.outbox.renew(process, clock.now() + lease)
            store.spool.renew(process, clock.now() + lease)
        except (StoreTrouble, Conflict) as trouble:
            log.error("leases_not_renewed", reason=str(trouble), cause=cause_of(trouble))
