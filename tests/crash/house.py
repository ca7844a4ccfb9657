"""A desk that is killed and started again, and what must be true of it afterwards."""

from __future__ import annotations

import contextlib
import smtplib
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.sink import Sink, Sunk
from tests.desk import Desk
from tests.peers.dovecot import UserBox
from tests.peers.process import wait_until

ROOT = Path(__file__).parents[2]
CUSTOMERS = ("ann@customer.test", "bob@customer.test")
AGENTS = {"petra.private@example.test", "pavel.private@example.test"}

Query = Callable[[str], list[tuple[Any, ...]]]


def a_mail(sender: str, subject: str = "The printer burns", extra: str = "") -> bytes:
    """A customer's mail."""
    local = sender.partition("@")[0]
    return (
        f"From: {local.capitalize()} <{sender}>\r\nTo: support@example.test\r\nSubject: {subject}\r\n"
        f"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <{local}.1@customer.test>\r\n{extra}\r\n"
        f"Hello,\r\nplease help.\r\n{local.capitalize()}\r\n"
    ).encode()


@dataclass
class House:
    """`query` reads the database; `box` is its IMAP account, where it has one. `pycache` keeps compiled code,
    as so many starts would else take longer than the tests."""

    desk: Desk
    sink: Sink
    box: UserBox | None = None
    smtp_port: int = 0
    url: str = ""
    pycache: Path | None = None
    query: Query = field(init=False)

    def __post_init__(self) -> None:
        settings = self.desk.settings
        settings["delivery"]["via"] = {
            "type": "smtp",
            "host": "127.0.0.1",
            "port": self.sink.port,
            "tls": {"mode": "none"},
        }
        settings["delivery"]["connections"] = 1  # so that one mail at most is in hand when the process dies
        settings["daemon"]["lease"] = "20s"
        self.desk.environ = {
            **self.desk.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self.pycache),
        }
        if self.box is not None:
            self.desk.environ = {**self.desk.environ, "IMAP_PASSWORD": self.box.password}
            settings["mailboxes"] = [
                {
                    "name": "inbox",
                    "host": "127.0.0.1",
                    "port": self.box._imap_port,
                    "tls": {"mode": "none"},
                    "user": self.box.user,
                    "password": {"env": "IMAP_PASSWORD"},
                    "poll": "1s",
                    "idle": False,
                }
            ]
        if self.url:
            settings["database"] = {"url": self.url}
            self.query = self._query_postgres
        else:
            self.query = self._query_sqlite

    def _query_sqlite(self, statement: str) -> list[tuple[Any, ...]]:
        path = self.desk.folder / "var" / "ticketgate.db"
        with contextlib.closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as link:
            return link.execute(statement).fetchall()

    def _query_postgres(self, statement: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as link:
            cursor = link.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def migrate(self) -> None:
        """Make the tables on PostgreSQL, as an admin does before the first start."""
        from gateway.store.database import Database

        database = Database(self.url)
        database.migrate()
        database.disconnect()

    def start_dying(self, point: str, nth: int = 1) -> None:
        """Start a daemon that will kill itself, perhaps before it has greeted."""
        command = [sys.executable, "-m", "tests.crash.dying", point, str(nth), str(self.desk.config)]
        with contextlib.suppress(AssertionError):
            self.desk.start("one", command)

    def wait_for_death(self) -> None:
        """Until it has killed itself; it must have been by SIGKILL."""
        process = self.desk.processes.pop("one")
        wait_until(f"its death\n{self.desk.log()}", lambda: process.poll() is not None, 30)
        assert process.returncode == -9, self.desk.log()

    def leases_end(self) -> None:
        """As if time had passed: no claim of the dead process holds any longer."""
        self.query("UPDATE spool SET lease_until = 1 WHERE lease_until IS NOT NULL")
        self.query("UPDATE outbox SET lease_until = 1 WHERE lease_until IS NOT NULL")
        self.query("UPDATE lease SET until = 1")

    def settle_down(self, mails: int) -> None:
        """Until there is nothing to do: `mails` are taken and worked on, nothing is queued, and nothing in
        the folder is unseen. Ends the daemon."""

        def idle() -> bool:
            return (
                self.query("SELECT count(*) FROM spool WHERE state IN ('done', 'quarantined')")[0][0] >= mails
                and not self.query("SELECT id FROM spool WHERE state IN ('received', 'deferred')")
                and not self.query("SELECT id FROM spool WHERE NOT settled")
                and not self.query("SELECT id FROM outbox WHERE state = 'queued'")
                and (self.box is None or self.unseen() == 0)
            )

        try:
            wait_until("rest", idle, 30)
        except TimeoutError as slow:
            raise AssertionError(f"{slow}\n{self.desk.log()}") from slow
        assert self.desk.stop() == 0

    def unseen(self) -> int:
        """Mails in the folder that nobody has marked."""
        assert self.box is not None
        with self.box.imap() as link:
            link.select("INBOX", readonly=True)
            return len(link.search(None, "UNSEEN")[1][0].split())

    def send(self, octets: bytes, sender: str, *, lmtp: bool = False) -> bool:
        """Bring a mail to the listener as a mail server does; whether it said 250."""
        client = smtplib.LMTP if lmtp else smtplib.SMTP
        try:
            with client("127.0.0.1", self.smtp_port, local_hostname="client.test") as link:
                link.sendmail(sender, ["support@example.test"], octets)
        except smtplib.SMTPServerDisconnected:
            return False
        return True

    def check(self, customers: Iterable[str] = CUSTOMERS, repeats: int = 0) -> None:
        """One ticket, one entry, one acknowledgement and one notice to each agent for each customer.
        `repeats`: so many mails came twice, with the same octets."""
        tickets = self.query("SELECT requester_address FROM ticket ORDER BY 1")
        assert [address for (address,) in tickets] == sorted(customers)
        entries = self.query("SELECT from_address, ticket_id FROM entry ORDER BY 1")
        assert [address for address, _ in entries] == sorted(customers)
        assert len({ticket for _, ticket in entries}) == len(entries)
        by_id: dict[str, list[Sunk]] = {}
        for mail in self.sink.mails:
            by_id.setdefault(mail.field("Message-ID"), []).append(mail)
        for same in by_id.values():
            assert len({mail.octets for mail in same}) == 1, "a repeat has other octets"
        assert len(self.sink.mails) - len(by_id) == repeats
        reached = Counter(same[0].forward_path for same in by_id.values())
        assert reached == {
            **dict.fromkeys(customers, 1),
            **dict.fromkeys(AGENTS, len(list(customers))),
        }
