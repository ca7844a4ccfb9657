"""Straight into a mail store by LMTP (RFC 2033), over TCP or a unix socket; the rest is `hand_over`.

One recipient a transaction, so the one reply to the end of the mail is this recipient's.
"""

from __future__ import annotations

import socket
from pathlib import Path

from gateway.delivery.hand_over import Unusable, WireSubmitter
from gateway.delivery.replies import make_reply
from gateway.delivery.wire import Wire
from gateway.ports import Clock
from gateway.settings.model import LmtpDelivery


class LmtpSubmitter(WireSubmitter):
    """`ports.Submitter` for one LMTP server and one thread."""

    def __init__(self, settings: LmtpDelivery, config_folder: Path, helo: str, clock: Clock) -> None:
        super().__init__(clock, settings.timeout.total_seconds())
        self._host = settings.host or "localhost"
        self._port = settings.port
        self._socket_path = None if settings.socket is None else str(config_folder / settings.socket)
        self._helo = helo

    def _name(self) -> str:
        return self._socket_path or f"{self._host}:{self._port}"

    def _connect(self, budget_s: float) -> Wire:
        patience_s = max(min(self._timeout_s, budget_s), 0.001)
        wire = Wire(self._dial(patience_s), self._clock, self._helo, self._timeout_s, lmtp=True)
        try:
            wire.begin(budget_s)
            greeting = wire.reply()
            if greeting.code != 220:
                raise Unusable(f"{self._name()}: greeting: {greeting}", greeting.enhanced_status)
            reply = make_reply(*wire.ehlo())
            if not reply.good:
                raise Unusable(f"{self._name()}: LHLO: {reply}", reply.enhanced_status)
        except BaseException:
            wire.close()
            raise
        return wire

    def _dial(self, patience_s: float) -> socket.socket:
        if self._socket_path is None:
            sock = socket.create_connection((self._host, self._port), patience_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(patience_s)
            sock.connect(self._socket_path)
        except BaseException:
            sock.close()
            raise
        return sock
