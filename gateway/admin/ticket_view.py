"""A ticket laid out for people: its head, its entries in order, what each caused to go out, its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.admin.opened import label, zone_of
from gateway.admin.tables import Paint, clean, local, passage, shorten, size

if TYPE_CHECKING:
    from gateway.settings.model import Settings
    from gateway.store.admin_views import EntryView, EventView, MailOut, Person, TicketView

_MOST_LINES = 12
_OUTCOME_COLOURS = {"sent": "green", "failed": "red", "queued": "yellow", "dropped": "dim"}
_KINDS = {"public": "", "note": " (note: agents only)", "silent": " (silent: no automatic answer)"}


def page(settings: Settings, view: TicketView, paint: Paint, width: int, history: bool, full: bool) -> str:
    """All of a ticket. `full`: texts whole and with what they quote; `history`: the events too."""
    shown = _Shown(settings, paint, width, full)
    shown.head(view)
    for entry in view.entries:
        shown.entry(entry, [mail for mail in view.mails if mail.entry == entry.id])
    others = [mail for mail in view.mails if mail.entry is None]
    if others:
        shown.lines += ["", paint("Other mail", "bold")]
        for mail in others:
            shown.mail(mail)
    if history:
        shown.lines += ["", paint("History", "bold")]
        for event in view.events:
            shown.event(event)
    return "\n".join(shown.lines)


class _Shown:
    def __init__(self, settings: Settings, paint: Paint, width: int, full: bool) -> None:
        self.lines: list[str] = []
        self._settings = settings
        self._zone: ZoneInfo = zone_of(settings)
        self._paint = paint
        self._width = width
        self._full = full

    def _field(self, name: str, text: str, indent: str = "") -> None:
        text = clean(text)
        if text:
            room = self._width - len(indent) - 12
            shown = text if self._full else shorten(text, room)
            self.lines.append(f"{indent}{self._paint(name.ljust(11), 'dim')} {shown}")

    def head(self, view: TicketView) -> None:
        """What the ticket is and who is on it."""
        ticket = view.ticket
        name = f"{label(self._settings, ticket.number)}  {clean(ticket.subject)}"
        self.lines.append(self._paint(name, "bold"))
        self._field("state", f"{ticket.state}, priority {ticket.priority}, queue {ticket.queue}")
        self._field("assignee", ticket.assignee or "nobody")
        self._field("category", ticket.category or "")
        self._field("requester", person(ticket.requester))
        others = [f"{person(one)} ({one.role})" for one in view.participants if one.role != "requester"]
        self._field("also", ", ".join(others))
        self._field("created", local(ticket.created_at, self._zone))
        self._field("changed", local(ticket.updated_at, self._zone))
        for name, number in (("merged into", ticket.merged_into), ("continues", ticket.continues)):
            self._field(name, label(self._settings, number) if number else "")

    def entry(self, entry: EntryView, mails: list[MailOut]) -> None:
        """One contribution."""
        who = f"agent {entry.agent}" if entry.agent else entry.author.replace("_", " ")
        title = f"#{entry.id}  {local(entry.created_at, self._zone)}  {who}{_KINDS.get(entry.kind, '')}"
        self.lines += ["", self._paint(clean(title), "bold")]
        self._field("from", person(entry.from_), "  ")
        self._field("subject", entry.subject, "  ")
        self._field("screening", self._screening(entry.screening), "  ")
        for one in entry.evidence:
            mark = self._paint("holds", "green") if one["accepted"] else self._paint("lost", "yellow")
            about = f"ticket {one['ticket']}, {clean(one['why'])}"
            self._field("evidence", f"{one['signal'].replace('_', ' ')} {one['value']}", "  ")
            self.lines.append(f"  {' ' * 11} {mark}: {shorten(about, self._width - 22)}")
        for one in entry.attachments:
            self._field("file", f"{one['filename'] or '(no name)'} ({size(one['size'])})", "  ")
        self._text(entry.text if self._full else entry.new_text)
        for mail in mails:
            self.mail(mail)

    def _text(self, text: str) -> None:
        bar = f"  {self._paint('│', 'dim')} "
        lines = passage(text.strip("\r\n"), None if self._full else _MOST_LINES, self._width - 4, "")
        self.lines += [f"{bar}{line}".rstrip() for line in lines]

    @staticmethod
    def _screening(screening: dict[str, Any]) -> str:
        signals = "; ".join(f"{rule}: {evidence}" for rule, evidence in screening.get("signals", ()))
        trust = screening.get("trust") or [""]
        told = f"{screening.get('verdict', '')}, sender {trust[0].replace('_', ' ')}"
        return f"{told} ({signals})" if signals else told

    def mail(self, mail: MailOut) -> None:
        """One mail that went out, and what became of it."""
        state = self._paint(mail.state, _OUTCOME_COLOURS.get(mail.state, "dim"))
        what = f"→ {mail.kind.replace('_', ' ')} to {clean(mail.to)}: "
        when = local(mail.done_at, self._zone)
        if mail.state == "queued":
            when = f"next try {local(mail.next_try_at, self._zone)}, {mail.attempts} so far"
        rest = "  ".join(part for part in (when, f"outbox:{mail.id}") if part)
        self.lines.append(f"  {what}{state}  {self._paint(rest, 'dim')}")
        if mail.reply and mail.state != "sent":
            self.lines.append(f"      {shorten(clean(mail.reply), self._width - 6)}")
        for one in mail.reported:
            self.lines.append(f"      {self._paint(shorten(clean(one), self._width - 6), 'red')}")

    def event(self, event: EventView) -> None:
        """One line of the trail."""
        data = ", ".join(f"{key} {value}" for key, value in event.data.items() if value not in ("", None))
        told = f"{event.kind.replace('_', ' ')} by {event.actor}" + (f": {data}" if data else "")
        line = f"  {local(event.at, self._zone)}  {clean(told)}"
        self.lines.append(line if self._full else shorten(line, self._width))


def person(one: Person) -> str:
    """Name and address on one line."""
    return f"{one.name} <{one.address}>" if one.name else one.address or "(nobody)"
