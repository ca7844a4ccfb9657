"""Peak memory while ten mails of 25 MB come in at once, until all that follows from them is handed on.

By SMTP over ten connections at the same time, and by IMAP out of a full mailbox. Each mail has one
attachment; with the default `delivery.attach_up_to` it goes along to the agent, with a lower one it is only
named. What is told is the sum of the peaks (VmHWM) of the daemon and of every process that it started, which
is at least what they held together at any instant; the largest sum at one instant (VmRSS, looked at about
twenty times a second) stands beside it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence

from benchmarks import mails
from benchmarks.desk import ROOMY, connected_at, desk, pid, read_from, sqlite_of, wait_until_handed_on
from benchmarks.frame import Row, Scale, memory_mb, most_row
from benchmarks.peers import dovecot, fill, sink
from tests.desk import Desk
from tests.peers.process import HOST

TITLE = "memory: ten mails of 25 MB at once"
OCTETS = 25_000_000
MAILS = 10
MOST_MB = 250


class Peak:
    """The most that was seen of a process and its children."""

    def __init__(self, made: Desk) -> None:
        self._pid = pid(made)
        self._peaks: dict[int, float] = {}
        self.at_once = 0.0

    def look(self) -> None:
        """Look now."""
        self.at_once = max(self.at_once, sum(memory_mb(self._pid).values()))
        self._peaks.update(memory_mb(self._pid, "VmHWM"))

    @property
    def total(self) -> float:
        """Sum of the peaks of all processes."""
        return sum(self._peaks.values())

    @property
    def processes(self) -> int:
        """How many processes there were."""
        return len(self._peaks)


def send(port: int, raw: bytes) -> None:
    """One mail over a connection of its own. The mails hold no line that begins with a dot."""
    with socket.create_connection((HOST, port), timeout=120) as link, link.makefile("rb") as replies:

        def expect(code: bytes) -> None:
            while True:
                line = replies.readline()
                assert line.startswith(code), line
                if line[3:4] == b" ":
                    return

        expect(b"220")
        for command, code in (
            ("EHLO client.example", b"250"),
            ("MAIL FROM:<anna@customer.example>", b"250"),
            (f"RCPT TO:<{mails.RECIPIENT}>", b"250"),
            ("DATA", b"354"),
        ):
            link.sendall(command.encode() + b"\r\n")
            expect(code)
        link.sendall(raw.rstrip(b"\r\n") + b"\r\n.\r\n")
        expect(b"250")
        link.sendall(b"QUIT\r\n")


def by_smtp(some: Sequence[bytes], sink_port: int, attach_up_to: int | None) -> Peak:
    """All mails at the same time."""
    with desk(sink_port) as made:
        _limit(made, attach_up_to)
        port = made.listener("in", limits=ROOMY)
        made.start()
        peak = Peak(made)
        senders = [threading.Thread(target=send, args=(port, raw)) for raw in some]
        for sender in senders:
            sender.start()
        with sqlite_of(made) as ask:
            wait_until_handed_on(ask, len(some), 240, peak.look)
        for sender in senders:
            sender.join()
        return peak


def by_imap(some: Sequence[bytes], sink_port: int, attach_up_to: int | None) -> Peak:
    """All mails wait in one mailbox."""
    with dovecot() as server, desk(sink_port) as made:
        _limit(made, attach_up_to)
        box = server.user()
        fill(box, some)
        read_from(made, server, box)
        made.start()
        peak = Peak(made)
        connected_at(made)
        with sqlite_of(made) as ask:
            wait_until_handed_on(ask, len(some), 240, peak.look)
        return peak


def _limit(made: Desk, attach_up_to: int | None) -> None:
    if attach_up_to is not None:
        made.settings["delivery"]["attach_up_to"] = attach_up_to


def run(scale: Scale) -> Iterator[Row]:
    """One round each: the peak does not depend on how busy the machine is."""
    octets = OCTETS if scale.share >= 1 else round(OCTETS * scale.share)
    some = [mails.large(octets, number) for number in range(MAILS)]
    with sink() as sink_port:
        for way, name in ((by_smtp, "SMTP"), (by_imap, "IMAP")):
            for attach_up_to, what in (
                (None, "attachment goes along"),
                (5_000_000, "attachment is named only"),
            ):
                peak = way(some, sink_port, attach_up_to)
                beside = f"at one instant {peak.at_once:.0f} MB, processes: {peak.processes}"
                yield most_row(f"by {name}, {what}", peak.total, "MB", MOST_MB, beside)
