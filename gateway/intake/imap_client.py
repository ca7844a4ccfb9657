"""IMAPClient with what it lacks for a daemon, and the one place where its errors become ours.

`told_as` turns whatever the library raises for a neighbour's doing into `SourceTrouble` (the connection is
lost: timeouts are OSError, a BYE or an end of file is imaplib's abort) or `SourceRefused` (the server said NO
or BAD, and the connection lives). What the library's parser raises on nonsense (ValueError, KeyError and
the like) is the neighbour's doing as well.
"""

from __future__ import annotations

import contextlib
import imaplib
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError
from imapclient.imapclient import _parse_untagged_response
from imapclient.response_parser import parse_fetch_response

from gateway.intake.trouble import SourceRefused, one_line
from gateway.ports import SourceTrouble

# imaplib gives up in the middle of an overlong line: what follows on that connection has no meaning.
_OUT_OF_STEP = ("got more than", "illegal in state")


@contextlib.contextmanager
def told_as(doing: str) -> Iterator[None]:
    """Errors of the library inside become `SourceTrouble` or `SourceRefused`, told as "`doing`: why"."""
    try:
        yield
    except SourceTrouble:
        raise
    except imaplib.IMAP4.abort as error:
        raise SourceTrouble(f"{doing}: the connection is lost ({one_line(error)})") from error
    except imaplib.IMAP4.error as error:
        kind = SourceTrouble if any(text in str(error) for text in _OUT_OF_STEP) else SourceRefused
        raise kind(f"{doing}: {one_line(error)}") from error
    except TimeoutError as error:
        raise SourceTrouble(f"{doing}: no answer in time") from error
    except ssl.SSLCertVerificationError as error:
        raise SourceTrouble(
            f"{doing}: the certificate is not valid ({one_line(error.verify_message)})"
        ) from error
    except OSError as error:
        raise SourceTrouble(f"{doing}: {one_line(error.strerror or error)}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise SourceTrouble(
            f"{doing}: the server's answer cannot be understood ({type(error).__name__})"
        ) from error


class Client(IMAPClient):  # type: ignore[misc]
    """An IMAPClient that lists ranges, forgets capabilities on demand and knows of buffered octets.

    It reaches for `_imap`, the library's own imaplib object: `fetch` takes no ranges, `search` answers in one
    line that imaplib bounds at a megabyte, and neither `idle_check` nor `socket` tells what is buffered.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # The library has imaplib word each response, whole mails among them, for a log that is not written.
        self._imap.debug = 0

    def refresh_capabilities(self) -> frozenset[str]:
        """What the server offers now; after LOGIN it is more than before (RFC 3501 section 6.1.1). The
        library believes the first list that it finds, which may be an old one."""
        self._imap.untagged_responses.pop("CAPABILITY", None)
        self._cached_capabilities = self._do_capabilites()
        return frozenset(octets.decode("ascii", "replace").upper() for octets in self._cached_capabilities)

    def fetch_range(self, first: int, last: int | None, items: str) -> Mapping[int, Mapping[bytes, Any]]:
        """UID FETCH of `first`:`last` (None: `*`, which always names the newest message, even one below
        `first`; RFC 3501 section 6.4.8). Responses that nobody asked for are among the answers."""
        end = "*" if last is None else str(last)
        kind, data = self._imap.uid("FETCH", f"{first}:{end}", items)
        self._checkok("fetch", kind, data)
        return cast(Mapping[int, Mapping[bytes, Any]], parse_fetch_response(data, normalise_times=False))

    def idle(self) -> list[Any]:
        """Begin IDLE; returns the untagged responses that came before the "+". The library takes them for
        an error and is out of step from then on."""
        self._idle_tag = self._imap._command("IDLE")
        early: list[Any] = []
        while (line := self._imap._get_response()) is not None:
            if self._imap.tagged_commands[self._idle_tag]:
                kind, data = self._imap.tagged_commands.pop(self._idle_tag)
                self._checkok("IDLE", kind, data)
                raise IMAPClientAbortError("IDLE ended before it began")
            early.append(_parse_untagged_response(line))
        return early

    def buffered(self) -> bool:
        """Whether octets were read from the socket and not looked at yet. `poll` does not know of them:
        a server may send "+ idling" and the first EXISTS in one packet."""
        sock = self.socket()
        sock.setblocking(False)
        try:
            return bool(self._imap.file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            self._set_read_timeout()

    def readable(self, seconds: float, interrupted: Callable[[], bool], slice_s: float = 0.5) -> bool:
        """Wait until the server sends something or hangs up; False after `seconds`, or when `interrupted`
        (asked every `slice_s`)."""
        if self.buffered():
            return True
        poll = select.poll()
        poll.register(self.socket().fileno(), select.POLLIN)
        while seconds > 0 and not interrupted():
            if poll.poll(min(seconds, slice_s) * 1000):
                return True
            seconds -= slice_s
        return False

    def cut(self) -> None:
        """End the connection under a thread that is waiting for it. The only call for other threads."""
        with contextlib.suppress(OSError):
            # Not SSLSocket.shutdown: that one would let the waiting thread go on in clear text.
            socket.socket.shutdown(self.socket(), socket.SHUT_RDWR)

    def part(self, patience_s: float = 5.0) -> None:
        """Log out politely where the server answers within `patience_s`, then close; never raises."""
        try:
            self.socket().settimeout(patience_s)
            self._imap.logout()
        except (imaplib.IMAP4.error, OSError, ValueError):
            with contextlib.suppress(imaplib.IMAP4.error, OSError, ValueError):
                self._imap.shutdown()
