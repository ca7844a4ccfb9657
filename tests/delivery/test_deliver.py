"""The deliver step on the real outbox: what is recorded, in which order, what trouble costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.delivery.deliver import DeliverReport, deliver_round
from gateway.delivery.replies import PeerTrouble
from gateway.notices.values import OutgoingMail
from gateway.ports import Delivery, Receipt
from gateway.settings.model import Retry
from gateway.store import models
from gateway.store.database import Database
from gateway.store.errors import StoreTrouble
from gateway.store.outbox import Outbox
from gateway.store.spool import Spool
from tests.delivery.test_retry import FixedJitter

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=2)
SENT = Receipt("sent", "250 2.0.0 ok", "2.0.0")
DEFERRED = Receipt("deferred", "450 4.2.0 later", "4.2.0")
FAILED = Receipt("failed", "550 5.1.1 unknown", "5.1.1")
UNCERTAIN = Receipt("uncertain", "no reply", "4.4.2")
DOWN = PeerTrouble("deferred", "relay.test:25: cannot connect: Connection refused", "4.4.1")
NOT_THIS = PeerTrouble("deferred", "553 5.7.1 not your address", "5.7.1", stops=False)


class SetClock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()


class Desk:
    """An outbox in a fresh database, a submitter that answers as told, and rounds between them."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:{folder / 'test.db'}")
        self.database.migrate()
        self.clock = SetClock()
        self.outbox = Outbox(self.database, Spool(self.database, self.clock))
        self.seen: list[tuple[int, bytes]] = []
        self.answers: dict[int, Receipt | Exception] = {}
        self.before_answer: Callable[[], object] = lambda: None

    def ticket(self) -> int:
        with self.database.write():
            ticket_id = self.database.insert(
                models.Ticket,
                queue="support",
                state="open",
                subject="hello",
                requester_name="Kim",
                requester_address="kim@customer.test",
                requester_key="kim@customer.test",
                priority="normal",
                created_at=START,
                updated_at=START,
            )
        assert ticket_id is not None
        return ticket_id

    def mail(self, ticket: int | None = None, to: str = "kim@customer.test", days: int = 5) -> int:
        mail = OutgoingMail(
            ticket=ticket,
            kind="answer",
            audience="customer",
            reverse_path="support@desk.test",
            forward_path=to,
            recipient_key=to.lower(),
            message_id="<1@desk.test>",
            subject="hello",
            skeleton=b"Subject: hello\r\n\r\nHello.\r\n",
            attachments=(),
            tail=b"",
            size=26,
        )
        with self.database.write():
            return self.outbox.add(mail, None, self.clock.at, self.clock.at + timedelta(days=days))

    def submit(self, delivery: Delivery) -> Receipt:
        self.seen.append((delivery.outbox_id, b"".join(delivery.chunks)))
        self.before_answer()
        answer = self.answers.get(delivery.outbox_id, SENT)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.database.disconnect()

    def round(
        self, stop: Callable[[], bool] = lambda: False, owner: str = "node/1", **kept: Any
    ) -> DeliverReport:
        return deliver_round(
            self, self, owner, self.clock, FixedJitter(), Retry(), LEASE, kept.get("limit", 100), stop
        )

    def handed_over(self) -> list[int]:
        return [outbox_id for outbox_id, _ in self.seen]

    def row(self, outbox_id: int) -> Any:
        return self.database.first(models.Outbox.select().where(models.Outbox.id == outbox_id))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_each_outcome_is_recorded(desk: Desk) -> None:
    sent, deferred, failed, uncertain = (desk.mail() for _ in range(4))
    desk.answers = {deferred: DEFERRED, failed: FAILED, uncertain: UNCERTAIN}

    report = desk.round()

    assert report == DeliverReport(leased=4, sent=1, deferred=1, uncertain=1, failed=1)
    assert (desk.row(sent).state, desk.row(sent).reply) == ("sent", "250 2.0.0 ok")
    assert (desk.row(failed).state, desk.row(failed).enhanced_status) == ("failed", "5.1.1")
    assert desk.row(deferred).next_try_at == START + timedelta(minutes=1)
    assert not desk.row(deferred).uncertain
    assert desk.row(uncertain).next_try_at == START + timedelta(seconds=30)
    assert desk.row(uncertain).uncertain


def test_an_outcome_is_recorded_before_the_next_mail_is_begun(desk: Desk) -> None:
    first, second = desk.mail(), desk.mail()
    states: list[str] = []
    desk.before_answer = lambda: states.append(desk.row(first).state)

    desk.round()

    assert desk.handed_over() == [first, second]
    assert states == ["queued", "sent"]


def test_a_repeat_has_the_same_octets(desk: Desk) -> None:
    mail = desk.mail()
    desk.answers = {mail: UNCERTAIN}
    desk.round()
    desk.clock.at += timedelta(minutes=1)
    desk.answers = {mail: DEFERRED}
    desk.round()
    desk.clock.at += timedelta(minutes=10)
    desk.answers = {}

    assert desk.round().sent == 1
    assert desk.handed_over() == [mail] * 3
    assert len({octets for _, octets in desk.seen}) == 1
    assert desk.row(mail).uncertain, "a later refusal does not make the first try certain"


def test_a_later_mail_does_not_overtake_one_that_waits(desk: Desk) -> None:
    ticket, other = desk.ticket(), desk.ticket()
    first, second = desk.mail(ticket), desk.mail(ticket)
    elsewhere = [desk.mail(other), desk.mail(ticket, "lee@customer.test"), desk.mail()]
    desk.answers = {first: DEFERRED}

    report = desk.round()

    assert desk.handed_over() == [first, *elsewhere]
    assert (report.sent, report.deferred, report.released) == (3, 1, 1)
    assert desk.round().leased == 0, "the second one waits for the first"
    desk.answers = {}
    desk.clock.at += timedelta(minutes=1)
    desk.round()
    assert desk.handed_over()[-2:] == [first, second]


def test_a_failed_mail_does_not_hold_up_the_later_one(desk: Desk) -> None:
    ticket = desk.ticket()
    first, second = desk.mail(ticket), desk.mail(ticket)
    desk.answers = {first: FAILED}

    desk.round()

    assert desk.row(second).state == "sent"


def test_mails_of_no_ticket_do_not_wait_for_each_other(desk: Desk) -> None:
    first, second = desk.mail(), desk.mail()
    desk.answers = {first: DEFERRED}

    desk.round()

    assert desk.row(second).state == "sent"


def test_a_neighbour_that_is_down_is_asked_once_and_all_wait_together(desk: Desk) -> None:
    mails = [desk.mail() for _ in range(5)]
    desk.answers = dict.fromkeys(mails[1:], DOWN)

    report = desk.round()

    assert desk.handed_over() == mails[:2]
    assert (report.sent, report.deferred, report.released) == (1, 4, 0)
    assert report.resume_at == START + timedelta(minutes=1)
    assert report.troubles == {"Outgoing mail cannot be handed over.": DOWN.reply}
    assert {desk.row(mail).next_try_at for mail in mails[1:]} == {report.resume_at}
    assert desk.row(mails[4]).reply == DOWN.reply


def test_a_neighbour_that_is_down_for_hours_is_asked_every_few_minutes_until_it_is_back(desk: Desk) -> None:
    mails = [desk.mail() for _ in range(3)]
    desk.answers = dict.fromkeys(mails, DOWN)
    rounds = 0
    while desk.clock.at < START + timedelta(hours=6):
        report = desk.round()
        assert report.resume_at is not None
        assert timedelta(minutes=1) <= report.resume_at - desk.clock.at <= timedelta(minutes=5)
        desk.clock.at = report.resume_at
        rounds += 1
    desk.answers = {}

    assert desk.row(mails[0]).attempts == 0, "no recipient's server was ever asked"
    assert desk.round().sent == 3
    assert rounds < 80


def test_what_expires_while_the_neighbour_is_down_has_failed(desk: Desk) -> None:
    old = desk.mail(days=1)
    desk.clock.at += timedelta(days=1)
    young = desk.mail()
    desk.answers = {old: DOWN, young: DOWN}

    report = desk.round()

    assert (report.expired, report.deferred) == (1, 1)
    assert (desk.row(old).state, desk.row(old).enhanced_status) == ("failed", "5.4.7")
    assert desk.row(young).state == "queued"


def test_a_mail_that_expires_before_the_neighbour_is_asked_again_has_its_last_try_then(desk: Desk) -> None:
    mail = desk.mail(days=1)
    desk.clock.at += timedelta(days=1, seconds=-10)
    desk.answers = {mail: DOWN}

    desk.round()

    assert desk.row(mail).next_try_at == START + timedelta(days=1)


def test_expiry_is_told_to_the_store(desk: Desk) -> None:
    told: list[tuple[int, str, bool]] = []
    desk.outbox.on_failure = lambda outbox_id, at, reply, expired: told.append((outbox_id, reply, expired))
    expired, refused = desk.mail(days=0), desk.mail()
    desk.answers = {expired: DEFERRED, refused: FAILED}

    desk.round()

    assert told == [(expired, DEFERRED.reply, True), (refused, FAILED.reply, False)]


def test_a_mail_past_its_expiry_is_still_tried_once(desk: Desk) -> None:
    mail = desk.mail(days=1)
    desk.clock.at += timedelta(days=9)

    assert desk.round().sent == 1
    assert desk.row(mail).state == "sent"


def test_the_last_try_is_at_the_expiry(desk: Desk) -> None:
    mail = desk.mail(days=1)
    desk.answers = {mail: DEFERRED}
    tries = []
    while desk.row(mail).state == "queued":
        desk.clock.at = desk.row(mail).next_try_at
        tries.append(desk.clock.at)
        desk.round()

    assert tries[-1] == START + timedelta(days=1)
    assert len(tries) == 14


def test_trouble_with_one_mail_is_told_and_the_others_go_on(desk: Desk) -> None:
    first, second = desk.mail(), desk.mail()
    desk.answers = {first: NOT_THIS}

    report = desk.round()

    assert (report.deferred, report.sent, report.resume_at) == (1, 1, None)
    assert report.troubles == {"Outgoing mail is not accepted (553 5.7.1).": NOT_THIS.reply}
    assert desk.row(second).state == "sent"


def test_uncertain_again_and_again_ends(desk: Desk) -> None:
    """The report behind failure case 13: customers got the same mail for days."""
    mail = desk.mail()
    desk.answers = {mail: UNCERTAIN}
    while desk.row(mail).state == "queued":
        desk.clock.at = desk.row(mail).next_try_at
        desk.round()

    assert len(desk.seen) == 9
    assert "it may have arrived" in desk.row(mail).reply


def test_a_row_that_breaks_us_holds_up_no_other(desk: Desk) -> None:
    first, second = desk.mail(), desk.mail()
    desk.answers = {first: ValueError("the text of a customer")}

    report = desk.round()

    assert (report.deferred, report.sent) == (1, 1)
    assert list(report.troubles) == ["An outgoing mail cannot be made."]
    assert "customer" not in desk.row(first).reply
    assert desk.row(second).state == "sent"


def test_a_database_that_goes_away_while_a_mail_is_read_is_no_fault_of_the_mail(desk: Desk) -> None:
    mail = desk.mail()
    desk.answers = {mail: StoreTrouble("gone")}

    with pytest.raises(StoreTrouble):
        desk.round()

    assert desk.row(mail).attempts == 0
    desk.answers = {}
    assert desk.round(owner="node/2").leased == 0
    desk.clock.at += LEASE
    assert desk.round(owner="node/2").sent == 1


def test_stop_gives_the_rest_back(desk: Desk) -> None:
    mails = [desk.mail() for _ in range(3)]

    report = desk.round(stop=lambda: bool(desk.seen))

    assert (report.sent, report.released) == (1, 2)
    assert desk.round(owner="node/2").sent == 2
    assert desk.handed_over() == mails


def test_no_mail_is_begun_in_the_second_half_of_the_lease(desk: Desk) -> None:
    mails = [desk.mail() for _ in range(3)]

    def slow() -> None:
        desk.clock.at += timedelta(seconds=40)

    desk.before_answer = slow
    report = desk.round()

    assert (report.sent, report.released) == (2, 1)
    assert desk.handed_over() == mails[:2]


def test_an_outcome_that_another_owner_forestalled_changes_nothing(desk: Desk) -> None:
    ticket = desk.ticket()
    first, second = desk.mail(ticket), desk.mail(ticket)
    desk.before_answer = lambda: desk.outbox.release("node/1")

    report = desk.round()

    assert (report.lost, report.released) == (1, 1)
    assert desk.row(first).state == "queued"
    assert desk.handed_over() == [first]
    assert desk.row(second).state == "queued"


def test_one_line_is_logged_for_each_outcome(desk: Desk) -> None:
    ticket = desk.ticket()
    sent, deferred = desk.mail(ticket), desk.mail()
    desk.answers = {deferred: DEFERRED}
    desk.clock.at += timedelta(seconds=3)

    with structlog.testing.capture_logs() as lines:
        desk.round()

    assert lines == [
        {
            "event": "delivery",
            "log_level": "info",
            "outbox": sent,
            "ticket": ticket,
            "kind": "answer",
            "message_id": "<1@desk.test>",
            "forward_path": "kim@customer.test",
            "outcome": "sent",
            "reply": "250 2.0.0 ok",
            "waited_s": 3.0,
            "attempt": 1,
        },
        {
            "event": "delivery",
            "log_level": "warning",
            "outbox": deferred,
            "ticket": None,
            "kind": "answer",
            "message_id": "<1@desk.test>",
            "forward_path": "kim@customer.test",
            "outcome": "deferred",
            "reply": "450 4.2.0 later",
            "waited_s": 3.0,
            "attempt": 1,
            "next_try_at": "2026-03-01T12:01:03+00:00",
        },
    ]
