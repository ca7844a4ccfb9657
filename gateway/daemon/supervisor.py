"""The daemon's parts and their life: started in the order in which mail needs them, watched, taken to a new
config, and stopped within ten seconds.

    deliver workers ◀── ingest workers ◀── mailbox threads, listeners
    ticker: watchdog, stuck connections, helpers

Each part restarts by itself after an error (`Worker`, `MailboxThread`); one that has ended all the same is
started anew by the ticker. Nothing here holds truth: a kill at any point loses nothing, as all that counts
stands in the database.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from socket import socket

import structlog

from gateway.daemon.burst import Burst
from gateway.daemon.heartbeat import heartbeat_loop
from gateway.daemon.house import House
from gateway.daemon.listening import Listening, recipients
from gateway.daemon.loops import burst_loop, deliver_loop, ingest_loop
from gateway.daemon.mailboxes import mailbox_thread
from gateway.daemon.notify import Notify
from gateway.daemon.ticker import Ticker
from gateway.daemon.wake import Wake
from gateway.daemon.worker import Worker
from gateway.delivery.make import make_submitter
from gateway.intake.listeners import Listeners
from gateway.intake.mailbox_thread import MailboxThread
from gateway.ports import Clock, Ids, Jitter
from gateway.settings.model import Mailbox, Settings
from gateway.settings.passwords import verify_password

log = structlog.get_logger()
STOP_S = 7.5
_CUT_S = 5.0


class StartTrouble(Exception):
    """The daemon cannot start; the text tells the admin why and what to do."""


class Supervisor:
    """Runs one `House`. `owner` names this process in leases."""

    def __init__(
        self,
        house: House,
        owner: str,
        clock: Clock,
        ids: Ids,
        jitter: Jitter,
        notify: Notify,
        inherited: Mapping[str, Sequence[socket]] | None = None,
        burst: Burst | None = None,
    ) -> None:
        self.house = house
        self._owner = owner
        self._clock = clock
        self._ids = ids
        self._jitter = jitter
        self._notify = notify
        self._inherited = dict(inherited or {})
        self._burst = burst
        self.ingest_wake = Wake()
        self.deliver_wake = Wake()
        self._burst_wake = Wake()
        self._ticker_wake = Wake()
        self._workers: list[Worker] = []
        self._mailboxes: list[MailboxThread] = []
        self._listening: Listening | None = None
        self._ticker: Worker | None = None
        self._generation = 0

    def start(self) -> None:
        """Start all parts. Raises StartTrouble where a port cannot be opened; then nothing runs."""
        self._start_workers()
        try:
            self._start_listeners()
        except (OSError, ssl.SSLError, ValueError) as error:
            self.stop()
            raise StartTrouble(f"a listener cannot be opened: {error}") from error
        self._mailboxes = [self._start_mailbox(mailbox) for mailbox in self.house.settings.mailboxes]
        ticker = Ticker(self._jobs(), self._clock)
        self._ticker = Worker(
            "ticker",
            lambda stop: ticker.loop(self._ticker_wake, stop),
            self._ticker_wake,
            self._clock,
            self._jitter,
            self.house.store.close,
        )
        self._ticker.start()

    def _jobs(self) -> list[tuple[str, float, Callable[[], None]]]:
        jobs: list[tuple[str, float, Callable[[], None]]] = [
            ("look", self.house.settings.daemon.tick.total_seconds(), self._look)
        ]
        if self._notify.watchdog_s is not None:
            jobs.append(("watchdog", self._notify.watchdog_s, self._watchdog))
        return jobs

    def _look(self) -> None:
        for thread in self._mailboxes:
            thread.cut_if_stuck()
        for thread in [one for one in self._mailboxes if one.ended]:
            log.error("mailbox_thread_ended", mailbox=thread.mailbox.name)
            self._mailboxes.remove(thread)
            self._mailboxes.append(self._start_mailbox(thread.mailbox))
        if self._listening is not None and not self._listening.alive:
            log.error("listeners_ended")
            self._start_listeners()

    def _watchdog(self) -> None:
        if all(worker.alive for worker in self._workers):
            self._notify.watchdog()

    def _start_workers(self) -> None:
        """Workers of the present config. Their names in leases are new each time, so that none mistakes the
        rows of one that is still ending for its own, and so that the heartbeat does not prolong what one
        that has ended left behind."""
        self._generation += 1
        settings = self.house.settings
        workers: list[Worker] = []
        beat = Wake()
        workers.append(self._worker("heartbeat", self._heartbeat_body(beat), beat))
        wakes = [self.deliver_wake, *(Wake() for _ in range(settings.delivery.connections - 1))]
        for number, wake in enumerate(wakes):
            name = f"deliver-{number}"
            body = self._deliver_body(name, wake, (*wakes[number + 1 :], None)[0])
            workers.append(self._worker(name, body, wake))
        for number in range(settings.daemon.workers):
            name = f"ingest-{number}"
            owner = f"{self._owner}/{self._generation}/{name}"
            workers.append(self._worker(name, self._ingest_body(owner), self.ingest_wake))
        burst = self._burst
        if burst is not None:
            store, wake = self.house.store, self._burst_wake
            workers.append(self._worker("burst", lambda stop: burst_loop(store, burst, wake, stop), wake))
        self._workers = workers
        for worker in workers:
            worker.start()

    def _heartbeat_body(self, wake: Wake) -> Callable[[Callable[[], bool]], None]:
        store = self.house.store
        owners = f"{self._owner}/{self._generation}/"

        def body(stop: Callable[[], bool]) -> None:
            heartbeat_loop(store, owners, self._clock, wake, stop)

        return body

    def _ingest_body(self, owner: str) -> Callable[[Callable[[], bool]], None]:
        store = self.house.store

        def body(stop: Callable[[], bool]) -> None:
            ingest_loop(
                store,
                owner,
                self._clock,
                self._ids,
                self.ingest_wake,
                self.deliver_wake,
                self._burst_wake,
                stop,
            )

        return body

    def _deliver_body(
        self, name: str, wake: Wake, next_wake: Wake | None
    ) -> Callable[[Callable[[], bool]], None]:
        house = self.house
        owner = f"{self._owner}/{self._generation}/{name}"

        def body(stop: Callable[[], bool]) -> None:
            submitter = make_submitter(
                house.settings, house.config_folder, house.state_dir, self._ids, self._clock
            )
            deliver_loop(house.store, submitter, owner, self._clock, self._jitter, wake, next_wake, stop)

        return body

    def _worker(self, name: str, body: Callable[[Callable[[], bool]], None], wake: Wake) -> Worker:
        return Worker(name, body, wake, self._clock, self._jitter, self.house.store.close)

    def _start_mailbox(self, mailbox: Mailbox) -> MailboxThread:
        thread = mailbox_thread(
            mailbox,
            self.house.config_folder,
            self.house.state_dir,
            self.house.store,
            self._clock,
            self._jitter,
            self._owner,
            self.ingest_wake.poke,
        )
        thread.start()
        return thread

    def _start_listeners(self) -> None:
        house = self.house
        if not house.settings.listeners:
            self._listening = None
            return
        listening = Listening(
            lambda: Listeners(
                house.settings,
                house.store.spool,
                recipients(house.policy),
                clock=self._clock,
                ids=self._ids,
                config_folder=house.config_folder,
                on_accept=lambda _: self.ingest_wake.poke(),
                verify_password=verify_password,
                inherited=self._inherited,
                at_end=house.store.close,
            )
        )
        listening.start()
        self._listening = listening

    def addresses(self) -> dict[str, list[str | tuple[str, int]]]:
        """Where each listener is open, by its name."""
        if self._listening is None:
            return {}
        return self._listening.ports(one.name for one in self.house.settings.listeners)

    def reload(self, house: House) -> None:
        """Go on with another config (same database and state folder): what can fail comes first. Raises
        StartTrouble; then the old config goes on."""
        old = self.house
        try:
            if self._listening is not None and house.settings.listeners:
                self._listening.reload(house.settings, recipients(house.policy))
            elif self._listening is not None:
                self._listening.stop()
                self._listening = None
        except (OSError, ssl.SSLError, ValueError) as error:
            raise StartTrouble(f"a listener cannot be opened: {error}") from error
        self.house = house
        if self._listening is None and house.settings.listeners:
            try:
                self._start_listeners()
            except (OSError, ssl.SSLError, ValueError) as error:
                self.house = old
                raise StartTrouble(f"a listener cannot be opened: {error}") from error
        house.store.take(house.policy)
        self._renew_workers()
        self._renew_mailboxes(old.settings, house.settings)

    def _renew_workers(self) -> None:
        before = self._workers
        for worker in before:
            worker.stop()
        self._start_workers()
        for worker in before:
            worker.join(STOP_S)

    def _renew_mailboxes(self, old: Settings, new: Settings) -> None:
        same = set(old.mailboxes) & set(new.mailboxes)
        if old.daemon.lease != new.daemon.lease:
            same = set()
        ending = [thread for thread in self._mailboxes if thread.mailbox not in same]
        for thread in ending:
            thread.stop()
        for thread in ending:
            if not thread.join(STOP_S):
                thread.cut()
        self._mailboxes = [thread for thread in self._mailboxes if thread.mailbox in same]
        self._mailboxes += [self._start_mailbox(one) for one in new.mailboxes if one not in same]

    def stop(self) -> bool:
        """Take no more mail, finish or put back what is in hand, end; within STOP_S seconds. Returns whether
        every part has ended."""
        end = self._clock.monotonic() + STOP_S
        cut_at = self._clock.monotonic() + _CUT_S
        if self._burst is not None:
            self._burst.stop()
        if self._listening is not None:
            self._listening.stop()
        for part in (*self._mailboxes, *self._workers, *((self._ticker,) if self._ticker else ())):
            part.stop()

        def left(until: float) -> float:
            return max(0.0, until - self._clock.monotonic())

        for thread in self._mailboxes:
            if not thread.join(left(cut_at)):
                thread.cut()
        late = [f"mailbox-{one.mailbox.name}" for one in self._mailboxes if not one.join(left(end))]
        if self._listening is not None and not self._listening.join(left(end)):
            late.append(self._listening.name)
        late += [worker.name for worker in self._workers if not worker.join(left(end))]
        if self._ticker is not None and not self._ticker.join(left(end)):
            late.append(self._ticker.name)
        if self._burst is not None:
            self._burst.join(left(end))
        if late:
            # their leases end by themselves, and their mail goes on elsewhere
            log.warning("parts_late", parts=late)
        self.house.store.close()
        return not late
