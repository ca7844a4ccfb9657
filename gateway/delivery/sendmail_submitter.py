"""A sendmail-compatible program as the way out: one process a mail, no shell, the mail on standard input.

`COMMAND -f REVERSE_PATH -- FORWARD_PATH`, line ends LF. The exit code (sysexits.h) tells the outcome; code 0
of a program that closed its input before the end of the mail is no success. Guarantees: the program is
bounded in time, and what it prints in memory; a mail whose reading fails half-way is never cut short, as the
program dies before it sees an end. It gets none of our environment but what a mail program needs, as ours may
hold secrets.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator
from typing import IO

from gateway.delivery.octets import with_lf
from gateway.delivery.replies import PeerTrouble, one_line, with_paths_spelled
from gateway.ports import Clock, Delivery, Receipt
from gateway.settings.model import SendmailDelivery

_PASSED_ON = ("HOME", "LOGNAME", "PATH", "TZ", "USER")
_LONGEST_OUTPUT = 2048
_GLANCE_S = 0.05  # a child of the program may keep its output open: its own end is looked for as well
_FAILED = {
    os.EX_DATAERR: ("5.6.0", "the mail was refused"),
    os.EX_NOUSER: ("5.1.1", "the recipient is not known"),
    os.EX_NOHOST: ("5.1.2", "the recipient's host is not known"),
}
_TEMPORARY = frozenset({os.EX_TEMPFAIL, os.EX_UNAVAILABLE})


class SendmailSubmitter:
    """`ports.Submitter` that runs the program for each mail."""

    def __init__(self, settings: SendmailDelivery, clock: Clock) -> None:
        self._command = settings.command
        self._timeout_s = settings.timeout.total_seconds()
        self._clock = clock

    def submit(self, delivery: Delivery) -> Receipt:
        """See `ports.Submitter`. Takes at most the configured timeout. Raises only what reading
        `delivery.chunks` raises."""
        spelled = with_paths_spelled(delivery)
        if isinstance(spelled, Receipt):
            return spelled
        delivery = spelled
        sender = delivery.reverse_path or "<>"
        try:
            process = subprocess.Popen(  # noqa: S603
                # octets, as the locale may have no letter for a local part outside ASCII
                [*self._command, "-f", sender.encode(), "--", delivery.forward_path.encode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"LC_ALL": "C"} | {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            reason = f"{self._command[0]} cannot be started: {error.strerror or type(error).__name__}"
            return PeerTrouble("deferred", one_line(reason), "4.3.5")
        try:
            run = _Run(process, self._clock, self._clock.monotonic() + self._timeout_s)
            return self._outcome(run.feed(with_lf(delivery.chunks)), run)
        finally:
            _end(process)

    def _outcome(self, exit_code: int | None, run: _Run) -> Receipt:
        name = self._command[0]
        said = one_line(run.output.decode("utf-8", "replace"))
        if exit_code is None or exit_code < 0:
            how = "did not end in time" if exit_code is None else f"was killed by signal {-exit_code}"
            outcome = "uncertain" if run.all_given else "deferred"
            return Receipt(outcome, one_line(f"{name} {how}: {said}"), "4.3.0")
        if exit_code == 0:
            if run.all_given:
                return Receipt("sent", one_line(f"250 2.0.0 {name} took it {said}"), "2.0.0")
            return PeerTrouble("deferred", f"{name} ended without reading the mail", "4.3.5", stops=False)
        if exit_code in _FAILED:
            status, meaning = _FAILED[exit_code]
            return Receipt("failed", one_line(f"{name}: {meaning} ({exit_code}): {said}"), status)
        reason = one_line(f"{name} ended with code {exit_code}: {said}")
        if exit_code in _TEMPORARY:
            return Receipt("deferred", reason, "4.3.0")
        return PeerTrouble("deferred", reason, "4.3.5", stops=False)

    def close(self) -> None:
        """Nothing is kept open."""


class _Run:
    """One run of the program. `all_given`: the whole mail is in its input; `output`: the begin of what it
    printed."""

    def __init__(self, process: subprocess.Popen[bytes], clock: Clock, end_at: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin: IO[bytes] = process.stdin
        self._stdout: IO[bytes] = process.stdout
        self._clock = clock
        self._end_at = end_at
        self.output = bytearray()
        self.all_given = False

    def feed(self, pieces: Iterator[bytes]) -> int | None:
        """Give the pieces, read what is printed, wait for the end. The exit code (negative: the signal), or
        None when time is up."""
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)
        left: memoryview | None = memoryview(b"")
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            selector.register(self._stdout, selectors.EVENT_READ)
            while self._stdout in selector.get_map() or left is not None:
                left_s = self._end_at - self._clock.monotonic()
                if left_s <= 0:
                    return None
                if left is None and self._process.poll() is not None:
                    break
                for key, _ in selector.select(min(left_s, _GLANCE_S)):
                    if key.fileobj is self._stdout:
                        if not self._listen():
                            selector.unregister(self._stdout)
                        continue
                    assert left is not None
                    left = self._tell(left, pieces)
                    if left is None:
                        selector.unregister(self._stdin)
                        self._close_stdin()
        try:
            return self._process.wait(max(self._end_at - self._clock.monotonic(), 0))
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._listen()

    def _tell(self, left: memoryview, pieces: Iterator[bytes]) -> memoryview | None:
        """Write a part of the mail; what is left of it, or None when the program takes no more."""
        if not left:
            piece = next(pieces, None)
            if piece is None:
                self.all_given = True
                return None
            left = memoryview(piece)
        try:
            return left[os.write(self._stdin.fileno(), left) :]
        except BlockingIOError:
            return left
        except BrokenPipeError:
            return None

    def _close_stdin(self) -> None:
        with contextlib.suppress(OSError):
            self._stdin.close()

    def _listen(self) -> bool:
        """Take what the program printed; False when it will print no more."""
        try:
            octets = os.read(self._stdout.fileno(), 65536)
        except BlockingIOError:
            return True
        self.output += octets[: _LONGEST_OUTPUT - len(self.output)]
        return bool(octets)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind. The program is killed before its input is closed, lest it believes the end."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
