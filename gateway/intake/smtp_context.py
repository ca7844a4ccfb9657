"""What the connections of one SMTP or LMTP listener share; made by `listeners.py`."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.intake.group_commit import GroupCommit
from gateway.intake.recipients import Recipients
from gateway.intake.smtp_auth import AgentLogins
from gateway.intake.smtp_limits import Connections, InFlight, SlidingWindow
from gateway.ports import Ids
from gateway.settings.model import Listener


class Stoppable(Protocol):
    """An open connection, as `listeners.py` sees it."""

    def stop(self) -> None:
        """Take no further mail: an idle client is sent away now, the others after what they are at."""
        ...

    def abort(self) -> None:
        """Drop the connection at once."""
        ...


@dataclass(frozen=True)
class ListenerContext:
    """What the connections of one listener share."""

    listener: Listener
    hostname: str
    tls: ssl.SSLContext | None
    logins: AgentLogins | None
    """None: AUTH is not offered."""
    recipients: Recipients
    commit: GroupCommit
    ids: Ids
    connections: Connections
    rate: SlidingWindow
    in_flight: InFlight
    folder: Path | None
    """Takes the temporary files of large mails."""
    on_accept: Callable[[int], None]
    """Called in the event loop with each new spool id."""
    login_delay_s: float = 1.0
    """How long a wrong password waits for its answer."""
    alive: set[Stoppable] = field(default_factory=set)

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS comes before the greeting."""
        return self.listener.tls is not None and self.listener.tls.mode == "implicit"
