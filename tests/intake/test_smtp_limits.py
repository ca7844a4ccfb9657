"""Counting: clients, mails a minute, connections, octets in flight, failed logins."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.intake.smtp_auth import CLIENT_FAILURES, FAILURE_WINDOW_S, FAILURES, AgentLogins, AuthBusy
from gateway.intake.smtp_limits import Connections, Floods, InFlight, SlidingWindow, client_key
from gateway.runtime import SystemClock
from gateway.settings.model import Agent, ListenerLimits
from tests.intake.smtp_tools import HandClock, password_hash, verify_password


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", "local"),
    ],
)
def test_a_client_is_an_address_or_a_network(address: str, key: str) -> None:
    assert client_key(address) == key


def test_the_window_slides() -> None:
    clock = HandClock()
    window = SlidingWindow(clock, 2, 60)
    assert [window.take("a"), window.take("a"), window.take("a")] == [True, True, False]
    assert window.take("b"), "another client has its own window"
    clock.at += 59.9
    assert not window.take("a")
    clock.at += 0.2
    assert window.take("a")


def test_a_window_forgets_clients_that_stay_away() -> None:
    clock = HandClock()
    window = SlidingWindow(clock, 5, 60)
    for number in range(5000):
        clock.at += 1
        window.take(str(number))
    assert len(window._events) <= 1024


def test_connections_are_counted_in_sum_and_by_client() -> None:
    connections = Connections(ListenerLimits(connections=2, connections_per_client=1))
    assert [connections.enter(), connections.enter(), connections.enter()] == [True, True, False]
    connections.leave()
    assert connections.enter()
    assert [connections.enter_client("a"), connections.enter_client("a")] == [True, False]
    assert connections.enter_client("b")
    connections.leave_client("a")
    assert connections.enter_client("a")


def test_octets_in_flight_never_pass_their_limit() -> None:
    octets = InFlight(100)
    assert octets.take(60)
    assert not octets.take(41)
    assert octets.take(40)
    octets.give(60)
    assert (octets.octets, octets.has_room(60), octets.has_room(61)) == (40, True, False)


ADA = Agent(
    name="ada",
    display_name="Ada",
    address="ada@private.example",
    aliases=("lovelace@private.example",),
    password_hash=password_hash("secret"),
)
BOB = Agent(name="bob", display_name="Bob", address="bob@private.example")


@pytest.mark.parametrize(
    ("login", "password", "agent"),
    [
        (b"ada", b"secret", "ada"),
        (b"Ada@Private.example", b"secret", "ada"),
        (b"lovelace@private.example", b"secret", "ada"),
        (b"ada", b"Secret", None),
        (b"ada", b"", None),
        (b"bob", b"secret", None),
        (b"nobody", b"secret", None),
        (b"\xff", b"secret", None),
        (b"ada", b"secret" * 1000, None),
    ],
)
def test_a_login_is_the_name_or_an_address_of_an_agent(
    login: bytes, password: bytes, agent: str | None
) -> None:
    logins = AgentLogins([ADA, BOB], HandClock(), verify_password)
    assert asyncio.run(logins.check("192.0.2.1", login, password)) == agent
    logins.close()


def test_an_unknown_user_costs_as_much_work_as_a_known_one() -> None:
    looked_at: list[str] = []

    def verify(password: str, hashed: str) -> bool:
        looked_at.append(hashed)
        return False

    logins = AgentLogins([ADA, BOB], HandClock(), verify)
    for login in (b"ada", b"bob", b"nobody"):
        assert asyncio.run(logins.check("192.0.2.1", login, b"x")) is None
    assert looked_at == [ADA.password_hash] * 3
    logins.close()


def test_a_password_is_checked_outside_the_event_loop() -> None:
    threads: list[threading.Thread] = []

    def verify(password: str, hashed: str) -> bool:
        threads.append(threading.current_thread())
        return True

    logins = AgentLogins([ADA], HandClock(), verify)
    assert asyncio.run(logins.check("192.0.2.1", b"ada", b"x")) == "ada"
    assert threads != [threading.main_thread()]
    logins.close()


EVE = Agent(
    name="eve", display_name="Eve", address="eve@private.example", password_hash=password_hash("apple")
)
OFFICE = "192.0.2.1"


def test_an_old_password_in_one_telephone_keeps_nobody_else_in_the_office_out() -> None:
    clock = HandClock()
    logins = AgentLogins([ADA, EVE], clock, verify_password)

    async def story() -> None:
        for _ in range(FAILURES):
            assert await logins.check(OFFICE, b"ada", b"old") is None
        with pytest.raises(AuthBusy):
            await logins.check(OFFICE, b"Ada", b"secret")
        assert await logins.check(OFFICE, b"eve", b"apple") == "eve"
        assert await logins.check("192.0.2.2", b"ada", b"secret") == "ada", "elsewhere nothing is wrong"
        clock.at += FAILURE_WINDOW_S + 1
        assert await logins.check(OFFICE, b"ada", b"secret") == "ada"

    asyncio.run(story())
    logins.close()


def test_a_client_that_tries_many_logins_has_to_wait_with_all_of_them() -> None:
    clock = HandClock()
    logins = AgentLogins([ADA, EVE], clock, verify_password)

    async def story() -> None:
        for number in range(CLIENT_FAILURES):
            assert await logins.check(OFFICE, b"guess%d" % number, b"x") is None
        with pytest.raises(AuthBusy):
            await logins.check(OFFICE, b"ada", b"secret")
        assert await logins.check("192.0.2.2", b"ada", b"secret") == "ada"
        clock.at += FAILURE_WINDOW_S + 1
        assert await logins.check(OFFICE, b"ada", b"secret") == "ada"

    asyncio.run(story())
    logins.close()


@pytest.mark.parametrize("probed", [b"lovelace@private.example", b"nobody@private.example"])
def test_what_was_guessed_before_does_not_tell_whose_address_another_login_is(probed: bytes) -> None:
    logins = AgentLogins([ADA, EVE], HandClock(), verify_password)

    async def story() -> None:
        for login in (b"ada", b"unknown"):
            for _ in range(FAILURES):
                await logins.check(OFFICE, login, b"x")
        assert await logins.check(OFFICE, probed, b"x") is None

    asyncio.run(story())
    logins.close()


def test_logins_that_are_refused_unlooked_at_are_told_once_a_minute_with_their_count() -> None:
    clock = HandClock()
    logins = AgentLogins([ADA, EVE], clock, verify_password)

    async def busy(times: int, client: str = OFFICE) -> None:
        for _ in range(times):
            with pytest.raises(AuthBusy):
                await logins.check(client, b"ada", b"old")

    async def story() -> None:
        for client in (OFFICE, "192.0.2.2"):
            for _ in range(FAILURES):
                await logins.check(client, b"ada", b"old")
        await busy(300)
        await busy(1, "192.0.2.2")
        assert told(lines) == [(OFFICE, 1), ("192.0.2.2", 1)]
        clock.at += 60
        await busy(5)
        assert told(lines)[2:] == [(OFFICE, 299)]
        logins.close()
        assert told(lines)[3:] == [(OFFICE, 5)]

    def told(lines: list[MutableMapping[str, Any]]) -> list[tuple[str, int]]:
        return [(line["client"], line["count"]) for line in lines if line["event"] == "login_flood"]

    with capture_logs() as lines:
        asyncio.run(story())


def test_the_end_of_a_flood_is_told_though_nothing_comes_any_more() -> None:
    told: list[tuple[str, int]] = []

    async def story() -> None:
        floods = Floods(SystemClock(), lambda key, count: told.append((key, count)), seconds=0.05)
        for _ in range(3):
            floods.note("a")
        assert told == [("a", 1)]
        await asyncio.sleep(0.2)
        assert told == [("a", 1), ("a", 2)]
        floods.end()

    asyncio.run(story())
    assert told == [("a", 1), ("a", 2)]


def test_a_flood_of_logins_does_not_pile_up() -> None:
    gate = threading.Event()
    logins = AgentLogins([ADA], HandClock(), lambda password, hashed: gate.wait(10))

    async def story() -> list[object]:
        checks = [
            asyncio.ensure_future(logins.check(f"192.0.2.{number}", b"ada", b"x")) for number in range(40)
        ]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*checks, return_exceptions=True)

    outcomes = asyncio.run(story())
    assert sum(isinstance(outcome, AuthBusy) for outcome in outcomes) == 24
    logins.close()
