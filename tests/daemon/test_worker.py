"""A worker's thread: it ends when asked to, and begins again after an error of ours."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway.daemon.wake import Wake
from gateway.daemon.worker import Worker
from gateway.runtime import SystemClock


class NoPause:
    """Jitter that makes every pause nothing."""

    def spread(self, seconds: float) -> float:
        return 0.0


def worker(body: Callable[[Callable[[], bool]], None], **more: object) -> Worker:
    return Worker("test", body, more.pop("wake", Wake()), SystemClock(), NoPause(), **more)  # type: ignore[arg-type]


def test_it_ends_when_it_is_asked_to_while_it_waits() -> None:
    wake, waits, ended = Wake(), threading.Event(), threading.Event()

    def body(stop: Callable[[], bool]) -> None:
        while not stop():
            waits.set()
            wake.wait(60)

    one = worker(body, wake=wake, at_end=ended.set)
    one.start()
    assert waits.wait(5)
    one.stop()
    assert one.join(5)
    assert ended.is_set()
    assert not one.alive


def test_an_error_of_ours_is_survived() -> None:
    calls, third = [], threading.Event()

    def body(stop: Callable[[], bool]) -> None:
        calls.append(1)
        if len(calls) < 3:
            raise ZeroDivisionError
        third.set()
        while not stop():
            pass

    one = worker(body)
    one.start()
    assert third.wait(5)
    assert one.restarts == 2
    one.stop()
    assert one.join(5)


def test_a_body_that_just_ends_is_called_again() -> None:
    calls, again = [], threading.Event()

    def body(stop: Callable[[], bool]) -> None:
        calls.append(1)
        if len(calls) == 2:
            again.set()

    one = worker(body)
    one.start()
    assert again.wait(5)
    one.stop()
    assert one.join(5)


def test_a_poke_before_the_wait_is_not_lost() -> None:
    wake = Wake()
    wake.poke()
    wake.wait(60)
