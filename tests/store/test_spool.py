"""T1 and the leases: what was accepted is there, once, and is worked on by one at a time."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store.database import Database
from gateway.store.errors import LeaseLost, StoreTrouble
from gateway.store.models import from_ms, to_ms
from gateway.store.spool import CHUNK, BytesRaw
from gateway.store.store import Store
from tests.store.conftest import HandClock, accept

MINUTE = timedelta(minutes=1)


def test_a_key_is_taken_once(store: Store) -> None:
    first, again, other = store.spool.accept([accept("1"), accept("1"), accept("2")])
    assert first is not None
    assert again is None
    assert other is not None
    assert store.spool.accept([accept("1")]) == [None]


def test_the_same_octets_are_stored_once(store: Store) -> None:
    store.spool.accept([accept("1", b"same"), accept("2", b"same"), accept("3", b"other")])
    assert len(store.database.sql("SELECT id FROM raw_mail").fetchall()) == 2


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_raw_mail_comes_back_as_it_was_and_by_any_part_of_it(
    store: Store, clock: HandClock, size: int
) -> None:
    octets = os.urandom(size)
    store.spool.accept([accept("big", octets)])
    (row,) = store.spool.lease("me", clock.now() + MINUTE, 5)
    assert row.size == size
    assert store.spool.raw(row.raw_id) == octets
    for start, stop in ((0, 10), (size // 2, size), (CHUNK - 5, CHUNK + 5), (max(size - 3, 0), size + 9)):
        assert b"".join(store.spool.raw_chunks(row.raw_id, start, stop)) == octets[start:stop]


def test_nothing_is_stored_when_one_of_a_group_fails(store: Store) -> None:
    class Broken(BytesRaw):
        def chunks(self):  # type: ignore[no-untyped-def]
            raise OSError("the temporary file is gone")
            yield b""

    with pytest.raises(OSError, match="temporary"):
        store.spool.accept([accept("1"), accept("2", raw=Broken(b"x"))])
    assert store.spool.waiting() == 0
    assert store.spool.accept([accept("1")]) != [None]


def test_a_lease_is_one_owners_until_it_ends(store: Store, second: Store, clock: HandClock) -> None:
    store.spool.accept([accept(str(number)) for number in range(3)])
    ours = store.spool.lease("me", clock.now() + MINUTE, 2)
    theirs = second.spool.lease("you", clock.now() + MINUTE, 9)
    assert [row.key for row in ours] == ["0", "1"]
    assert [row.key for row in theirs] == ["2"]
    assert second.spool.lease("nobody else", clock.now() + MINUTE, 9) == []
    assert store.spool.next_due_at() == clock.now() + MINUTE

    clock.go(minutes=2)
    (retried,) = second.spool.lease("you", clock.now() + MINUTE, 9)
    assert (retried.key, retried.attempts) == ("0", 2), "a mail that was tried is taken alone"
    with pytest.raises(LeaseLost), store.database.write():
        store.spool.claim(ours[0], "me")


def test_what_an_owner_holds_from_a_round_that_broke_off_is_due_for_it_at_once(
    store: Store, second: Store, clock: HandClock
) -> None:
    """Its heartbeat would else prolong that for ever. It was a try, as the mail may be what broke it off."""
    store.spool.accept([accept("1"), accept("2")])
    assert len(store.spool.lease("me", clock.now() + MINUTE, 9)) == 2
    store.spool.renew("me", clock.now() + MINUTE)
    assert second.spool.lease("you", clock.now() + MINUTE, 9) == []
    (row,) = store.spool.lease("me", clock.now() + MINUTE, 9)
    assert (row.key, row.attempts) == ("1", 2)


def test_what_is_given_back_was_no_try(store: Store, clock: HandClock) -> None:
    store.spool.accept([accept("1")])
    store.spool.lease("me", clock.now() + MINUTE, 1)
    store.spool.release("me")
    (row,) = store.spool.lease("me", clock.now() + MINUTE, 1)
    assert row.attempts == 1


def test_a_failed_mail_waits_and_then_goes_to_quarantine(store: Store, clock: HandClock) -> None:
    store.spool.accept([accept("1")])
    (row,) = store.spool.lease("me", clock.now() + MINUTE, 1)
    store.spool.failed(row, "me", "Traceback\n\0boom", clock.now() + MINUTE)
    assert store.spool.lease("me", clock.now() + MINUTE, 1) == []
    clock.go(minutes=1)
    (row,) = store.spool.lease("me", clock.now() + MINUTE, 1)
    store.spool.failed(row, "me", "Traceback\nboom", None)
    clock.go(days=1)
    assert store.spool.lease("me", clock.now() + MINUTE, 1) == []
    assert store.database.sql("SELECT state FROM spool").fetchone()[0] == "quarantined"


def test_two_nodes_that_take_the_same_message_make_one_row(store: Store, second: Store) -> None:
    assert store.spool.accept([accept("imap/x/INBOX/1/1")]) != [None]
    assert second.spool.accept([accept("imap/x/INBOX/1/1")]) == [None]


def test_a_database_that_is_gone_is_told_without_its_secrets(
    store: Store, request: pytest.FixtureRequest
) -> None:
    if store.database.is_sqlite:
        database = Database("sqlite:/nowhere/at/all.db")
    else:
        database = Database("postgresql://someone:hush@127.0.0.1:1/nowhere")
    with pytest.raises(StoreTrouble) as told, database.write():
        pass
    assert "hush" not in told.value.public
    assert "nowhere" not in told.value.public


def test_a_killed_backend_is_replaced(store: Store, request: pytest.FixtureRequest) -> None:
    if store.database.is_sqlite:
        pytest.skip("SQLite has no backend")
    postgres = request.getfixturevalue("postgres")
    store.spool.accept([accept("1")])
    postgres.end_backends(request.getfixturevalue("postgres_database"))
    try:
        store.spool.accept([accept("2")])
    except StoreTrouble:
        assert store.spool.accept([accept("2")]) != [None]
    assert store.spool.waiting() == 2


@settings(max_examples=200)
@given(st.datetimes().map(lambda at: at.replace(tzinfo=from_ms(0).tzinfo)))
def test_instants_keep_their_milliseconds(at) -> None:  # type: ignore[no-untyped-def]
    assert abs(from_ms(to_ms(at)) - at) < timedelta(milliseconds=1)
    assert to_ms(from_ms(to_ms(at))) == to_ms(at)
