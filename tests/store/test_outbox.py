"""The outbox: one owner at a time, order within a ticket and recipient, the same octets each time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.notices.values import AttachedPart, OutgoingMail
from gateway.store.errors import LeaseLost
from gateway.store.store import Store
from tests.store.conftest import HandClock, accept

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def mail(to: str = "jana@customer.example", ticket: int | None = None, **changes: object) -> OutgoingMail:
    values: dict[str, object] = {
        "ticket": ticket,
        "kind": "answer",
        "audience": "customer",
        "reverse_path": "support@acme.example",
        "forward_path": to,
        "recipient_key": to,
        "message_id": "1@acme.example",
        "subject": "x",
        "skeleton": b"Subject: x\r\n\r\nbody\r\n",
        "attachments": (),
        "tail": b"",
        "size": 20,
    }
    return OutgoingMail(**(values | changes))  # type: ignore[arg-type]


def put(store: Store, clock: HandClock, *mails: OutgoingMail) -> list[int]:
    with store.database.write():
        return [store.outbox.add(one, None, clock.now(), clock.now() + DAY) for one in mails]


def make_ticket(store: Store, clock: HandClock, number: int) -> int:
    with store.database.write():
        store.database.sql(
            "INSERT INTO ticket (id, queue, state, subject, requester_name, requester_address, requester_key,"
            " priority, created_at, updated_at)"
            " VALUES (?, 'support', 'open', 's', '', 'j@c', 'j@c', 'normal', 0, 0)",
            (number,),
        )
    return number


def leased(store: Store, clock: HandClock, owner: str = "me", limit: int = 9) -> list[int]:
    return [row.id for row in store.outbox.lease(owner, clock.now(), clock.now() + MINUTE, limit)]


def test_oldest_first_and_one_owner_at_a_time(store: Store, second: Store, clock: HandClock) -> None:
    ids = put(store, clock, *(mail(f"{name}@x.example") for name in "abc"))
    assert leased(store, clock, limit=2) == ids[:2]
    assert leased(second, clock, "you") == ids[2:]
    assert leased(store, clock, "nobody else") == []
    clock.go(minutes=2)
    assert leased(second, clock, "you") == ids


def test_what_an_owner_holds_from_a_round_that_broke_off_is_due_for_it_at_once(
    store: Store, second: Store, clock: HandClock
) -> None:
    """Its heartbeat would else prolong that for ever."""
    number = make_ticket(store, clock, 7)
    ids = put(store, clock, mail(ticket=number), mail(ticket=number))
    assert leased(store, clock) == ids
    store.outbox.renew("me", clock.now() + MINUTE)
    assert leased(second, clock, "you") == []
    assert leased(store, clock) == ids


def test_a_later_mail_of_the_ticket_waits_for_the_earlier_one_to_the_same_person(
    store: Store, second: Store, clock: HandClock
) -> None:
    number = make_ticket(store, clock, 7)
    first, other, later = put(
        store, clock, mail(ticket=number), mail("otto@customer.example", ticket=number), mail(ticket=number)
    )
    assert leased(store, clock, limit=1) == [first]
    assert leased(second, clock, "you") == [other], "the later one would overtake"
    store.outbox.deferred(first, "me", clock.now(), clock.now() + MINUTE, "450 later", False)
    assert leased(second, clock, "nobody else") == []
    store.outbox.sent(other, "you", clock.now(), "250")
    clock.go(minutes=1)
    assert leased(store, clock) == [first, later]


def test_outcomes_are_recorded_by_the_owner_only(store: Store, clock: HandClock) -> None:
    (one,) = put(store, clock, mail())
    leased(store, clock)
    with pytest.raises(LeaseLost):
        store.outbox.sent(one, "somebody else", clock.now(), "250")
    store.outbox.sent(one, "me", clock.now(), "250 queued")
    with pytest.raises(LeaseLost):
        store.outbox.sent(one, "me", clock.now(), "250 again")
    assert leased(store, clock) == []
    assert store.outbox.next_due_at() is None


def test_uncertain_is_remembered(store: Store, clock: HandClock) -> None:
    (one,) = put(store, clock, mail())
    leased(store, clock)
    store.outbox.deferred(one, "me", clock.now(), clock.now() + MINUTE, "lost", uncertain=True)
    clock.go(minutes=1)
    (row,) = store.outbox.lease("me", clock.now(), clock.now() + MINUTE, 1)
    assert (row.uncertain, row.attempts) == (True, 1)
    store.outbox.deferred(one, "me", clock.now(), clock.now() + MINUTE, "450", uncertain=False)
    clock.go(minutes=1)
    (row,) = store.outbox.lease("me", clock.now(), clock.now() + MINUTE, 1)
    assert row.uncertain, "once uncertain, always"


def test_a_try_that_never_reached_the_recipients_server_is_not_counted(
    store: Store, clock: HandClock
) -> None:
    (one,) = put(store, clock, mail())
    leased(store, clock)
    store.outbox.deferred(one, "me", clock.now(), clock.now(), "no connection", False, counted=False)
    (row,) = store.outbox.lease("me", clock.now(), clock.now() + MINUTE, 1)
    assert row.attempts == 0


def test_a_living_process_keeps_its_leases(store: Store, second: Store, clock: HandClock) -> None:
    put(store, clock, mail())
    leased(store, clock, "node/1/deliver-0")
    clock.go(seconds=50)
    store.outbox.renew("node/1/", clock.now() + MINUTE)
    store.outbox.renew("node/11/", clock.now() + DAY)
    clock.go(seconds=50)
    assert leased(second, clock, "you") == []
    clock.go(seconds=20)
    assert len(leased(second, clock, "you")) == 1


def test_release_gives_back_what_was_not_recorded(store: Store, second: Store, clock: HandClock) -> None:
    first, later = put(store, clock, mail("a@x.example"), mail("b@x.example"))
    leased(store, clock)
    store.outbox.sent(first, "me", clock.now(), "250")
    store.outbox.release("me")
    assert leased(second, clock, "you") == [later]


def test_attachments_are_read_out_of_the_raw_mail_the_same_each_time(store: Store, clock: HandClock) -> None:
    import base64

    octets = bytes(range(256)) * 9000
    encoded = base64.encodebytes(octets)
    raw = b"Subject: x\n\n" + encoded
    store.spool.accept([accept("1", raw)])
    (row,) = store.spool.lease("me", clock.now() + MINUTE, 1)
    part = AttachedPart(b"\r\n--b\r\n\r\n", row.raw_id, 12, len(raw), "base64")
    put(store, clock, mail(attachments=(part,), tail=b"\r\n--b--\r\n"))
    (out,) = store.outbox.lease("me", clock.now(), clock.now() + MINUTE, 1)
    sent = b"".join(out.chunks())
    assert b"".join(out.chunks()) == sent
    inner = sent.removeprefix(b"Subject: x\r\n\r\nbody\r\n\r\n--b\r\n\r\n").removesuffix(b"\r\n--b--\r\n")
    assert base64.b64decode(inner) == octets


def test_a_refused_answer_stands_on_the_ticket_and_its_agents_are_told(
    store: Store, clock: HandClock
) -> None:
    number = make_ticket(store, clock, 7)
    (one,) = put(store, clock, mail(ticket=number))
    leased(store, clock)
    store.outbox.failed(one, "me", clock.now(), "550 no such user", "5.1.1", expired=False)
    (event,) = store.database.sql("SELECT kind, data FROM event WHERE ticket_id = 7").fetchall()
    assert event[0] == "delivery_failure"
    assert "no such user" in event[1]
    told = store.outbox.lease("me", clock.now(), clock.now() + MINUTE, 9)
    assert [row.kind for row in told] == ["delivery_trouble", "delivery_trouble"]
    assert {row.audience for row in told} == {"agent"}


def test_a_refused_notice_to_an_agent_is_told_to_admins_once_a_day(store: Store, clock: HandClock) -> None:
    def refuse_one() -> list[str]:
        (one,) = put(store, clock, mail("petra@private.example", audience="agent", kind="new_ticket"))
        leased(store, clock)
        store.outbox.failed(one, "me", clock.now(), "550 gone", "5.1.1", expired=False)
        rows = store.outbox.lease("me", clock.now(), clock.now() + MINUTE, 9)
        for row in rows:
            store.outbox.sent(row.id, "me", clock.now(), "250")
        return [row.forward_path for row in rows]

    assert refuse_one() == ["admin@acme.example"]
    clock.go(hours=1)
    assert refuse_one() == []
    clock.go(days=1)
    assert refuse_one() == ["admin@acme.example"]


def test_a_refused_alert_makes_no_further_alert(store: Store, clock: HandClock) -> None:
    (one,) = put(store, clock, mail("admin@acme.example", audience="admin", kind="alert"))
    leased(store, clock)
    store.outbox.failed(one, "me", clock.now(), "550 gone", "5.1.1", expired=False)
    assert leased(store, clock) == []
