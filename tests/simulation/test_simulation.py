"""The desk under a virtual clock and a seed: sick neighbours, dying nodes, many people, and nothing lost,
doubled, leaked or left behind. A failure names the seed; `make simulate SEED=… MAILS=…` runs it again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import pipeline
from gateway.intake import fetch
from gateway.screen import table
from gateway.store import outbox
from gateway.store.facts import FactsReader
from gateway.tickets import match
from tests.simulation.faults import Rates
from tests.simulation.invariants import violations
from tests.simulation.simulation import Plan, Simulation

ROOT = Path(__file__).parents[2]
HARSH = Rates(crash=0.15, disconnect=0.05, deferred=0.15, lost_reply=0.1, lost_mail=0.05)


@contextmanager
def simulated(plan: Plan, folder: Path) -> Iterator[Simulation]:
    """A simulation that has come to rest."""
    print(f"seed {plan.seed}, {plan.mails} mails")
    simulation = Simulation(plan, folder)
    try:
        simulation.run()
        yield simulation
    finally:
        simulation.close()


def broken(plan: Plan, folder: Path) -> str:
    """The breaches, told with what to type to see them again; "" where there are none."""
    with simulated(plan, folder) as simulation:
        found = violations(simulation)
    return "\n".join([*found, f"make simulate SEED={plan.seed} MAILS={plan.mails}"]) if found else ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_small_worlds_keep_all_invariants(seed: int, tmp_path: Path) -> None:
    assert broken(Plan(seed, mails=250), tmp_path) == ""


def test_a_lone_node_that_dies_often_keeps_them_too(tmp_path: Path) -> None:
    plan = Plan(4, mails=150, nodes=1)
    assert broken(replace(plan, rates=replace(plan.rates, crash=0.2)), tmp_path) == ""


def test_nodes_that_live_on_through_a_failing_database_keep_them_too(tmp_path: Path) -> None:
    """No death and no long pause ends their leases: what a broken round left must be taken up again."""
    rates = Rates(crash=0, stall=0, database=0.02)
    assert broken(Plan(5, mails=150, rates=rates), tmp_path) == ""


@pytest.mark.slow
def test_a_larger_world_keeps_them_and_everything_that_can_happen_in_it_happens(tmp_path: Path) -> None:
    with simulated(Plan(7, mails=1500), tmp_path) as simulation:
        found = violations(simulation)
        figures = simulation.figures()
        kinds = {posted.kind for posted in simulation.world.posted}
        events = {kind for (kind,) in simulation.rows("SELECT kind FROM event")}
        evidence = " ".join(why for (why,) in simulation.rows("SELECT evidence FROM entry"))
    assert found == []
    for what in ("crashes", "duplicates", "held", "quarantined", "repeats", "failed"):
        assert figures[what], f"nothing of it happened: {what}"
    assert kinds == {
        "new", "reply", "follow_up", "stranger", "machine", "vacation", "dsn", "answer", "note",
        "agent_vacation", "forged", "poison",
    }  # fmt: skip
    assert events >= {"created", "answered", "customer_replied", "noted", "delivery_failure"}
    for signal in ("signed_address", "own_message_id", "known_message_id", "subject_tag"):
        assert signal in evidence


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_mails_keep_all_invariants(tmp_path: Path) -> None:
    assert broken(Plan(1, mails=10_000), tmp_path) == ""


def test_one_seed_gives_one_trace(tmp_path: Path) -> None:
    """Also in another process, in which sets and dictionaries are shuffled otherwise."""
    with simulated(Plan(6, mails=80), tmp_path) as simulation:
        digest = simulation.trace.digest
    again = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "6", "--mails", "80"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        text=True,
        timeout=60,
    )
    assert f"{digest}\n" in again.stdout


def test_another_seed_gives_another_trace(tmp_path: Path) -> None:
    digests = set()
    for seed in (7, 8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with simulated(Plan(seed, mails=20), folder) as simulation:
            digests.add(simulation.trace.digest)
    assert len(digests) == 2


def _settles_before_it_accepts(patch: pytest.MonkeyPatch) -> None:
    accept = fetch._Round._accept

    def wrong(self: Any, given: Any) -> None:
        self.source.settle(sorted(given))
        accept(self, given)

    patch.setattr(fetch._Round, "_accept", wrong)


def _knows_no_duplicates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FactsReader, "_duplicate", lambda *_: None)


def _records_a_deferred_mail_as_sent(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Any, number: int, owner: str, at: Any, *_: Any) -> None:
        self.sent(number, owner, at, "")

    patch.setattr(outbox.Outbox, "deferred", wrong)


def _dates_the_repeat_anew(patch: pytest.MonkeyPatch) -> None:
    chunks = outbox.Outgoing.chunks

    def wrong(self: Any) -> Iterator[bytes]:
        for chunk in chunks(self):
            yield chunk.replace(b"Date: ", b"DATE: ", 1) if self.attempts else chunk

    patch.setattr(outbox.Outgoing, "chunks", wrong)


def _lets_later_mail_overtake(patch: pytest.MonkeyPatch) -> None:
    head, _, rest = outbox._DUE.partition(" AND NOT EXISTS")
    patch.setattr(outbox, "_DUE", f"{head} AND (? > 0 OR ? > 0 OR ? = '') {rest[rest.index('ORDER') :]}")


def _takes_quoted_text_for_new(patch: pytest.MonkeyPatch) -> None:
    real = pipeline.decide

    def wrong(*arguments: Any) -> Any:
        done = real(*arguments)
        entry = done.entry and replace(done.entry, new_text=done.entry.text)
        return replace(done, entry=entry)

    patch.setattr(pipeline, "decide", wrong)


def _takes_notes_for_answers(patch: pytest.MonkeyPatch) -> None:
    real = pipeline.match
    patch.setattr(pipeline, "match", lambda *arguments: replace(real(*arguments), note=False))


def _hears_no_machine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(table, "RULES", table.RULES[:2])


def _lets_strangers_in(patch: pytest.MonkeyPatch) -> None:
    real = match._gate

    def wrong(mail: Any, screening: Any, ticket: Any, signed: Any) -> tuple[bool, str, str]:
        accepted, role, why = real(mail, screening, ticket, signed)
        return (True, "participant", why) if role == "stranger" else (accepted, role, why)

    patch.setattr(match, "_gate", wrong)


@pytest.mark.parametrize(
    ("plant", "invariant"),
    [
        (_settles_before_it_accepts, "every_mail_is_accounted_for"),
        (_knows_no_duplicates, "every_mail_is_accounted_for"),
        (_records_a_deferred_mail_as_sent, "every_outgoing_mail_has_an_end"),
        (_dates_the_repeat_anew, "repeats_are_identical"),
        (_lets_later_mail_overtake, "order_is_kept"),
        (_takes_quoted_text_for_new, "nothing_private_reached_a_customer"),
        (_takes_notes_for_answers, "nothing_private_reached_a_customer"),
        (_hears_no_machine, "each_persons_ticket_is_acknowledged_once"),
        (_lets_strangers_in, "each_new_matter_has_its_ticket"),
    ],
)
def test_a_planted_mistake_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    invariant: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In one of a few worlds; which one it is changes with every step of the desk."""
    plant(monkeypatch)
    for seed in range(10, 16):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if f"{invariant}: " in broken(Plan(seed, mails=160, rates=HARSH), folder):
            return
    pytest.fail(f"{invariant} did not notice")
