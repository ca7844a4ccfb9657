"""The ingest step: waiting mail through the pipeline, one transaction a mail (T2).

A mail that raises is tried three times and then quarantined with its traceback; admins are told, the next
mail goes on. A plain function: threads, waiting and clocks are the caller's.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from gateway.pipeline import Policy, Work, understand
from gateway.ports import Clock, Ids
from gateway.screen.values import ANY_AGENT, Envelope
from gateway.store.change import Changed
from gateway.store.errors import Conflict, LeaseLost, StoreTrouble, cause_of
from gateway.store.spool import Spooled
from gateway.store.store import Store

log = structlog.get_logger()
TRIES = 3
_WAITS = (timedelta(seconds=10), timedelta(minutes=1))
BATCH = 20


@dataclass(slots=True)
class IngestReport:
    """What one round did: mails `taken`, of them `failed`; `mails_out` put into the outbox; `trouble` where
    the database could not be used."""

    taken: int = 0
    failed: int = 0
    mails_out: int = 0
    trouble: str | None = None


def ingest_round(
    store: Store,
    owner: str,
    clock: Clock,
    ids: Ids,
    lease: timedelta,
    stop: Callable[[], bool],
    on_mails: Callable[[], None] = lambda: None,
) -> IngestReport:
    """Lease what is due and work on it. Never raises for what is in a mail. `on_mails` is called at the
    end where mails were put into the outbox."""
    report = IngestReport()
    try:
        rows = store.spool.lease(owner, clock.now() + lease, BATCH)
        end = clock.monotonic() + lease.total_seconds() / 2
        for index, row in enumerate(rows, 1):
            if stop() or clock.monotonic() > end:
                store.spool.release(owner)
                break
            _one(store, row, owner, clock, ids, report, len(rows) - index)
    except (StoreTrouble, Conflict) as trouble:
        report.trouble = str(trouble)
        log.error("ingest stopped", reason=report.trouble, cause=cause_of(trouble))
    if report.mails_out:
        # once a round: one durable commit of the outbox's lease then serves all of its mails
        on_mails()
    return report


def _one(
    store: Store, row: Spooled, owner: str, clock: Clock, ids: Ids, report: IngestReport, ahead: int
) -> None:
    report.taken += 1
    began = clock.monotonic()
    if row.attempts > TRIES:
        _failed(store, row, owner, clock, "the process ended while it worked on this mail, three times")
        report.failed += 1
        return
    try:
        done = take(store, store.policy, row, owner, clock, ids, ahead)
    except LeaseLost:
        log.info("mail taken by another node", spool=row.id)
    except StoreTrouble:
        raise
    except Exception as error:  # noqa: BLE001 - a broken mail or a bug of ours: both go to quarantine
        report.failed += 1
        _failed(store, row, owner, clock, "".join(traceback.format_exception(error)))
    else:
        report.mails_out += len(done.outbox_ids)
        log.info(
            done.action,
            spool=row.id,
            outcome=done.outcome,
            ticket=done.ticket_id,
            entry=done.entry_id,
            outbox=list(done.outbox_ids),
            waited_s=round((clock.now() - row.received_at).total_seconds(), 3),
            took_s=round(clock.monotonic() - began, 4),
        )


def envelope_of(row: Spooled, policy: Policy) -> Envelope:
    """The envelope of a spooled mail, with what the config says of the mailbox that it came by."""
    mailbox = next((one for one in policy.settings.mailboxes if one.name == row.mailbox), None)
    authenticated_as = row.authenticated_as
    queue = row.queue
    if row.source == "imap" and mailbox is not None:
        queue = queue or mailbox.queue
        if mailbox.agents_only:
            authenticated_as = ANY_AGENT
    return Envelope(queue, row.reverse_path, row.forward_paths, authenticated_as, row.released)


def take(
    store: Store, policy: Policy, row: Spooled, owner: str, clock: Clock, ids: Ids, ahead: int = 0
) -> Changed:
    """One mail through the pipeline and into the store; `ahead` more follow. Raises whatever goes wrong."""
    raw = store.spool.raw(row.raw_id, row.size)
    work = understand(
        Work(
            policy=policy,
            ids=ids,
            now=clock.now(),
            raw=raw,
            raw_sha256=row.raw_sha256,
            envelope=envelope_of(row, policy),
            raw_id=row.raw_id,
        )
    )
    try:
        return store.change.apply(row, owner, work, store.expiry, ahead)
    except Conflict:
        # another node wrote the same mail in this moment: its entry is found now
        return store.change.apply(row, owner, work, store.expiry)


def _failed(store: Store, row: Spooled, owner: str, clock: Clock, error: str) -> None:
    last = error.strip().splitlines()[-1]
    if row.attempts < TRIES:
        next_try_at = clock.now() + _WAITS[row.attempts - 1]
        log.error("mail failed", spool=row.id, attempt=row.attempts, error=last)
        store.spool.failed(row, owner, error, next_try_at)
        return
    log.error("mail quarantined", spool=row.id, error=last)
    store.spool.failed(row, owner, error, None)
    store.alerts.raise_(
        "quarantine",
        str(row.id),
        f"Mail {row.id} could not be worked on and is in quarantine.\n{last}\n\n"
        f"See it:      ticketgate queue show spool:{row.id}\n"
        f"Try again:   ticketgate queue retry spool:{row.id}",
    )
