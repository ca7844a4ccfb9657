"""The reference of JSON output names just the fields that the commands print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.admin.desk import Desk, call, mail, make_desk

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "json.md"


def documented() -> dict[str, list[str]]:
    """The fields of each table, by the heading over it."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^#+ ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]:
        name, _, text = part.partition("\n")
        if fields := re.findall(r"^\| `(\w+)` \|", text, re.M):
            found[name] = fields
    return found


def nested(heading: str, field: str) -> set[str]:
    """The fields that stand in {} beside `field`."""
    rows = PAGE.read_text(encoding="utf-8").partition(f" {heading}\n")[2]
    row = next(line for line in rows.splitlines() if line.startswith(f"| `{field}` |"))
    found = re.search(r"\{([^}]*)\}", row)
    assert found, row
    return set(found[1].split(", "))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(make_desk(tmp_path)) as one:
        yield one


def test_each_table_is_what_is_printed(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.take(mail())
    desk.accept(mail("next"))
    file = tmp_path / "mail.eml"
    file.write_bytes(mail(body="x\n"))

    def printed(*arguments: str) -> Any:
        return call(capsys, desk.config, *arguments).json

    (explained,) = printed("explain", "--json", str(file))
    ticket = printed("tickets", "show", "1001", "--json")
    queue = printed("queue", "list", "--all", "--json")
    tables = {
        "explain": explained,
        "explain: message": explained["message"],
        "explain: screen": explained["screen"],
        "explain: thread": explained["thread"],
        "explain: triage": explained["triage"],
        "tickets list": printed("tickets", "list", "--json")["tickets"][0],
        "tickets show: entries": ticket["entries"][0],
        "tickets show: mails": ticket["mails"][0],
        "queue list: spool": queue["spool"][0],
        "queue list: outbox": queue["outbox"][0],
        "send": printed("send", "you@example.org", "--json"),
    }
    assert {name: set(fields) for name, fields in documented().items()} == {
        name: set(value) for name, value in tables.items()
    }
    assert nested("explain", "outgoing") == set(explained["outgoing"][0])
    assert nested("explain: message", "from") == set(explained["message"]["from"][0])
    assert nested("explain: screen", "trust") == set(explained["screen"]["trust"])
    assert nested("explain: triage", "reasons") == set(explained["triage"]["reasons"][0])
    assert set(ticket["ticket"]) == set(documented()["tickets list"])
    for part in ("participants", "events"):
        text = re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8").partition("## tickets show")[2])
        found = re.search(rf"{part.capitalize()} are `\{{(.*?)\}}`", text)
        assert found
        assert set(found[1].split(", ")) == set(ticket[part][0])
