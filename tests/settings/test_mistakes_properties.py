"""Whatever stands in the files: the loader tells mistakes and never fails otherwise, and tells no secret."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings.load import load
from gateway.settings.mistakes import ConfigMistakes
from tests.settings.folders import RIGHT, folder_with, mistakes

FULL = (
    RIGHT
    + """\
signing: {keys: [{id: a, secret: {env: A}}], mode: plus}
mailboxes:
  - {name: m, host: h, user: u, poll: 5m, password: {file: p}, folders: [INBOX]}
listeners:
  - {name: l, listen: 127.0.0.1:2525, limits: {message_size: 25MB}}
database: {url: "sqlite:x.db"}
"""
)
PIECES = st.sampled_from(
    ["", "\n", ":", ": ", "- ", "  ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "!t ", "~", "5", "x@y",
     "'", '"', "${X}", "#", "\t", "\x00", "é", "name: ", "? ", "|\n", ">", "---\n", "%YAML 1.2\n", "null",
     "desk:", "\ufeff"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(FULL)), st.integers(0, 12), PIECES), min_size=1, max_size=4))
def test_a_mutated_config_is_right_or_its_mistakes_have_places(changes: list[tuple[int, int, str]]) -> None:
    text = FULL
    for at, length, piece in changes:
        text = text[:at] + piece + text[at + length :]
    with tempfile.TemporaryDirectory() as name:
        folder = folder_with(Path(name), {"gateway.yaml": text})
        told = _told(folder)
    if told is not None:
        assert told.mistakes
        lines = max(text.count("\n"), 3) + 2
        for mistake in told.mistakes:
            assert 1 <= mistake.line <= lines
            assert mistake.column >= 1
            assert mistake.wrong
            assert "\n" not in str(mistake)
            assert "pydantic" not in str(mistake)
            assert "Input" not in str(mistake)


def _told(folder: Path) -> ConfigMistakes | None:
    try:
        assert load(folder).settings.queues
    except ConfigMistakes as told:
        return told
    return None


SECRET = "tr0ub4dor"
PLACES = [
    "mailboxes: [{name: m, host: h, user: u, password: %s}]",
    "mailboxes: [{name: m, host: h, user: u, password: {%s: }}]",
    "mailboxes: [{name: m, host: h, user: u, password: {%s: x}}]",
    "mailboxes: [{name: m, host: h, user: u, pasword: %s}]",
    "mailboxes: [{name: m, host: h, user: u, password: [%s]}]",
    "mailboxes: [{name: m, host: h, user: u, password: {file: [%s]}}]",
    "mailboxes: [{name: m, host: h, user: u, password: *%s}]",
    "mailboxes: [{name: m, host: h, user: u, password: !%s}]",
    "mailboxes: [{name: m, host: h, user: u, password: %s: x}]",
    "mailboxes: [{name: m, host: h, user: u, password: '%s}]",
    "mailboxes: [{name: m, host: h, user: u, oauth: {client_secret: %s}}]",
    "signing: {keys: [{id: a, secret: %s}]}",
    "signing: {keys: [{id: %s, secret: {env: A}}]}",
    "signing: {keys: [%s]}",
    "signing: {keys: %s}",
    "delivery: {via: {type: smtp, host: h, password: %s}}",
    "database: {url: 'postgresql://u:%s@h/d'}",
    "database: {url: {%s: 1}}",
    "agents: [{name: petra, password_hash: %s}]",
]


def test_a_secret_that_stands_where_it_should_not_is_never_told(tmp_path: Path) -> None:
    for at, place in enumerate(PLACES):
        lines = mistakes(tmp_path / str(at), {"conf.d/a.yaml": place % SECRET + "\n"})
        assert lines, place
        assert not any(SECRET in line for line in lines), (place, lines)
