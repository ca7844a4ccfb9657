"""What facts hold of a ticket's text: all of it for an agent's mail, little for a customer's; and of its
Message-IDs only what the customer side sent."""

from __future__ import annotations

import pytest

from gateway.store import facts as facts_module
from gateway.store.store import Store
from gateway.tickets.values import Shown
from tests.pipeline_world import mail
from tests.store.conftest import HandClock
from tests.store.test_change import take

BORDER = "mx.acme.example; dmarc=pass header.from=customer.example"


def reply(
    text: str, sender: str = "jana@customer.example", to: str = "c", name: str = "m", **more: str
) -> bytes:
    return mail(text, sender=sender, to=to, message_id=f"<{name}@x.example>", **more)


def talk(store: Store, clock: HandClock) -> None:
    sign = store.policy.signer.address
    take(store, clock, mail("Help.\n\nOn 1.11.2026 10:00, a@shop.example wrote:\n> It is broken\n"))
    customer = sign("support@acme.example", 1001, "c", "jana@customer.example")
    agent = sign("support@acme.example", 1001, "a", "petra@private.example")
    note = sign("support@acme.example", 1001, "n", "petra@private.example")
    boss = {"In_Reply_To": "<m1@customer.example>", "Authentication_Results": BORDER}
    take(
        store,
        clock,
        reply(
            "Do not tell.\n\n> Her salary\n", "boss@customer.example", "support@acme.example", "tp", **boss
        ),
    )
    for number in range(6):
        take(store, clock, reply(f"thought {number}\n", "petra@private.example", note, f"n{number}"))
    take(store, clock, reply("Answer.\n", "petra@private.example", agent, "a"))
    take(store, clock, reply("Thanks.\n", to=customer, name="m2"))


def test_an_agents_mail_is_held_against_all_that_agents_were_shown(store: Store, clock: HandClock) -> None:
    talk(store, clock)
    known = store.facts.tickets([1001], whole=True)[0][1001]
    assert known.shown.complete
    assert known.shown.answers == ("Answer.",)
    assert known.shown.public[0] == "Thanks."
    assert "> It is broken" in known.shown.public[1], "a first mail is shown whole"
    assert "> Her salary" in known.shown.hidden[0], "so is a third party's"
    assert len(known.notes) == 6
    assert len(known.history) == 5


def test_a_customers_mail_does_not_pay_for_it(store: Store, clock: HandClock) -> None:
    talk(store, clock)
    assert store.facts.tickets([1001])[0][1001].shown == Shown()


def test_no_third_partys_message_id_goes_into_mails_to_customers(store: Store, clock: HandClock) -> None:
    talk(store, clock)
    assert store.facts.tickets([1001])[0][1001].references == ("m1@customer.example", "m2@x.example")
    skeletons = store.database.sql(
        "SELECT skeleton FROM outbox JOIN outbox_mail ON outbox_id = id WHERE audience = 'customer'"
    ).fetchall()
    assert len(skeletons) == 2
    assert all(b"tp@x.example" not in bytes(one) for (one,) in skeletons)


@pytest.mark.parametrize(("name", "bound"), [("_MOST_ENTRIES", 2), ("_MOST_CHARACTERS", 20)])
def test_beyond_the_bounds_it_is_not_complete(
    store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch, name: str, bound: int
) -> None:
    talk(store, clock)
    monkeypatch.setattr(facts_module, name, bound)
    shown = store.facts.tickets([1001], whole=True)[0][1001].shown
    assert not shown.complete
    assert shown.public == ("Thanks.",)
