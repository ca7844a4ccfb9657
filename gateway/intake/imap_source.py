"""`ports.MailSource` over IMAP4rev1 (RFC 3501), with IDLE, MOVE and UIDPLUS where they are offered.

`connect` opens one connection to an account and gives a source for each of its folders; they share the
connection and belong to one thread. Mails up to `ALONE` octets are fetched in batches, larger ones piece by
piece into a temporary file, so memory stays bounded. \\Seen is never set by reading.

A message that the server refuses to give is left out of what `fetch` yields; the others still come. Raises
`SourceRefused` where the connection is still good, else `SourceTrouble`; `StoreTrouble` where our own disk
takes no large mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from imapclient.exceptions import IMAPClientReadOnlyError

from gateway.intake.buffer import FileRaw
from gateway.intake.imap_answers import body, news, number
from gateway.intake.imap_client import Client, told_as
from gateway.intake.imap_folders import exists, server_names
from gateway.intake.imap_login import Credentials, open_client
from gateway.intake.imap_settle import Settler
from gateway.intake.trouble import SourceRefused
from gateway.ports import Clock, Listed, Raw
from gateway.settings.model import Mailbox
from gateway.store.errors import StoreTrouble
from gateway.store.spool import BytesRaw

log = structlog.get_logger("intake.imap")

ALONE = 1_000_000
"""Octets above which a mail is fetched by itself, in pieces."""
PIECE = 1024 * 1024
BATCH = 50
BATCH_OCTETS = 8_000_000
_WINDOW = 2000
_RENEW_IDLE_S = 540.0
_HASTY_S = 5.0
_HASTY_WAKES = 20


def connect(
    mailbox: Mailbox,
    credentials: Credentials,
    *,
    config_dir: Path,
    clock: Clock,
    interrupted: Callable[[], bool] = lambda: False,
    temp_dir: Path | None = None,
) -> dict[str, ImapSource]:
    """Log in; returns a source for each folder of `mailbox`, in its order. `interrupted` ends waiting early;
    `temp_dir` takes large mails while they are fetched. Raises SourceTrouble and its kinds."""
    client = open_client(mailbox, credentials, config_dir)
    connection = _Connection(client, mailbox, clock, interrupted, temp_dir)
    return {folder: ImapSource(connection, folder) for folder in mailbox.folders}


class _Connection:
    """What the folders of one account share."""

    def __init__(
        self,
        client: Client,
        mailbox: Mailbox,
        clock: Clock,
        interrupted: Callable[[], bool],
        temp_dir: Path | None,
    ) -> None:
        self.client = client
        self.mailbox = mailbox
        self.clock = clock
        self.interrupted = interrupted
        self.temp_dir = temp_dir
        self.selected: str | None = None
        self.closed = False

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.client.part()


class ImapSource:
    """One folder of a connection. See `ports.MailSource`; what is said here is how it does it."""

    def __init__(self, connection: _Connection, folder: str) -> None:
        self._connection = connection
        self._client = connection.client
        self._folder = folder
        self._name: str | None = None
        self._settler = Settler(connection.client, folder, connection.mailbox.after)
        self._read_only = False
        self._messages = 0
        self._uidnext: int | None = None
        self._sizes: dict[int, int] = {}

    def open(self) -> int:
        """SELECT (EXAMINE where nothing is ever changed), each time anew: UIDVALIDITY may change under a
        connection. A read-only folder is read all the same; `settle` then refuses."""
        names = [self._name] if self._name else [self._folder]
        try:
            answer = self._select(names[0])
        except SourceRefused:
            others = [name for name in server_names(self._client, self._folder) if name != names[0]]
            for name in others:
                if exists(self._client, name):
                    names.append(name)
                    answer = self._select(name)
                    break
            else:
                raise
        self._name = names[-1]
        self._connection.selected = self._folder
        self._sizes = {}
        self._messages = number(answer.get(b"EXISTS")) or 0
        self._uidnext = number(answer.get(b"UIDNEXT"))
        uidvalidity = number(answer.get(b"UIDVALIDITY"))
        if uidvalidity is None:
            raise SourceRefused(f"folder {self._folder}: the server gives no UIDVALIDITY")
        return uidvalidity

    def _select(self, name: str) -> Mapping[bytes, Any]:
        self._connection.selected = None
        examine = self._connection.mailbox.after == "leave"
        with told_as(f"opening folder {self._folder}"):
            try:
                answer: Mapping[bytes, Any] = self._client.select_folder(name, readonly=examine)
                self._read_only = False
            except IMAPClientReadOnlyError:
                answer = self._client.select_folder(name, readonly=True)
                self._read_only = True
        return answer

    def list_after(self, uid: int) -> Sequence[Listed]:
        """In a large folder only the lowest of them, but never none while there are some: call again from
        the highest one got."""
        uid = max(uid, 0)
        first = uid + 1
        width = _WINDOW
        windowed = self._messages > _WINDOW and self._uidnext is not None and self._uidnext > first
        while windowed and self._uidnext is not None and first + width < self._uidnext:
            if found := self._listed(first, first + width - 1, uid):
                return found
            first += width
            width *= 2
        return self._listed(first, None, uid)

    def _listed(self, first: int, last: int | None, after: int) -> list[Listed]:
        with told_as(f"listing folder {self._folder}"):
            answer = self._client.fetch_range(first, last, "(UID RFC822.SIZE INTERNALDATE)")
            found = [
                Listed(uid, size, self._instant(entry.get(b"INTERNALDATE")))
                for uid, entry in answer.items()
                if uid > after and (size := number(entry.get(b"RFC822.SIZE"))) is not None
            ]
        found.sort(key=lambda listed: listed.uid)
        self._sizes.update((listed.uid, listed.size) for listed in found)
        return found

    def _instant(self, value: object) -> datetime:
        """INTERNALDATE, or now where the server gives none that can be read: then the mail counts as new."""
        if not isinstance(value, datetime):
            return self._connection.clock.now()
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:
            return self._connection.clock.now()

    def fetch(self, uids: Sequence[int]) -> Iterator[tuple[int, Raw]]:
        """BODY.PEEK[]. Whoever gets a `FileRaw` closes it."""
        batch: list[int] = []
        octets = 0
        for uid in sorted(set(uids)):
            size = self._sizes.get(uid)
            alone = size is None or size > ALONE
            if batch and (alone or len(batch) == BATCH or octets + (size or 0) > BATCH_OCTETS):
                yield from self._together(batch)
                batch, octets = [], 0
            if alone:
                if raw := self._piecewise(uid):
                    yield uid, raw
            else:
                batch.append(uid)
                octets += size or 0
        if batch:
            yield from self._together(batch)

    def _together(self, uids: list[int]) -> Iterator[tuple[int, Raw]]:
        try:
            with told_as(f"fetching from {self._folder}"):
                answer = self._client.fetch(uids, ["BODY.PEEK[]"])
        except SourceRefused as refused:
            log.warning(
                "imap_fetch_refused",
                folder=self._folder,
                uids=f"{uids[0]}..{uids[-1]}",
                reason=refused.public,
            )
            if len(uids) > 1:
                for uid in uids:
                    yield from self._together([uid])
            return
        for uid in uids:
            entry = answer.pop(uid, {})
            octets, _offset = body(entry)
            if octets or (octets is not None and self._sizes.get(uid) == 0):
                yield uid, BytesRaw(octets)

    def _piecewise(self, uid: int) -> FileRaw | None:
        raw = FileRaw(self._connection.temp_dir)
        try:
            whole = self._pieces(uid, raw)
        except OSError as error:
            # Not the server's doing (that is told as SourceTrouble): our disk does not take the mail.
            raw.close()
            raise StoreTrouble(f"no room for a large mail: {error.strerror}") from error
        except BaseException:
            raw.close()
            raise
        if whole:
            return raw
        raw.close()
        return None

    def _pieces(self, uid: int, raw: FileRaw) -> bool:
        """Read until a piece is shorter than asked for: RFC822.SIZE is an estimate on some servers."""
        while raw.size <= self._connection.mailbox.max_size:
            item = f"BODY.PEEK[]<{raw.size}.{PIECE}>"
            try:
                with told_as(f"fetching from {self._folder}"):
                    octets, offset = body(self._client.fetch([uid], [item]).get(uid, {}))
            except SourceRefused as refused:
                log.warning("imap_fetch_refused", folder=self._folder, uid=uid, reason=refused.public)
                return False
            if octets is None or (offset is not None and offset != raw.size):
                return False
            if offset is None:
                # The whole message in answer to a request for a part of it.
                if raw.size:
                    return False
                raw.write(octets)
                return bool(octets)
            raw.write(octets)
            if len(octets) != PIECE:
                return len(octets) < PIECE and (raw.size > 0 or self._sizes.get(uid) == 0)
        log.warning("imap_mail_larger_than_told", folder=self._folder, uid=uid, size=raw.size)
        return False

    def settle(self, uids: Sequence[int]) -> None:
        """+FLAGS.SILENT \\Seen; MOVE, or COPY, \\Deleted and UID EXPUNGE. See `imap_settle`."""
        if self._connection.mailbox.after == "leave" or not uids:
            return
        if self._read_only:
            raise SourceRefused(f"folder {self._folder} is read-only: its mails cannot be marked")
        self._settler.settle(uids, self._name or self._folder)

    def wait(self, seconds: float) -> bool:
        """IDLE in stretches of less than ten minutes. Whatever wakes us, DONE and its reply show whether the
        peer is alive: the library's `idle_check` cannot tell a dead one from silence. Returns early without
        IDLE, when `interrupted`, and when the server keeps waking us for nothing; the caller waits out the
        rest by itself."""
        connection = self._connection
        clock = connection.clock
        if not self._client.has_capability("IDLE"):
            return False
        if connection.selected != self._folder:
            self.open()
        end = clock.monotonic() + seconds
        hasty = 0
        while hasty < _HASTY_WAKES and not connection.interrupted():
            begun = clock.monotonic()
            if begun >= end:
                return False
            with told_as(f"waiting for news of {self._folder}"):
                early = self._client.idle()
                stretch_s = min(end - begun, _RENEW_IDLE_S)
                woken = bool(early) or self._client.readable(stretch_s, connection.interrupted)
                _text, answers = self._client.idle_done()
            if news([*early, *answers]):
                return True
            hasty += woken and clock.monotonic() - begun < _HASTY_S
        return False

    def close(self) -> None:
        """Log out; closes the connection for all folders of the account."""
        self._connection.close()

    def cut(self) -> None:
        """End the connection from another thread; whatever waits for the server raises SourceTrouble."""
        self._client.cut()
