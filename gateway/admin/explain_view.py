"""A mail that was explained, laid out for people: verdict first, then what was understood, and why.

Takes the JSON object of `explain_object`, so that nothing can be shown that programs do not get.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gateway.admin.explain_object import Explained
from gateway.admin.tables import Paint, clean, passage, shorten, size

_VERDICTS = {
    "accept": ("green", "a person's mail"),
    "silent": ("yellow", "a machine's mail: kept and shown to agents, nothing automatic follows"),
    "dsn": ("yellow", "a report about an earlier mail"),
    "hold": ("red", "a person must look at it before it comes in"),
    "discard": ("red", "our own mail came back"),
}
_LABEL = 10
_NEW, _OTHER = 12, 3


class _Page:
    """Collects lines: a section is a bold name and its lines, each under a label."""

    def __init__(self, paint: Paint, width: int, full: bool) -> None:
        self.paint = paint
        self.lines: list[str] = []
        self.width = width
        self._full = full

    def section(self, name: str, head: str = "", *colours: str) -> None:
        """Begin a section; `head` is its result."""
        head = clean(head) if self._full else shorten(clean(head), self.width - _LABEL - 1)
        self.lines += ["", f"{self.paint(name.ljust(_LABEL), 'bold')} {self.paint(head, *colours)}".rstrip()]

    def field(self, label: str, text: str) -> None:
        """A labelled line, where there is something to say."""
        text = clean(text)
        if text:
            room = self.width - _LABEL - 4
            shown = text if self._full else shorten(text, room)
            self.lines.append(f"  {self.paint(label.ljust(_LABEL), 'dim')} {shown}")

    def head(self, text: str) -> None:
        """A line over the ones that follow."""
        self.lines.append(f"  {self.paint(shorten(clean(text), self.width - 2), 'cyan')}")

    def text(self, label: str, text: str, most: int) -> None:
        """Lines of a mail's text under a label that says how many there are."""
        if not text.strip():
            return
        stripped = text.strip("\r\n")
        count = len(stripped.splitlines())
        self.field(label, f"{count} line{'s' * (count != 1)}, {len(stripped)} characters")
        bar = f"    {self.paint('│', 'dim')} "
        plain = passage(stripped, None if self._full else most, self.width - 6, "")
        self.lines += [f"{bar}{line}".rstrip() for line in plain]


def page(explained: Explained, paint: Paint, width: int, full: bool) -> str:
    """All that is known of one mail. `full`: texts are shown whole."""
    value = explained.value
    out = _Page(paint, width, full)
    name = clean(value["file"])
    out.lines.append(paint(f"── {name} ".ljust(min(width, 72), "─"), "bold"))
    if value["error"]:
        out.section("Error", value["error"], "red")
    if value["screen"]:
        _screen(out, value["screen"], explained.outcome)
    if value["message"]:
        _message(out, value["message"])
    if value["thread"]:
        _thread(out, value["thread"])
    if value["triage"]:
        _triage(out, value["triage"])
    if value["clocks"]:
        out.section("Clocks")
        for one in value["clocks"]:
            out.field(one["metric"], f"due {one['due_at']} (target {one['target']}, policy {one['policy']})")
    if value["outgoing"] is not None:
        _outgoing(out, value["outgoing"])
    return "\n".join([*out.lines, ""])


def summary(verdicts: Sequence[str]) -> str:
    """One line about many mails: how many of which verdict."""
    counted = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).most_common())
    return f"{len(verdicts)} mails" + (f": {counted}" if counted else "")


def _screen(out: _Page, screen: Any, outcome: str) -> None:
    colour, meaning = _VERDICTS[screen["verdict"]]
    out.section("Verdict", f"{screen['verdict'].upper()}: {meaning}", colour, "bold")
    out.field("outcome", outcome)
    out.field("answer", "may be answered" if screen["may_reply"] else "must not be answered automatically")
    out.field("automatic", f"Auto-Submitted: {screen['auto_submitted']}" if screen["auto_submitted"] else "")
    for label, one in _numbered("because", screen["signals"]):
        out.field(label, f"{one['rule']}: {one['evidence']}")
    dsn = screen["dsn"]
    if dsn:
        out.field("report", f"{dsn['kind']}, about {dsn['original_message_id'] or 'an unnamed mail'}")
        for one in dsn["recipients"]:
            out.field("", " ".join(filter(None, (one[key] for key in one))))
    out.field("trust", screen["trust"]["level"])
    for one in screen["trust"]["why"]:
        out.field("", f"- {one}")


def _message(out: _Page, message: Any) -> None:
    out.section("Mail", message["subject"] or "(no subject)", "cyan")
    for label in ("from", "reply_to", "to", "cc"):
        out.field(label.replace("_", "-"), people(message[label]))
    if not message["from"]:
        out.field("from", "(nobody)")
    out.field("date", message["date"] or "(none that can be read)")
    out.field("id", message["message_id"] or "(none)")
    out.field("answers", " ".join(dict.fromkeys((*message["in_reply_to"], *message["references"]))))
    out.field("language", message["language"] or "")
    out.field("encrypted", f"{message['encrypted']}: cannot be read here" if message["encrypted"] else "")
    out.text("new text", message["new_text"], _NEW)
    out.text("quoted", message["quoted"], _OTHER)
    out.text("signature", message["signature"], _OTHER)
    for label, one in _numbered("files", message["attachments"]):
        shown = f"{one['filename'] or '(no name)'}, {one['content_type']}, {size(one['size'])}"
        out.field(label, shown + (" (inline)" if one["disposition"] == "inline" else ""))
    forwarded = message["forwarded"]
    if forwarded:
        origin = people([forwarded["from"]]) if forwarded["from"] else "(nobody)"
        out.field("forwards", f"{origin}: {forwarded['subject']} ({forwarded['date'] or 'no date'})")
        out.text("", forwarded["body"], _OTHER)
    out.field("defects", ", ".join(message["defects"]))


def _thread(out: _Page, thread: Any) -> None:
    number = thread["ticket"]
    out.section("Thread", f"ticket {number}" if number is not None else "no earlier ticket")
    for one in thread["evidence"]:
        mark = out.paint("holds", "green") if one["accepted"] else out.paint("lost", "yellow")
        out.head(f"{one['signal'].replace('_', ' ')} {one['value']}")
        out.lines.append(f"    {mark}: {shorten(clean(one['why']), out.width - 12)}")
    if thread["evidence"]:
        out.field("", "(no database is asked here, so no ticket is known)")


def _triage(out: _Page, triage: Any) -> None:
    out.section("Triage", f"priority {triage['priority']}, queue {triage['queue']}")
    out.field("impact", f"{triage['impact']}, urgency {triage['urgency']}")
    out.field("category", triage["category"] or "")
    out.field("tags", ", ".join(triage["tags"]))
    out.field("assignee", triage["assignee"] or "nobody")
    for label, one in _numbered("because", triage["reasons"]):
        out.field(label, f"{one['source']}: {one['evidence']} ({one['weight']:+g})")


def _outgoing(out: _Page, outgoing: Any) -> None:
    count = len(outgoing)
    out.section("Goes out", f"{count} mail{'s' * (count != 1)}" if count else "nothing")
    for one in outgoing:
        out.head(f"{one['kind'].replace('_', ' ')} to {one['to']}")
        out.field("subject", one["subject"])
        out.text("text", one["text"], _OTHER)


def people(addresses: Iterable[Any]) -> str:
    """Addresses on one line."""
    return ", ".join(
        f"{one['name']} <{one['address']}>" if one["name"] else one["address"] for one in addresses
    )


def _numbered(label: str, values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The label stands beside the first value only."""
    for at, value in enumerate(values):
        yield (label if at == 0 else ""), value
