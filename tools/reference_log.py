"""The page docs/reference/log-events.md: every event that the code logs, with its fields.

`events()` finds each call of a structlog logger in gateway/: its event name, level and fields, with the
fields that the logger is bound to and those that a caller hands through (`**details`). What an event
means stands in `MEANINGS`, what a field means in `FIELDS`. `gaps()` tells what is in only one of the two.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reference_house import text

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
_SHOWN = {"exception": "error"}

MEANINGS = {
    # the pipeline: one line a mail, named for what the mail did
    "new_ticket": "A mail made a ticket.",
    "append": "A mail was added to a ticket; `outcome` says as what: reply, answer, note, silent.",
    "duplicate": "The same wire mail was there already; nothing was done.",
    "report": "A delivery report; it was written on the ticket of its mail, where that is one of ours.",
    "hold": "A mail is held for a person to look at; `outcome` says why.",
    "discard": "Our own mail came back.",
    "mail failed": "Working on a mail raised; it is tried again.",
    "mail quarantined": "Working on a mail failed three times; admins are told.",
    "mail taken by another node": "Our lease on the mail ended, and another worker has it.",
    "ingest stopped": "The database cannot be used; the round ends and is tried again.",
    # the way out
    "delivery": "What became of one hand-over of one outgoing mail.",
    "delivery broke": "An outgoing mail could not be put together; it is tried again.",
    "delivery stopped": "The database cannot be used; delivery goes on when it can.",
    # listeners
    "listening": "A port is open.",
    "mail accepted": "A mail that came by SMTP or LMTP is durably stored.",
    "mail refused": "A mail, a recipient or a DATA was refused, or the client left within DATA.",
    "mail not stored": "The commit of mails failed; their senders hear 451.",
    "nobody waits any more for the commit": "The listeners' loop has ended before its last answers.",
    "connection refused": "A client was sent away before a command.",
    "connection closed": "We ended a connection, or the client left without QUIT (level debug).",
    "connections dropped": "Connections were still open when the time for stopping was over.",
    "login accepted": "An agent has logged in.",
    "login refused": "A login failed.",
    "listener failed": "A command of a client raised in our code; the client heard 451.",
    # IMAP
    "mailbox_connected": "Logged in at an IMAP account.",
    "mailbox_trouble": "The account cannot be read now; it is tried again after the pause.",
    "mailbox_recovered": "The account can be read again.",
    "mailbox_stuck": "Nothing moved for ten timeouts; the connection is cut and made anew.",
    "mailbox_waits_for_store": "Our database cannot be used; the account waits.",
    "folder_refused": "The server does not let us read this folder; the others go on.",
    "idle_refused": "The server refused IDLE; polling goes on.",
    "lease_taken": "This node now reads the account.",
    "lease_held_elsewhere": "Another node reads the account.",
    "lease_not_given_back": "The lease on the account could not be given back; it ends by itself.",
    "admins_not_told": "The alert about an account could not be stored; it is tried again.",
    "mail_accepted": "A mail that was fetched is durably stored.",
    "mail_taken_earlier": "The mail was stored before: after a crash, or by another node.",
    "mail_left": "A mail stays on the server; `reason`: too_large, not_given.",
    "uidvalidity_changed": "The server has renumbered the folder; all of it is looked at again.",
    "first_look_done": "The first look at a folder is finished; `why`: first_contact, uidvalidity.",
    "settle_refused": "Mails are taken, but the server does not do what `after` says.",
    "imap_fetch_refused": "The server does not give these messages.",
    "imap_mail_larger_than_told": "A mail grew beyond max_size while it was fetched; it is left.",
    "imap_folder_made": "The target of `after: move:…` was made.",
    "imap_names_not_told": "The server does not say how it writes folder names; they are used as configured.",
    "imap_id_refused": "The server does not want to know who we are (RFC 2971); no matter.",
    "refresh_token_rotated": "The token server gave a new refresh token, and it is saved.",
    # the daemon
    "started": "All parts run.",
    "stopping": "SIGTERM or SIGINT came.",
    "stopped": "The daemon has ended.",
    "config reloaded": "The new config is in use.",
    "config not taken, the old one stays": "The new config has a mistake; admins are told.",
    "alert": "Admins were told; the mail is in the outbox.",
    "part failed": "A thread of ours raised; it begins again after a pause.",
    "part ended by itself": "A thread of ours ended unasked; it begins again after a pause.",
    "mailbox thread ended, starting it anew": "An account's thread died of an error of ours.",
    "listeners ended, starting them anew": "The listeners' thread died of an error of ours.",
    "parts did not end in time": "Workers were busy when the time was over; their leases end by themselves.",
    "tick failed": "A job of the ticker raised; the others go on.",
    "the clock was set back": "The wall clock ran backwards; the ticker begins its intervals anew.",
    "leases not renewed": "The database cannot be used; our leases may end and others take the work.",
    "helper started": "A helper process was started because much mail waits.",
    "helper ended": "A helper had nothing more to do.",
    "helper failed": "A helper ended with an error.",
}
FIELDS = {
    "agent": "name of the agent, or None",
    "at": "where: host and port, or path of a unix socket",
    "attempt": "which try this was",
    "attempts": "which try this was",
    "before": "the value before",
    "client": "address of the peer; `local` for a unix socket",
    "config": "the config folder",
    "count": "how many",
    "entry": "id of the entry",
    "error": "last line of the traceback",
    "exception": "traceback",
    "exit_code": "exit code",
    "failures": "failures in a row",
    "file": "name of a file",
    "folder": "IMAP folder, as configured",
    "forward_path": "recipient in the envelope",
    "host": "server",
    "job": "job of the ticker",
    "key": "what the mail or alert is known by",
    "kind": "kind of notice or alert",
    "limit_s": "how long was waited, seconds",
    "listener": "name of the listener",
    "mailbox": "name of the IMAP account",
    "mails": "how many mails",
    "next_try_at": "when it is tried again",
    "now": "the value now",
    "octets": "size of the mail",
    "older_left": "older mails that were left alone",
    "outbox": "ids of the outgoing mails that follow",
    "outbox_id": "id of the outgoing mail",
    "outcome": "what came of it",
    "owner": "name of this process in leases",
    "part": "name of the thread",
    "parts": "names of threads",
    "pause_s": "seconds until the next try",
    "pid": "process id",
    "queue": "name of the queue",
    "reason": "why",
    "reply": "the peer's reply, one line",
    "said": "what the server said",
    "seconds": "by how much",
    "size": "octets",
    "spool": "id in the spool",
    "text": "what admins are told",
    "ticket": "ticket number",
    "ticket_id": "ticket number",
    "took_s": "time in the pipeline and the transaction, seconds",
    "tries": "how often it was asked for",
    "trouble": "error of the disk, or None",
    "uid": "UID of the message",
    "uids": "UIDs, first and last",
    "waited_s": "from arrival to this line, seconds",
    "waiting": "mails that wait to be worked on",
    "why": "what kind of first look",
}


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
        told += [f"{what} {name!r} has no meaning in tools/reference_log.py" for name in sorted(used - meant)]
        told += [
            f"{what} {name!r} is in tools/reference_log.py and not logged" for name in sorted(meant - used)
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
            "One line an outcome, on standard error: `key='value'` with `daemon.log_format: text`, one JSON"
            " object with `json`. Every line has `timestamp` (UTC), `level` and `event`. No line holds a"
            " password or a token; the last line of an error may hold words of the mail that caused it. The"
            " numbers in `spool`, `outbox`, `outbox_id`, `ticket` and `ticket_id` are those of `ticketgate"
            " queue show` and `ticketgate tickets show`."
        ),
    ]
    for heading, room in (
        ("Pipeline", "gateway/daemon/ingest.py"),
        ("Listeners", "gateway/intake/"),
        ("Delivery", "gateway/delivery/"),
        ("Daemon", "gateway/"),
    ):
        names = [name for name, one in found.items() if any(path.startswith(room) for path in one.modules)]
        if heading == "Listeners":
            smtp = [name for name in names if "listener" in found[name].fields or not _of_imap(found[name])]
            lines += _table("Listeners (SMTP, LMTP)", found, smtp)
            lines += _table("IMAP accounts", found, [name for name in names if name not in smtp])
        else:
            lines += _table(heading, found, names)
        for name in names:
            del found[name]
    lines += ["## Fields", "", "| field | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {FIELDS[name]} |" for name in sorted(FIELDS)]
    return "\n".join(lines) + "\n"


def _of_imap(event: Event) -> bool:
    modules = ("imap", "fetch", "mailbox", "oauth")
    return all(Path(path).name.startswith(modules) for path in event.modules)


def _table(heading: str, found: dict[str, Event], names: list[str]) -> list[str]:
    lines = [f"## {heading}", "", "| event | level | fields | meaning |", "|---|---|---|---|"]
    for name in sorted(names):
        event = found[name]
        fields = ", ".join(f"`{one}`" for one in sorted(event.fields)) or "none"
        lines.append(f"| `{name}` | {', '.join(sorted(event.levels))} | {fields} | {MEANINGS[name]} |")
    return [*lines, ""]
