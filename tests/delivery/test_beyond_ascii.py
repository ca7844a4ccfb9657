"""A person whose address is outside ASCII costs nobody else an answer: from the agent's mail to the peers."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.daemon.ingest import ingest_round
from gateway.delivery.deliver import deliver_round
from gateway.delivery.smtp_submitter import SmtpSubmitter
from gateway.settings.model import Retry
from gateway.store.database import Database
from gateway.store.spool import Accept, BytesRaw
from gateway.store.store import Store
from tests.delivery.scripted import make_delivery
from tests.delivery.test_deliver import SetClock
from tests.delivery.test_retry import FixedJitter
from tests.peers.postfix import Postfix
from tests.peers.process import HOST, wait_until
from tests.peers.tools import Dumped, Sink
from tests.pipeline_world import SIGNER, CountingIds, policy

MakeSubmitter = Callable[..., SmtpSubmitter]
MINUTE = timedelta(minutes=1)
JANA, JURGEN, OTTO = "jana@customer.example", "jürgen@customer.example", "otto@bücher.example"
REQUEST = f"""\
From: Jana <{JANA}>
To: support@acme.example
Cc: Jürgen <{JURGEN}>, Otto <{OTTO}>
Subject: Printer
Message-ID: <m1@customer.example>

It burns.
"""
ANSWER = """\
From: Petra <petra@private.example>
To: {to}
Subject: Re: Printer
Message-ID: <a1@private.example>

Pull the plug.
"""


class House:
    """A desk's store, and what goes in and out of it."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        database = Database(f"sqlite:{folder / 'desk.db'}")
        database.migrate()
        desk = policy(security={"agent_trust": "signed"})
        self.store = Store(database, desk, self.clock, CountingIds())
        self.mails = 0

    def take(self, raw: str, reverse_path: str) -> None:
        self.mails += 1
        one = Accept(
            key=f"k{self.mails}",
            source="smtp",
            mailbox="smtp",
            queue="support",
            raw=BytesRaw(raw.encode()),
            reverse_path=reverse_path,
            forward_paths=("support@acme.example",),
            authenticated_as=None,
            client="192.0.2.1",
        )
        self.store.spool.accept([one])
        assert ingest_round(self.store, "me", self.clock, CountingIds(), MINUTE, lambda: False).taken

    def deliver(self, submitter: SmtpSubmitter) -> None:
        jitter, retry = FixedJitter(), Retry()
        while deliver_round(
            self.store, submitter, "me", self.clock, jitter, retry, MINUTE, 50, lambda: False
        ).leased:
            self.clock.at += MINUTE

    def answers(self) -> dict[str, str]:
        """State of the agent's answer by recipient."""
        rows = self.store.database.sql("SELECT forward_path, state FROM outbox WHERE kind = 'answer'")
        return dict(rows.fetchall())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path)
    one.take(REQUEST, JANA)
    to = SIGNER.address("support@acme.example", 1001, "a", "petra@private.example")
    one.take(ANSWER.format(to=to), "petra@private.example")
    yield one
    one.store.close()


def named(mail: Dumped) -> list[str]:
    message = email.message_from_bytes(mail.raw, policy=email.policy.default)
    return [
        one.addr_spec
        for field in ("To", "Cc")
        for one in (message[field].addresses if message[field] else ())
    ]


def test_only_the_person_beyond_ascii_gets_nothing_from_a_smarthost_without_smtputf8(
    house: House, smtp_to: MakeSubmitter, smtp_sink: Callable[..., Sink]
) -> None:
    sink = smtp_sink(dump=True)

    house.deliver(smtp_to(sink.port))

    assert house.answers() == {JANA: "sent", OTTO: "sent", JURGEN: "failed"}
    kept = {one.forward_paths[0]: one for one in sink.mails() if b"Pull the plug" in one.raw}
    customers = [JANA, "otto@xn--bcher-kva.example"]
    assert {path for path in kept if "private" not in path} == set(customers)
    for path in customers:
        assert kept[path].raw.isascii()
        assert named(kept[path]) == customers


def test_the_failure_stands_on_the_ticket_and_its_agents_hear_why(
    house: House, smtp_to: MakeSubmitter, smtp_sink: Callable[..., Sink]
) -> None:
    sink = smtp_sink(dump=True)

    house.deliver(smtp_to(sink.port))

    (event,) = house.store.database.sql("SELECT data FROM event WHERE kind = 'delivery_failure'").fetchall()
    assert "SMTPUTF8" in event[0]
    told = [one for one in sink.mails() if b"SMTPUTF8" in one.raw]
    assert {one.forward_paths for one in told} == {("petra@private.example",), ("pavel@private.example",)}


def test_a_domain_that_is_none_fails_for_its_own_people_with_a_reason(
    tmp_path: Path, smtp_to: MakeSubmitter, smtp_sink: Callable[..., Sink]
) -> None:
    house = House(tmp_path)
    house.take(REQUEST.replace(JURGEN, "jo@no😀name.example"), JANA)
    to = SIGNER.address("support@acme.example", 1001, "a", "petra@private.example")
    house.take(ANSWER.format(to=to), "petra@private.example")
    sink = smtp_sink("-p", dump=True)

    house.deliver(smtp_to(sink.port))

    assert house.answers() == {JANA: "sent", OTTO: "sent", "jo@no😀name.example": "failed"}
    (event,) = house.store.database.sql("SELECT data FROM event WHERE kind = 'delivery_failure'").fetchall()
    assert "is no domain name" in event[0]
    house.store.close()


def test_postfix_with_smtputf8_takes_all_three_and_each_copy_says_the_right_thing(
    house: House, smtp_to: MakeSubmitter, smtp_sink: Callable[..., Sink], postfix: Postfix
) -> None:
    """The next server offers no SMTPUTF8, and Postfix would return what needs it: two do not."""
    sink = smtp_sink(dump=True)
    for domain in ("customer.example", "xn--bcher-kva.example", "private.example", "acme.example"):
        postfix.route(domain, f"smtp:[{HOST}]:{sink.port}")

    house.deliver(smtp_to(postfix.smtp_port))

    assert house.answers() == {JANA: "sent", OTTO: "sent", JURGEN: "sent"}
    postfix.wait_until_empty()

    def answers() -> list[Dumped]:
        return [one for one in sink.mails() if b"Pull the plug" in one.raw and one.reverse_path]

    wait_until("the answers at the sink", lambda: len(answers()) >= 3)
    kept = {one.forward_paths[0]: named(one) for one in answers()}
    assert kept[JANA] == kept["otto@xn--bcher-kva.example"] == [JANA, "otto@xn--bcher-kva.example"]
    assert JURGEN not in kept


def test_a_copy_to_the_person_beyond_ascii_names_all_where_smtputf8_is_offered(house: House) -> None:
    (skeleton,) = house.store.database.sql(
        "SELECT skeleton FROM outbox_mail JOIN outbox ON id = outbox_id"
        " WHERE kind = 'answer' AND forward_path = ?",
        (JURGEN,),
    ).fetchone()
    head = bytes(skeleton).decode().partition("\r\n\r\n")[0]
    assert f"\r\nTo: Jana <{JANA}>\r\n" in head
    assert f"<{JURGEN}>" in head
    assert "<otto@xn--bcher-kva.example>" in head


def test_an_address_with_a_quoted_local_part_is_handed_over_whole(
    smtp_to: MakeSubmitter, smtp_sink: Callable[..., Sink], postfix: Postfix
) -> None:
    sink = smtp_sink(dump=True)
    postfix.route("customer.example", f"smtp:[{HOST}]:{sink.port}")
    submitter = smtp_to(postfix.smtp_port)

    for path in ('"john doe"@customer.example', "a..b@customer.example"):
        assert submitter.submit(make_delivery(forward_path=path)).outcome == "sent"

    postfix.wait_until_empty()
    wait_until("both at the sink", lambda: len(sink.mails()) == 2)
    assert {one.forward_paths for one in sink.mails()} == {
        ('"john doe"@customer.example',),
        ('"a..b"@customer.example',),
    }
