"""Log lines speak one language: events and fields in snake_case, one name for one thing, nothing of what a
mail says. The words stand in tools/reference_words.py, which is the closed list; a new one is put there, with
its meaning, before it is logged."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from reference_log import Event, events  # noqa: E402
from reference_words import FIELDS, MEANINGS, OTHER_NAMES  # noqa: E402

_SNAKE = re.compile(r"[a-z]+(_[a-z0-9]+)*")
_OF_EVERY_LINE = {"event", "level", "timestamp"}


def bad_words(found: dict[str, Event]) -> list[str]:
    """What is wrong with the names of these events and their fields."""
    wrong = []
    for name, event in sorted(found.items()):
        where = ", ".join(sorted(event.modules))
        if not _SNAKE.fullmatch(name):
            wrong.append(f"{where}: event {name!r} is not snake_case")
        elif name not in MEANINGS:
            wrong.append(f"{where}: event {name!r} is not in tools/reference_words.py")
        for field in sorted(event.fields):
            if field in OTHER_NAMES:
                wrong.append(f"{where}: {name!r} has {field!r}; say {OTHER_NAMES[field]}")
            elif field not in FIELDS or not _SNAKE.fullmatch(field) or field in _OF_EVERY_LINE:
                wrong.append(f"{where}: {name!r} has {field!r}, which is no word of tools/reference_words.py")
    return wrong


def test_events_and_fields_are_words_of_the_list() -> None:
    assert bad_words(events()) == []


def test_the_list_itself_has_one_name_for_one_thing() -> None:
    assert FIELDS.keys() & OTHER_NAMES.keys() == set()
    meanings = list(FIELDS.values())
    assert [meaning for meaning in meanings if meanings.count(meaning) > 1] == []


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ('log.info("mail accepted")', "is not snake_case"),
        ('log.info("MailAccepted")', "is not snake_case"),
        ('log.info("mail_came")', "is not in tools/reference_words.py"),
        ('log.info("mail_accepted", octets=1)', "say size"),
        ('log.info("mail_accepted", ticket_id=1)', "say ticket"),
        ('log.info("mail_accepted", subject=1)', "never logged"),
        ('log.info("mail_accepted", colour=1)', "no word of"),
        ('log.info("mail_accepted", event_=1)', "no word of"),
        ('log.bind(spoolId=1).info("mail_accepted")', ""),
        ('def f(self):\n    self.log = log.bind(aB=1)\n    self.log.info("mail_accepted")', "no word of"),
        ('log.info("mail_accepted", spool=1, size=2, reverse_path="")', ""),
    ],
)  # fmt: skip
def test_another_style_is_refused(tmp_path: Path, call: str, wrong: str) -> None:
    folder = tmp_path / "gateway"
    folder.mkdir()
    (folder / "one.py").write_text(call + "\n")
    told = bad_words(events(folder))
    assert [wrong in line for line in told] == ([True] if wrong else [])
