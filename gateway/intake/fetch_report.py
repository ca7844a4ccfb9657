"""What a fetch round needs of the store, and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.store.mailboxes import FolderState
from gateway.store.spool import Accept


class SpoolLike(Protocol):
    """`store.spool.Spool`, as far as intake uses it."""

    def accept(self, mails: Sequence[Accept]) -> list[int | None]:
        """T1: a spool id each, None where the key is there already."""
        ...


class MailboxesLike(Protocol):
    """`store.mailboxes.Mailboxes`."""

    def state(self, account: str, folder: str) -> FolderState | None:
        """What is known of a folder."""
        ...

    def save(self, state: FolderState) -> None:
        """Write it down."""
        ...

    def unsettled(self, account: str, folder: str, uidvalidity: int, limit: int) -> list[int]:
        """UIDs accepted and not yet settled."""
        ...

    def settled(self, account: str, folder: str, uidvalidity: int, uids: Sequence[int]) -> None:
        """These are settled now."""
        ...


class AlertsLike(Protocol):
    """`store.alerts.Alerts`."""

    def raise_(self, kind: str, subject_key: str, text: str) -> None:
        """Tell the admins, once a key and day."""
        ...


class FetchStore(Protocol):
    """The parts of the store that a round works on."""

    @property
    def spool(self) -> SpoolLike:
        """Accepted mail."""
        ...

    @property
    def mailboxes(self) -> MailboxesLike:
        """How far each folder is read."""
        ...

    @property
    def alerts(self) -> AlertsLike:
        """Notices to admins."""
        ...


@dataclass(slots=True)
class FetchReport:
    """What one round did, in numbers of messages."""

    uidvalidity: int
    accepted: int = 0
    taken_earlier: int = 0
    """Keys that the spool held already: after a crash, or another node was faster."""
    settled: int = 0
    older: int = 0
    """Left because they are older than the first contact allows."""
    too_large: int = 0
    not_given: int = 0
    vanished: int = 0
    settle_refused: str | None = None
    """Why the server did not do what `after` says; intake goes on."""
    complete: bool = False
    """False where `go_on` ended the round."""
