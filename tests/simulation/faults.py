"""What may go wrong at a node: it dies at an effect point, its database fails, it is stalled while others go
on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from peewee import OperationalError

from gateway.store.database import Database
from gateway.store.errors import StoreTrouble
from tests.simulation.trace import Trace


class Crash(BaseException):
    """The node is dead: nothing of what it had in memory is left, and nobody says goodbye."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How likely each fault is: `crash` a step, the others a call."""

    crash: float = 0.08
    database: float = 0.003
    stall: float = 0.02
    disconnect: float = 0.02
    deferred: float = 0.03
    lost_reply: float = 0.02
    lost_mail: float = 0.01


CALM = Rates(0, 0, 0, 0, 0, 0, 0)
_MOST_POINTS = 25


class Faults:
    """The faults of one node. `stall` lets others work."""

    def __init__(
        self,
        chance: random.Random,
        rates: Rates,
        trace: Trace,
        name: str,
        stall: Callable[[], None],
        doubtful: set[int],
    ) -> None:
        self.chance = chance
        self.rates = rates
        self.doubtful = doubtful
        """Outbox rows of all nodes that were handed over and perhaps not recorded."""
        self.in_hand: int | None = None
        """The outbox row whose hand-over succeeded and is not yet recorded."""
        self._trace = trace
        self._name = name
        self._stall = stall
        self._crash_in: int | None = None

    def begin_step(self, rate: float | None = None) -> None:
        """Decide whether, and where, the node dies in the step that begins."""
        dies = self.chance.random() < (self.rates.crash if rate is None else rate)
        self._crash_in = self.chance.randint(1, _MOST_POINTS) if dies else None
        self.in_hand = None

    def crash(self, point: str) -> None:
        self._doubt()
        self._crash_in = None
        self._trace.note(self._name, "dies", point)
        raise Crash(point)

    def at(self, point: str) -> None:
        """An effect point. Raises Crash."""
        if self._crash_in is not None:
            self._crash_in -= 1
            if self._crash_in <= 0:
                self.crash(point)

    def hits(self, rate: float, what: str) -> bool:
        """Whether a fault of this rate happens now."""
        if self.chance.random() >= rate:
            return False
        self._trace.note(self._name, "fault", what)
        return True

    def stall(self, point: str) -> None:
        """Perhaps be slow here, while others work."""
        if self.hits(self.rates.stall, f"stalled {point}"):
            self._doubt()
            self._stall()

    def _doubt(self) -> None:
        if self.in_hand is not None:
            self.doubtful.add(self.in_hand)

    def database_fails(self, point: str) -> bool:
        fails = self.hits(self.rates.database, f"database {point}")
        if fails:
            self._doubt()
        return fails


class FaultyDatabase(Database):
    """A node's own connections to the one database, with faults at begin, before commit and after it."""

    def __init__(self, url: str, faults: Faults) -> None:
        super().__init__(url)
        self._faults = faults
        self.peewee.pragma("synchronous", "off", permanent=True)

    def _synchronous(self, durable: bool) -> None:
        """Never wait for the disk: the process that writes lives on, whatever happens to the nodes in it."""

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[None]:
        faults = self._faults
        faults.stall("before begin")
        faults.at("begin")
        with super().write(durable):
            if faults.database_fails("begin"):
                raise OperationalError("database is locked")
            yield
            faults.at("before commit")
            if faults.database_fails("commit"):
                raise OperationalError("disk I/O error")
        faults.at("after commit")
        if faults.database_fails("reply to commit"):
            raise StoreTrouble("the database cannot be used now (OperationalError)")
        faults.in_hand = None
        faults.stall("after commit")

    @contextmanager
    def read(self) -> Iterator[None]:
        with super().read():
            if self._faults.database_fails("read"):
                raise OperationalError("connection lost")
            yield
