"""The simulation itself: which step runs next, what is broken when, and when all is done.

Steps of all nodes run one at a time, in an order drawn from the seed, each at its virtual instant; at
database calls a node may be stalled while steps of others run, so that leases end under it. Faults go on
until the last mail has been dealt with. One seed gives one trace.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gateway import pipeline
from gateway.daemon.listening import recipients
from gateway.pipeline import Stage, Work
from gateway.store.database import Database
from tests.simulation.chance import START, VirtualClock, stream
from tests.simulation.desk import policy
from tests.simulation.faults import Crash, Rates
from tests.simulation.node import Node
from tests.simulation.people import Population
from tests.simulation.smarthost import Smarthost
from tests.simulation.trace import Trace
from tests.simulation.world import World

_LONGEST = timedelta(days=30)
_FLAKY_TRIES = 1


class NoRest(AssertionError):
    """The desk did not come to rest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated. `pause_s`: mean time between two mails that people begin with."""

    seed: int
    mails: int
    nodes: int = 3
    pause_s: float = 40.0
    rates: Rates = field(default_factory=Rates)


class Simulation:
    """`run` returns when all is done; then `database` and `world` can be looked at."""

    def __init__(self, plan: Plan, folder: Path, keep_trace: bool = False) -> None:
        seed = str(plan.seed)
        self.plan = plan
        self.clock = VirtualClock()
        self.trace = Trace(self.clock, keep_trace)
        self.world = World(self.clock, stream(seed, "people"), self.trace, plan.mails)
        self.smarthost = Smarthost(self.clock, self.trace, self.world.on_mail, self.world.refuses)
        self.policy = policy()
        self.routes = recipients(self.policy)
        url = f"sqlite:{folder / 'simulation.db'}"
        self.database = Database(url)
        self.database.peewee.pragma("synchronous", "off", permanent=True)
        self.database.migrate()
        self._chance: random.Random = stream(seed, "order")
        self._running: list[Node] = []
        self._stumbled: dict[bytes, int] = {}
        with self.trace.logs():
            self.nodes = [
                Node(
                    f"node{number}",
                    seed,
                    url,
                    self.policy,
                    plan.rates,
                    self.clock,
                    self.trace,
                    self.world,
                    self.smarthost,
                    self._stalled,
                )
                for number in range(plan.nodes)
            ]
        self.world.submit = self._submit
        self.steps = 0

    def run(self) -> None:
        """Until all is done. Raises NoRest where that takes too long."""
        start = self.clock.now()
        for node in self.nodes:
            for step in node.steps:
                node.due[step] = start
        Population(self.world, self.plan.pause_s).start()
        self._weather()
        with self.trace.logs(), self._stumbling():
            while not self._at_rest():
                for _ in range(50):
                    self._next()
                if self.clock.now() - start > _LONGEST:
                    raise NoRest(f"seed {self.plan.seed}: not at rest after {_LONGEST}: {self._waiting()}")
            for node in self.nodes:
                node.stop()
        self._note_tables()

    def _next(self) -> None:
        """Run one thing that is due; go on to the next instant where none is."""
        now = self.clock.now()
        due = self._due(now, ())
        world_at = self.world.next_at
        if world_at is not None and world_at <= now:
            due.append((None, "world"))
        if not due:
            times = [at for node in self.nodes for at in node.due.values()]
            self.clock.go_to(min([*times, *([world_at] if world_at is not None else [])]))
            return
        self._do(*self._chance.choice(due))

    def _due(self, now: Any, without: tuple[Node, ...] | list[Node]) -> list[tuple[Node | None, str]]:
        return [
            (node, step)
            for node in self.nodes
            if node not in without
            for step, at in node.due.items()
            if at <= now
        ]

    def _do(self, node: Node | None, step: str) -> None:
        self.steps += 1
        if node is None:
            self.world.happen()
            return
        self._running.append(node)
        try:
            node.run(step)
        except Crash:
            node.die()
        finally:
            self._running.pop()

    def _stalled(self) -> None:
        """The running node stands still; now and then for longer than any lease."""
        if len(self._running) >= len(self.nodes):
            return
        span = 3000.0 if self._chance.random() < 0.1 else 10.0
        until = self.clock.now() + timedelta(seconds=self._chance.uniform(0, span))
        for _ in range(self._chance.randint(1, 8)):
            due = self._due(until, self._running)
            if not due:
                break
            self._do(*self._chance.choice(due))
        self.clock.go_to(until)

    def _submit(
        self, octets: bytes, reverse_path: str, forward_paths: tuple[str, ...], agent: str | None
    ) -> bool:
        free = [node for node in self.nodes if node not in self._running and node.up()]
        if not free:
            return False
        node = self._chance.choice(free)
        queues: dict[str, list[str]] = {}
        for path in forward_paths:
            route = self.routes.route(path)
            assert route is not None, f"the desk does not know its own address {path}"
            assert route.queue is not None
            queues.setdefault(route.queue, []).append(path)
        accepts = [
            node.accept_of(octets, queue, reverse_path, tuple(paths), agent)
            for queue, paths in queues.items()
        ]
        self._running.append(node)
        try:
            return node.take_by_smtp(accepts)
        except Crash:
            node.die()
            return False
        finally:
            self._running.pop()

    def _weather(self) -> None:
        """What befalls all nodes: the smarthost is down for hours, a folder gets new UIDs."""
        self.world.later(self.world.delay(20_000), self._down)
        self.world.later(self.world.delay(20_000), self._renumbered)

    def _down(self) -> None:
        if not self.world.full:
            self.smarthost.down_until = self.clock.now() + timedelta(seconds=self.world.delay(7200))
            self.trace.note("smarthost is down until", self.smarthost.down_until)
            self.world.later(self.world.delay(60_000), self._down)

    def _renumbered(self) -> None:
        if not self.world.full:
            name = self._chance.choice(list(self.world.folders))
            self.world.folders[name].renumber()
            self.trace.note("folder is renumbered", name)
            self.world.later(self.world.delay(60_000), self._renumbered)

    @contextmanager
    def _stumbling(self) -> Iterator[None]:
        """Make the pipeline raise, or the process die, on mails with a marker in the header."""
        real = pipeline.UNDERSTAND

        def stumble(work: Work) -> None:
            raw = bytes(work.raw)
            marker = raw.partition(b"X-Simulated: ")[2].partition(b"\r\n")[0]
            if marker == b"killer":
                self._running[-1].faults.crash("on a mail that kills")
            if marker == b"poison" or (marker == b"flaky" and self._stumbles(raw)):
                raise RuntimeError(f"cannot bear it: {self.world.mark('x', '', None)}")

        with patch.object(pipeline, "UNDERSTAND", (Stage("stumble", stumble), *real)):
            yield

    def _stumbles(self, raw: bytes) -> bool:
        digest = hashlib.sha256(raw).digest()
        self._stumbled[digest] = self._stumbled.get(digest, 0) + 1
        return self._stumbled[digest] <= _FLAKY_TRIES

    def _at_rest(self) -> bool:
        return (
            self.world.full
            and self.world.next_at is None
            and not any(folder.unsettled() for folder in self.world.folders.values())
            and not any(self._waiting().values())
            and {owner for (owner,) in self.rows("SELECT owner FROM lease")}
            <= {node.owner for node in self.nodes}
        )

    def count(self, query: str, *parameters: object) -> int:
        """The number that a SELECT gives."""
        with self.database.read():
            return int(self.database.sql(query, parameters).fetchone()[0])

    def _waiting(self) -> dict[str, int]:
        return {
            "spool": self.count("SELECT count(*) FROM spool WHERE state IN ('received', 'deferred')"),
            "outbox": self.count("SELECT count(*) FROM outbox WHERE state = 'queued'"),
            "leased": self.count("SELECT count(*) FROM spool WHERE lease_owner IS NOT NULL"),
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        with self.database.read():
            return list(self.database.sql(query).fetchall())

    def _note_tables(self) -> None:
        """The end of the trace: what stands in the database."""
        for table in ("ticket", "entry", "spool", "outbox", "event", "participant", "alert"):
            digest = hashlib.sha256()
            for row in self.rows(f"SELECT * FROM {table} ORDER BY 1, 2"):
                digest.update(repr(row).encode())
            self.trace.note("table", table, digest.hexdigest())

    @property
    def left_in_hand(self) -> Counter[int]:
        """Spool rows → how often a node died, or lost its database, while it had them in hand."""
        return sum((node.left_in_hand for node in self.nodes), Counter())

    def figures(self) -> dict[str, object]:
        """What happened, in numbers."""
        kinds = Counter(posted.kind for posted in self.world.posted)
        return {
            "virtual time": str(self.clock.now() - START),
            "steps": self.steps,
            "crashes": sum(node.crashes for node in self.nodes),
            "mails": dict(sorted(kinds.items())),
            "tickets": self.count("SELECT count(*) FROM ticket"),
            "duplicates": self.count("SELECT count(*) FROM spool WHERE outcome LIKE 'duplicate%'"),
            "held": self.count("SELECT count(*) FROM spool WHERE state = 'hold'"),
            "quarantined": self.count("SELECT count(*) FROM spool WHERE state = 'quarantined'"),
            "handed over": len(self.smarthost.taken),
            "repeats": sum(taken.repeated for taken in self.smarthost.taken),
            "failed": self.count("SELECT count(*) FROM outbox WHERE state = 'failed'"),
            "trace lines": self.trace.count,
        }

    def close(self) -> None:
        """Close the database."""
        self.database.disconnect()
