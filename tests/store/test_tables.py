"""Schema, leases by name, folders, alerts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.store import models
from gateway.store.errors import Conflict, StoreTrouble
from gateway.store.mailboxes import FolderState
from gateway.store.store import Store
from tests.store.conftest import HandClock, accept

MINUTE = timedelta(minutes=1)


def test_the_migrations_make_what_the_models_say(store: Store) -> None:
    for model in models.TABLES:
        meta = model._meta
        found = {column.name: column for column in store.database.peewee.get_columns(meta.table_name)}
        assert set(found) == {field.column_name for field in meta.sorted_fields}, meta.table_name
        for field in meta.sorted_fields:
            assert found[field.column_name].null == field.null, f"{meta.table_name}.{field.column_name}"


def test_migrating_twice_does_nothing(store: Store) -> None:
    assert store.database.migrate() == []
    assert store.database.pending_migrations() == []


def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    """Two daemons, or a daemon and a command: none of them fails, one of them does it."""
    import threading

    from gateway.store.database import Database

    done: list[object] = []
    ready = threading.Barrier(4)

    def start() -> None:
        database = Database(url)
        ready.wait()
        try:
            done.append(database.migrate())
        except Exception as error:
            done.append(error)
        finally:
            database.disconnect()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, done)) == ["['0001_first']", "[]", "[]", "[]"]


def test_a_unique_key_in_the_way_is_a_conflict_and_changes_nothing(store: Store, clock: HandClock) -> None:
    with store.database.write():
        store.database.insert(models.Alert, key="a", last_at=clock.now())

    def both() -> None:
        with store.database.write():
            store.database.insert(models.Alert, key="b", last_at=clock.now())
            store.database.insert(models.Alert, key="a", last_at=clock.now())

    with pytest.raises(Conflict):
        both()
    assert store.database.sql("SELECT count(*) FROM alert").fetchone()[0] == 1


def test_a_mistake_of_ours_is_not_called_trouble_of_the_database(store: Store) -> None:
    with pytest.raises(Exception, match="no_such_column") as told, store.database.write():
        store.database.sql("SELECT no_such_column FROM alert")
    assert not isinstance(told.value, StoreTrouble)


def test_a_lease_is_held_renewed_given_and_inherited(store: Store, second: Store, clock: HandClock) -> None:
    def take(node: Store, owner: str) -> bool:
        return node.leases.take("mailbox/support", owner, clock.now(), clock.now() + MINUTE)

    assert take(store, "one")
    assert not take(second, "two")
    clock.go(seconds=50)
    assert take(store, "one"), "renewed"
    clock.go(seconds=50)
    assert not take(second, "two")
    store.leases.give("mailbox/support", "two")
    assert not take(second, "two"), "only its holder gives it back"
    store.leases.give("mailbox/support", "one")
    assert take(second, "two")
    clock.go(minutes=2)
    assert take(store, "one"), "its holder is dead"


def test_a_folder_is_remembered(store: Store, clock: HandClock) -> None:
    assert store.mailboxes.state("a", "INBOX") is None
    state = FolderState("a", "INBOX", 17, 5, clock.now(), {3: "too large"})
    store.mailboxes.save(state)
    assert store.mailboxes.state("a", "INBOX") == state
    moved = FolderState("a", "INBOX", 18, 2**31, clock.now(), {})
    store.mailboxes.save(moved)
    assert store.mailboxes.state("a", "INBOX") == moved
    assert store.mailboxes.state("a", "Other") is None


def test_what_is_accepted_and_not_settled_is_known(store: Store) -> None:
    keys = [
        "imap/a/INBOX/17/1",
        "imap/a/INBOX/17/2",
        "imap/a/INBOX/171/3",
        "imap/a/IN%2FBOX/17/4",
        "imap/ab/INBOX/17/5",
    ]
    store.spool.accept([accept(key, source="imap") for key in keys])
    assert store.mailboxes.unsettled("a", "INBOX", 17, 10) == [1, 2]
    assert store.mailboxes.unsettled("a", "IN/BOX", 17, 10) == [4]
    store.mailboxes.settled("a", "INBOX", 17, [1])
    store.mailboxes.settled("a", "INBOX", 17, [])
    assert store.mailboxes.unsettled("a", "INBOX", 17, 10) == [2]


def test_an_alert_is_told_once_a_day_and_key(store: Store, clock: HandClock) -> None:
    def told() -> int:
        return int(store.database.sql("SELECT count(*) FROM outbox").fetchone()[0])

    store.alerts.raise_("mailbox_trouble", "support", "cannot be read")
    store.alerts.raise_("mailbox_trouble", "support", "still cannot be read")
    assert told() == 1
    store.alerts.raise_("mailbox_trouble", "sales", "cannot be read")
    assert told() == 2
    clock.go(hours=25)
    store.alerts.raise_("mailbox_trouble", "support", "cannot be read")
    assert told() == 3
