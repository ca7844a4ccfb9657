"""How far each folder of an IMAP account has been read, and which accepted mails are still to be settled
(flagged, moved, deleted) on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from gateway.store.database import Database
from gateway.store.models import Folder, to_ms


def spool_key(account: str, folder: str, uidvalidity: int, uid: int | str) -> str:
    """The spool key of one message on an IMAP server."""
    return f"imap/{account}/{quote(folder, safe='')}/{uidvalidity}/{uid}"


@dataclass(frozen=True, slots=True)
class FolderState:
    """Every uid up to `last_uid` is accepted, or left on the server for the reason in `left`."""

    account: str
    folder: str
    uidvalidity: int
    last_uid: int
    first_contact_at: datetime
    left: dict[int, str]


class Mailboxes:
    """The table of folders."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def state(self, account: str, folder: str) -> FolderState | None:
        """What is known of the folder, or None at the first contact."""
        with self._db.read():
            row = self._db.first(
                Folder.select().where((Folder.account == account) & (Folder.folder == folder))
            )
        if row is None:
            return None
        left = {int(uid): reason for uid, reason in row.left_there.items()}
        return FolderState(account, folder, row.uidvalidity, row.last_uid, row.first_contact_at, left)

    def save(self, state: FolderState) -> None:
        """Write the state down."""
        left = Folder.left_there.db_value({str(uid): reason for uid, reason in sorted(state.left.items())})
        with self._db.write():
            self._db.sql(
                "INSERT INTO folder (account, folder, uidvalidity, last_uid, first_contact_at, left_there)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, folder) DO UPDATE SET"
                " uidvalidity = excluded.uidvalidity, last_uid = excluded.last_uid,"
                " left_there = excluded.left_there",
                (
                    state.account,
                    state.folder,
                    state.uidvalidity,
                    state.last_uid,
                    to_ms(state.first_contact_at),
                    left,
                ),
            )

    def unsettled(self, account: str, folder: str, uidvalidity: int, limit: int) -> list[int]:
        """UIDs of mails that are accepted and not yet known to be settled, oldest first."""
        prefix = spool_key(account, folder, uidvalidity, "")
        with self._db.read():
            rows = self._db.sql(
                "SELECT key FROM spool WHERE source = 'imap' AND NOT settled"
                " AND substr(key, 1, ?) = ? ORDER BY id LIMIT ?",
                (len(prefix), prefix, limit),
            ).fetchall()
        return [int(key.rsplit("/", 1)[1]) for (key,) in rows]

    def settled(self, account: str, folder: str, uidvalidity: int, uids: Sequence[int]) -> None:
        """Record that these are settled."""
        keys = [spool_key(account, folder, uidvalidity, uid) for uid in uids]
        if not keys:
            return
        marks = ", ".join("?" * len(keys))
        true = "1" if self._db.is_sqlite else "TRUE"
        with self._db.write():
            self._db.sql(f"UPDATE spool SET settled = {true} WHERE key IN ({marks})", keys)  # noqa: S608
