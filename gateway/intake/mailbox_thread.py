"""The loop for one IMAP account: connect, take what is new, wait for news, begin again; one thread each.

A sick server costs its own account time and no other. After trouble the connection is closed and made again
after a growing, jittered pause; nothing that the server does ends the loop. IDLE on the first folder only
shortens the pause between polls: what is there is told by the poll alone. Among several nodes the account
is read by the one that holds the lease "mailbox/<account>"; it is renewed between batches, and a round
ends when it is lost.

Admins are told of an account that cannot be read after three failures in a row and at least one poll
interval, and at once where only a person can help; once a day. An exception that is our own bug ends `run`:
the supervisor starts it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from gateway.intake.backoff import Backoff
from gateway.intake.fetch import fetch_round
from gateway.intake.fetch_report import FetchStore
from gateway.intake.trouble import AccessRevoked, SourceRefused
from gateway.ports import Clock, Jitter, MailSource, SourceTrouble
from gateway.settings.model import Mailbox
from gateway.store.errors import Conflict, StoreTrouble, cause_of

log = structlog.get_logger("intake.mailbox")

_TELL_AFTER = 3
_TELL_EVERY = timedelta(days=1)
_BARREN_PAUSE_S = 1.0

Connect = Callable[[Callable[[], bool]], Mapping[str, MailSource]]
"""Connects and logs in; gives a source for each folder. The argument tells whether waiting is to end."""


class LeasesLike(Protocol):
    """`store.leases.Leases`."""

    def take(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or renew; True where the lease is ours."""
        ...

    def give(self, name: str, owner: str) -> None:
        """Give it back."""
        ...


class MailboxThread:
    """Reads one account until it is stopped. `last_success_at`, `last_error` and `failures` may be read by
    other threads; `stop`, `cut` and `cut_if_stuck` may be called by them."""

    def __init__(
        self,
        mailbox: Mailbox,
        connect: Connect,
        *,
        store: FetchStore,
        clock: Clock,
        jitter: Jitter,
        on_accept: Callable[[], None],
        leases: LeasesLike | None = None,
        owner: str = "",
        lease: timedelta = timedelta(seconds=60),
        at_end: Callable[[], None] | None = None,
    ) -> None:
        """`leases` None: this is the only node. `owner` names this node and process among several. `at_end`
        runs in the thread when it ends."""
        self.mailbox = mailbox
        self.last_success_at: datetime | None = None
        self.last_error: str | None = None
        self._connect = connect
        self._store = store
        self._clock = clock
        self._on_accept = on_accept
        self._leases = leases
        self._owner = owner
        self._lease = lease
        self._at_end = at_end
        self._lease_name = f"mailbox/{mailbox.name}"
        self._lease_renewed: float | None = None
        self._poll_s = mailbox.poll.total_seconds()
        self._backoff = Backoff(jitter)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._sources: Mapping[str, MailSource] = {}
        self._poll_due: float | None = None
        self._hint = False
        self._failing_since: datetime | None = None
        self._told_at: datetime | None = None
        self._progress = clock.monotonic()
        self._log = log.bind(mailbox=mailbox.name)

    @property
    def failures(self) -> int:
        """Failures in a row; 0 while all is well."""
        return self._backoff.failures

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name=f"mailbox-{self.mailbox.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the loop to end: after the batch in hand, within a second while it waits."""
        self._stop.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread; True when it has ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    @property
    def ended(self) -> bool:
        """Whether the thread has ended without being asked to."""
        return self._thread is not None and not self._thread.is_alive() and not self._stop.is_set()

    def cut(self) -> None:
        """End the connection under a thread that waits for the server: for a shutdown that cannot wait."""
        for source in list(self._sources.values())[:1]:
            cut = getattr(source, "cut", None)
            if cut is not None:
                cut()

    def cut_if_stuck(self) -> bool:
        """For a ticker: cut the connection where nothing has moved for ten timeouts (a server that answers
        an octet a minute is never late, and never done)."""
        limit_s = 10 * self.mailbox.timeout.total_seconds() + self._poll_s
        if not self._sources or self._clock.monotonic() - self._progress < limit_s:
            return False
        self._log.warning("mailbox_stuck", limit_s=limit_s)
        self.cut()
        return True

    def run(self) -> None:
        """The loop. Returns after `stop`, or after an error of ours, which is logged and told to admins."""
        try:
            while not self._stop.is_set():
                pause_s = self.turn()
                if pause_s > 0:
                    self._stop.wait(pause_s)
        except Exception:  # noqa: BLE001 - whatever it is, it has to stand in the log with the mailbox's name
            self._log.exception("part_failed", part=f"mailbox-{self.mailbox.name}")
            self._tell("failed by a mistake of the program and begins anew; the log tells more")
        finally:
            self._disconnect()
            self._give_lease()
            if self._at_end is not None:
                self._at_end()

    def turn(self) -> float:
        """One pass: connect where needed, take what is due, wait for a hint. Returns the seconds to wait
        before the next one."""
        try:
            self._progress = self._clock.monotonic()
            if not self._hold_lease():
                self._disconnect()
                return min(self._poll_s, self._lease.total_seconds() / 3)
            if not self._sources:
                sources = self._connect(self._stop.is_set)
                self._progress = self._clock.monotonic()
                self._sources = sources
                self._poll_due = None
                self._log.info("mailbox_connected", host=self.mailbox.host)
            barren_hint = self._rounds()
            if barren_hint:
                return _BARREN_PAUSE_S
            return self._wait()
        except SourceTrouble as trouble:
            self._disconnect()
            return self._failed(trouble)
        except (StoreTrouble, Conflict) as trouble:
            self._disconnect()
            pause_s = self._backoff.next_s()
            self.last_error = getattr(trouble, "public", "the database is busy")
            self._log.warning(
                "mailbox_waits_for_store",
                reason=self.last_error,
                cause=cause_of(trouble),
                pause_s=round(pause_s, 1),
            )
            return pause_s

    def _rounds(self) -> bool:
        """A round over each folder when the poll is due, over the first one after a hint. True where a hint
        came to nothing."""
        now = self._clock.monotonic()
        due = self._poll_due is None or now >= self._poll_due
        hint, self._hint = self._hint, False
        if not due and not hint:
            return False
        folders = list(self._sources) if due else list(self._sources)[:1]
        if due:
            self._poll_due = now + self._poll_s
        accepted = 0
        refusals: list[SourceRefused] = []
        for folder in folders:
            try:
                report = fetch_round(
                    self._sources[folder],
                    self.mailbox,
                    folder,
                    self._store,
                    self._clock,
                    self._on_accept,
                    go_on=self._go_on,
                )
                accepted += report.accepted
            except SourceRefused as error:
                refusals.append(error)
                self._log.warning("folder_refused", folder=folder, reason=error.public)
        if self._stop.is_set():
            return False
        if refusals:
            # The connection is good: the next poll tries again.
            self._backoff.next_s()
            self._note(refusals[0])
        elif due:
            self._succeeded()
        if len(refusals) < len(folders):
            self.last_success_at = self._clock.now()
        return hint and not due and accepted == 0

    def _go_on(self) -> bool:
        """Between batches: whether this thread may go on reading."""
        self._progress = self._clock.monotonic()
        return not self._stop.is_set() and self._hold_lease()

    def _wait(self) -> float:
        """IDLE until the poll (or the lease) is due; returns what of that is still to be waited."""
        now = self._clock.monotonic()
        pause_s = max(0.0, (self._poll_due or now) - now)
        if self._leases is not None:
            pause_s = min(pause_s, self._lease.total_seconds() / 3)
        if not self.mailbox.idle or pause_s <= 0:
            return pause_s
        first = next(iter(self._sources.values()))
        try:
            self._hint = first.wait(pause_s)
        except SourceRefused as refused:
            self._log.info("idle_refused", reason=refused.public)
        self._progress = self._clock.monotonic()
        return 0.0 if self._hint else max(0.0, now + pause_s - self._progress)

    def _succeeded(self) -> None:
        if self._backoff.failures:
            self._log.info("mailbox_recovered", failures=self._backoff.failures)
        self._backoff.reset()
        self.last_error = None
        self._failing_since = None
        self._told_at = None

    def _failed(self, trouble: SourceTrouble) -> float:
        if self._stop.is_set():
            return 0.0
        pause_s = self._backoff.next_s()
        self._log.warning(
            "mailbox_trouble", reason=trouble.public, failures=self.failures, pause_s=round(pause_s, 1)
        )
        self._note(trouble)
        return pause_s

    def _note(self, trouble: SourceTrouble) -> None:
        now = self._clock.now()
        self.last_error = trouble.public
        self._failing_since = self._failing_since or now
        lasting = self.failures >= _TELL_AFTER and now - self._failing_since >= self.mailbox.poll
        lately = self._told_at is not None and now - self._told_at < _TELL_EVERY
        if lately or not (lasting or isinstance(trouble, AccessRevoked)):
            return
        if self._tell(
            f"cannot be read ({self.failures} failures in a row since"
            f" {self._failing_since:%Y-%m-%d %H:%M} UTC): {trouble.public}"
        ):
            self._told_at = now

    def _tell(self, what: str) -> bool:
        """Tell admins of the mailbox; whether that was possible."""
        try:
            self._store.alerts.raise_(
                "mailbox_trouble", self.mailbox.name, f"Mailbox {self.mailbox.name} {what}"
            )
        except StoreTrouble as error:
            self._log.warning("admins_not_told", reason=error.public, cause=cause_of(error))
            return False
        return True

    def _hold_lease(self) -> bool:
        """Whether the account is ours to read; renews the lease after a third of its time."""
        if self._leases is None:
            return True
        now = self._clock.monotonic()
        if self._lease_renewed is not None and now - self._lease_renewed < self._lease.total_seconds() / 3:
            return True
        instant = self._clock.now()
        ours = self._leases.take(self._lease_name, self._owner, instant, instant + self._lease)
        if ours != (self._lease_renewed is not None):
            self._log.info("lease_taken" if ours else "lease_held_elsewhere")
        self._lease_renewed = now if ours else None
        return ours

    def _give_lease(self) -> None:
        if self._leases is None or self._lease_renewed is None:
            return
        self._lease_renewed = None
        try:
            self._leases.give(self._lease_name, self._owner)
        except (StoreTrouble, Conflict) as error:
            self._log.warning("lease_not_given_back", reason=str(error), cause=cause_of(error))

    def _disconnect(self) -> None:
        for source in self._sources.values():
            source.close()
        self._sources = {}
        self._hint = False
