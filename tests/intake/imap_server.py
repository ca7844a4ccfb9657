"""A small IMAP server on a loopback port whose manners a test chooses: capabilities, flavours, faults.

It speaks enough of RFC 3501 for a client that reads, flags, copies, moves and idles. `on` maps the name of a
command ("UID FETCH", "SELECT") to a function that may answer in its place: it gets session, tag and
arguments, and returns True when it has answered. Each line that a client sends is in `lines`.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

DATE = "02-Mar-2026 08:00:00 +0000"

Answer = Callable[["Session", str, str], bool]


@dataclass
class Stored:
    octets: bytes
    flags: set[str] = field(default_factory=set)
    date: str = DATE


class Session:
    """One connection, in a thread of its own."""

    def __init__(self, server: ImapServer, link: socket.socket) -> None:
        self.server = server
        self.link = link
        self.file = link.makefile("rb")
        self.folder = ""

    def say(self, *lines: str | bytes) -> None:
        text = b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines)
        self.link.sendall(text)

    def raw(self, octets: bytes) -> None:
        self.link.sendall(octets)

    def line(self) -> str:
        octets = self.file.readline()
        if not octets:
            raise ConnectionError("hung up")
        text = octets.decode().rstrip("\r\n")
        self.server.note(text)
        return text

    def talk(self) -> None:
        try:
            if self.server.tls is not None and self.server.implicit_tls:
                self.begin_tls()
            self.say(self.server.greeting)
            while True:
                tag, _, rest = self.line().partition(" ")
                name, _, arguments = rest.partition(" ")
                name = name.upper()
                if name == "UID":
                    second, _, arguments = arguments.partition(" ")
                    name = f"UID {second.upper()}"
                answer = self.server.on.get(name)
                if answer is not None and answer(self, tag, arguments):
                    continue
                handler = getattr(self, "do_" + name.lower().replace(" ", "_"), None)
                if handler is None:
                    self.say(f"{tag} BAD unknown command")
                elif handler(tag, arguments) is False:
                    return
        except (OSError, ValueError):
            return
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_RDWR)
        self.file.close()
        self.link.close()

    def begin_tls(self) -> None:
        assert self.server.tls is not None
        self.link = self.server.tls.wrap_socket(self.link, server_side=True)
        self.file = self.link.makefile("rb")

    @property
    def mails(self) -> dict[int, Stored]:
        return self.server.folders[self.folder]

    def chosen(self, text: str) -> list[int]:
        uids: list[int] = []
        for part in text.split(","):
            low, _, high = part.partition(":")
            top = max(self.mails, default=0)
            first, last = (top if end == "*" else int(end) for end in (low, high or low))
            first, last = min(first, last), max(first, last)
            uids.extend(uid for uid in sorted(self.mails) if first <= uid <= last)
        return uids

    def number(self, uid: int) -> int:
        return sorted(self.mails).index(uid) + 1

    def do_capability(self, tag: str, _: str) -> None:
        self.say(f"* CAPABILITY {self.server.capabilities}", f"{tag} OK done")

    def do_noop(self, tag: str, _: str) -> None:
        self.say(f"{tag} OK done")

    def do_id(self, tag: str, _: str) -> None:
        self.say('* ID ("name" "fake")', f"{tag} OK done")

    def do_starttls(self, tag: str, _: str) -> None:
        self.say(f"{tag} OK go on")
        self.begin_tls()

    def do_login(self, tag: str, arguments: str) -> None:
        self.server.logins.append(arguments)
        if self.server.refuse_login:
            self.say(f"{tag} NO [AUTHENTICATIONFAILED] {self.server.refuse_login}")
        else:
            self.say(f"{tag} OK welcome")

    def do_authenticate(self, tag: str, arguments: str) -> None:
        self.say("+ ")
        said = base64.b64decode(self.line()).decode()
        self.server.logins.append(f"{arguments} {said}")
        if arguments == "XOAUTH2" and said.split("Bearer ")[1].rstrip("\1") not in self.server.tokens:
            self.say("+ " + base64.b64encode(b'{"status":"401"}').decode())
            self.server.logins.append(f"then {self.line()!r}")
            self.say(f"{tag} NO [AUTHENTICATIONFAILED] invalid credentials")
        else:
            self.say(f"{tag} OK welcome")

    def do_list(self, tag: str, arguments: str) -> None:
        _reference, name = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', arguments)[:2]
        wanted = (name[0] or name[1]).replace('\\"', '"')
        sep = self.server.delimiter
        if not wanted:
            self.say(f'* LIST (\\Noselect) "{sep}" ""')
        for folder in self.server.folders:
            if folder == wanted:
                self.say(f'* LIST () "{sep}" "{folder}"')
        self.say(f"{tag} OK done")

    def do_namespace(self, tag: str, _: str) -> None:
        self.say(
            f'* NAMESPACE (("{self.server.prefix}" "{self.server.delimiter}")) NIL NIL', f"{tag} OK done"
        )

    def do_create(self, tag: str, arguments: str) -> None:
        name = arguments.strip('"')
        if self.server.prefix and not name.startswith(self.server.prefix):
            self.say(f"{tag} NO not allowed outside of {self.server.prefix}")
            return
        self.server.folders[name] = {}
        self.say(f"{tag} OK done")

    def do_select(self, tag: str, arguments: str) -> None:
        name = arguments.strip('"')
        if name not in self.server.folders:
            self.say(f"{tag} NO [NONEXISTENT] no such folder")
            return
        self.folder = name
        uidnext = max(self.mails, default=0) + 1
        self.say(
            r"* FLAGS (\Seen \Deleted)",
            f"* {len(self.mails)} EXISTS",
            "* 0 RECENT",
            *([f"* OK [UIDVALIDITY {self.server.uidvalidity}] fine"] if self.server.uidvalidity else []),
            f"* OK [UIDNEXT {uidnext}] next",
            f"{tag} OK [{'READ-ONLY' if self.server.read_only else 'READ-WRITE'}] done",
        )

    def do_examine(self, tag: str, arguments: str) -> None:
        self.do_select(tag, arguments)

    def do_uid_fetch(self, tag: str, arguments: str) -> None:
        chosen, items = arguments.split(" ", 1)
        for uid in self.chosen(chosen):
            mail = self.mails[uid]
            start = f"* {self.number(uid)} FETCH (UID {uid} "
            partial = re.search(r"BODY\.PEEK\[\]<(\d+)\.(\d+)>", items)
            if partial:
                first, count = int(partial[1]), int(partial[2])
                piece = mail.octets[first : first + count]
                self.raw(f"{start}BODY[]<{first}> {{{len(piece)}}}\r\n".encode() + piece + b")\r\n")
            elif "BODY.PEEK[]" in items:
                size = len(mail.octets)
                self.raw(f"{start}BODY[] {{{size}}}\r\n".encode() + mail.octets + b")\r\n")
            elif "RFC822.SIZE" in items:
                size = self.server.told_size(len(mail.octets))
                self.say(f'{start}RFC822.SIZE {size} INTERNALDATE "{mail.date}")')
            else:
                self.say(f"{start}FLAGS ({' '.join(sorted(mail.flags))}))")
        self.say(f"{tag} OK done")

    def do_uid_store(self, tag: str, arguments: str) -> None:
        chosen, _item, flags = arguments.split(" ", 2)
        for uid in self.chosen(chosen):
            self.mails[uid].flags.update(flags.strip("()").split())
        self.say(f"{tag} OK done")

    def do_uid_copy(self, tag: str, arguments: str) -> None:
        chosen, target = arguments.split(" ", 1)
        self._into(target.strip('"'), self.chosen(chosen))
        self.say(f"{tag} OK done")

    def do_uid_move(self, tag: str, arguments: str) -> None:
        chosen, target = arguments.split(" ", 1)
        uids = self.chosen(chosen)
        self._into(target.strip('"'), uids)
        for uid in uids:
            del self.mails[uid]
        self.say(f"{tag} OK done")

    def _into(self, target: str, uids: list[int]) -> None:
        there = self.server.folders[target]
        for uid in uids:
            there[max(there, default=0) + 1] = Stored(self.mails[uid].octets)

    def do_uid_expunge(self, tag: str, arguments: str) -> None:
        for uid in self.chosen(arguments):
            if r"\Deleted" in self.mails[uid].flags:
                del self.mails[uid]
        self.say(f"{tag} OK done")

    def do_expunge(self, tag: str, _: str) -> None:
        self.server.bare_expunges += 1
        self.say(f"{tag} OK done")

    do_close = do_expunge

    def do_idle(self, tag: str, _: str) -> None:
        self.say("+ idling")
        self.server.idling.set()
        if self.line().upper() == "DONE":
            self.say(f"{tag} OK done")

    def do_logout(self, tag: str, _: str) -> bool:
        self.say("* BYE so long", f"{tag} OK done")
        return False


class ImapServer:
    """Use it in a `with`: it listens inside, and leaves no thread behind."""

    def __init__(self, *, capabilities: str = "IMAP4rev1 IDLE UIDPLUS MOVE NAMESPACE AUTH=PLAIN") -> None:
        self.capabilities = capabilities
        self.greeting = "* OK ready"
        self.folders: dict[str, dict[int, Stored]] = {"INBOX": {}}
        self.uidvalidity = 1
        self.read_only = False
        self.delimiter = "/"
        self.prefix = ""
        self.on: dict[str, Answer] = {}
        self.lines: list[str] = []
        self.logins: list[str] = []
        self.tokens: set[str] = set()
        self.refuse_login = ""
        self.bare_expunges = 0
        self.tls: ssl.SSLContext | None = None
        self.implicit_tls = False
        self.idling = threading.Event()
        self.released = threading.Event()
        self.told_size: Callable[[int], int] = lambda size: size
        self._sessions: list[Session] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def add(self, *mails: bytes, folder: str = "INBOX") -> None:
        there = self.folders[folder]
        for octets in mails:
            there[max(there, default=0) + 1] = Stored(octets)

    def note(self, line: str) -> None:
        with self._lock:
            self.lines.append(line)

    def commands(self, name: str) -> list[str]:
        """What clients said with this command, without tag and name."""
        marked = [line.split(" ", 1)[1] for line in self.lines if " " in line]
        return [line[len(name) + 1 :] for line in marked if line.upper().startswith(name)]

    def hold(self, _session: Session, _tag: str, _arguments: str) -> bool:
        """For `on`: do not answer before the test is over."""
        self.released.wait(20)
        return True

    def __enter__(self) -> Self:
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def _listen(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, link)
            thread = threading.Thread(target=session.talk, daemon=True)
            self._sessions.append(session)
            self._threads.append(thread)
            thread.start()

    def hang_up(self) -> None:
        """End all connections, as a crash does."""
        for session in self._sessions:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(session.link, socket.SHUT_RDWR)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._listener.join(5)
        self.hang_up()
        for thread in self._threads:
            thread.join(5)


@contextlib.contextmanager
def imap_server(**manners: str) -> Iterator[ImapServer]:
    with ImapServer(**manners) as server:
        yield server
