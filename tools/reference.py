"""Writes the pages of docs/reference that are made of the code: config.md and commands.md out of the schema
and the command line, states.md and templates.md by reference_house, log-events.md by reference_log.

python tools/reference.py            write them
python tools/reference.py --check    say which are stale (exit code 1)
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import reference_house
import reference_log
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer._click import Context  # typer has no public name for it
from typer.core import TyperGroup

from gateway.admin.main import COMMANDS, NAME, load_command
from gateway.settings import model
from gateway.settings.units import show_duration
from gateway.settings.words import Says, describe_field, members_of, tags

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
SHARED: dict[type[BaseModel], str] = {model.Secret: "Secrets", model.Tls: "TLS as a client"}
"""Sections that stand under several keys, and their headings."""
MADE = "<!-- Made by tools/reference.py; change the sources, not this page. -->"


def config_page() -> str:
    """Every key of the config files."""
    told = dict(SHARED)
    lines = [
        "# Config files",
        "",
        MADE,
        "",
        "`agents` stands in `agents.yaml`, everything else in `gateway.yaml`. Files in `conf.d/*.yaml` are",
        "laid over both in the order of their names: sections key by key, lists of named things by name, and",
        "anything else is replaced. An unknown key is a mistake; an empty value means the default. `${NAME}`",
        "in a value becomes the environment variable `NAME`; single quotes keep it as it is. `ticketgate",
        "check` tells all mistakes at once.",
        "",
    ]
    lines += _section(model.Settings, "", told)
    for section, heading in SHARED.items():
        lines += _section(section, heading, told)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: type[BaseModel], path: str, told: dict[type[BaseModel], str]) -> Iterator[str]:
    told[section] = path
    docs = _attribute_docs(section)
    if path:
        yield from (f"## {path}", "")
    yield from (
        _flat(inspect.getdoc(section) or ""),
        "",
        "| key | meaning | must be | default |",
        "|---|---|---|---|",
    )
    inner: list[tuple[str, type[BaseModel]]] = []
    for key, field in section.model_fields.items():
        place = f"{path}.{key}".lstrip(".")
        sections = [member for member in members_of(_item(field)) if _is_section(member)]
        listed = _item(field) is not field.annotation
        for member in sections:
            suffix = "[]" if listed else f" (type: {tags(member)[0]})" if len(sections) > 1 else ""
            if member not in told:
                told[member] = place + suffix
                inner.append((place + suffix, member))
        links = ", ".join(f"[{told[member]}](#{_anchor(told[member])})" for member in sections)
        must_be = (
            (f"a list of {links}" if listed else f"a section: {links}") if sections else describe_field(field)
        )
        cells = (f"`{key}`", docs.get(key, ""), must_be, _default(field, bool(sections)))
        yield "| " + " | ".join(_flat(cell).replace("|", "\\|") for cell in cells) + " |"
    yield ""
    for place, member in inner:
        yield from _section(member, place, told)


def _item(field: FieldInfo) -> Any:
    """The type of a list's items, or of the value itself."""
    annotation = members_of(field.annotation)[0]
    if getattr(annotation, "__origin__", None) is tuple:
        return annotation.__args__[0]
    return field.annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _attribute_docs(section: type[BaseModel]) -> dict[str, str]:
    """The text that stands under each attribute."""
    body = ast.parse(inspect.getsource(section)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for item, following in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and isinstance(following, ast.Expr)
        ):
            docs[item.target.id] = ast.literal_eval(following.value)
    return docs


def _default(field: FieldInfo, is_section: bool) -> str:
    value = field.default
    if field.is_required():
        return "required"
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        given = value.model_dump(exclude_defaults=True)
        return ", ".join(f"`{key}: {told}`" for key, told in given.items())
    if isinstance(value, tuple):
        return "`[" + ", ".join(value) + "]`" if value and not is_section else "none"
    if isinstance(value, timedelta):
        return f"`{show_duration(value)}`"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, int) and "octal" in " ".join(
        one.text for one in field.metadata if isinstance(one, Says)
    ):
        return f"`{value:04o}`"
    if isinstance(value, int) and any(isinstance(fact, Says) for fact in field.metadata):
        return f"`{_size(value)}`"
    return f"`{value}`" if value != "" else "empty"


def _size(octets: int) -> str:
    for unit, factor in (("MiB", 1024**2), ("MB", 1000**2), ("KiB", 1024), ("KB", 1000)):
        if octets and octets % factor == 0:
            return f"{octets // factor}{unit}"
    return str(octets)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _anchor(heading: str) -> str:
    """The anchor that Markdown viewers make of a heading."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def commands_page() -> str:
    """The --help of every command."""
    lines = ["# Commands", "", MADE, "", "Exit codes are those of sysexits.", ""]
    top = Context(TyperGroup(name=NAME), info_name=NAME)
    for entry in COMMANDS:
        lines += _command(load_command(entry), entry.name, top)
    return "\n".join(lines).rstrip() + "\n"


def _command(command: Any, name: str, parent: Context) -> Iterator[str]:
    context = Context(command, info_name=name, parent=parent, terminal_width=100)
    help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield from (f"## {context.command_path}", "", "```text", help_text, "```", "")
    if isinstance(command, TyperGroup):
        for inner in command.list_commands(context):
            yield from _command(command.get_command(context, inner), inner, context)


PAGES: dict[str, Callable[[], str]] = {
    "config.md": config_page,
    "commands.md": commands_page,
    "states.md": lambda: reference_house.states_page(MADE),
    "templates.md": lambda: reference_house.templates_page(MADE),
    "log-events.md": lambda: reference_log.log_page(MADE),
}


def main() -> int:
    """Write or check the pages."""
    stale = []
    for name, make in PAGES.items():
        path, page = FOLDER / name, make()
        if "--check" not in sys.argv[1:]:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != page:
            stale.append(f"docs/reference/{name}")
    for name in stale:
        print(f"{name} is stale, run: python tools/reference.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
