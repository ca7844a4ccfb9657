"""One round over one folder: what is taken, what stays, and what a crash or a sick neighbour may do to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake import left
from gateway.intake.trouble import SourceRefused
from gateway.ports import Listed, SourceTrouble
from gateway.store.errors import Conflict, StoreTrouble
from tests.intake.imap_tools import START, Folder, HandClock, Killed, Memory, a_mailbox, a_round, store_down


def test_new_mail_is_taken_in_ascending_order_and_settled_after_the_commit() -> None:
    folder, store = Folder(), Memory()
    folder.add(7, 3, 12)
    report = a_round(folder, store)
    assert store.uids() == [3, 7, 12]
    assert folder.settled == [3, 7, 12]
    assert store.settled_keys == set(store.taken)
    assert (report.accepted, report.settled, report.complete) == (3, 3, True)
    mail = store.taken["imap/desk/INBOX/1/3"]
    assert (mail.source, mail.reverse_path, mail.authenticated_as, mail.client) == (
        "imap",
        None,
        None,
        "imap.example.test",
    )
    assert a_round(folder, store).accepted == 0
    assert len(folder.fetched) == 1


def test_a_folder_name_with_a_slash_does_not_change_the_shape_of_the_key() -> None:
    from gateway.intake.fetch import fetch_round

    folder, store = Folder(), Memory()
    folder.add(1)
    fetch_round(folder, a_mailbox(), "Support/Grün", store, HandClock(), lambda: None)
    (key,) = store.taken
    assert key.count("/") == 4


def test_on_accept_is_called_only_when_something_new_came() -> None:
    from gateway.intake.fetch import fetch_round

    folder, store, calls = Folder(), Memory(), []
    folder.add(1)
    for _ in range(2):
        fetch_round(folder, a_mailbox(), "INBOX", store, HandClock(), lambda: calls.append(1))
    assert calls == [1]


def test_the_first_contact_leaves_older_mail_and_tells_once() -> None:
    folder, store, clock = Folder(), Memory(), HandClock()
    folder.add(1, 2, at=START - timedelta(days=8))
    folder.add(3, at=START - timedelta(days=7))
    folder.add(4, at=START - timedelta(days=30))
    folder.add(5)
    report = a_round(folder, store, clock)
    assert store.uids() == [3, 5]
    assert report.older == 3
    ((kind, key, text),) = store.alerts_raised
    assert kind == "mailbox_trouble"
    assert key == "desk/INBOX/first_contact"
    assert "3 mails" in text
    folder.add(6, at=START - timedelta(days=400))
    assert a_round(folder, store, clock).accepted == 1, "later, an old mail that somebody moves here is new"
    assert len(store.alerts_raised) == 1


def test_an_empty_first_contact_is_finished_too() -> None:
    folder, store = Folder(), Memory()
    a_round(folder, store)
    folder.add(1, at=START - timedelta(days=400))
    assert a_round(folder, store).accepted == 1


def test_a_first_contact_that_was_killed_keeps_its_date_and_its_rule() -> None:
    folder, store, clock = Folder(), Memory(), HandClock()
    folder.add(*range(1, 60))
    folder.add(60, at=START - timedelta(days=8))
    folder.add(61)
    calls = itertools.count()

    def kill(effect: str) -> None:
        if effect == "accept" and next(calls) == 1:
            raise Killed

    store.after = kill
    with pytest.raises(Killed):
        a_round(folder, store, clock)
    clock.pass_(days=9)
    a_round(folder, store, clock)
    assert sorted(store.uids()) == [*range(1, 60), 61]


def test_another_uidvalidity_looks_at_everything_again() -> None:
    folder, store, clock = Folder(), Memory(), HandClock()
    folder.add(1, at=START - timedelta(days=20))
    folder.add(2, 3)
    a_round(folder, store, clock)
    clock.pass_(days=100)
    folder.uidvalidity = 2
    report = a_round(folder, store, clock)
    assert store.uids(2) == [2, 3], "by the date of the first contact, not of today"
    assert report.older == 1
    assert len(store.alerts_raised) == 1, "admins were told of old mail at the first contact"


def test_unsettled_mail_of_another_uidvalidity_is_never_settled() -> None:
    folder, store = Folder(), Memory()
    folder.add(1, 2)
    folder.settle_error = SourceRefused("no")
    a_round(folder, store)
    folder.settle_error = None
    folder.uidvalidity = 2
    folder.mails.clear()
    a_round(folder, store)
    assert folder.settled == []


def test_a_large_mail_stays_and_is_told_and_comes_when_the_limit_grows() -> None:
    folder, store = Folder(), Memory()
    folder.add(1, 2, 3)
    folder.sizes[2] = 60_000_000
    report = a_round(folder, store)
    assert store.uids() == [1, 3]
    assert report.too_large == 1
    assert store.states["desk", "INBOX"].left == {2: "too_large size=60000000"}
    assert [key for _kind, key, _text in store.alerts_raised] == ["desk/INBOX/2"]
    a_round(folder, store)
    assert len(store.alerts_raised) == 1
    a_round(folder, store, mailbox=a_mailbox(max_size="80MB"))
    assert store.uids() == [1, 3, 2]
    assert store.states["desk", "INBOX"].left == {}


def test_batches_are_bounded_in_number_and_in_octets() -> None:
    folder, store = Folder(), Memory()
    folder.add(*range(1, 131))
    a_round(folder, store)
    assert [len(batch) for batch in folder.fetched] == [50, 50, 30]
    folder.fetched.clear()
    folder.add(*range(200, 240))
    folder.sizes.update(dict.fromkeys(range(200, 240), 900_000) | {210: 1_500_000})
    a_round(folder, store)
    assert [len(batch) for batch in folder.fetched] == [8, 2, 1, 8, 8, 8, 5]
    assert [210] in folder.fetched


def test_what_vanished_between_list_and_fetch_is_no_trouble() -> None:
    folder, store = Folder(), Memory()
    folder.add(1, 2, 3)

    def vanish(call: str) -> None:
        if call == "fetch":
            folder.mails.pop(2, None)

    folder.before = vanish
    report = a_round(folder, store)
    assert store.uids() == [1, 3]
    assert report.vanished == 1
    assert store.states["desk", "INBOX"].left == {}


def test_a_message_that_the_server_does_not_give_blocks_nobody_and_is_told_after_three_tries() -> None:
    folder, store, clock = Folder(), Memory(), HandClock()
    folder.add(1, 2, 3)
    folder.withhold = {2}
    for _ in range(2):
        a_round(folder, store, clock)
    assert store.uids() == [1, 3]
    assert store.alerts_raised == []
    clock.pass_(minutes=1)
    a_round(folder, store, clock)
    assert [key for _kind, key, _text in store.alerts_raised] == ["desk/INBOX/2"]
    fetched = len(folder.fetched)
    a_round(folder, store, clock)
    assert len(folder.fetched) == fetched, "not asked for before its time"
    folder.withhold = set()
    clock.pass_(minutes=2)
    assert a_round(folder, store, clock).accepted == 1
    assert store.states["desk", "INBOX"].left == {}


def test_a_message_that_breaks_the_connection_costs_a_few_reconnects_and_no_other_mail() -> None:
    folder, store, clock = Folder(), Memory(), HandClock()
    folder.add(*range(1, 81))
    folder.break_on = {40}
    broken = 0
    for _ in range(6):
        try:
            a_round(folder, store, clock)
        except SourceTrouble:
            broken += 1
    assert sorted(store.uids()) == [uid for uid in range(1, 81) if uid != 40]
    assert broken == 2, "once with its batch, once by itself; then it has to wait"
    assert store.settled_keys == set(store.taken)
    for _ in range(4):
        clock.pass_(days=2)
        with pytest.raises(SourceTrouble):
            a_round(folder, store, clock)
    assert [key for _kind, key, _text in store.alerts_raised] == ["desk/INBOX/40"]
    folder.add(90)
    assert a_round(folder, store, clock).accepted == 1


def test_order_is_kept_when_the_connection_breaks_in_the_middle_of_a_batch() -> None:
    folder, store = Folder(), Memory()
    folder.add(1, 2, 3)
    folder.break_on = {2}
    with pytest.raises(SourceTrouble):
        a_round(folder, store)
    folder.break_on = set()
    folder.add(4)
    a_round(folder, store)
    assert store.uids() == [1, 2, 3, 4]


@pytest.mark.parametrize("effect", ["accept", "save"])
def test_store_trouble_stops_the_round_and_nothing_is_settled(effect: str) -> None:
    folder, store = Folder(), Memory()
    a_round(folder, store)
    folder.add(1, 2)
    store.before = lambda what: store_down(what) if what == effect else None
    with pytest.raises(StoreTrouble):
        a_round(folder, store)
    assert folder.settled == []
    store.before = lambda _what: None
    a_round(folder, store)
    assert store.uids() == [1, 2]
    assert set(folder.settled) == {1, 2}


def test_another_node_took_the_same_mail_in_this_very_moment() -> None:
    folder, store = Folder(), Memory()
    folder.add(1)
    conflicts = iter([Conflict("spool.key")])

    def conflict(effect: str) -> None:
        if effect == "accept" and (error := next(conflicts, None)):
            raise error

    store.before = conflict
    assert a_round(folder, store).accepted == 1


def test_a_mail_taken_earlier_is_settled_all_the_same() -> None:
    folder, store = Folder(), Memory()
    folder.add(1, 2)
    a_round(folder, store)
    store.states.clear()
    report = a_round(folder, store)
    assert (report.accepted, report.taken_earlier) == (0, 2)
    assert folder.settled == [1, 2, 1, 2]


def test_a_server_that_refuses_to_settle_is_told_and_intake_goes_on() -> None:
    folder, store = Folder(), Memory()
    folder.settle_error = SourceRefused("folder INBOX is read-only")
    folder.add(1)
    assert a_round(folder, store).settle_refused == "folder INBOX is read-only"
    folder.add(2)
    a_round(folder, store)
    assert store.uids() == [1, 2]
    assert {key for _kind, key, _text in store.alerts_raised} == {"desk/INBOX/settle"}
    folder.settle_error = None
    a_round(folder, store)
    assert sorted(folder.settled) == [1, 2]
    assert store.settled_keys == set(store.taken)


def test_nonsense_in_a_listing_is_passed_over() -> None:
    folder, store = Folder(), Memory()
    folder.add(1, 2)
    folder.junk = [Listed(-1, 10, START), Listed(0, 10, START), Listed(1, 10, START)]
    a_round(folder, store)
    assert store.uids() == [1, 2]
    a_round(folder, store)
    assert store.uids() == [1, 2]


def test_a_round_ends_between_batches_when_it_may_not_go_on() -> None:
    folder, store = Folder(), Memory()
    folder.add(*range(1, 120))
    answers = iter([True, True, False])
    report = a_round(folder, store, go_on=lambda: next(answers))
    assert report.complete is False
    assert 0 < len(store.taken) < 119
    a_round(folder, store)
    assert len(store.taken) == 119


@given(
    seed=st.lists(st.integers(0, 40), max_size=25),
    renumbered=st.booleans(),
    uids=st.sets(st.integers(1, 400), max_size=130),
)
def test_killed_at_any_effects_nothing_is_lost_or_accepted_twice_or_settled_before(
    seed: list[int], renumbered: bool, uids: set[int]
) -> None:
    folder, store, clock = Folder(), Memory(), HandClock()
    steps = iter(seed)
    countdown = next(steps, None)

    def effect(what: str) -> None:
        nonlocal countdown
        if countdown is None:
            return
        countdown -= 1
        if countdown < 0:
            countdown = next(steps, None)
            raise Killed if (countdown or 0) % 2 else SourceTrouble("gone")

    settle = folder.settle

    def watched_settle(uids: Sequence[int]) -> None:
        assert set(uids) <= set(store.uids(folder.uidvalidity))
        settle(uids)

    folder.settle = watched_settle  # type: ignore[method-assign]
    store.before = store.after = folder.before = effect
    folder.add(*(uid for uid in uids if uid < 200))
    rounds = 0
    while countdown is not None or rounds < 2:
        rounds += 1
        if rounds == 2:
            folder.add(*uids)
            if renumbered:
                folder.uidvalidity = 2
        try:
            a_round(folder, store, clock)
        except (Killed, SourceTrouble):
            clock.pass_(days=1)
    a_round(folder, store, clock)
    clock.pass_(days=2)
    a_round(folder, store, clock)
    taken = store.uids(folder.uidvalidity)
    assert sorted(taken) == sorted(uids)
    assert set(taken) <= set(folder.settled)
    assert store.states["desk", "INBOX"].left == {}
    for uid in uids:
        assert store.bodies[f"imap/desk/INBOX/{folder.uidvalidity}/{uid}"] == folder.mails[uid][0]


@given(tries=st.integers(1, 10_000))
def test_reasons_for_leaving_survive_being_written_and_read(tries: int) -> None:
    reason = str(left.NotGiven(tries, START))
    again = left.not_given(reason, START)
    assert again.tries == tries + 1
    assert START < again.next_at <= START + timedelta(days=1)
    assert left.parse_not_given(str(again)) == again
    assert left.size_of(left.too_large(tries)) == tries
    assert left.parse_look(str(left.Look("uidvalidity", tries))) == left.Look("uidvalidity", tries)


@pytest.mark.parametrize("text", [None, "", "by hand", "not_given tries=2 next=soon", "too_large size=x"])
def test_a_reason_that_is_not_ours_is_never_acted_on(text: str | None) -> None:
    assert left.parse_not_given(text) is None
    assert left.size_of(text) is None
    assert left.parse_look(text) is None
