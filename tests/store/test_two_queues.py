"""One mail to the addresses of two queues comes as two rows of the spool. What belongs to a ticket is entered
there once, and its customer hears once; what belongs to none makes a ticket in each queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.daemon.ingest import take as take_one
from gateway.store.change import Changed
from gateway.store.spool import Spooled
from gateway.store.store import Store
from tests.pipeline_world import CountingIds, mail
from tests.store.conftest import HandClock, accept
from tests.store.test_change import column, take

MINUTE = timedelta(minutes=1)


def answer(store: Store) -> bytes:
    to = store.policy.signer.address("support@acme.example", 1001, "a", "petra@private.example")
    return mail(
        "Pull it.\n", sender="petra@private.example", to=to, message_id="<a@p.x>", Cc="sales@acme.example"
    )


def note(store: Store) -> bytes:
    to = store.policy.signer.address("support@acme.example", 1001, "n", "petra@private.example")
    return mail(
        "Psst.\n", sender="petra@private.example", to=to, message_id="<n@p.x>", Cc="sales@acme.example"
    )


def reply(store: Store) -> bytes:
    to = store.policy.signer.address("support@acme.example", 1001, "c", "jana@customer.example")
    return mail("And now?\n", to=to, message_id="<r@customer.example>", Cc="sales@acme.example")


KINDS = pytest.mark.parametrize("kind", [answer, note, reply])


@KINDS
@pytest.mark.parametrize("queues", [("support", "sales"), ("sales", "support")])
def test_it_is_entered_once(
    store: Store, clock: HandClock, kind: Callable[[Store], bytes], queues: tuple[str, str]
) -> None:
    take(store, clock, mail())
    sent = len(column(store, "SELECT id FROM outbox"))
    raw = kind(store)
    store.spool.accept([accept(queue, raw, queue=queue) for queue in queues])
    take(store, clock)
    assert column(store, "SELECT ticket_id FROM entry ORDER BY id") == [1001, 1001]
    assert column(store, "SELECT outcome FROM spool ORDER BY id")[2] == "duplicate of entry 2"
    told = column(store, f"SELECT forward_path FROM outbox ORDER BY id LIMIT 9 OFFSET {sent}")
    assert len(told) == len(set(told))
    assert ("jana@customer.example" in told) == (kind is answer)


@KINDS
def test_two_nodes_at_once_enter_it_once(
    store: Store, second: Store, clock: HandClock, kind: Callable[[Store], bytes]
) -> None:
    """Both have judged it on what they saw before; the one that comes second sees the first one's entry."""
    take(store, clock, mail())
    raw = kind(store)
    store.spool.accept([accept("one", raw), accept("two", raw, queue="sales")])
    ours = store.spool.lease("one", clock.now() + MINUTE, 1)
    theirs = second.spool.lease("two", clock.now() + MINUTE, 1)
    both_have_read = threading.Barrier(2, timeout=20)
    done: list[Changed] = []

    def work(node: Store, row: Spooled, owner: str) -> None:
        conclude = node.change._conclude

        def and_wait(*of_it):  # type: ignore[no-untyped-def]
            facts = conclude(*of_it)
            both_have_read.wait()
            return facts

        node.change._conclude = and_wait  # type: ignore[method-assign]
        done.append(take_one(node, node.policy, row, owner, clock, CountingIds()))
        node.database.disconnect()

    threads = [
        threading.Thread(target=work, args=one)
        for one in ((store, ours[0], "one"), (second, theirs[0], "two"))
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert sorted(one.action for one in done) == ["append", "duplicate"]
    assert len(column(store, "SELECT id FROM entry")) == 2


def test_a_new_mail_to_two_queues_makes_two_tickets(store: Store, clock: HandClock) -> None:
    raw = mail()
    store.spool.accept([accept("one", raw), accept("two", raw, queue="sales")])
    take(store, clock)
    assert column(store, "SELECT queue FROM ticket ORDER BY id") == ["support", "sales"]
