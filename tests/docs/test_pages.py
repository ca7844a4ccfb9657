"""What README, architecture and decisions name is there: commands, make targets, config keys, files,
tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.core import TyperGroup

from gateway.admin.main import COMMANDS, load_command
from gateway.mail.signed import Signer
from gateway.settings import model
from gateway.settings.words import members_of
from gateway.store.database import Database
from tests.tidy.sources import ROOT

README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs/architecture.md"
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
PAGES = [README, ARCHITECTURE, ROOT / "CHANGELOG.md", *DECISIONS]
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^|\s|/bin/)ticketgate +(?!takes mail for)([a-z][^#|;]*)")
_OTHER_PROGRAMS_KEYS = {"header_checks", "recipient_delimiter", "transport_maps", "virtual_mailbox_maps"}


def _named(page: Path) -> Iterator[str]:
    """Spans of code and indented lines: what a reader may type or look up."""
    text = page.read_text("utf-8")
    yield from _SPAN.findall(text)
    yield from (line.strip() for line in text.splitlines() if line.startswith("    "))


def _unknown_words(call: str) -> list[str]:
    """Words of `ticketgate WORD… --option…` that are no command or no option of it."""
    words = call.split()
    entry = next((one for one in COMMANDS if one.name == words[0]), None)
    if entry is None:
        return words[:1]
    command: Any = load_command(entry)
    if isinstance(command, TyperGroup) and len(words) > 1:
        command = command.commands.get(words[1])
        if command is None:
            return words[1:2]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("-") and word not in options]


def _calls(text: str) -> list[str]:
    return [call.strip() for call in _COMMAND.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_are_there(page: Path) -> None:
    calls = [call for named in _named(page) for call in _calls(named)]
    assert [(call, _unknown_words(call)) for call in calls if _unknown_words(call)] == []
    assert calls or page is not README


def test_a_command_that_is_not_there_is_found() -> None:
    assert _calls("/opt/x/bin/ticketgate check --config /etc/ticketgate --connect") == [
        "check --config /etc/ticketgate --connect"
    ]
    assert _unknown_words("chek --config") == ["chek"]
    assert _unknown_words("check --conect") == ["--conect"]
    assert _unknown_words("queue relese") == ["relese"]
    assert _unknown_words("tickets show --history") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_make_targets_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {found for one in _named(page) for found in re.findall(r"(?:^|&& )make ([a-z-]+)", one)}
    assert named <= targets
    assert page is not README or {"run", "test", "dist"} <= named


def _keys(section: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every key of the config, as `desk.admins`, and by its last word."""
    for name, field in section.model_fields.items():
        place = f"{path}.{name}".lstrip(".")
        yield from (place, name)
        for member in members_of(field.annotation):
            for inner in (member, *getattr(member, "__args__", ())):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    yield from _keys(inner, place)


def _config_words(page: Path) -> Iterator[str]:
    """Spans that look like a key, or begin with one: `state_dir: …`, `delivery.via`, `first_take`."""
    for span in _SPAN.findall(page.read_text("utf-8")):
        if found := re.match(r"([a-z]+(?:_[a-z]+)*(?:\.[a-z_]+)*): ", span):
            yield found[1]
        elif re.fullmatch(r"[a-z]+_[a-z_]+|[a-z]+\.[a-z_]+(?:\.[a-z_]+)*", span):
            yield span


def test_the_config_keys_of_the_readme_are_there() -> None:
    known = {*_keys(model.Settings), *_OTHER_PROGRAMS_KEYS, "signed_and_authenticated", "message_id"}
    words = set(_config_words(README)) - {"agents.yaml", "example.com"}
    assert {"security.agent_trust", "delivery.via", "state_dir", "refresh_token_file"} <= words
    assert sorted(words - known) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_are_there(page: Path) -> None:
    named = re.findall(
        r"(?:gateway|tests|tools|systemd|templates|docs|requirements)/[\w/.-]*\w", page.read_text("utf-8")
    )
    assert [path for path in named if "KIND" not in path and not (ROOT / path).exists()] == []


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_tests_of_the_failure_table_are_there() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", ARCHITECTURE.read_text("utf-8"))
    assert len(named) > 20
    assert [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / "tests" / path).is_file() or test not in _tests_in(ROOT / "tests" / path)
    ] == []


def test_the_drawing_of_a_signed_address_is_one() -> None:
    drawn = re.search(r"^support\+(\S+)@example\.com$", ARCHITECTURE.read_text("utf-8"), re.MULTILINE)
    assert drawn
    real = Signer({"k": b"any key of enough octets"}, "k").address("support@example.com", 1042, "c", "a@b.c")
    assert re.sub("[a-z2-7]", "x", drawn[1]) == re.sub("[a-z2-7]", "x", real[8:].partition("@")[0])


@pytest.mark.parametrize(
    ("call", "durable"),
    [("outbox.Outbox.sent", False), ("outbox.Outbox.lease", True), ("spool.Spool.accept", True),
     ("spool.Spool.lease", False), ("change.Change.apply", False), ("spool.Spool.failed", True)],
)  # fmt: skip
def test_what_the_architecture_calls_durable_is(call: str, durable: bool) -> None:
    """`Database.write` waits for the disk unless it is told not to."""
    module, kind, name = call.split(".")
    tree = ast.parse((ROOT / f"gateway/store/{module}.py").read_text("utf-8"))
    (owner,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind)
    (method,) = (node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == name)
    (write,) = (
        node
        for node in ast.walk(method)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write"
    )
    told = {keyword.arg: ast.literal_eval(keyword.value) for keyword in write.keywords}
    assert Database.write.__kwdefaults__ is None
    assert told.get("durable", True) is durable


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_is_short_and_tells_all_four(page: Path) -> None:
    text = page.read_text("utf-8")
    number = int(page.name[:4])
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", page.name)
    assert text.startswith(f"# {number}. ")
    assert re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE) == [
        "Context", "Decision", "Why", "What it costs"
    ]  # fmt: skip
    assert len(text.splitlines()) <= 40


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150
