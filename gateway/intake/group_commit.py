"""One durable commit for the mails of many connections (transaction T1 for the listeners).

A thread takes whatever waits, hands it to `Spool.accept` in one call, and answers the asyncio futures of
all. While one commit is on its way to the disk, the mails of the next one gather, so many slow clients
cost as few commits as one fast client.

Guarantee: a future has a result only after the commit; an exception means that nothing of that mail is
stored. The future of a client that has left meanwhile is answered too; only nobody listens.

The futures raise `StoreTrouble`, whatever went wrong.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from gateway.store.errors import Conflict, StoreTrouble, cause_of
from gateway.store.spool import Accept

log = structlog.get_logger()

MAILS_PER_COMMIT = 64
OCTETS_PER_COMMIT = 32_000_000
"""A commit takes no further mail beyond this: nobody else can write meanwhile."""

SpoolIds = list[int | None]


class SpoolLike(Protocol):
    """What is used of `store.spool.Spool`."""

    def accept(self, mails: Sequence[Accept]) -> SpoolIds:
        """Store all in one durable commit: a spool id each, None where the key was there already."""
        ...


class _Mail:
    __slots__ = ("accepts", "future", "loop")

    def __init__(
        self,
        accepts: Sequence[Accept],
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[SpoolIds],
    ) -> None:
        self.accepts = accepts
        self.loop = loop
        self.future = future


class GroupCommit:
    """The thread and its queue. Used from running event loops."""

    def __init__(self, spool: SpoolLike, at_end: Callable[[], None] | None = None) -> None:
        """`at_end` runs in the thread when it ends: the place to close its database connection."""
        self._spool = spool
        self._at_end = at_end
        self._queue: queue.SimpleQueue[_Mail | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, accepts: Sequence[Accept]) -> asyncio.Future[SpoolIds]:
        """Store one mail, an `Accept` for each of its queues, in one commit together with whatever else
        waits. The future gives a spool id for each, or raises StoreTrouble."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[SpoolIds] = loop.create_future()
        if self._stopped:
            future.set_exception(StoreTrouble("the listeners are stopping"))
        else:
            self._queue.put(_Mail(accepts, loop, future))
        return future

    def stop(self, timeout_s: float = 10.0) -> None:
        """Commit what waits, then end the thread. Blocks for at most `timeout_s`."""
        self._stopped = True
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        more = True
        while more:
            mails: list[_Mail] = []
            octets = 0
            mail = self._queue.get()
            while mail is not None:
                mails.append(mail)
                octets += mail.accepts[0].raw.size
                if len(mails) == MAILS_PER_COMMIT or octets >= OCTETS_PER_COMMIT:
                    break
                try:
                    mail = self._queue.get_nowait()
                except queue.Empty:
                    break
            more = mail is not None
            if mails:
                self._commit(mails)
        if self._at_end is not None:
            self._at_end()

    def _commit(self, mails: list[_Mail]) -> None:
        try:
            _answer(mails, self._accept(mails))
        except StoreTrouble as trouble:
            log.warning("mail_not_stored", reason=trouble.public, cause=cause_of(trouble), count=len(mails))
            _refuse(mails)
        except Exception:
            log.exception("mail_not_stored", count=len(mails))
            if len(mails) == 1:
                _refuse(mails)
            else:
                # Our bug shows with one of them; the others shall not suffer for it.
                for mail in mails:
                    self._commit([mail])

    def _accept(self, mails: list[_Mail]) -> SpoolIds:
        accepts = [accept for mail in mails for accept in mail.accepts]
        try:
            return self._spool.accept(accepts)
        except Conflict:
            return self._spool.accept(accepts)


def _answer(mails: list[_Mail], ids: SpoolIds) -> None:
    position = 0
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[SpoolIds], SpoolIds]]] = {}
    for mail in mails:
        own = ids[position : position + len(mail.accepts)]
        position += len(mail.accepts)
        by_loop.setdefault(mail.loop, []).append((mail.future, own))
    for loop, results in by_loop.items():
        _in_loop(loop, _resolve, results)


def _refuse(mails: list[_Mail]) -> None:
    for mail in mails:
        _in_loop(mail.loop, _reject, mail.future)


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., None], argument: object) -> None:
    try:
        loop.call_soon_threadsafe(call, argument)
    except RuntimeError:
        log.warning("commit_not_awaited")


def _resolve(results: list[tuple[asyncio.Future[SpoolIds], SpoolIds]]) -> None:
    for future, ids in results:
        if not future.done():
            future.set_result(ids)


def _reject(future: asyncio.Future[SpoolIds]) -> None:
    if not future.done():
        future.set_exception(StoreTrouble("the mail could not be stored"))
