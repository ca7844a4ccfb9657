"""Transaction T3: lease what is due in the outbox, hand it over, record what became of it. One round.

Guarantees: the outcome of a mail is recorded before the next one is begun, so at most one mail is in doubt
when we are killed, and its repeat is byte-identical. A later mail of the same ticket to the same recipient
never overtakes one that was deferred. When the neighbour itself cannot be used, all mails of the round wait
until one common instant, which the report tells, and nobody's mail fails for it before it expires. No mail is
begun in the second half of the lease. Whatever was leased and not recorded is given back.

No thread, no sleep, no clock of its own. Raises StoreTrouble: the database cannot be used; what was leased
comes free when the lease ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from gateway.delivery.replies import PeerTrouble
from gateway.delivery.retry import next_try, peer_backoff
from gateway.ports import Clock, Delivery, Jitter, Receipt, Submitter
from gateway.settings.model import Retry
from gateway.store.errors import LeaseLost, StoreTrouble

_EXPIRED_STATUS = "5.4.7"
_MOST_UNCERTAIN_TRIES = 8
_MOST_TROUBLES = 5

_log = structlog.get_logger("delivery")


class Row(Protocol):
    """A leased row; see `gateway.store.outbox.Outgoing`."""

    @property
    def id(self) -> int: ...
    @property
    def ticket_id(self) -> int | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def reverse_path(self) -> str: ...
    @property
    def forward_path(self) -> str: ...
    @property
    def recipient_key(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def expire_at(self) -> datetime: ...
    @property
    def uncertain(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def needs_smtputf8(self) -> bool: ...
    def chunks(self) -> Iterator[bytes]: ...


class Rows(Protocol):
    """The outbox; see `gateway.store.outbox.Outbox`."""

    def lease(self, owner: str, now: datetime, until: datetime, limit: int) -> Sequence[Row]: ...
    def sent(self, outbox_id: int, owner: str, at: datetime, reply: str) -> None: ...
    def deferred(
        self,
        outbox_id: int,
        owner: str,
        at: datetime,
        next_try_at: datetime,
        reply: str,
        uncertain: bool,
        counted: bool,
    ) -> None: ...
    def failed(
        self, outbox_id: int, owner: str, at: datetime, reply: str, enhanced_status: str, expired: bool
    ) -> None: ...
    def release(self, owner: str) -> None: ...


class Store(Protocol):
    """What of the store a round needs."""

    @property
    def outbox(self) -> Rows: ...


@dataclass(slots=True)
class DeliverReport:
    """What one round did. Each leased row is counted once: `sent`, `deferred`, `uncertain`, `failed`,
    `expired`, `lost` (another owner has it) or `released`.

    `resume_at`: the neighbour cannot be used; until then another round would be in vain. `troubles`: what
    admins should hear of. The key is the same for the same kind of trouble, whatever the peer says each time;
    the text holds the peer's words and no secret.
    """

    leased: int = 0
    sent: int = 0
    deferred: int = 0
    uncertain: int = 0
    failed: int = 0
    expired: int = 0
    lost: int = 0
    released: int = 0
    resume_at: datetime | None = None
    troubles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Chunks:
    """`ports.Delivery.chunks`: a row's octets, from the start each time."""

    row: Row

    def __iter__(self) -> Iterator[bytes]:
        return self.row.chunks()


def deliver_round(
    store: Store,
    submitter: Submitter,
    owner: str,
    clock: Clock,
    jitter: Jitter,
    retry: Retry,
    lease: timedelta,
    limit: int,
    stop: Callable[[], bool],
) -> DeliverReport:
    """Hand over up to `limit` due mails. `owner` is this thread's alone, as `release` gives back all that is
    the owner's. `lease` is prolonged by somebody else while the process lives. `stop` is asked before each
    mail."""
    began_at = clock.now()
    rows = store.outbox.lease(owner, began_at, began_at + lease, limit)
    return _Round(store.outbox, owner, clock, jitter, retry).run(rows, submitter, began_at + lease / 2, stop)


class _Round:
    def __init__(self, outbox: Rows, owner: str, clock: Clock, jitter: Jitter, retry: Retry) -> None:
        self._outbox = outbox
        self._owner = owner
        self._clock = clock
        self._jitter = jitter
        self._retry = retry
        self._report = DeliverReport()

    def run(
        self, rows: Sequence[Row], submitter: Submitter, begin_by: datetime, stop: Callable[[], bool]
    ) -> DeliverReport:
        report = self._report
        report.leased = len(rows)
        waiting: set[tuple[int, str]] = set()
        for index, row in enumerate(rows):
            if stop() or self._clock.now() >= begin_by:
                report.released += len(rows) - index
                break
            order = None if row.ticket_id is None else (row.ticket_id, row.recipient_key)
            if order is not None and order in waiting:
                report.released += 1
                continue
            receipt = self._submit(submitter, row)
            if isinstance(receipt, PeerTrouble):
                self._tell(_kind_of(receipt), receipt.reply)
                if receipt.stops:
                    self._hold_back(rows[index:], receipt)
                    break
            if self._record(row, receipt) in ("deferred", "uncertain", "lost") and order is not None:
                waiting.add(order)
        if report.released:
            self._outbox.release(self._owner)
        return report

    def _submit(self, submitter: Submitter, row: Row) -> Receipt:
        delivery = Delivery(
            outbox_id=row.id,
            reverse_path=row.reverse_path,
            forward_path=row.forward_path,
            message_id=row.message_id,
            size=row.size,
            chunks=_Chunks(row),
            needs_smtputf8=row.needs_smtputf8,
        )
        try:
            return submitter.submit(delivery)
        except StoreTrouble:
            raise
        except Exception as error:  # noqa: BLE001 - one broken row must not hold up the others
            _log.exception("delivery_broke", outbox=row.id, ticket=row.ticket_id, kind=row.kind)
            self._tell(
                "An outgoing mail cannot be made.",
                f"outbox {row.id}: internal error ({type(error).__name__}), see the log",
            )
            return Receipt("deferred", f"internal error ({type(error).__name__})", "4.3.0")

    def _hold_back(self, rows: Sequence[Row], receipt: Receipt) -> None:
        now = self._clock.now()
        waited = now - min(row.created_at for row in rows)
        self._report.resume_at = peer_backoff(waited, now, self._retry, self._jitter)
        for row in rows:
            self._record(row, receipt, self._report.resume_at)

    def _record(self, row: Row, receipt: Receipt, resume_at: datetime | None = None) -> str:
        """Write down what became of the row; the outcome as it is counted."""
        now = self._clock.now()
        outcome, reply = receipt.outcome, receipt.reply
        next_try_at: datetime | None = None
        if outcome in ("deferred", "uncertain"):
            again_in_vain = outcome == "uncertain" and row.uncertain and row.attempts >= _MOST_UNCERTAIN_TRIES
            next_try_at = next_try(
                row.attempts,
                now,
                row.expire_at,
                self._retry,
                self._jitter,
                sooner=outcome == "uncertain" and not row.uncertain,
            )
            if next_try_at is not None and resume_at is not None:
                next_try_at = min(resume_at, row.expire_at)
            if next_try_at is None:
                outcome = "expired"
            elif again_in_vain:
                outcome, reply = "failed", f"given up, it may have arrived: {reply}"
        try:
            if outcome == "sent":
                self._outbox.sent(row.id, self._owner, now, reply)
            elif next_try_at is not None and outcome in ("deferred", "uncertain"):
                in_doubt = row.uncertain or outcome == "uncertain"
                # a try that never reached the recipient's server says nothing about the recipient
                counted = resume_at is None
                self._outbox.deferred(row.id, self._owner, now, next_try_at, reply, in_doubt, counted)
            else:
                expired = outcome == "expired"
                status = _EXPIRED_STATUS if expired else receipt.enhanced_status
                self._outbox.failed(row.id, self._owner, now, reply, status, expired)
        except LeaseLost:
            outcome = "lost"
        self._count(outcome)
        self._log(row, outcome, reply, now, next_try_at)
        return outcome

    def _count(self, outcome: str) -> None:
        setattr(self._report, outcome, getattr(self._report, outcome) + 1)

    def _log(self, row: Row, outcome: str, reply: str, now: datetime, next_try_at: datetime | None) -> None:
        tell = _log.info if outcome == "sent" else _log.warning
        tell(
            "delivery",
            outbox=row.id,
            ticket=row.ticket_id,
            kind=row.kind,
            message_id=row.message_id,
            forward_path=row.forward_path,
            outcome=outcome,
            reply=reply,
            waited_s=round((now - row.created_at).total_seconds(), 3),
            attempt=row.attempts + 1,
            **({} if next_try_at is None else {"next_try_at": next_try_at.isoformat()}),
        )

    def _tell(self, kind: str, text: str) -> None:
        if len(self._report.troubles) < _MOST_TROUBLES:
            self._report.troubles.setdefault(kind, text)


def _kind_of(trouble: PeerTrouble) -> str:
    if trouble.stops:
        return "Outgoing mail cannot be handed over."
    return f"Outgoing mail is not accepted ({' '.join(trouble.reply.split()[:2])})."
