"""A Maildir as the way out: every mail, for every recipient, becomes a file that any mail client opens.

Guarantees: a file appears in `new/` whole and on the disk (fsync of file and folder), or not at all; line
ends are LF; `Return-Path:` and `Delivered-To:` with the envelope stand on top. A mail handed over twice (we
were killed before the outcome was recorded) takes the same name, so it replaces itself while nobody has read
it. Trouble with the disk is `PeerTrouble`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from gateway.delivery.octets import with_lf
from gateway.delivery.replies import PeerTrouble, one_line, with_paths_spelled
from gateway.ports import Delivery, Ids, Receipt

_TOKEN_LENGTH = 20
_DIGEST_OCTETS = 10


class MaildirSubmitter:
    """`ports.Submitter` that writes into one Maildir; several may write into the same one."""

    def __init__(self, folder: Path, ids: Ids) -> None:
        """`folder` is made where it is not there yet."""
        self._folder = folder
        self._ids = ids
        self._made = False

    def submit(self, delivery: Delivery) -> Receipt:
        """See `ports.Submitter`. Raises only what reading `delivery.chunks` raises."""
        spelled = with_paths_spelled(delivery)
        if isinstance(spelled, Receipt):
            return spelled
        delivery = spelled
        passing = self._folder / "tmp" / f"{delivery.outbox_id}.{self._ids.token(_TOKEN_LENGTH)}"
        final = self._folder / "new" / _file_name(delivery)
        try:
            self._make()
            descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            return self._trouble(error)
        try:
            trouble = self._write(descriptor, delivery)
            if trouble is not None:
                return trouble
            try:
                passing.rename(final)
                _sync_folder(final.parent)
            except OSError as error:
                return self._trouble(error)
        finally:
            with contextlib.suppress(OSError):
                passing.unlink(missing_ok=True)
        return Receipt("sent", f"250 2.0.0 kept as {final.name}", "2.0.0")

    def _make(self) -> None:
        if self._made:
            return
        for name in ("tmp", "new", "cur"):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._made = True

    def _write(self, descriptor: int, delivery: Delivery) -> Receipt | None:
        try:
            self._put(descriptor, _envelope_lines(delivery))
            for piece in with_lf(delivery.chunks):
                self._put(descriptor, piece)
            self._sync(descriptor)
        except _DiskTrouble as trouble:
            return self._trouble(trouble.error)
        finally:
            os.close(descriptor)
        return None

    def _put(self, descriptor: int, piece: bytes) -> None:
        left = memoryview(piece)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError as error:
            raise _DiskTrouble(error) from error

    def _sync(self, descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise _DiskTrouble(error) from error

    def _trouble(self, error: OSError) -> PeerTrouble:
        self._made = False
        reason = one_line(f"Maildir {self._folder}: {error.strerror or type(error).__name__}")
        return PeerTrouble("deferred", reason, "4.3.0")

    def close(self) -> None:
        """Nothing is kept open."""


class _DiskTrouble(Exception):
    """A write failed, as against reading the mail."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _file_name(delivery: Delivery) -> str:
    """Unique to the outbox row: our Message-IDs are random, so a fresh database does not repeat a name.
    Clients sort by the leading number: the order of the outbox. No ":" or "/" may stand in it."""
    told = "\n".join((delivery.message_id, delivery.reverse_path, delivery.forward_path))
    digest = hashlib.sha256(told.encode()).hexdigest()[: 2 * _DIGEST_OCTETS]
    return f"{delivery.outbox_id:010d}.{digest}.ticketgate"


def _envelope_lines(delivery: Delivery) -> bytes:
    lines = f"Return-Path: <{delivery.reverse_path}>\nDelivered-To: {delivery.forward_path}\n"
    return lines.encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
