"""What the listeners bear: connections, mails a minute, octets in hand, failed logins; by client and in sum.

A client is an address; of IPv6 it is the network of 64 bits, because one host has them all. All counting
is done in the event loop's thread. Time comes from `ports.Clock`.

Raises nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter, deque
from collections.abc import Callable

from gateway.ports import Clock
from gateway.settings.model import ListenerLimits

_SWEEP_AT = 1024


def client_key(address: str) -> str:
    """The name under which a client is counted. `address` is an IP address, or a word such as "local"
    for a unix socket, which stands for itself."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class SlidingWindow:
    """At most `limit` events in any `seconds` for each key."""

    def __init__(self, clock: Clock, limit: int, seconds: float) -> None:
        self._clock = clock
        self._limit = limit
        self._seconds = seconds
        self._events: dict[str, deque[float]] = {}
        self._sweep_at = _SWEEP_AT

    def take(self, key: str) -> bool:
        """Count one event. False: the window is full, and the event is not counted."""
        if self.is_full(key):
            return False
        if len(self._events) >= self._sweep_at:
            self._sweep()
        self._events.setdefault(key, deque()).append(self._clock.monotonic())
        return True

    def is_full(self, key: str) -> bool:
        """Whether the next event of this key is one too many."""
        events = self._events.get(key)
        if events is None:
            return False
        oldest = self._clock.monotonic() - self._seconds
        while events and events[0] <= oldest:
            events.popleft()
        if not events:
            del self._events[key]
        return len(events) >= self._limit

    def _sweep(self) -> None:
        for key in list(self._events):
            self.is_full(key)
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._events))


class Floods:
    """Tells of what comes by the hundred by its count: of the first at once, of those that follow once a
    minute, as long as they come. Used in the event loop."""

    def __init__(self, clock: Clock, tell: Callable[[str, int], None], seconds: float = 60.0) -> None:
        """`tell(key, count)` is called with the number of events since it was last called."""
        self._clock = clock
        self._tell = tell
        self._seconds = seconds
        self._counts: dict[str, tuple[float, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, key: str) -> None:
        """One event."""
        self.tell_due()
        since, count = self._counts.get(key, (self._clock.monotonic(), -1))
        if count < 0:
            self._tell(key, 1)
        self._counts[key] = since, count + 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._tick)

    def tell_due(self) -> None:
        """Tell the counts whose minute is over; a key without any is forgotten."""
        now = self._clock.monotonic()
        for key, (since, count) in list(self._counts.items()):
            if now - since >= self._seconds:
                del self._counts[key]
                if count:
                    self._tell(key, count)
                    self._counts[key] = now, 0

    def _tick(self) -> None:
        self._timer = None
        self.tell_due()
        if self._counts:
            self._timer = asyncio.get_running_loop().call_later(self._seconds / 4, self._tick)

    def end(self) -> None:
        """Tell what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for key, (_, count) in self._counts.items():
            if count:
                self._tell(key, count)
        self._counts.clear()


class Connections:
    """Open connections of one listener."""

    def __init__(self, limits: ListenerLimits) -> None:
        self._limits = limits
        self._clients: Counter[str] = Counter()
        self.count = 0

    def enter(self) -> bool:
        """Count a connection whose client is not known yet. False: too many; it is not counted."""
        if self.count >= self._limits.connections:
            return False
        self.count += 1
        return True

    def leave(self) -> None:
        """Undo `enter`."""
        self.count -= 1

    def enter_client(self, client: str) -> bool:
        """Count a connection of this client. False: too many; it is not counted."""
        if self._clients[client] >= self._limits.connections_per_client:
            return False
        self._clients[client] += 1
        return True

    def leave_client(self, client: str) -> None:
        """Undo `enter_client`."""
        self._clients[client] -= 1
        if self._clients[client] <= 0:
            del self._clients[client]


class InFlight:
    """Octets of mails that are not yet stored, over all connections."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.octets = 0

    def has_room(self, octets: int) -> bool:
        """Whether so many more octets fit."""
        return self.octets + octets <= self._limit

    def take(self, octets: int) -> bool:
        """Count octets in hand. False: no room; they are not counted."""
        if not self.has_room(octets):
            return False
        self.octets += octets
        return True

    def give(self, octets: int) -> None:
        """Undo `take`."""
        self.octets -= octets
