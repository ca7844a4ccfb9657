"""Waiting mail laid out for people, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.admin.opened import label, zone_of
from gateway.admin.tables import Paint, clean, clean_lines, local, screen_width, shorten, size, table
from gateway.store.queue_views import OutboxItem, SpoolItem

if TYPE_CHECKING:
    from gateway.settings.model import Settings

_STATE_COLOURS = {
    "hold": "yellow", "quarantined": "red", "deferred": "yellow", "failed": "red", "sent": "green",
    "done": "green",
}  # fmt: skip
_LONGEST_VALUE = 1000


def listing(
    settings: Settings,
    spool: list[SpoolItem],
    spool_total: int,
    outbox: list[OutboxItem],
    outbox_total: int,
    paint: Paint,
) -> str:
    """Both queues as tables."""
    zone = zone_of(settings)
    parts = []
    if spool:
        came_in = [
            (f"spool:{one.id}", one.state, local(one.received_at, zone), _sender(one), _subject(one))
            for one in spool
        ]
        parts.append(_title("Came in", len(spool), spool_total, paint))
        head = ("ID", "STATE", "RECEIVED", "FROM", "SUBJECT")
        parts += _with_reasons(table(head, came_in, flexible=4), [_why(one) for one in spool], paint)
    if outbox:
        goes_out = [
            (
                f"outbox:{one.id}",
                one.state,
                local(one.next_try_at if one.state == "queued" else one.done_at, zone),
                shorten(clean(one.forward_path), 24),
                f"{one.kind.replace('_', ' ')}: {one.subject}",
            )
            for one in outbox
        ]
        parts += [""] * bool(parts) + [_title("Goes out", len(outbox), outbox_total, paint)]
        head = ("ID", "STATE", "NEXT / DONE", "TO", "MAIL")
        replies = ["" if one.state == "sent" else one.reply or "" for one in outbox]
        parts += _with_reasons(table(head, goes_out, flexible=4), replies, paint)
    return "\n".join(parts) if parts else "nothing waits, is held or has failed"


def _with_reasons(shown: str, reasons: list[str], paint: Paint) -> list[str]:
    """The lines of a table, each with its reason below, where it has one."""
    first, *rows = shown.split("\n")
    lines = [first]
    for row, reason in zip(rows, reasons, strict=True):
        lines.append(row)
        if reason:
            lines.append(paint(shorten(f"    {clean(reason)}", screen_width()), "dim"))
    return lines


def _title(name: str, count: int, total: int, paint: Paint) -> str:
    more = f" (the newest {count} of {total}; --limit shows more)" if total > count else ""
    return paint(f"{name}: {total}{more}", "bold")


def _sender(item: SpoolItem) -> str:
    shown = header(item.head, "From") if item.reverse_path in (None, "") else item.reverse_path
    return shorten(clean(shown), 24)


def _subject(item: SpoolItem) -> str:
    return header(item.head, "Subject") or "(no subject)"


def _why(item: SpoolItem) -> str:
    if item.state in ("quarantined", "deferred") and item.error:
        return item.error.strip().splitlines()[-1]
    return item.outcome or ""


def one_line(item: SpoolItem | OutboxItem) -> str:
    """One mail in a line, for a question."""
    if isinstance(item, SpoolItem):
        return clean(f"spool:{item.id}  {item.state}  from {_sender(item)}: {_subject(item)}")
    return clean(f"outbox:{item.id}  {item.state}  to {item.forward_path}: {item.subject}")


def spool_page(settings: Settings, item: SpoolItem, paint: Paint, release: str) -> str:
    """All about a mail that came in. `release`: what letting it in does, where it is held."""
    zone = zone_of(settings)
    sender = {None: "(unknown)", "": "<> (null)"}.get(item.reverse_path, item.reverse_path)
    lines = [_head(f"spool:{item.id}", item.state, paint)]
    lines += _fields(
        {
            "outcome": item.outcome,
            "subject": header(item.head, "Subject"),
            "from": header(item.head, "From"),
            "sender": f"{sender} (envelope)",
            "recipients": ", ".join(item.forward_paths),
            "came by": f"{item.source} {item.mailbox}, {item.client}",
            "login": item.authenticated_as,
            "queue": item.queue,
            "size": size(item.size),
            "received": local(item.received_at, zone),
            "tries": str(item.attempts),
            "next try": local(item.next_try_at, zone) if item.state in ("received", "deferred") else "",
            "worked on": _lease(item, zone),
            "done": local(item.done_at, zone),
            "ticket": label(settings, item.ticket) if item.ticket else "",
            "entry": f"#{item.entry}" if item.entry else "",
            "key": item.key,
            "if let in": release,
        },
        paint,
    )
    if item.error:
        lines += ["", paint("Last error", "bold"), *(f"  {line}" for line in clean_lines(item.error))]
    lines += _next_steps(item)
    return "\n".join(lines)


def outbox_page(settings: Settings, item: OutboxItem, paint: Paint) -> str:
    """All about a mail that goes out."""
    zone = zone_of(settings)
    lines = [_head(f"outbox:{item.id}", item.state, paint)]
    lines += _fields(
        {
            "reply": item.reply,
            "status": item.enhanced_status,
            "unsure": "the connection broke before the reply: it may have arrived" if item.uncertain else "",
            "kind": f"{item.kind.replace('_', ' ')} to {item.audience}",
            "subject": item.subject,
            "sender": f"{item.reverse_path or '<> (null)'} (envelope)",
            "recipient": item.forward_path,
            "message id": item.message_id,
            "size": size(item.size),
            "ticket": label(settings, item.ticket) if item.ticket else "",
            "entry": f"#{item.entry}" if item.entry else "",
            "created": local(item.created_at, zone),
            "tries": str(item.attempts),
            "next try": local(item.next_try_at, zone) if item.state == "queued" else "",
            "until": local(item.expire_at, zone) if item.state == "queued" else "",
            "worked on": _lease(item, zone),
            "done": local(item.done_at, zone),
        },
        paint,
    )
    if item.state in ("queued", "failed"):
        lines += ["", f"Send it now: ticketgate queue retry outbox:{item.id}"]
    return "\n".join(lines)


def _next_steps(item: SpoolItem) -> list[str]:
    name = f"spool:{item.id}"
    steps = {
        "hold": [
            f"Let it in:   ticketgate queue release {name}",
            f"Drop it:     ticketgate queue drop {name}",
        ],
        "quarantined": [
            f"Try again:   ticketgate queue retry {name}",
            f"Drop it:     ticketgate queue drop {name}",
        ],
    }.get(item.state, [])
    return ["", *steps] if steps else []


def _head(name: str, state: str, paint: Paint) -> str:
    return f"{paint(name, 'bold')}  {paint(state, _STATE_COLOURS.get(state, 'bold'))}"


def _fields(fields: dict[str, str | None], paint: Paint) -> list[str]:
    return [
        f"  {paint(name.ljust(11), 'dim')} {shorten(clean(text), _LONGEST_VALUE)}"
        for name, text in fields.items()
        if text and clean(text)
    ]


def _lease(item: SpoolItem | OutboxItem, zone: ZoneInfo) -> str:
    return f"by {item.lease_owner} until {local(item.lease_until, zone)}" if item.lease_owner else ""


def header(head: bytes, name: str) -> str:
    """A header field out of the first octets of a mail, decoded where that can be."""
    value = str(HeaderParser().parsestr(head.decode("utf-8", "replace")).get(name, ""))
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value


def spool_json(item: SpoolItem) -> dict[str, Any]:
    """Fields as told in docs/reference/json.md."""
    value = asdict(item)
    head = value.pop("head")
    return {
        **value,
        "id": f"spool:{item.id}",
        "from": header(head, "From"),
        "subject": header(head, "Subject"),
    }


def outbox_json(item: OutboxItem) -> dict[str, Any]:
    """Fields as told in docs/reference/json.md."""
    return {**asdict(item), "id": f"outbox:{item.id}"}
