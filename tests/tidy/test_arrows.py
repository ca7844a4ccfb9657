"""Imports between the rooms point one way, and the pure rooms touch nothing outside.

`MAY_IMPORT` is the whole plan: a room may import itself, `settings`, `ports`, and what stands beside its
name. The pure rooms stand in the order of the pipeline: a stage may use the values of the stages before it.
A room that is not in the table is a mistake too, so that a new room gets its place by decision.
"""

from __future__ import annotations

import ast

import pytest

from tests.tidy.sources import Imports, imported_modules, modules

_STAGES = ("screen", "tickets", "triage", "sla", "notices")
_LOGIC = set(_STAGES)
_BELOW_STORE = {"pipeline", *_LOGIC, "mail"}
_BELOW_DAEMON = {"intake", "delivery", "store", *_BELOW_STORE}

MAY_IMPORT: dict[str, set[str]] = {
    "ports": set(),
    "runtime": set(),
    "resources": set(),
    "settings": set(),
    "mail": set(),
    **{stage: {"mail", *_STAGES[:place]} for place, stage in enumerate(_STAGES)},
    "pipeline": {*_LOGIC, "mail"},
    "store": _BELOW_STORE,
    "intake": {"store", *_BELOW_STORE},
    "delivery": {"store", *_BELOW_STORE},
    "daemon": {*_BELOW_DAEMON, "runtime", "resources"},
    "admin": {"daemon", *_BELOW_DAEMON, "runtime", "resources"},
    "__main__": {"admin"},
    "__init__": set(),
}
MAY_IMPORT["notices"].add("resources")
_EVERYBODY_MAY = {"settings", "ports"}

PURE = {"mail", *_LOGIC, "pipeline"}
_READS_FILES = {"notices"}
_OUTSIDE = {
    *("socket", "socketserver", "ssl", "select", "selectors", "asyncio", "threading", "multiprocessing"),
    *(
        "subprocess",
        "signal",
        "concurrent",
        "tempfile",
        "shutil",
        "sqlite3",
        "peewee",
        "playhouse",
        "psycopg",
    ),
    *("smtplib", "imaplib", "poplib", "imapclient", "aiosmtpd", "http", "urllib.request", "requests"),
    *("os.environ", "os.getenv", "os.system", "os.popen", "os.open"),
}


def room_of(module: str) -> str:
    """The room of gateway.ROOM.…; of a file such as gateway/ports.py its name."""
    return module.split(".")[1] if module.count(".") else "__init__"


def arrows_upward(path: str, source: str) -> list[str]:
    """Imports that the plan does not allow."""
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    room = room_of(module)
    if room not in MAY_IMPORT:
        return [f"{path}: room {room!r} is not in MAY_IMPORT of tests/tidy/test_arrows.py: give it a place"]
    allowed = MAY_IMPORT[room] | {room} | (set() if room == "ports" else _EVERYBODY_MAY)
    found = []
    for line, name in imported_modules(path, source):
        if name.split(".")[0] == "gateway" and name.count("."):
            target = room_of(name)
            if target in MAY_IMPORT and target not in allowed:
                found.append(f"{path}:{line}: {room} may not import {target}")
    return sorted(set(found))


def touches_outside(path: str, source: str) -> list[str]:
    """What a pure room does beyond computing."""
    room = room_of(path.removesuffix(".py").replace("/", "."))
    if room not in PURE:
        return []
    found = [
        f"{path}:{line}: {room} is pure and may not import {name}"
        for line, name in imported_modules(path, source)
        if any(name == banned or name.startswith(f"{banned}.") for banned in _OUTSIDE)
    ]
    tree = ast.parse(source)
    imports = Imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and imports.resolve(node) in _OUTSIDE:
            found.append(f"{path}:{node.lineno}: {room} is pure and may not use {imports.resolve(node)}")
        opens = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
        if opens and room not in _READS_FILES:
            found.append(f"{path}:{node.lineno}: {room} is pure and may not open a file")
    return found


def test_no_arrow_runs_back_up() -> None:
    found = [line for path, source in modules("gateway") for line in arrows_upward(path, source)]
    assert not found, "\n".join(found)


def test_pure_rooms_touch_nothing_outside() -> None:
    found = [line for path, source in modules("gateway") for line in touches_outside(path, source)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("gateway/mail/x.py", "from gateway.store.spool import Spool", "mail may not import store"),
        ("gateway/store/x.py", "import gateway.intake", "store may not import intake"),
        ("gateway/intake/x.py", "from gateway import delivery", "intake may not import delivery"),
        ("gateway/delivery/x.py", "from ..daemon import steps", "delivery may not import daemon"),
        ("gateway/tickets/x.py", "def f():\n    from gateway.triage import rules", "may not import triage"),
        ("gateway/screen/x.py", "from gateway import tickets", "screen may not import tickets"),
        ("gateway/settings/x.py", "import gateway.mail.parse", "settings may not import mail"),
        ("gateway/ports.py", "from gateway.settings.model import Settings", "ports may not import settings"),
        ("gateway/mail/x.py", "from gateway.runtime import SystemClock", "mail may not import runtime"),
        ("gateway/attic/x.py", "import json", "give it a place"),
    ],
)
def test_an_arrow_upward_is_found(path: str, source: str, complaint: str) -> None:
    (line,) = arrows_upward(path, source)
    assert complaint in line


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("gateway/mail/x.py", "from gateway.ports import Clock\nfrom .parse import parse"),
        ("gateway/store/x.py", "from gateway.pipeline import run\nfrom gateway.settings.model import Queue"),
        ("gateway/admin/x.py", "from gateway.daemon import run\nfrom gateway.mail import parse"),
        ("gateway/mail/__init__.py", "from .parse import parse"),
    ],
)
def test_an_arrow_downward_is_allowed(path: str, source: str) -> None:
    assert arrows_upward(path, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "from sqlite3 import connect",
        "from urllib import request",
        "import os\nhome = os.environ['HOME']",
        "from os import getenv",
        "text = open('x').read()",
        "def late():\n    import subprocess",
    ],
)
def test_a_touch_outside_is_found(source: str) -> None:
    assert touches_outside("gateway/tickets/x.py", source) != []
    assert touches_outside("gateway/store/x.py", source) == []
