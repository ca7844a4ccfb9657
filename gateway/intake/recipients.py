"""Which recipients this desk takes mail for, and for which queue: the answer to RCPT.

Taken are the addresses of the queues, the desk's own, reply addresses that this desk signed, the control
address, and `postmaster` at each domain of the desk (RFC 5321 section 4.5.1). Nothing else: an address with
an unsigned detail (`support+anything@…`) is unknown, and mail for other domains is never taken, whoever
asks, so this is no open relay.

Pure; raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.intake.paths import comparable
from gateway.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Route:
    """Where mail for `forward_path` goes. `queue` is None for the control address: the mail belongs to no
    queue yet."""

    forward_path: str
    queue: str | None


class Recipients:
    """The recipients of one set of settings."""

    def __init__(self, settings: Settings, verify_signed: Callable[[str], str | None]) -> None:
        """`verify_signed` gives the name of the queue for a valid signed reply address, None otherwise."""
        self._verify_signed = verify_signed
        self._delimiter = settings.signing.delimiter
        self._queues: dict[str, str | None] = {}
        for queue in settings.queues:
            for address in queue.addresses:
                self._queues.setdefault(comparable(address), queue.name)
        self._queues.setdefault(comparable(settings.desk.address), settings.queues[0].name)
        if settings.desk.control_address is not None:
            self._queues.setdefault(comparable(settings.desk.control_address), None)
        domains = {address.rpartition("@")[2] for address in self._queues}
        domains |= {comparable(f"x@{settings.desk.domain}")[2:]}
        domains |= {comparable(settings.desk.address).rpartition("@")[2]}
        for postmaster in ("postmaster", *(f"postmaster@{domain}" for domain in sorted(domains))):
            self._queues.setdefault(postmaster, settings.queues[0].name)

    def route(self, forward_path: str) -> Route | None:
        """Where mail for this address goes; None: nobody here has it (550 5.1.1).

        `forward_path` is an address as `paths.parse_path` gives it.
        """
        key = comparable(forward_path)
        if key in self._queues:
            return Route(forward_path, self._queues[key])
        if self._delimiter in forward_path:
            queue = self._verify_signed(forward_path)
            if queue is not None:
                return Route(forward_path, queue)
        return None
