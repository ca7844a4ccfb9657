"""One commit for many mails: what waits together is stored together, and everybody gets the own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from gateway.intake.group_commit import MAILS_PER_COMMIT, GroupCommit
from gateway.store.errors import Conflict, StoreTrouble
from gateway.store.spool import Accept, BytesRaw
from tests.intake.smtp_tools import STORE_TROUBLE, FakeSpool


def mail(key: str) -> Accept:
    return Accept(key, "smtp", "in", "support", BytesRaw(b"x"), "", ("support@example.com",), None, "local")


@contextmanager
def committing(spool: FakeSpool) -> Iterator[GroupCommit]:
    commit = GroupCommit(spool)
    commit.start()
    try:
        yield commit
    finally:
        if spool.gate:
            spool.gate.set()
        commit.stop()


async def held_back(
    commit: GroupCommit, spool: FakeSpool, count: int
) -> list[asyncio.Future[list[int | None]]]:
    """Futures of `count` mails that wait while a first one is being committed; then the gate opens."""
    assert spool.gate is not None
    first = commit.submit([mail("first")])
    await asyncio.to_thread(spool.entered.wait, 10)
    futures = [commit.submit([mail(f"k{number}")]) for number in range(count)]
    spool.gate.set()
    await first
    return futures


def test_mails_that_wait_share_a_commit() -> None:
    spool = FakeSpool(gate=threading.Event())

    async def story(commit: GroupCommit) -> list[list[int | None]]:
        return await asyncio.gather(*await held_back(commit, spool, 100))

    with committing(spool) as commit:
        answers = asyncio.run(story(commit))
    assert answers == [[number] for number in range(2, 102)], "each gets its own id"
    assert [len(each) for each in spool.commits] == [1, MAILS_PER_COMMIT, 100 - MAILS_PER_COMMIT]


def test_large_mails_do_not_make_a_commit_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.intake.group_commit.OCTETS_PER_COMMIT", 3)
    spool = FakeSpool(gate=threading.Event())

    async def story(commit: GroupCommit) -> None:
        await asyncio.gather(*await held_back(commit, spool, 7))

    with committing(spool) as commit:
        asyncio.run(story(commit))
    assert [len(each) for each in spool.commits] == [1, 3, 3, 1]


def test_a_mail_for_two_queues_is_one_commit_and_two_ids() -> None:
    spool = FakeSpool()

    async def story(commit: GroupCommit) -> list[int | None]:
        return await commit.submit([mail("a/support"), mail("a/billing")])

    with committing(spool) as commit:
        assert asyncio.run(story(commit)) == [1, 2]
    assert len(spool.commits) == 1


def test_a_key_that_is_there_already_answers_none() -> None:
    async def story(commit: GroupCommit) -> list[list[int | None]]:
        return [await commit.submit([mail("a")]), await commit.submit([mail("a")])]

    with committing(FakeSpool()) as commit:
        assert asyncio.run(story(commit)) == [[1], [None]]


def test_trouble_is_told_to_all_that_waited_and_the_next_ones_are_stored() -> None:
    spool = FakeSpool(gate=threading.Event())

    async def story(commit: GroupCommit) -> list[object]:
        futures = await held_back(commit, spool, 3)
        troubled = await asyncio.gather(*futures, return_exceptions=True)
        spool.trouble = None
        await commit.submit([mail("later")])
        return troubled

    original = spool.accept

    def accept(mails: Sequence[Accept]) -> list[int | None]:
        if mails[0].key == "k0":
            raise STORE_TROUBLE
        return original(mails)

    spool.accept = accept  # type: ignore[method-assign]
    with committing(spool) as commit:
        outcomes = asyncio.run(story(commit))
    assert [type(outcome) for outcome in outcomes] == [StoreTrouble] * 3
    assert "db7" not in str(outcomes[0])
    assert [stored.accept.key for stored in spool.mails] == ["first", "later"]


def test_a_bug_that_one_mail_wakes_does_not_hurt_the_others() -> None:
    class Sick(FakeSpool):
        def accept(self, mails: Sequence[Accept]) -> list[int | None]:
            if any(each.key == "k1" for each in mails):
                raise ZeroDivisionError
            return super().accept(mails)

    spool = Sick(gate=threading.Event())

    async def story(commit: GroupCommit) -> list[object]:
        return await asyncio.gather(*await held_back(commit, spool, 3), return_exceptions=True)

    with committing(spool) as commit:
        outcomes = asyncio.run(story(commit))
    assert [type(outcome) for outcome in outcomes] == [list, StoreTrouble, list]


def test_a_conflict_with_another_node_is_tried_again() -> None:
    class Raced(FakeSpool):
        conflicts = 1

        def accept(self, mails: Sequence[Accept]) -> list[int | None]:
            if self.conflicts:
                self.conflicts -= 1
                raise Conflict("key")
            return super().accept(mails)

    async def story(commit: GroupCommit) -> list[int | None]:
        return await commit.submit([mail("a")])

    with committing(Raced()) as commit:
        assert asyncio.run(story(commit)) == [1]


def test_what_waits_is_stored_before_the_thread_ends() -> None:
    spool = FakeSpool(gate=threading.Event())
    ended: list[str] = []
    commit = GroupCommit(spool, at_end=lambda: ended.append(threading.current_thread().name))

    async def story() -> list[int | None]:
        commit.start()
        first = commit.submit([mail("a")])
        await asyncio.to_thread(spool.entered.wait, 10)
        second = commit.submit([mail("b")])
        stopping = asyncio.create_task(asyncio.to_thread(commit.stop))
        await asyncio.sleep(0.01)
        spool.gate.set()
        await stopping
        return [*await first, *await second]

    assert asyncio.run(story()) == [1, 2]
    assert ended == ["group-commit"]


def test_after_the_end_nothing_is_taken() -> None:
    async def story(commit: GroupCommit) -> None:
        with pytest.raises(StoreTrouble):
            await commit.submit([mail("a")])

    commit = GroupCommit(FakeSpool())
    commit.start()
    commit.stop()
    asyncio.run(story(commit))


def test_a_client_that_left_does_not_stop_the_thread() -> None:
    spool = FakeSpool(gate=threading.Event())

    async def leaver(commit: GroupCommit) -> None:
        commit.submit([mail("a")])
        await asyncio.to_thread(spool.entered.wait, 10)

    async def stayer(commit: GroupCommit) -> list[int | None]:
        return await commit.submit([mail("b")])

    with committing(spool) as commit:
        asyncio.run(leaver(commit))
        spool.gate.set()
        assert asyncio.run(stayer(commit)) == [2]
