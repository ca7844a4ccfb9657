"""Against a real Dovecot and a real SQLite store: settling, hints, crashes, renumbering, two nodes."""

from __future__ import annotations

import shutil
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.fetch import FetchReport, fetch_round
from gateway.intake.imap_login import Credentials
from gateway.intake.imap_source import ImapSource, connect
from gateway.intake.mailbox_thread import MailboxThread
from gateway.intake.trouble import LoginRefused
from gateway.ports import SourceTrouble
from gateway.runtime import SystemClock
from gateway.settings.model import Mailbox
from gateway.store.database import Database
from gateway.store.leases import Leases
from gateway.store.mailboxes import Mailboxes
from gateway.store.spool import Spool
from tests.intake.imap_tools import NoJitter, a_mail, a_mailbox
from tests.peers.dovecot import Dovecot, UserBox

CLOCK = SystemClock()


@dataclass
class Alerts:
    raised: list[tuple[str, str, str]] = field(default_factory=list)

    def raise_(self, kind: str, subject_key: str, text: str) -> None:
        self.raised.append((kind, subject_key, text))


class Store:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.spool = Spool(database, CLOCK)
        self.mailboxes = Mailboxes(database)
        self.alerts = Alerts()
        self.leases = Leases(database)

    def mails(self) -> list[bytes]:
        with self.database.read():
            rows = self.database.sql("SELECT raw_mail_id FROM spool ORDER BY id").fetchall()
        return [self.spool.raw(row[0]) for row in rows]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:{tmp_path / 'desk.db'}")
    database.migrate()
    yield Store(database)
    database.disconnect()


def account(dovecot: Dovecot, box: UserBox, **changes: Any) -> Mailbox:
    values: dict[str, Any] = {"tls": {"mode": "none"}, "timeout": "10s", **changes}
    return a_mailbox(host=dovecot.host, port=values.pop("port", dovecot.imap_port), user=box.user, **values)


def sources(
    mailbox: Mailbox, box: UserBox, interrupted: Callable[[], bool] = lambda: False
) -> dict[str, ImapSource]:
    return connect(
        mailbox,
        Credentials(lambda: box.password),
        config_dir=Path("/"),
        clock=CLOCK,
        interrupted=interrupted,
    )


@contextmanager
def folder(mailbox: Mailbox, box: UserBox) -> Iterator[ImapSource]:
    found = sources(mailbox, box)
    first = next(iter(found.values()))
    try:
        yield first
    finally:
        first.close()


def take(mailbox: Mailbox, box: UserBox, store: Store) -> FetchReport:
    with folder(mailbox, box) as source:
        return fetch_round(source, mailbox, mailbox.folders[0], store, CLOCK, lambda: None)


def flags(box: UserBox, name: str = "INBOX") -> str:
    with box.imap() as link:
        link.select(f'"{name}"', readonly=True)
        _status, data = link.fetch("1:*", "(FLAGS)")
    return " ".join(str(line) for line in data)


def test_after_seen(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    box.append(a_mail(1))
    box.append(a_mail(2), flags=r"\Seen")
    mailbox = account(dovecot, box)
    report = take(mailbox, box, store)
    assert (report.accepted, report.settled) == (2, 2), "a mail that a person has opened is taken too"
    assert store.mails() == [a_mail(1), a_mail(2)]
    assert flags(box).count(r"\\Seen") == 2
    assert take(mailbox, box, store).accepted == 0


@pytest.mark.parametrize("target", ["Archive", "Done/2026", "Erledigt/Grüße & mehr"])
def test_after_move(dovecot: Dovecot, store: Store, target: str) -> None:
    box = dovecot.user()
    box.append(a_mail(1))
    box.append(a_mail(2))
    mailbox = account(dovecot, box, after=f"move:{target}")
    assert take(mailbox, box, store).settled == 2
    assert box.mails() == []
    with folder(account(dovecot, box, folders=[target], after="leave"), box) as moved:
        moved.open()
        assert len(moved.list_after(0)) == 2


def test_after_delete(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    box.append(a_mail(1), flags=r"\Deleted")
    box.append(a_mail(2))
    mailbox = account(dovecot, box, after="delete", first_take="7d")
    assert take(mailbox, box, store).settled == 2
    assert box.mails() == []


def test_after_delete_leaves_what_a_person_flagged(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    box.append(a_mail(1))
    mailbox = account(dovecot, box, after="delete")
    with folder(mailbox, box) as source:
        source.open()
        box.append(a_mail(2), flags=r"\Deleted")
        source.settle([1])
    assert len(box.mails()) == 1


def test_after_leave(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    box.append(a_mail(1))
    mailbox = account(dovecot, box, after="leave")
    assert take(mailbox, box, store).accepted == 1
    assert "Seen" not in flags(box)
    assert take(mailbox, box, store).accepted == 0


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_tls(dovecot: Dovecot, store: Store, mode: str) -> None:
    box = dovecot.user()
    box.append(a_mail(1))
    port = dovecot.imaps_port if mode == "implicit" else dovecot.imap_port
    tls = {"mode": mode, "ca_file": str(dovecot.ca_file)}
    mailbox = account(dovecot, box, port=port, tls=tls, auth="plain")
    assert take(mailbox, box, store).accepted == 1


def test_xoauth2_with_a_token_and_with_an_expired_one(dovecot: Dovecot) -> None:
    box = dovecot.user()
    mailbox = account(dovecot, box, auth="xoauth2")

    class Tokens:
        def __init__(self, token: str) -> None:
            self.token, self.forgotten = token, 0

        def get(self) -> str:
            return self.token

        def forget(self) -> None:
            self.forgotten += 1

    good, stale = Tokens(dovecot.oauth_token(box)), Tokens(dovecot.oauth_token(box, -60))
    connect(mailbox, Credentials(tokens=good), config_dir=Path("/"), clock=CLOCK)["INBOX"].close()
    assert good.forgotten == 0
    with pytest.raises(LoginRefused):
        connect(mailbox, Credentials(tokens=stale), config_dir=Path("/"), clock=CLOCK)
    assert stale.forgotten == 2


def test_a_wrong_password_is_told(dovecot: Dovecot) -> None:
    box = dovecot.user()
    with pytest.raises(LoginRefused, match="refuses the login"):
        connect(account(dovecot, box), Credentials(lambda: "wrong horse"), config_dir=Path("/"), clock=CLOCK)


def test_another_uidvalidity_brings_everything_again_under_new_keys(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    box.append(a_mail(1))
    mailbox = account(dovecot, box)
    before = take(mailbox, box, store)
    for path in box.maildir.glob("dovecot*"):
        path.unlink()
    (box.maildir / "dovecot-uidlist").write_text("3 V77 N1 G0123456789abcdef0123456789abcdef\n")
    shutil.chown(box.maildir / "dovecot-uidlist", box.maildir.owner(), box.maildir.group())
    after = take(mailbox, box, store)
    assert after.uidvalidity == 77 != before.uidvalidity
    assert store.mails() == [a_mail(1)] * 2
    assert take(mailbox, box, store).accepted == 0


def test_a_mail_of_25_mb_with_bounded_memory(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    large = a_mail(1) + b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n" * 400_000
    box.append(large)
    mailbox = account(dovecot, box)
    tracemalloc.start()
    try:
        assert take(mailbox, box, store).accepted == 1
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    assert store.mails() == [large]


class Running:
    """A loop in its thread, and an event for each mail that it accepts."""

    def __init__(self, mailbox: Mailbox, box: UserBox, store: Store, **more: Any) -> None:
        self.arrived = threading.Semaphore(0)
        self.connected = threading.Semaphore(0)
        self.listening = threading.Semaphore(0)
        self.sources: dict[str, ImapSource] = {}

        def link(interrupted: Callable[[], bool]) -> dict[str, ImapSource]:
            self.sources = sources(mailbox, box, interrupted)
            first = self.sources["INBOX"]
            wait = first.wait

            def waiting(seconds: float) -> bool:
                self.listening.release()
                return wait(seconds)

            first.wait = waiting  # type: ignore[method-assign]
            self.connected.release()
            return self.sources

        self.loop = MailboxThread(
            mailbox,
            link,
            store=store,
            clock=CLOCK,
            jitter=NoJitter(),
            on_accept=self.arrived.release,
            **more,
        )
        self.loop._backoff._first_s = 0.05

    def __enter__(self) -> Running:
        self.loop.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.loop.stop()
        assert self.loop.join(10)


def test_an_idle_hint_brings_a_mail_long_before_the_poll(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    with Running(account(dovecot, box, poll="1h"), box, store) as running:
        assert running.listening.acquire(timeout=10)
        for number in (1, 2):
            box.append(a_mail(number))
            assert running.arrived.acquire(timeout=10)
        assert running.loop.last_error is None
    assert store.mails() == [a_mail(1), a_mail(2)]


def test_dovecot_is_killed_in_the_middle_and_comes_back(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    with Running(account(dovecot, box, poll="1h"), box, store) as running:
        box.append(a_mail(1))
        assert running.arrived.acquire(timeout=10)
        assert running.listening.acquire(timeout=10)
        dovecot.kill()
        try:
            assert running.connected.acquire(timeout=1)
        finally:
            dovecot.start()
        box.append(a_mail(2))
        assert running.arrived.acquire(timeout=20)
        assert running.loop.failures == 0 or running.loop.last_error is not None
    assert store.mails() == [a_mail(1), a_mail(2)]
    assert store.mailboxes.unsettled("desk", "INBOX", 1, 10) == []


def test_killed_while_it_fetches_nothing_is_lost_or_doubled(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    with box.imap() as link:
        for number in range(120):
            link.append("INBOX", None, None, a_mail(number))  # type: ignore[arg-type]
    mailbox = account(dovecot, box)
    source = sources(mailbox, box)["INBOX"]
    batches: list[int] = []

    def kill() -> None:
        batches.append(1)
        if len(batches) == 1:
            dovecot.kill()

    try:
        with pytest.raises(SourceTrouble):
            fetch_round(source, mailbox, "INBOX", store, CLOCK, kill)
    finally:
        source.close()
        dovecot.start()
    assert len(store.mails()) == 50
    assert take(mailbox, box, store).complete
    assert sorted(store.mails()) == sorted(a_mail(number) for number in range(120))
    assert flags(box).count(r"\\Seen") == 120


def test_of_two_nodes_the_one_with_the_lease_reads_and_the_other_follows(
    dovecot: Dovecot, store: Store
) -> None:
    box = dovecot.user()
    mailbox = account(dovecot, box, poll="1h")

    def node(name: str) -> Running:
        return Running(mailbox, box, store, leases=store.leases, owner=name, lease=timedelta(seconds=1))

    with node("two") as second:
        assert second.listening.acquire(timeout=10)
        with node("one") as first:
            for number in range(3):
                box.append(a_mail(number))
                assert second.arrived.acquire(timeout=10)
            second.loop.stop()
            assert first.connected.acquire(timeout=10)
            box.append(a_mail(3))
            assert first.arrived.acquire(timeout=10)
        assert not second.arrived.acquire(blocking=False)
    assert store.mails() == [a_mail(number) for number in range(4)]


def test_two_nodes_without_a_lease_still_make_one_entry(dovecot: Dovecot, store: Store) -> None:
    box = dovecot.user()
    for number in range(20):
        box.append(a_mail(number))
    mailbox = account(dovecot, box)
    barrier = threading.Barrier(2)
    reports: list[FetchReport] = []

    def node() -> None:
        with folder(mailbox, box) as source:
            source.open()
            barrier.wait(10)
            reports.append(fetch_round(source, mailbox, "INBOX", store, CLOCK, lambda: None))
        store.database.disconnect()

    threads = [threading.Thread(target=node) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sum(report.accepted for report in reports) == 20
    assert len(store.mails()) == 20


def test_a_server_that_hangs_beside_dovecot_delays_nobody(dovecot: Dovecot, store: Store) -> None:
    from tests.intake.imap_server import ImapServer

    box = dovecot.user()
    with ImapServer() as sick:
        sick.on["SELECT"] = sick.hold
        hung = a_mailbox(name="sick", host="127.0.0.1", port=sick.port, tls={"mode": "none"}, timeout="30s")
        with Running(account(dovecot, box, poll="1h"), box, store) as healthy:
            ill = Running(hung, box, store)
            ill.loop.start()
            assert ill.connected.acquire(timeout=10)
            box.append(a_mail(1))
            assert healthy.arrived.acquire(timeout=10)
            ill.loop.stop()
            ill.loop.cut()
            assert ill.loop.join(10)
