"""The loop for one account: polls, hints, backoff, alerts, leases; stopped at once, never spinning."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from structlog.testing import capture_logs

from gateway.intake.backoff import Backoff
from gateway.intake.mailbox_thread import MailboxThread
from gateway.intake.trouble import AccessRevoked, SourceRefused
from gateway.ports import MailSource, SourceTrouble
from gateway.runtime import SystemClock
from tests.intake.imap_tools import Folder, HandClock, Memory, NoJitter, a_mailbox, store_down


class Desk:
    """An account with folders in memory, its store, its clock, and the loop over it."""

    def __init__(self, folders: tuple[str, ...] = ("INBOX",), **more: Any) -> None:
        self.clock = HandClock()
        self.store = Memory()
        self.folders = {name: Folder() for name in folders}
        self.connects = 0
        self.trouble: SourceTrouble | None = None
        self.woken = 0
        settings = more.pop("settings", {})
        self.loop = MailboxThread(
            a_mailbox(folders=list(folders), **settings),
            self.connect,
            store=self.store,
            clock=self.clock,
            jitter=NoJitter(),
            on_accept=self.wake,
            **more,
        )

    def wake(self) -> None:
        self.woken += 1

    def connect(self, _interrupted: Callable[[], bool]) -> Mapping[str, MailSource]:
        self.connects += 1
        if self.trouble is not None:
            raise self.trouble
        return self.folders

    @property
    def inbox(self) -> Folder:
        return self.folders["INBOX"]


def test_a_turn_takes_what_is_there_and_then_waits_until_the_poll() -> None:
    desk = Desk()
    desk.inbox.add(1)
    assert desk.loop.turn() == 60, "the fake's wait returned at once: the rest is waited elsewhere"
    assert desk.inbox.waited == [60]
    assert desk.store.uids() == [1]
    assert (desk.loop.last_success_at, desk.loop.last_error, desk.woken) == (desk.clock.now(), None, 1)
    desk.inbox.add(2)
    desk.loop.turn()
    assert desk.store.uids() == [1], "not before the poll is due"
    desk.clock.pass_(seconds=60)
    desk.loop.turn()
    assert desk.store.uids() == [1, 2]
    assert desk.connects == 1


def test_a_hint_brings_the_first_folder_at_once_and_the_others_by_the_poll() -> None:
    desk = Desk(("INBOX", "Other"))
    desk.inbox.hints = [True]
    assert desk.loop.turn() == 0
    desk.inbox.add(1)
    desk.folders["Other"].add(5)
    desk.loop.turn()
    assert [key.split("/")[2] for key in desk.store.taken] == ["INBOX"]
    desk.clock.pass_(seconds=60)
    desk.loop.turn()
    assert [key.split("/")[2] for key in desk.store.taken] == ["INBOX", "Other"]


def test_a_server_that_hints_at_nothing_all_the_time_does_not_spin_us() -> None:
    desk = Desk()
    desk.inbox.hints = [True] * 10
    assert [desk.loop.turn() for _ in range(4)] == [0, 1, 0, 1]


def test_without_idle_the_loop_only_polls() -> None:
    desk = Desk(settings={"idle": False})
    assert desk.loop.turn() == 60
    assert desk.inbox.waited == []


def test_trouble_closes_the_connection_and_the_pauses_grow_and_end_with_success() -> None:
    desk = Desk()
    desk.trouble = SourceTrouble("connecting to imap.example.test:993: refused")
    assert [desk.loop.turn() for _ in range(9)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert desk.loop.failures == 9
    assert desk.loop.last_error == "connecting to imap.example.test:993: refused"
    desk.trouble = None
    desk.loop.turn()
    assert (desk.loop.failures, desk.loop.last_error) == (0, None)
    desk.inbox.before = lambda _call: (_ for _ in ()).throw(SourceTrouble("lost"))
    desk.clock.pass_(seconds=60)
    assert desk.loop.turn() == 5
    assert desk.inbox.closed == 1


def test_admins_are_told_after_three_failures_and_a_poll_interval_and_once_a_day() -> None:
    desk = Desk()
    desk.trouble = SourceTrouble("no answer in time")
    for _ in range(4):
        desk.loop.turn()
    assert desk.store.alerts_raised == [], "four failures within a poll interval are a hiccup"
    desk.clock.pass_(seconds=61)
    for _ in range(3):
        desk.loop.turn()
    ((kind, key, text),) = desk.store.alerts_raised
    assert (kind, key) == ("mailbox_trouble", "desk")
    assert "no answer in time" in text
    desk.clock.pass_(hours=25)
    desk.loop.turn()
    assert len(desk.store.alerts_raised) == 2


def test_revoked_access_is_told_at_once_and_a_new_token_needs_no_restart() -> None:
    desk = Desk()
    desk.trouble = AccessRevoked("access is revoked (invalid_grant)")
    for _ in range(3):
        desk.loop.turn()
    assert len(desk.store.alerts_raised) == 1
    desk.trouble = None
    desk.inbox.add(1)
    desk.loop.turn()
    assert desk.store.uids() == [1]


def test_a_folder_that_is_refused_does_not_hold_up_the_others_and_is_told() -> None:
    desk = Desk(("Gone", "INBOX"), settings={"idle": False})

    def refuse(_call: str) -> None:
        raise SourceRefused("folder Gone: no such folder")

    desk.folders["Gone"].before = refuse
    desk.inbox.add(1)
    for _ in range(4):
        desk.loop.turn()
        desk.clock.pass_(seconds=60)
    assert desk.store.uids() == [1]
    assert desk.connects == 1
    assert desk.loop.last_error == "folder Gone: no such folder"
    assert desk.loop.last_success_at is not None
    assert len(desk.store.alerts_raised) == 1


def test_store_trouble_is_waited_out_and_not_blamed_on_the_mailbox() -> None:
    desk = Desk()
    desk.inbox.add(1)
    desk.store.before = store_down
    assert desk.loop.turn() == 5
    assert desk.inbox.settled == []
    assert desk.store.alerts_raised == []
    desk.store.before = lambda _effect: None
    desk.loop.turn()
    assert desk.store.uids() == [1]


class Leases:
    def __init__(self) -> None:
        self.holder: dict[str, tuple[str, datetime]] = {}
        self.taken = 0

    def take(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        self.taken += 1
        held = self.holder.get(name)
        if held and held[0] != owner and held[1] > now:
            return False
        self.holder[name] = (owner, until)
        return True

    def give(self, name: str, owner: str) -> None:
        if self.holder.get(name, ("",))[0] == owner:
            del self.holder[name]


def test_only_the_node_that_holds_the_lease_reads() -> None:
    leases = Leases()
    desk, other = (Desk(leases=leases, owner=name) for name in ("one", "two"))
    for node in (desk, other):
        node.inbox.add(1)
        node.loop.turn()
    assert (desk.connects, other.connects) == (1, 0)
    assert leases.holder["mailbox/desk"][0] == "one"
    other.clock.pass_(seconds=61)
    other.loop.turn()
    assert other.store.uids() == [1], "the first node is dead: its lease has ended"


def test_the_lease_is_renewed_after_a_third_of_its_time_and_a_lost_one_disconnects() -> None:
    leases = Leases()
    desk = Desk(leases=leases, owner="one", settings={"poll": "10m"})
    assert desk.loop.turn() == 20, "the wait is cut to renew the lease"
    assert leases.taken == 1
    desk.clock.pass_(seconds=20)
    desk.loop.turn()
    assert leases.taken == 2
    leases.holder["mailbox/desk"] = ("two", desk.clock.now().replace(year=2030))
    desk.clock.pass_(seconds=20)
    assert desk.loop.turn() == 20
    assert desk.inbox.closed == 1


def test_a_round_ends_when_the_lease_is_lost_in_the_middle() -> None:
    leases = Leases()
    desk = Desk(leases=leases, owner="one")
    desk.inbox.add(*range(1, 200))

    def lose(effect: str) -> None:
        if effect == "accept":
            desk.clock.pass_(seconds=61)
            leases.holder["mailbox/desk"] = ("two", desk.clock.now().replace(year=2030))

    desk.store.after = lose
    desk.loop.turn()
    assert len(desk.store.taken) == 50


def test_stop_gives_the_lease_back() -> None:
    leases = Leases()
    desk = Desk(leases=leases, owner="one")
    desk.inbox.before = lambda _call: desk.loop.stop()
    desk.loop.run()
    assert leases.holder == {}
    assert desk.inbox.closed == 1


def test_a_sick_account_beside_a_healthy_one_delays_nothing() -> None:
    stuck, release = threading.Event(), threading.Event()
    arrived = threading.Event()

    def hang(_call: str) -> None:
        stuck.set()
        release.wait(30)

    def loop(desk: Desk, on_accept: Callable[[], None]) -> MailboxThread:
        return MailboxThread(
            a_mailbox(),
            desk.connect,
            store=desk.store,
            clock=SystemClock(),
            jitter=NoJitter(),
            on_accept=on_accept,
        )

    sick, healthy = Desk(), Desk()
    sick.inbox.before = hang
    healthy.inbox.add(1)
    healthy.inbox.mails[1] = (healthy.inbox.mails[1][0], SystemClock().now())
    threads = [loop(sick, lambda: None), loop(healthy, arrived.set)]
    threads[0].start()
    assert stuck.wait(10)
    threads[1].start()
    assert arrived.wait(10)
    for thread in threads:
        thread.stop()
    assert threads[1].join(10)
    assert not threads[0].join(0)
    release.set()
    assert threads[0].join(10)


def test_a_stuck_connection_is_cut_after_ten_timeouts() -> None:
    desk = Desk(settings={"timeout": "1s", "poll": "5s"})
    cuts: list[int] = []
    desk.inbox.cut = lambda: cuts.append(1)  # type: ignore[attr-defined]
    desk.loop.turn()
    desk.clock.pass_(seconds=14)
    assert desk.loop.cut_if_stuck() is False
    desk.clock.pass_(seconds=2)
    assert desk.loop.cut_if_stuck() is True
    assert cuts == [1]


def test_a_connection_that_was_just_made_is_not_stuck() -> None:
    desk = Desk()
    desk.clock.pass_(days=1)
    answers: list[bool] = []
    desk.inbox.before = lambda _call: answers.append(desk.loop.cut_if_stuck())
    desk.loop.turn()
    assert answers
    assert not any(answers)


def test_backoff_is_spread_and_never_overflows() -> None:
    class Double:
        def spread(self, seconds: float) -> float:
            return seconds * 1.25

    backoff = Backoff(Double(), first_s=1, factor=10, longest_s=100)
    assert [backoff.next_s() for _ in range(4)] == [1.25, 12.5, 125, 125]
    for _ in range(5000):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 1.25


def test_a_bug_of_ours_ends_the_loop_with_its_cause_in_the_log_and_admins_told() -> None:
    """The supervisor begins it anew."""
    desk = Desk()

    def bug(_call: str) -> None:
        raise ZeroDivisionError

    desk.inbox.before = bug
    with capture_logs() as lines:
        desk.loop.run()
    (line,) = [one for one in lines if one["event"] == "part_failed"]
    assert (line["part"], line["mailbox"], line["exc_info"]) == ("mailbox-desk", "desk", True)
    ((kind, key, text),) = desk.store.alerts_raised
    assert (kind, key) == ("mailbox_trouble", "desk")
    assert "begins anew" in text
    assert desk.inbox.closed == 1
