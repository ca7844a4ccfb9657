"""The ingest step: waiting mail through the pipeline, one transaction a mail (T2).

A mail that raises is tried three times and then quarantined with its traceback; admins are told, the next
mail goes on. Trouble with the database is no try, however often it comes. A plain function: threads, waiting
and clocks are the caller's.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from gateway.mail.message import Message
from gateway.pipeline import Policy, Work, understand
from gateway.ports import Clock, Ids
from gateway.screen.values import ANY_AGENT, Envelope
from gateway.store.change import Changed
from gateway.store.errors import Conflict, LeaseLost, StoreTrouble, cause_of
from gateway.store.spool import Spooled
from gateway.store.store import Store

log = structlog.get_logger()
TRIES = 3
_HOME = Path(__file__).resolve().parents[1]
_WAITS = (timedelta(seconds=10), timedelta(minutes=1))
BATCH = 20
_DIED = (
    "the process ended while it worked on this mail, and that was the third try\n(it was killed, ran out of"
    " memory, the machine went down, or it stood still for longer than `daemon.lease`; there is no traceback)"
)


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
    rows: Sequence[Spooled] = ()
    finished = 0
    try:
        rows = store.spool.lease(owner, clock.now() + lease, BATCH)
        end = clock.monotonic() + lease.total_seconds() / 2
        for index, row in enumerate(rows, 1):
            if stop() or clock.monotonic() > end:
                store.spool.release(owner)
                break
            _one(store, row, owner, clock, ids, report, len(rows) - index)
            finished = index
    except (StoreTrouble, Conflict) as trouble:
        report.trouble = str(trouble)
        store.spool.broken_off(owner, [row.id for row in rows[finished:]])
        log.error("ingest_stopped", reason=report.trouble, cause=cause_of(trouble))
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
        _failed(store, row, owner, clock, _DIED, "the process ended while it worked on it")
        report.failed += 1
        return
    try:
        work = understood(store, store.policy, row, clock, ids)
        done = _applied(store, row, owner, work, ahead)
    except LeaseLost:
        log.info("mail_taken_elsewhere", spool=row.id)
    except StoreTrouble:
        raise
    except Exception as error:  # noqa: BLE001 - a broken mail or a bug of ours: both go to quarantine
        report.failed += 1
        _failed(store, row, owner, clock, "".join(traceback.format_exception(error)), _place_of(error))
    else:
        report.mails_out += len(done.outbox_ids)
        log.info(
            done.action,
            spool=row.id,
            message_id=_message_of(work).message_id,
            sender=_sender_of(work),
            # why a mail is held can quote it; `ticketgate queue show` tells that
            outcome="held" if done.action == "hold" else done.outcome,
            ticket=done.ticket_id,
            entry=done.entry_id,
            outbox=list(done.outbox_ids),
            waited_s=round((clock.now() - row.received_at).total_seconds(), 3),
            took_s=round(clock.monotonic() - began, 4),
        )


def _message_of(work: Work) -> Message:
    assert work.mail is not None
    return work.mail.message


def _sender_of(work: Work) -> str | None:
    message = _message_of(work)
    from_ = message.author or next(iter(message.from_), None)
    return from_.address if from_ is not None else None


def _place_of(error: Exception) -> str:
    """What was raised and where, without its text: that may quote the mail, and the log must not."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _HOME in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    name = Path(frame.filename)
    shown = name.relative_to(_HOME.parent) if ours else name.name
    return f"{type(error).__name__} at {shown}:{frame.lineno}"


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


def understood(store: Store, policy: Policy, row: Spooled, clock: Clock, ids: Ids) -> Work:
    """The mail of `row` through the stages that need no facts. Raises whatever goes wrong."""
    return understand(
        Work(
            policy=policy,
            ids=ids,
            now=clock.now(),
            raw=store.spool.raw(row.raw_id, row.size),
            raw_sha256=row.raw_sha256,
            envelope=envelope_of(row, policy),
            raw_id=row.raw_id,
        )
    )


def take(
    store: Store, policy: Policy, row: Spooled, owner: str, clock: Clock, ids: Ids, ahead: int = 0
) -> Changed:
    """One mail through the pipeline and into the store; `ahead` more follow. Raises whatever goes wrong."""
    return _applied(store, row, owner, understood(store, policy, row, clock, ids), ahead)


def _applied(store: Store, row: Spooled, owner: str, work: Work, ahead: int) -> Changed:
    try:
        return store.change.apply(row, owner, work, store.expiry, ahead)
    except Conflict:
        # another node wrote the same mail in this moment: its entry is found now
        return store.change.apply(row, owner, work, store.expiry)


def _failed(store: Store, row: Spooled, owner: str, clock: Clock, error: str, reason: str) -> None:
    """`error`: the traceback, or what stands in its place; `reason`: the same in few words, for the log."""
    # no database takes half of a surrogate pair, which a message about broken text can hold
    error = error.encode("utf-8", "backslashreplace").decode("utf-8")
    if row.attempts < TRIES:
        store.spool.failed(row, owner, error, clock.now() + _WAITS[row.attempts - 1])
        log.error("mail_failed", spool=row.id, attempt=row.attempts, reason=reason)
        return
    # admins first: where the database fails in between, this comes again, and they are told once a day
    store.alerts.raise_(
        "quarantine",
        str(row.id),
        f"Mail {row.id} could not be worked on and is in quarantine: {reason}.\n\n"
        f"See it:      ticketgate queue show spool:{row.id}\n"
        f"Try again:   ticketgate queue retry spool:{row.id}",
    )
    store.spool.failed(row, owner, error, None)
    log.error("mail_quarantined", spool=row.id, attempt=min(row.attempts, TRIES), reason=reason)
