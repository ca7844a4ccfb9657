"""The page docs/reference/log-events.md: every event that the code logs, with its fields.

`events()` finds each call of a structlog logger in gateway/: its event name, level and fields, with the
fields that the logger is bound to, those that a caller hands through (`**details`), and those that a thread
of delivery is bound to as a whole. What an event or a field means stands in reference_words. `gaps()` tells
what is in only one of the two.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reference_house import text
from reference_words import FIELDS, MEANINGS

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
_SHOWN = {"exception": "error"}


@dataclass
class Event:
    """One event name: its levels, fields, and the modules that log it."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)


class _Tree:
    """The modules of gateway/, parsed, and what can be asked of them together."""

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.rglob("*.py"))
        self.modules = {
            path.relative_to(folder.parent).as_posix(): ast.parse(path.read_text("utf-8")) for path in files
        }

    def calls(self, name: str) -> Iterator[ast.Call]:
        """Calls of a function or method of this name."""
        for tree in self.modules.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _last(node.func) == name:
                    yield node

    def bound(self, path: str, attribute: str) -> set[str]:
        """Fields that `self.<attribute>` is bound to, in this module or else in any."""
        own = _bound_in(self.modules[path], attribute)
        return own or set().union(*(_bound_in(tree, attribute) for tree in self.modules.values()))

    def bound_to_threads(self) -> set[str]:
        """Fields that each line of a delivering thread has."""
        return {key.arg for call in self.calls("bind_contextvars") for key in call.keywords if key.arg}

    def actions(self) -> set[str]:
        """What a decision can be."""
        return {
            call.args[0].value
            for call in self.calls("Decision")
            if call.args and isinstance(call.args[0], ast.Constant)
        }


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _bound_in(tree: ast.AST, attribute: str) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and _last(node.value.func) == "bind"
            and any(isinstance(target, ast.Attribute) and target.attr == attribute for target in node.targets)
        ):
            found |= {keyword.arg for keyword in node.value.keywords if keyword.arg}
    return found


def _is_logger(node: ast.expr) -> bool:
    return _last(node) in ("log", "_log")


def _level_calls(function: ast.AST) -> Iterator[tuple[set[str], ast.expr, ast.Call]]:
    """(levels, logger, call) of the log calls in a module, and of `tell = log.info if … else …`."""
    named: dict[str, tuple[set[str], ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp):
            ways = [node.value.body, node.value.orelse]
            methods = [one for one in ways if isinstance(one, ast.Attribute) and _is_logger(one.value)]
            if len(methods) == len(ways):
                levels = {one.attr for one in methods}
                named.update({_last(target): (levels, methods[0].value) for target in node.targets})
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS and _is_logger(node.func.value):
            yield {node.func.attr}, node.func.value, node
        elif isinstance(node.func, ast.Name) and node.func.id in named:
            yield (*named[node.func.id], node)


def _names(tree: _Tree, told: ast.expr) -> set[str]:
    if isinstance(told, ast.Constant) and isinstance(told.value, str):
        return {told.value}
    if isinstance(told, ast.IfExp):
        return _names(tree, told.body) | _names(tree, told.orelse)
    if isinstance(told, ast.Attribute) and told.attr == "action":
        return tree.actions()
    raise ValueError(f"the name of this event cannot be told: {ast.unparse(told)}")


def _fields(tree: _Tree, path: str, logger: ast.expr, call: ast.Call) -> set[str]:
    found: set[str] = set()
    for keyword in call.keywords:
        if keyword.arg == "exc_info":
            found.add("exception")
        elif keyword.arg is not None:
            found.add(keyword.arg)
        elif isinstance(keyword.value, ast.Name):
            found |= _handed_through(tree, path, call, keyword.value.id)
        else:
            dicts = [one for one in ast.walk(keyword.value) if isinstance(one, ast.Dict)]
            found |= {key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant)}
    if isinstance(logger, ast.Attribute):
        found |= tree.bound(path, logger.attr)
    return found


def _handed_through(tree: _Tree, path: str, call: ast.Call, kwarg: str) -> set[str]:
    """Keywords by which the function around `call` is called, where it takes them as **kwarg."""
    for node in ast.walk(tree.modules[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and call in list(ast.walk(node)):
            if node.args.kwarg is None or node.args.kwarg.arg != kwarg:
                continue
            named = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            given = {key.arg for one in tree.calls(node.name) for key in one.keywords if key.arg}
            return given - named
    raise ValueError(f"{path}: the fields **{kwarg} cannot be told")


def events(folder: Path = ROOT / "gateway") -> dict[str, Event]:
    """Every event by its name."""
    tree = _Tree(folder)
    found: defaultdict[str, Event] = defaultdict(Event)
    for path, module in tree.modules.items():
        for levels, logger, call in _level_calls(module):
            fields = _fields(tree, path, logger, call)
            if "exception" in levels:
                fields.add("exception")
            if path.startswith("gateway/delivery/"):
                fields |= tree.bound_to_threads()
            for name in _names(tree, call.args[0]):
                event = found[name]
                event.levels |= {_SHOWN.get(level, level) for level in levels}
                event.fields |= fields
                event.modules.add(path)
    return dict(found)


def gaps() -> list[str]:
    """Events and fields without a meaning, and meanings of what is not logged."""
    found = events()
    fields = set().union(*(one.fields for one in found.values()))
    told = []
    for what, used, meant in (("event", set(found), set(MEANINGS)), ("field", fields, set(FIELDS))):
        told += [
            f"{what} {name!r} has no meaning in tools/reference_words.py" for name in sorted(used - meant)
        ]
        told += [
            f"{what} {name!r} is in tools/reference_words.py and not logged" for name in sorted(meant - used)
        ]
    return told


def log_page(made: str) -> str:
    """The page. Raises ValueError where an event or field has no meaning."""
    if missing := gaps():
        raise ValueError("\n".join(missing))
    found = events()
    lines = [
        "# Log events",
        "",
        made,
        "",
        *text(
            "One line an outcome, on standard error: `key='value'` with `daemon.log_format: text`, one"
            " JSON object with `json`. Every line has `timestamp` (UTC), `level` and `event`. No line holds"
            " a password or a token, and none is made of what a mail says: no subject, no text; only a"
            " traceback of a mistake of ours (`exception`) may quote what it fell over. The numbers in"
            " `spool`, `outbox` and `ticket` are those of `ticketgate queue show` and `ticketgate tickets"
            " show`."
        ),
        *text(
            "To follow a mail: `mail_accepted` names the envelope, `size` and `spool`; the pipeline's line"
            " with that `spool` names Message-ID, sender, ticket and the `outbox` numbers of the mails that"
            " follow; each `delivery` line with such a number names recipient, Message-ID, relay, reply and"
            " how long it waited. For mails that come by `ticketgate accept` the first of these stands in"
            " the system log (facility mail)."
        ),
    ]
    for heading, room in (
        ("Pipeline", "gateway/daemon/ingest.py"),
        ("Listeners", "gateway/intake/"),
        ("Delivery", "gateway/delivery/"),
        ("Daemon", "gateway/"),
    ):
        names = [name for name, one in found.items() if all(path.startswith(room) for path in one.modules)]
        if heading == "Listeners":
            both = [name for name in names if _of_imap(found[name]) is None]
            lines += _table("Intake, whichever way", found, both)
            smtp = [name for name in names if _of_imap(found[name]) is False]
            lines += _table("Listeners (SMTP, LMTP)", found, smtp)
            lines += _table("IMAP accounts", found, [name for name in names if _of_imap(found[name])])
        else:
            lines += _table(heading, found, names)
        for name in names:
            del found[name]
    lines += ["## Fields", "", "| field | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {FIELDS[name]} |" for name in sorted(FIELDS)]
    return "\n".join(lines) + "\n"


def _of_imap(event: Event) -> bool | None:
    """None: also of IMAP."""
    modules = ("imap", "fetch", "mailbox", "oauth")
    found = {Path(path).name.startswith(modules) for path in event.modules}
    return None if len(found) == 2 else found.pop()


def _table(heading: str, found: dict[str, Event], names: list[str]) -> list[str]:
    lines = [f"## {heading}", "", "| event | level | fields | meaning |", "|---|---|---|---|"]
    for name in sorted(names):
        event = found[name]
        fields = ", ".join(f"`{one}`" for one in sorted(event.fields)) or "none"
        lines.append(f"| `{name}` | {', '.join(sorted(event.levels))} | {fields} | {MEANINGS[name]} |")
    return [*lines, ""]
