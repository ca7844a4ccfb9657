"""What happens to an accepted mail on the server: seen, moved, deleted, or left as it is.

A folder is never expunged as a whole, since that would remove what a person has flagged \\Deleted: without
UIDPLUS (RFC 4315) a mail to be removed is only flagged. Doing it twice is no mistake, also where MOVE (RFC
6851) has to be made of COPY and STORE and was killed between the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from imapclient import DELETED, SEEN

from gateway.intake.imap_client import Client, told_as
from gateway.intake.imap_folders import exists, server_names
from gateway.intake.trouble import SourceRefused

log = structlog.get_logger("intake.imap")

_AT_ONCE = 200


class Settler:
    """Does what `after` (see settings.Mailbox) says, in the folder that is selected."""

    def __init__(self, client: Client, folder: str, after: str) -> None:
        self._client = client
        self._folder = folder
        self._after = after
        self._target: str | None = None

    def settle(self, uids: Sequence[int], selected: str) -> None:
        """`selected` is the server's name of the folder. Raises SourceRefused or SourceTrouble."""
        for start in range(0, len(uids), _AT_ONCE):
            some = list(uids[start : start + _AT_ONCE])
            if self._after == "seen":
                with told_as(f"flagging mails in {self._folder}"):
                    self._client.add_flags(some, [SEEN], silent=True)
            elif self._after == "delete":
                self._remove(some)
            elif self._after != "leave":
                try:
                    self._move(some, self._after.removeprefix("move:"), selected)
                except SourceRefused:
                    self._target = None
                    raise

    def _move(self, uids: list[int], written: str, selected: str) -> None:
        target = self._target or self._find_target(written)
        if target == selected:
            return
        with told_as(f"moving mails from {self._folder} to {written}"):
            if self._client.has_capability("MOVE"):
                self._client.move(uids, target)
                return
            # What is flagged was copied by an earlier try, and would be doubled by another COPY.
            flags = self._client.get_flags(uids)
            fresh = [uid for uid in uids if uid in flags and DELETED not in flags[uid]]
            if fresh:
                self._client.copy(fresh, target)
        self._remove(uids)

    def _find_target(self, written: str) -> str:
        """The server's name of the folder, made where it is missing."""
        names = server_names(self._client, written)
        target = next((name for name in names if exists(self._client, name)), None)
        if target is None:
            target = names[-1]
            with told_as(f"making folder {written}"):
                self._client.create_folder(target)
            log.info("imap_folder_made", folder=target)
        self._target = target
        return target

    def _remove(self, uids: list[int]) -> None:
        with told_as(f"deleting mails in {self._folder}"):
            self._client.add_flags(uids, [DELETED], silent=True)
            if self._client.has_capability("UIDPLUS"):
                self._client.uid_expunge(uids)
