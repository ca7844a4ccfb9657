"""The reference pages that are read out of the code tell what the code does. That they are not stale is
told by tests/admin/test_reference.py."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from gateway.notices.desk import Desk
from gateway.notices.to_admins import alert
from gateway.notices.to_agents import not_delivered
from gateway.notices.values import Notice
from gateway.screen.values import Envelope
from tests.pipeline_world import POLICY, agent_address, envelope, facts, mail, run, ticket

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tools"))

import reference_house  # noqa: E402
import reference_log  # noqa: E402

PETRA = "Petra <petra@private.example>"
AS_PETRA = envelope(authenticated_as="petra")


def _notices() -> dict[str, Notice]:
    """One of each kind, made by the code."""
    of_jana = mail()
    of_petra = mail("Pull the plug.\n", sender=PETRA, to=agent_address())
    works: list[tuple[bytes, Envelope]] = [
        (of_jana, envelope()),
        (mail(In_Reply_To="<first@customer.example>"), envelope()),
        (of_petra, AS_PETRA),
        (of_petra, envelope()),
        (mail("Psst.\n", sender=PETRA, to=agent_address("n")), AS_PETRA),
    ]
    known = facts(ticket(), known_ids={"first@customer.example": 1042})
    desk = Desk(POLICY.settings, POLICY.directory)
    found = [notice for raw, env in works for notice in run(raw, known, env).notices]
    found += not_delivered(desk, ticket(), "answer", "jana@customer.example", "550 no")
    found.append(alert(desk, "quarantine", "Mail 1 is in quarantine.", "admin@acme.example"))
    return {one.kind: one for one in found}


def test_each_kind_has_the_variables_that_the_page_tells() -> None:
    made = _notices()
    assert {kind: set(one.variables) for kind, one in made.items()} == {
        kind: set(told.variables) for kind, told in reference_house.NOTICES.items()
    }


def test_the_variables_of_every_template_are_those_that_the_builder_adds() -> None:
    (outgoing, *_) = run(mail()).outgoing
    assert outgoing.kind == "acknowledgement"
    added: set[str] = set()
    tree = ast.parse((REPO / "gateway/notices/build.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "variables":
            added.add(ast.literal_eval(node.slice))
    assert added == set(reference_house.EVERYWHERE)


def test_the_ticket_and_its_history_have_the_fields_that_the_page_tells() -> None:
    told = reference_house.VARIABLES["ticket"]
    shown = _notices()["new_ticket"].variables["ticket"]
    assert isinstance(shown, dict)
    assert [key for key in shown if f"`{key}`" not in told] == []


def test_a_word_without_a_meaning_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(reference_house.STATES, "spam")
    with pytest.raises(ValueError, match=r"ticket states.*spam"):
        reference_house.states_page("made")
    monkeypatch.setitem(reference_house.NOTICES, "farewell", reference_house.NOTICES["alert"])
    with pytest.raises(ValueError, match=r"kinds.*farewell"):
        reference_house.templates_page("made")


def _log_events(tmp_path: Path, source: str) -> dict[str, reference_log.Event]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    (folder / "one.py").write_text(source)
    return reference_log.events(folder)


def test_log_calls_are_read_with_all_their_fields(tmp_path: Path) -> None:
    found = _log_events(
        tmp_path,
        """
class A:
    def __init__(self):
        self.log = log.bind(listener="x")
    def refuse(self, reason, **details):
        self.log.info("refused", reason=reason, **details)
    def go(self, well):
        self.refuse("so", size=1)
        tell = log.info if well else log.warning
        tell("gone", outcome=well, **({} if well else {"next_try_at": 1}))
        log.info("taken" if well else "left")
    def fail(self):
        log.exception("failed", job=1)
""",
    )
    assert {name: (sorted(one.levels), sorted(one.fields)) for name, one in found.items()} == {
        "refused": (["info"], ["listener", "reason", "size"]),
        "gone": (["info", "warning"], ["next_try_at", "outcome"]),
        "taken": (["info"], []),
        "left": (["info"], []),
        "failed": (["error"], ["exception", "job"]),
    }


def test_an_event_whose_name_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be told"):
        _log_events(tmp_path, "log.info(name, a=1)\n")


def test_an_event_without_a_meaning_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reference_log.gaps() == []
    monkeypatch.delitem(reference_log.MEANINGS, "started")
    monkeypatch.setitem(reference_log.FIELDS, "colour", "which")
    assert [gap.split(" in ")[0] for gap in reference_log.gaps()] == [
        "event 'started' has no meaning",
        "field 'colour' is",
    ]
