"""The server that takes the desk's mail, or does not; it remembers every mail that it took."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.delivery.replies import PeerTrouble
from gateway.ports import Delivery, Receipt
from tests.simulation.chance import VirtualClock
from tests.simulation.faults import Faults
from tests.simulation.trace import Trace


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail that the smarthost took. `excused`: it is no news that the same row came before."""

    outbox_id: int
    reverse_path: str
    forward_path: str
    message_id: str
    octets: bytes
    digest: str
    at: datetime
    node: str
    repeated: bool
    excused: bool


@dataclass
class Smarthost:
    """`on_mail` gets each mail that was taken; `refuses` says whether an address is refused for good."""

    clock: VirtualClock
    trace: Trace
    on_mail: Callable[[Taken], None]
    refuses: Callable[[str], bool]
    down_until: datetime | None = None
    taken: list[Taken] = field(default_factory=list)
    rows: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    """Rows whose sender may not know that they were taken."""
    refused: set[int] = field(default_factory=set)

    def take(self, delivery: Delivery, octets: bytes, node: str) -> None:
        row = delivery.outbox_id
        mail = Taken(
            outbox_id=row,
            reverse_path=delivery.reverse_path,
            forward_path=delivery.forward_path,
            message_id=delivery.message_id,
            octets=octets,
            digest=hashlib.sha256(octets).hexdigest(),
            at=self.clock.now(),
            node=node,
            repeated=row in self.rows,
            excused=row in self.doubtful,
        )
        self.rows.add(row)
        self.doubtful.discard(row)
        self.taken.append(mail)
        self.trace.note("smarthost takes", row, delivery.forward_path, mail.digest[:16])
        self.on_mail(mail)


class Way:
    """`ports.Submitter` of one node."""

    def __init__(self, smarthost: Smarthost, faults: Faults, node: str) -> None:
        self._smarthost = smarthost
        self._faults = faults
        self._node = node

    def submit(self, delivery: Delivery) -> Receipt:
        host, faults = self._smarthost, self._faults
        faults.at("connect")
        host.clock.pass_(faults.chance.uniform(0.01, 0.5))
        if host.down_until is not None and host.clock.now() < host.down_until:
            return PeerTrouble("deferred", "mx.test: connection refused")
        if host.refuses(delivery.forward_path):
            host.refused.add(delivery.outbox_id)
            return Receipt("failed", "550 5.1.1 no such user", "5.1.1")
        if faults.hits(faults.rates.deferred, "smarthost 451"):
            return Receipt("deferred", "451 4.3.2 not now", "4.3.2")
        octets = b"".join(delivery.chunks)
        assert len(octets) == delivery.size, f"outbox {delivery.outbox_id}: size is told wrong"
        faults.at("before the final dot")
        if faults.hits(faults.rates.lost_mail, "connection lost before the mail was taken"):
            return Receipt("uncertain", "connection lost after DATA")
        host.take(delivery, octets, self._node)
        faults.in_hand = delivery.outbox_id
        faults.at("before the reply is read")
        if faults.hits(faults.rates.lost_reply, "reply lost"):
            host.doubtful.add(delivery.outbox_id)
            faults.in_hand = None
            return Receipt("uncertain", "connection lost after DATA")
        return Receipt("sent", "250 2.0.0 taken")

    def close(self) -> None:
        return None
