"""Time, ids and chance come in through `gateway.ports`; nothing else reads a clock or draws a number.

Only `gateway/runtime.py` may. Each ban names what to use in its place. Tests never sleep, but for the loops
that wait for a real server to come up.
"""

from __future__ import annotations

import ast

import pytest

from tests.tidy.sources import Imports, modules

_NOW = "take ports.Clock and call now()"
_ELAPSED = "take ports.Clock and call monotonic()"
_ID = "take ports.Ids and call token()"
_CHANCE = "take ports.Jitter and call spread()"
_WAIT = "wait on a threading.Event that stopping sets"

BANNED = {
    "datetime.datetime.now": _NOW,
    "datetime.datetime.utcnow": _NOW,
    "datetime.datetime.today": _NOW,
    "datetime.date.today": _NOW,
    "time.time": _NOW,
    "time.time_ns": _NOW,
    "email.utils.localtime": _NOW,
    "time.monotonic": _ELAPSED,
    "time.monotonic_ns": _ELAPSED,
    "time.perf_counter": _ELAPSED,
    "time.sleep": _WAIT,
    "uuid.uuid1": _ID,
    "uuid.uuid4": _ID,
    "email.utils.make_msgid": _ID + ", or mail's signed Message-ID",
    "os.urandom": _ID,
    "secrets": _ID,
    "random": _CHANCE,
}
_MAKER = "gateway/runtime.py"
_MAY_SLEEP = {"tests/peers/process.py"}
_WAITS_FOR_A_LOCK = {"gateway/store/patience.py": "time.sleep"}
"""In place of SQLite's own sleep, which nothing can wake either."""


def readings(path: str, source: str, banned: dict[str, str] = BANNED) -> list[str]:
    """Uses of what is banned, whether called or handed on, under whatever name it was imported."""
    if path == _MAKER:
        return []
    tree = ast.parse(source)
    imports = Imports(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (name := imports.resolve(node)):
            for ban, replacement in banned.items():
                if name == ban or name.startswith(f"{ban}."):
                    found.append(f"{path}:{node.lineno}: {name}: {replacement}")
    return sorted(set(found))


def test_nothing_but_the_maker_reads_a_clock_or_draws_a_number() -> None:
    found = [
        line
        for path, source in modules("gateway")
        for line in readings(path, source)
        if _WAITS_FOR_A_LOCK.get(path, "nothing") not in line
    ]
    assert not found, "\n".join(found)


def test_no_test_sleeps() -> None:
    only = {"time.sleep": "inject a clock, or wait for the event itself"}
    found = [
        line
        for path, source in modules("tests")
        if path not in _MAY_SLEEP
        for line in readings(path, source, only)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "replacement"),
    [
        ("from datetime import datetime, UTC\nx = datetime.now(UTC)", _NOW),
        ("import datetime as dt\nx = dt.datetime.utcnow()", _NOW),
        ("import time\ndef f(clock=time.monotonic): ...", _ELAPSED),
        ("from time import time as now\nx = now()", _NOW),
        ("import time\ntime.sleep(1)", _WAIT),
        ("from uuid import uuid4\nx = uuid4()", _ID),
        ("import email.utils\nx = email.utils.make_msgid()", _ID),
        ("import secrets\nx = secrets.token_hex()", _ID),
        ("import random\nx = random.Random(1).random()", _CHANCE),
    ],
)
def test_a_reading_is_found_and_its_replacement_named(source: str, replacement: str) -> None:
    found = readings("gateway/mail/x.py", source)
    assert found
    assert all(replacement in line for line in found)
    assert readings(_MAKER, source) == []


def test_names_that_only_look_alike_are_left_alone() -> None:
    source = "from gateway.ports import Clock\ndef f(clock: Clock, time: int): return clock.now(), time"
    assert readings("gateway/mail/x.py", source) == []
