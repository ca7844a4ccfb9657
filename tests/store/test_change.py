"""T2 on the real store: a mail becomes a ticket, all of it or nothing, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.daemon.ingest import ingest_round
from gateway.store.store import Store
from tests.pipeline_world import CountingIds, agent_address, mail
from tests.store.conftest import HandClock, accept

MINUTE = timedelta(minutes=1)


def never() -> bool:
    return False


def take(store: Store, clock: HandClock, *raws: bytes, **changes: object) -> None:
    count = store.database.sql("SELECT count(*) FROM spool").fetchone()[0]
    store.spool.accept([accept(f"k{count + place}", raw, **changes) for place, raw in enumerate(raws)])
    while ingest_round(store, "me", clock, CountingIds(), MINUTE, never).taken:
        clock.go(seconds=1)


def counts(store: Store) -> dict[str, int]:
    tables = ("ticket", "entry", "outbox", "event", "participant", "person")
    return {name: store.database.sql(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


def column(store: Store, query: str) -> list[object]:
    return [row[0] for row in store.database.sql(query).fetchall()]


def test_a_mail_becomes_ticket_1001_with_all_that_belongs_to_it(store: Store, clock: HandClock) -> None:
    take(store, clock, mail(Cc="Otto <otto@customer.example>"))
    assert column(store, "SELECT id FROM ticket") == [1001]
    assert counts(store) == {"ticket": 1, "entry": 1, "outbox": 3, "event": 1, "participant": 2, "person": 2}
    assert column(store, "SELECT state FROM spool") == ["done"]
    take(store, clock, mail(message_id="<m2@customer.example>"))
    assert column(store, "SELECT id FROM ticket ORDER BY id") == [1001, 1002]
    assert counts(store)["person"] == 2, "the same person"


def test_the_same_mail_by_two_routes_is_one_entry(store: Store, clock: HandClock) -> None:
    raw = mail()
    take(store, clock, raw)
    take(store, clock, b"Received: from elsewhere\r\n" + raw.replace(b"\n", b"\r\n"))
    assert (counts(store)["ticket"], counts(store)["entry"], counts(store)["outbox"]) == (1, 1, 3)
    assert column(store, "SELECT outcome FROM spool ORDER BY id")[1] == "duplicate of entry 1"


def test_the_same_mail_to_two_queues_is_an_entry_on_each(store: Store, clock: HandClock) -> None:
    take(store, clock, mail())
    take(store, clock, mail(), queue="sales")
    assert column(store, "SELECT queue FROM entry ORDER BY id") == ["support", "sales"]


@pytest.mark.parametrize("message_id", [None, "<reused@customer.example>"])
def test_a_missing_or_reused_message_id_loses_nothing(
    store: Store, clock: HandClock, message_id: str | None
) -> None:
    take(store, clock, mail("one\n", message_id=message_id), mail("two\n", message_id=message_id))
    assert counts(store)["entry"] == 2


def test_the_answers_find_their_ticket(store: Store, clock: HandClock) -> None:
    policy = store.policy
    take(store, clock, mail())
    agents = policy.signer.address("support@acme.example", 1001, "a", "petra@private.example")
    take(
        store,
        clock,
        mail("Pull the plug.\n", sender="petra@private.example", to=agents, message_id="<a@p.example>"),
    )
    customers = policy.signer.address("support@acme.example", 1001, "c", "jana@customer.example")
    take(store, clock, mail("Done.\n", to=customers, message_id="<m3@customer.example>"))
    assert column(store, "SELECT ticket_id FROM entry ORDER BY id") == [1001, 1001, 1001]
    assert column(store, "SELECT author FROM entry ORDER BY id") == ["customer", "agent", "customer"]
    assert column(store, "SELECT kind FROM event ORDER BY id") == [
        "created", "answered", "state_changed", "customer_replied",
    ]  # fmt: skip
    # by a foreign id alone, too
    take(
        store,
        clock,
        mail("And more.\n", message_id="<m4@customer.example>", In_Reply_To="<m1@customer.example>"),
    )
    assert counts(store)["ticket"] == 1
    facts, _ = store.facts.tickets([1001])
    assert facts[1001].references == ("m1@customer.example", "m3@customer.example", "m4@customer.example")
    assert [one.author for one in facts[1001].history] == ["customer", "customer", "agent", "customer"]


def test_two_nodes_take_the_same_mail_at_once_and_make_one_entry(
    store: Store, second: Store, clock: HandClock
) -> None:
    """Both have read "not there yet"; the unique key lets one of them write, the other finds its entry."""
    raw = mail()
    store.spool.accept([accept("by/imap", raw), accept("by/smtp", raw)])
    ours = store.spool.lease("one", clock.now() + MINUTE, 1)
    theirs = second.spool.lease("two", clock.now() + MINUTE, 1)
    from gateway.daemon.ingest import take as take_one

    done = [
        take_one(store, store.policy, ours[0], "one", clock, CountingIds()),
        take_one(second, second.policy, theirs[0], "two", clock, CountingIds()),
    ]
    assert sorted(one.action for one in done) == ["duplicate", "new_ticket"]
    assert counts(store)["entry"] == 1


def test_a_poison_mail_is_quarantined_after_three_tries_and_the_next_goes_on(
    store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.daemon import ingest

    really = ingest.understand

    def poisoned(work):  # type: ignore[no-untyped-def]
        if b"poison" in work.raw:
            raise ZeroDivisionError("of ours")
        return really(work)

    monkeypatch.setattr(ingest, "understand", poisoned)
    store.spool.accept([accept("1", mail("poison\n")), accept("2", mail(message_id="<good@x.example>"))])
    for _ in range(4):
        ingest_round(store, "me", clock, CountingIds(), MINUTE, never)
        clock.go(minutes=2)
    assert column(store, "SELECT state FROM spool ORDER BY id") == ["quarantined", "done"]
    assert "ZeroDivisionError: of ours" in str(column(store, "SELECT error FROM spool ORDER BY id")[0])
    assert "admin@acme.example" in column(store, "SELECT forward_path FROM outbox")


def test_a_mail_that_kills_the_process_three_times_is_quarantined(store: Store, clock: HandClock) -> None:
    store.spool.accept([accept("1", mail()), accept("2", mail(message_id="<good@x.example>"))])
    for _ in range(3):
        store.spool.lease("dead", clock.now() + MINUTE, 9)
        clock.go(minutes=2)
    for _ in range(4):
        ingest_round(store, "me", clock, CountingIds(), MINUTE, never)
        clock.go(minutes=2)
    assert column(store, "SELECT state FROM spool ORDER BY id") == ["quarantined", "done"]
    assert "the process ended while it worked on this mail" in str(
        column(store, "SELECT error FROM spool ORDER BY id")[0]
    )


def test_nothing_of_a_mail_is_written_when_its_last_step_fails(
    store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("at the very end")

    monkeypatch.setattr(store.spool, "done", broken)
    store.spool.accept([accept("1", mail())])
    ingest_round(store, "me", clock, CountingIds(), MINUTE, never)
    assert set(counts(store).values()) == {0}
    assert column(store, "SELECT state FROM spool") == ["deferred"]


def test_a_held_mail_waits_for_an_admin(store: Store, clock: HandClock) -> None:
    take(store, clock, mail())
    forged = agent_address(number=1001).replace("acme.example", "ACME.example")
    take(
        store, clock, mail("#close\n", sender="petra@private.example", to=forged, message_id="<f@x.example>")
    )
    assert column(store, "SELECT state FROM spool ORDER BY id") == ["done", "hold"]
    assert column(store, "SELECT forward_path FROM outbox WHERE kind = 'alert'") == ["admin@acme.example"]


def test_the_acknowledgements_of_an_hour_are_counted_across_tickets(store: Store, clock: HandClock) -> None:
    for number in range(6):
        take(store, clock, mail(message_id=f"<flood{number}@customer.example>"))
    kinds = column(store, "SELECT kind FROM outbox")
    assert kinds.count("acknowledgement") == 4
    assert column(store, "SELECT kind FROM event").count("acknowledgement_held_back") == 2
    clock.go(hours=1)
    take(store, clock, mail(message_id="<later@customer.example>"))
    assert column(store, "SELECT kind FROM outbox").count("acknowledgement") == 5


def test_a_sender_that_gives_all_its_mails_one_id_loses_none(store: Store, clock: HandClock) -> None:
    """A web form: the same Message-ID and the same words, from different people."""
    same = {"message_id": "<form@app.example>"}
    take(
        store,
        clock,
        mail("Call me back.\n", **same),
        mail("Call me back.\n", sender="otto@x.example", **same),
    )
    assert counts(store)["ticket"] == 2
