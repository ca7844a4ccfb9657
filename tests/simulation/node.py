"""One node of the desk: its steps, one call each, and its death."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.daemon.ingest import ingest_round
from gateway.delivery.deliver import deliver_round
from gateway.intake.mailbox_thread import MailboxThread
from gateway.pipeline import Policy
from gateway.ports import MailSource
from gateway.store.database import Database
from gateway.store.errors import Conflict, StoreTrouble
from gateway.store.spool import Accept, BytesRaw
from gateway.store.store import Store
from tests.simulation.chance import SeededIds, SeededJitter, VirtualClock, stream
from tests.simulation.faults import CALM, Faults, FaultyDatabase, Rates
from tests.simulation.imap import Connection
from tests.simulation.smarthost import Smarthost, Way
from tests.simulation.trace import Trace
from tests.simulation.world import World

_BATCH = 20
_POLL_S = 600.0
_TROUBLE_S = 30.0


class Node:
    """Its steps are `fetch-<account>`, `ingest`, `deliver`, `heartbeat`; `due` tells when each wants to
    run."""

    def __init__(
        self,
        name: str,
        seed: str,
        url: str,
        policy: Policy,
        rates: Rates,
        clock: VirtualClock,
        trace: Trace,
        world: World,
        smarthost: Smarthost,
        stall: Callable[[], None],
    ) -> None:
        self.name = name
        self._url = url
        self._policy = policy
        self._clock = clock
        self._trace = trace
        self._world = world
        self._smarthost = smarthost
        self._ids = SeededIds(stream(seed, f"{name}/ids"))
        self._jitter = SeededJitter(stream(seed, f"{name}/jitter"))
        self.faults = Faults(stream(seed, f"{name}/faults"), rates, trace, name, stall, smarthost.doubtful)
        self._lease = policy.settings.daemon.lease
        self._deliver_lease = self._lease
        self._generation = 0
        self.crashes = 0
        self.left_in_hand: Counter[int] = Counter()
        """Spool rows → how often a step of this node ended while it had them in hand."""
        self.due: dict[str, datetime] = {}
        self._boot()

    def _boot(self) -> None:
        """A new process: nothing is known but what stands in the database."""
        self._generation += 1
        self.owner = f"{self.name}/{self._generation}"
        self.store = Store(FaultyDatabase(self._url, self.faults), self._policy, self._clock, self._ids)
        self._way = Way(self._smarthost, self.faults, self.name)
        self._mailboxes = {one.name: self._mailbox(one.name) for one in self._policy.settings.mailboxes}
        self._steps: dict[str, Callable[[], float]] = {
            "ingest": self._ingest,
            "deliver": self._deliver,
            "heartbeat": self._heartbeat,
            **{f"fetch-{name}": self._fetch(thread) for name, thread in self._mailboxes.items()},
        }

    def _mailbox(self, name: str) -> MailboxThread:
        def connect(_: Callable[[], bool]) -> dict[str, MailSource]:
            self.faults.at("connect to imap")
            return {"INBOX": Connection(self._world.folders[name], self.faults, self._clock)}

        mailbox = next(one for one in self._policy.settings.mailboxes if one.name == name)
        return MailboxThread(
            mailbox,
            connect,
            store=self.store,
            clock=self._clock,
            jitter=self._jitter,
            on_accept=lambda: self.poke("ingest"),
            leases=self.store.leases,
            owner=self.owner,
            lease=self._lease,
        )

    @property
    def steps(self) -> list[str]:
        return list(self._steps)

    def poke(self, step: str) -> None:
        """There may be work for `step`: it looks soon, not at once, so that work gathers."""
        soon = self._clock.now() + timedelta(seconds=self.faults.chance.expovariate(1 / 20))
        self.due[step] = min(self.due.get(step, soon), soon)

    def run(self, step: str) -> None:
        """Do one step. Raises Crash."""
        self.faults.begin_step()
        self._trace.note(self.name, step)
        pause_s = self._steps[step]()
        self.due[step] = self._clock.now() + timedelta(seconds=pause_s)

    def die(self) -> None:
        """What a crash leaves: nothing here; in the database its leases."""
        self.crashes += 1
        self._count_left_in_hand()
        self.store.close()
        self._boot()
        back_at = self._clock.now() + timedelta(seconds=self.faults.chance.uniform(5, 1800))
        self.due = dict.fromkeys(self._steps, back_at)

    def up(self) -> bool:
        """Whether clients can connect to it."""
        return any(at <= self._clock.now() + timedelta(seconds=_POLL_S / 2) for at in self.due.values())

    def _fetch(self, thread: MailboxThread) -> Callable[[], float]:
        return lambda: max(0.5, thread.turn())

    def _ingest(self) -> float:
        report = ingest_round(
            self.store,
            f"{self.owner}/ingest",
            self._clock,
            self._ids,
            self._lease,
            lambda: False,
            lambda: self.poke("deliver"),
        )
        self._trace.note(self.name, "ingested", report)
        if report.trouble is not None:
            self._count_left_in_hand()
            return _TROUBLE_S
        return 0.1 if report.taken else _POLL_S

    def _heartbeat(self) -> float:
        until = self._clock.now() + self._lease
        try:
            self.store.outbox.renew(f"{self.owner}/", until)
            self.store.spool.renew(f"{self.owner}/", until)
        except (StoreTrouble, Conflict) as trouble:
            self._trace.note(self.name, "leases not renewed", trouble)
        return self._lease.total_seconds() / 3

    def _count_left_in_hand(self) -> None:
        with Database.read(self.store.database):
            query = "SELECT id FROM spool WHERE lease_owner = ?"
            found = self.store.database.sql(query, (f"{self.owner}/ingest",)).fetchall()
        self.left_in_hand.update(number for (number,) in found)

    def _deliver(self) -> float:
        retry = self._policy.settings.delivery.retry
        try:
            report = deliver_round(
                self.store,
                self._way,
                f"{self.owner}/deliver",
                self._clock,
                self._jitter,
                retry,
                self._deliver_lease,
                _BATCH,
                lambda: False,
            )
            for kind, text in report.troubles.items():
                self.store.alerts.raise_("delivery_trouble", kind, text)
        except (StoreTrouble, Conflict) as trouble:
            self._trace.note(self.name, "delivery stopped", trouble)
            return _TROUBLE_S
        self._trace.note(self.name, "delivered", report)
        if report.resume_at is not None:
            return max(0.1, (report.resume_at - self._clock.now()).total_seconds())
        return 0.1 if report.leased else _POLL_S

    def take_by_smtp(self, accepts: list[Accept]) -> bool:
        """What the listener does with a mail; True stands for 250, False for 451. Raises Crash."""
        self.faults.begin_step()
        try:
            self.store.spool.accept(accepts)
        except (StoreTrouble, Conflict) as trouble:
            self._trace.note(self.name, "451", trouble)
            return False
        self.faults.at("before 250")
        self.poke("ingest")
        return True

    def accept_of(
        self, octets: bytes, queue: str, reverse_path: str, forward_paths: tuple[str, ...], agent: str | None
    ) -> Accept:
        """The mail as the listener hands it to the spool, with a key of its own for each session."""
        return Accept(
            key=f"smtp/{self._ids.token()}/1/{queue}",
            source="smtp",
            mailbox="smtp",
            queue=queue,
            raw=BytesRaw(octets),
            reverse_path=reverse_path,
            forward_paths=forward_paths,
            authenticated_as=agent,
            client="192.0.2.7",
        )

    def stop(self) -> None:
        """End in good order."""
        self.faults.rates = CALM
        self.faults.begin_step()
        for thread in self._mailboxes.values():
            thread.stop()
            thread.run()
        self.store.close()
