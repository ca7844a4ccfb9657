"""SIGKILL between any two effects, a new start, and then: no mail lost, no ticket doubled, no acknowledgement
doubled but for the byte-identical repeat after a reply that nobody could record (failure cases 1 and 13)."""

from __future__ import annotations

import pytest

from tests.crash.conftest import MakeHouse
from tests.crash.dying import MARKER, POINTS
from tests.crash.house import CUSTOMERS, House, a_mail
from tests.peers.dovecot import Dovecot

IN_DOUBT = {"final dot sent, reply not read", "reply read, not recorded", "recorded, not committed"}
"""Where the dead process had handed a mail over and left no record of it."""
POSTGRES_POINTS = (
    "mail stored, not committed",
    "ticket written, not committed",
    "ticket and answers committed",
    "reply read, not recorded",
)


def _killed_with_mail_in_the_folder(house: House, point: str, nth: int) -> None:
    assert house.box is not None
    for customer in CUSTOMERS:
        house.box.append(a_mail(customer))
    house.start_dying(point, nth)
    house.wait_for_death()
    house.leases_end()
    house.desk.start()
    house.settle_down(mails=len(CUSTOMERS))


@pytest.mark.parametrize("point", POINTS)
def test_mail_that_comes_by_imap(point: str, make_house: MakeHouse, dovecot: Dovecot) -> None:
    house = make_house(box=dovecot.user())
    _killed_with_mail_in_the_folder(house, point, nth=1)
    house.check(repeats=1 if point in IN_DOUBT else 0)


@pytest.mark.parametrize("point", ["ticket and answers committed", "reply read, not recorded"])
def test_the_second_mail_of_two(point: str, make_house: MakeHouse, dovecot: Dovecot) -> None:
    house = make_house(box=dovecot.user())
    _killed_with_mail_in_the_folder(house, point, nth=2)
    house.check(repeats=1 if point in IN_DOUBT else 0)


@pytest.mark.parametrize("point", POSTGRES_POINTS)
def test_mail_on_postgresql(
    point: str, make_house: MakeHouse, dovecot: Dovecot, postgres_database: str
) -> None:
    house = make_house(box=dovecot.user(), url=postgres_database)
    _killed_with_mail_in_the_folder(house, point, nth=1)
    house.check(repeats=1 if point in IN_DOUBT else 0)


@pytest.mark.parametrize(
    "point",
    [
        "mail fetched, nothing stored",
        "mail stored, not committed",
        "mail accepted, folder state not saved",
    ],
)
@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_a_client_that_hears_no_250_sends_again(protocol: str, point: str, make_house: MakeHouse) -> None:
    """Killed before the commit nothing is there; killed after it, the repeat is the same entry."""
    house = make_house(protocol)
    ann = CUSTOMERS[0]
    house.start_dying(point)
    assert not house.send(a_mail(ann), ann, lmtp=protocol == "lmtp")
    house.wait_for_death()
    committed = point == "mail accepted, folder state not saved"
    assert len(house.query("SELECT id FROM spool")) == committed
    house.leases_end()
    house.desk.start()
    assert house.send(a_mail(ann), ann, lmtp=protocol == "lmtp")
    house.settle_down(mails=1 + committed)
    house.check(customers=[ann])


def test_leases_of_the_dead_end_by_themselves(make_house: MakeHouse, dovecot: Dovecot) -> None:
    house = make_house(box=dovecot.user())
    assert house.box is not None
    house.desk.settings["daemon"]["lease"] = "2s"
    for customer in CUSTOMERS:
        house.box.append(a_mail(customer))
    house.start_dying("mail understood, change not begun")
    house.wait_for_death()
    assert house.query("SELECT id FROM spool WHERE lease_owner IS NOT NULL")
    house.desk.start()
    house.settle_down(mails=len(CUSTOMERS))
    house.check()


def test_a_mail_that_kills_the_process_is_quarantined_and_the_others_go_on(
    make_house: MakeHouse, dovecot: Dovecot
) -> None:
    """Failure case 10, where not even an exception is left to be caught."""
    house = make_house(box=dovecot.user())
    assert house.box is not None
    ann, bob = CUSTOMERS
    house.box.append(a_mail(ann, extra=MARKER.decode() + "\r\n"))
    house.box.append(a_mail(bob))
    for _ in range(3):
        house.start_dying("marked mail")
        house.wait_for_death()
        house.leases_end()
    house.start_dying("marked mail")
    house.settle_down(mails=2)
    assert house.query("SELECT state FROM spool ORDER BY id") == [("quarantined",), ("done",)]
    told = [mail for mail in house.sink.mails if mail.forward_path == "admin@example.test"]
    assert ["quarantine" in mail.field("Subject") for mail in told] == [True]
    house.sink.mails.remove(told[0])
    house.check(customers=[bob])
