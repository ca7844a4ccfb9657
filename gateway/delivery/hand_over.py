"""Handing one mail to one recipient over SMTP or LMTP, and keeping the connection for the next one.

Guarantees: an envelope that must not be on the wire is refused before anything is sent; the octets of the
mail are streamed and never changed but for dot-stuffing; `sent` only after a 2xx to the end of the mail;
a connection that breaks before the end of the mail was written gives `deferred`, one that breaks between
that and the reply gives `uncertain` (RFC 1047); a kept connection that the peer has meanwhile closed is
replaced, once, by a fresh one, which is safe as nothing of the mail was sent on it.

MAIL, RCPT and DATA go out in one write where the peer offers PIPELINING (RFC 2920).
"""

from __future__ import annotations

import smtplib
import ssl
from abc import ABC, abstractmethod

from gateway.delivery.octets import DotStuffer
from gateway.delivery.replies import PeerTrouble, Reply, one_line, refused, with_paths_spelled
from gateway.delivery.wire import Wire
from gateway.ports import Clock, Delivery, Receipt

_BLOCK = 64 * 1024
_BUDGET = 5
_FINAL_REPLY_PATIENCE = 5


class Unusable(Exception):
    """The peer cannot be used now. `public` says why, in words for admins, without secrets."""

    def __init__(self, public: str, enhanced_status: str = "") -> None:
        super().__init__(public)
        self.public = one_line(public)
        self.enhanced_status = enhanced_status


class _Goodbye(Exception):
    """The peer ends the connection with a 421 before the mail itself (RFC 5321 section 3.8)."""

    def __init__(self, reply: Reply, stage: str) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.stage = stage


class WireSubmitter(ABC):
    """What `SmtpSubmitter` and `LmtpSubmitter` share. Used by a single thread."""

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        """`timeout_s`: longest wait for one reply; all up to the end of the mail takes at most `_BUDGET`
        times as long, the reply to it `_FINAL_REPLY_PATIENCE` times (RFC 5321 section 4.5.3.2.6)."""
        self._clock = clock
        self._timeout_s = timeout_s
        self._wire: Wire | None = None

    @abstractmethod
    def _connect(self, budget_s: float) -> Wire:
        """A connection that is ready for MAIL, made within about `budget_s`. Raises Unusable,
        smtplib.SMTPException, OSError."""

    @abstractmethod
    def _name(self) -> str:
        """The peer's name in words for admins."""

    def submit(self, delivery: Delivery) -> Receipt:
        """See `ports.Submitter`. Raises only what reading `delivery.chunks` raises; then nothing is sent."""
        spelled = with_paths_spelled(delivery)
        if isinstance(spelled, Receipt):
            return spelled
        delivery = spelled
        budget_s = _BUDGET * self._timeout_s
        end_at = self._clock.monotonic() + budget_s
        while True:
            kept = self._wire
            try:
                wire = kept or self._connect(end_at - self._clock.monotonic())
            except Unusable as error:
                return PeerTrouble("deferred", error.public, error.enhanced_status)
            except (smtplib.SMTPException, OSError) as error:
                return PeerTrouble("deferred", f"{self._name()}: {why_not_connected(error)}", "4.4.1")
            self._wire = wire
            wire.begin(end_at - self._clock.monotonic())
            try:
                receipt = self._transact(wire, delivery)
            except _Goodbye as error:
                self._drop()
                if kept is None:
                    receipt = refused(error.reply, error.stage)
                    if error.stage == "MAIL":
                        receipt = PeerTrouble(receipt.outcome, receipt.reply, receipt.enhanced_status)
                    return receipt
            except smtplib.SMTPException as error:
                self._drop()
                if kept is None:
                    return Receipt("deferred", f"{self._name()}: {one_line(str(error))}", "4.4.2")
            except BaseException:
                self._drop()
                raise
            else:
                if not wire.usable:
                    self._drop()
                return receipt

    def _transact(self, wire: Wire, delivery: Delivery) -> Receipt:
        """One transaction. Raises _Goodbye or smtplib.SMTPException while nothing of the mail was sent."""
        refusal = _refused_by_extensions(wire, delivery)
        if refusal is not None:
            return refusal
        commands = [
            ("MAIL", _mail_command(wire, delivery)),
            ("RCPT", f"RCPT TO:<{delivery.forward_path}>\r\n"),
            ("DATA", "DATA\r\n"),
        ]
        if wire.stale_mail:
            commands.insert(0, ("RSET", "RSET\r\n"))
        pipelining = wire.has_extn("pipelining")
        if pipelining:
            wire.send("".join(line for _, line in commands).encode())
        wire.stale_mail = True
        failure: Receipt | None = None
        accepted = set()
        for stage, line in commands:
            try:
                if not pipelining:
                    wire.send(line.encode())
                reply = wire.reply()
            except smtplib.SMTPException:
                if failure is None:
                    raise
                return failure
            if reply.code == 421:
                wire.usable = False
            if stage == "RSET" and not reply.good:
                raise smtplib.SMTPServerDisconnected(f"RSET was refused: {reply}")
            if stage == "DATA" and reply.code == 354:
                if failure is None:
                    return self._send_mail(wire, delivery)
                _end_unwanted_data(wire, recipient_accepted="RCPT" in accepted)
                return failure
            if stage != "DATA" and reply.good:
                accepted.add(stage)
            elif failure is None:
                if reply.code == 421:
                    raise _Goodbye(reply, stage)
                failure = _protocol_error(wire, reply) or refused(reply, stage)
                if not (pipelining and wire.usable):
                    return failure
        assert failure is not None
        return failure

    def _send_mail(self, wire: Wire, delivery: Delivery) -> Receipt:
        stuffer = DotStuffer()
        block = bytearray()
        for chunk in delivery.chunks:
            block += stuffer.feed(chunk)
            if len(block) >= _BLOCK:
                broken = self._send_block(wire, block)
                if broken is not None:
                    return broken
                block = bytearray()
        block += stuffer.finish()
        broken = self._send_block(wire, block)
        if broken is not None:
            return broken
        try:
            reply = wire.final_reply(_FINAL_REPLY_PATIENCE * self._timeout_s)
        except smtplib.SMTPException as error:
            reason = f"{self._name()}: no reply after the end of the mail: {one_line(str(error))}"
            return Receipt("uncertain", reason, "4.4.2")
        wire.stale_mail = False
        if reply.code == 421:
            wire.usable = False
        if reply.good:
            return Receipt("sent", str(reply), reply.enhanced_status)
        if 400 <= reply.code <= 599:
            return refused(reply, ".")
        wire.usable = False
        return Receipt("uncertain", str(reply), "4.5.0")

    def _send_block(self, wire: Wire, block: bytearray) -> Receipt | None:
        """Write a part of the mail. A receipt where it broke off: its end is not on the wire."""
        try:
            wire.send(block)
        except smtplib.SMTPException as error:
            said = wire.last_words()
            wire.usable = False
            if said is not None and 400 <= said.code <= 599:
                return refused(said, ".")
            reason = f"{self._name()}: broken off within the mail: {one_line(str(error))}"
            return Receipt("deferred", reason, "4.4.2")
        return None

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def try_out(self) -> str | None:
        """Connect, with TLS and login, and hang up. None where that works, or why not, for admins."""
        self.close()
        try:
            self._wire = self._connect(_BUDGET * self._timeout_s)
        except Unusable as error:
            return error.public
        except (smtplib.SMTPException, OSError) as error:
            return f"{self._name()}: {why_not_connected(error)}"
        self.close()
        return None

    def close(self) -> None:
        """See `ports.Submitter`."""
        if self._wire is not None:
            self._wire.goodbye()
            self._wire = None


def _mail_command(wire: Wire, delivery: Delivery) -> str:
    parameters = ""
    if wire.has_extn("size"):
        parameters += f" SIZE={delivery.size}"
    if _wants_utf8(delivery):
        parameters += " SMTPUTF8"
        if wire.has_extn("8bitmime"):
            parameters += " BODY=8BITMIME"
    return f"MAIL FROM:<{delivery.reverse_path}>{parameters}\r\n"


def _wants_utf8(delivery: Delivery) -> bool:
    paths = delivery.reverse_path + delivery.forward_path
    return delivery.needs_smtputf8 or not paths.isascii()


def _refused_by_extensions(wire: Wire, delivery: Delivery) -> Receipt | None:
    """What the peer's extensions already rule out (RFC 1870 section 6, RFC 6531 section 3.2)."""
    if _wants_utf8(delivery) and not wire.has_extn("smtputf8"):
        reason = "the mail server does not take addresses beyond ASCII (it does not offer SMTPUTF8)"
        return Receipt("failed", reason, "5.6.7")
    limit = wire.esmtp_features.get("size", "")
    if limit.isascii() and limit.isdigit() and 0 < int(limit[:20]) < delivery.size:
        reason = f"the mail has {delivery.size} octets, the mail server takes {limit[:20]}"
        return Receipt("failed", reason, "5.3.4")
    return None


def _protocol_error(wire: Wire, reply: Reply) -> Receipt | None:
    """A reply that no command may get here: the two sides no longer agree on where they are."""
    if 400 <= reply.code <= 599:
        return None
    wire.usable = False
    return Receipt("deferred", f"unexpected reply: {reply}", "4.5.0")


def _end_unwanted_data(wire: Wire, recipient_accepted: bool) -> None:
    """End a DATA that was let through although an earlier command was refused (RFC 2920 section 3.1). With no
    recipient accepted, a lone dot ends it and nobody gets anything; otherwise only closing is safe."""
    if recipient_accepted:
        wire.usable = False
        return
    try:
        wire.send(b".\r\n")
        wire.reply()
    except smtplib.SMTPException:
        wire.usable = False


def why_not_connected(error: Exception) -> str:
    """Words for admins on why there is no connection; they hold nothing secret."""
    if isinstance(error, smtplib.SMTPResponseException):
        return one_line(f"{error.smtp_code} {error.smtp_error!r}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return one_line(f"the certificate cannot be trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return one_line(f"TLS failed: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPException):
        return one_line(str(error))
    if isinstance(error, OSError) and error.strerror:
        return one_line(f"cannot connect: {error.strerror}")
    return one_line(f"cannot connect: {type(error).__name__}")
