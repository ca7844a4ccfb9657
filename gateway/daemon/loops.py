"""The loops around the steps: do a round, and where nothing was due, wait for a wake-up or the next due
time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from structlog.contextvars import bind_contextvars

from gateway.daemon.burst import Burst
from gateway.daemon.ingest import BATCH, ingest_round
from gateway.daemon.wake import Wake
from gateway.delivery.deliver import deliver_round
from gateway.ports import Clock, Ids, Jitter, Submitter
from gateway.store.errors import Conflict, StoreTrouble, cause_of
from gateway.store.store import Store

log = structlog.get_logger()
POLL_S = 1.0
_TROUBLE_S = 5.0
_DELIVER_BATCH = 60
_LEAST_PAUSE_S = 0.25


def _pause_s(due_at: datetime | None, now: datetime) -> float:
    if due_at is None:
        return POLL_S
    return min(POLL_S, max(_LEAST_PAUSE_S, (due_at - now).total_seconds()))


def ingest_loop(
    store: Store,
    owner: str,
    clock: Clock,
    ids: Ids,
    wake: Wake,
    deliver_wake: Wake,
    burst_wake: Wake,
    stop: Callable[[], bool],
) -> None:
    """Take waiting mail through the pipeline until `stop`. What was leased is given back at the end. A full
    batch pokes `burst_wake`: there may be work for helpers."""
    while not stop():
        lease = store.policy.settings.daemon.lease
        report = ingest_round(store, owner, clock, ids, lease, stop, deliver_wake.poke)
        if report.trouble is not None:
            wake.wait(_TROUBLE_S)
        elif report.taken == 0:
            wake.wait(_due_in(store, clock, ingest=True))
        elif report.taken == BATCH:
            burst_wake.poke()
    give_back(store)


def give_back(store: Store) -> None:
    """At the end: the tries that the database's trouble has cut short. Where it still cannot be used, the
    leases end by themselves, and the tries count."""
    try:
        store.spool.give_back()
    except (StoreTrouble, Conflict) as trouble:
        log.error("leases_not_given_back", reason=str(trouble), cause=cause_of(trouble))


def _due_in(store: Store, clock: Clock, ingest: bool) -> float:
    try:
        due_at = store.spool.next_due_at() if ingest else store.outbox.next_due_at()
    except StoreTrouble:
        return _TROUBLE_S
    return _pause_s(due_at, clock.now())


def deliver_loop(
    store: Store,
    submitter: Submitter,
    owner: str,
    clock: Clock,
    jitter: Jitter,
    wake: Wake,
    next_wake: Wake | None,
    stop: Callable[[], bool],
) -> None:
    """Hand over outgoing mail until `stop`. Admins are told of a way out that cannot be used. A full batch
    wakes the next worker: while one is enough, two would only be in each other's way. Log lines of this
    thread name the way out from now on."""
    bind_contextvars(relay=store.policy.settings.delivery.via.relay)
    resume_at = clock.now()
    try:
        while not stop():
            if (pause_s := (resume_at - clock.now()).total_seconds()) > 0:
                wake.wait(min(pause_s, _TROUBLE_S))
                continue
            try:
                report = deliver_round(
                    store,
                    submitter,
                    owner,
                    clock,
                    jitter,
                    store.policy.settings.delivery.retry,
                    store.policy.settings.daemon.lease,
                    _DELIVER_BATCH,
                    stop,
                )
                for kind, text in report.troubles.items():
                    store.alerts.raise_("delivery_trouble", kind, text)
            except (StoreTrouble, Conflict) as trouble:
                log.error("delivery_stopped", reason=str(trouble), cause=cause_of(trouble))
                wake.wait(_TROUBLE_S)
                continue
            if report.leased == _DELIVER_BATCH and next_wake is not None:
                next_wake.poke()
            if report.resume_at is not None:
                resume_at = report.resume_at
            elif report.leased < _DELIVER_BATCH:
                # what is being written now is told of at the end of its round, and then shares one commit
                wake.wait(_due_in(store, clock, ingest=False))
    finally:
        submitter.close()


def burst_loop(store: Store, burst: Burst, wake: Wake, stop: Callable[[], bool]) -> None:
    """Look whether helpers are wanted, until `stop`."""
    while not stop():
        wake.wait(POLL_S)
        try:
            burst.look(store.spool.waiting())
        except StoreTrouble as trouble:
            log.error("waiting_not_counted", reason=trouble.public, cause=cause_of(trouble))
