"""Numbers of tickets: never given twice, in order, without gaps while little is going on."""

from __future__ import annotations

import pytest

from gateway.store.store import Store


def test_one_after_the_other(store: Store) -> None:
    assert [store.facts.new_number() for _ in range(3)] == [1001, 1002, 1003]


def test_much_mail_draws_several_at_once_and_the_next_tickets_get_them(store: Store) -> None:
    assert store.facts.new_number(ahead=3) == 1001
    assert [store.facts.new_number() for _ in range(4)] == [1002, 1003, 1004, 1005]


def test_nodes_that_draw_at_once_never_share_one(store: Store, second: Store) -> None:
    drawn = [node.facts.new_number(ahead=2) for _ in range(6) for node in (store, second)]
    assert len(set(drawn)) == len(drawn)


def test_a_transaction_that_fails_spoils_no_number(store: Store, second: Store) -> None:
    """Where it draws a number and fails, others may get the number that it had, and nobody gets it twice."""

    def draw_and_fail() -> None:
        with store.database.write():
            store.facts.new_number(ahead=5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        draw_and_fail()
    after = [store.facts.new_number(), second.facts.new_number(), store.facts.new_number()]
    assert len(set(after)) == 3
