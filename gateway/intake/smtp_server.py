"""The mail itself at our listeners: DATA (RFC 5321 section 4.1.1.4), and LMTP's form of it (RFC 2033).

Guarantees: 250 after DATA means that the mail is durably in the spool, once for each queue it is for; any
trouble of ours answers 4yz, so that the sender keeps its copy; nobody learns more of our troubles than
that. Every DATA is one log line.

A mail's octets go from the stream's buffer to `FileRaw` block by block. Until they are stored they count
among the octets in flight of the listener, also when the client has left meanwhile.
"""

# The base has no types, and names its methods for the commands.
# mypy: disable-error-code="misc, untyped-decorator, no-any-return"
# ruff: noqa: N802

from __future__ import annotations

import asyncio
from typing import ClassVar

from aiosmtpd.smtp import syntax

from gateway.intake.buffer import FileRaw
from gateway.intake.group_commit import SpoolIds
from gateway.intake.smtp_context import ListenerContext
from gateway.intake.smtp_data import DataDecoder, Fault
from gateway.intake.smtp_envelope import NO_ROOM, TOO_LARGE, EnvelopeCommands
from gateway.store.errors import StoreTrouble
from gateway.store.spool import Accept

_BLOCK = 256 * 1024
_FAULTS = {
    Fault.TOO_LARGE: TOO_LARGE,
    Fault.LINE_TOO_LONG: "500 5.6.0 Message has a line that is too long",
    Fault.NO_ROOM: NO_ROOM,
}


class InHand:
    """A mail whose octets are counted among those in flight, until `release`."""

    def __init__(self, context: ListenerContext) -> None:
        self._in_flight = context.in_flight
        self._reserved = 0
        self.raw = FileRaw(context.folder)
        self.handed_over = False
        """Whether the commit releases it."""

    def reserve(self, octets: int) -> bool:
        """Whether there is room for so many more octets."""
        if not self._in_flight.take(octets):
            return False
        self._reserved += octets
        return True

    def release(self) -> None:
        """Forget the octets. Twice does no harm."""
        self._in_flight.give(self._reserved)
        self._reserved = 0
        self.raw.close()


class SmtpServer(EnvelopeCommands):
    """One SMTP connection."""

    source: ClassVar[str] = "smtp"

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._session_id = context.ids.token()
        self._mails = 0

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if arg:
            await self.push("501 5.5.4 DATA takes no argument")
            return
        if not self.envelope.routes:
            await self.push("503 5.5.1 No valid recipients")
            return
        if not self.context.in_flight.has_room(1):
            self.log_refusal("too many octets in flight")
            await self.push(NO_ROOM)
            return
        self._mails += 1
        limits = self.context.listener.limits
        self._reset_timeout(limits.data_timeout.total_seconds())
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        await self.flush()
        in_hand = InHand(self.context)
        decoder = DataDecoder(in_hand.raw.write, limits.message_size, limits.line_length, in_hand.reserve)
        try:
            await self._receive(decoder, in_hand)
            self._reset_timeout()
            if decoder.fault is None:
                replies = await self._store(in_hand)
            else:
                self.log_refusal(
                    decoder.fault.value, size=decoder.size, cause=decoder.trouble and decoder.trouble.strerror
                )
                replies = self._same_for_all(_FAULTS[decoder.fault])
        except ConnectionError:
            self.log_refusal("connection lost during DATA", size=decoder.size)
            raise
        except Exception as error:  # noqa: BLE001
            replies = self._same_for_all(await self.handle_exception(error))
        finally:
            if not in_hand.handed_over:
                in_hand.release()
        self._set_post_data_state()
        for reply in replies:
            await self.push(reply)

    async def _receive(self, decoder: DataDecoder, in_hand: InHand) -> None:
        while True:
            block = await self._reader.read(_BLOCK)
            if not block:
                raise ConnectionResetError
            rest = decoder.feed(block)
            if decoder.fault is not None:
                in_hand.release()
            if rest is not None:
                if rest:
                    self._reader._buffer[:0] = rest
                return

    async def _store(self, in_hand: InHand) -> list[str]:
        by_queue: dict[str | None, list[str]] = {}
        for route in self.envelope.routes:
            by_queue.setdefault(route.queue, []).append(route.forward_path)
        accepts = [
            Accept(
                key=f"smtp/{self._session_id}/{self._mails}/{queue or '-'}",
                source=self.source,
                mailbox=self.context.listener.name,
                queue=queue,
                raw=in_hand.raw,
                reverse_path=self.envelope.mail_from,
                forward_paths=tuple(dict.fromkeys(forward_paths)),
                authenticated_as=self.authenticated_as,
                client=self.client,
            )
            for queue, forward_paths in by_queue.items()
        ]
        future = self.context.commit.submit(accepts)
        in_hand.handed_over = True
        future.add_done_callback(lambda done: self._committed(done, accepts, in_hand))
        try:
            # The commit goes on when the client leaves: its octets must not go away under it.
            ids = await asyncio.shield(future)
        except StoreTrouble:
            return self._same_for_all("451 4.3.0 Temporary trouble here, try again later")
        self.mail_stored()
        return self._accepted(dict(zip(by_queue, ids, strict=True)))

    def _committed(self, done: asyncio.Future[SpoolIds], accepts: list[Accept], in_hand: InHand) -> None:
        in_hand.release()
        # The client waits for its reply; the log and the worker can wait for one turn of the loop.
        self.loop.call_soon(self._tell, done, accepts, in_hand.raw.size)

    def _tell(self, done: asyncio.Future[SpoolIds], accepts: list[Accept], size: int) -> None:
        if done.cancelled() or done.exception() is not None:
            self.log_refusal("mail not stored", size=size)
            return
        for accept, spool_id in zip(accepts, done.result(), strict=True):
            self.log.info(
                "mail_accepted",
                spool=spool_id,
                reverse_path=accept.reverse_path,
                forward_paths=list(accept.forward_paths),
                size=size,
                client=self.client,
                queue=accept.queue,
                agent=accept.authenticated_as,
            )
            if spool_id is not None:
                self.context.on_accept(spool_id)

    def _same_for_all(self, reply: str) -> list[str]:
        """The replies to DATA when it ended alike for all recipients."""
        return [reply]

    def _accepted(self, ids: dict[str | None, int | None]) -> list[str]:
        """The replies to DATA when the mail is stored. `ids`: spool id by queue, None where it was there."""
        return [_accepted_as(list(ids.values()))]


class LmtpServer(SmtpServer):
    """One LMTP connection: LHLO in place of EHLO, and a reply for each recipient after DATA."""

    source: ClassVar[str] = "lmtp"
    greeting_word: ClassVar[str] = "LMTP"

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._smtp_methods["LHLO"] = self._smtp_methods.pop("EHLO")
        del self._smtp_methods["HELO"]

    async def check_helo_needed(self, helo: str = "LHLO") -> bool:
        return await super().check_helo_needed("LHLO")

    def _same_for_all(self, reply: str) -> list[str]:
        return [reply] * len(self.envelope.routes)

    def _accepted(self, ids: dict[str | None, int | None]) -> list[str]:
        return [_accepted_as([ids[route.queue]]) for route in self.envelope.routes]


def _accepted_as(ids: list[int | None]) -> str:
    names = ", ".join(str(spool_id) for spool_id in ids if spool_id is not None)
    return f"250 2.0.0 accepted as {names}" if names else "250 2.0.0 accepted already"
