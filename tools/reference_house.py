"""The pages docs/reference/states.md and templates.md: transition table, queues of mail, templates.

What the code knows (states, causes, kinds, files) is read from it; what a word means stands here. A word
without a meaning, or a meaning without a word, raises ValueError.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from gateway.notices.render import KINDS
from gateway.resources import templates_folder
from gateway.store.queue_views import OUTBOX_STATES, SPOOL_STATES
from gateway.tickets.states import TRANSITIONS, Cause, State

ROOT = Path(__file__).resolve().parent.parent

STATES = {
    "new": "Nobody has answered yet.",
    "open": "Somebody has answered, and the conversation goes on.",
    "pending": "The customer has to answer.",
    "on_hold": "Somebody else has to do something.",
    "resolved": "Done, unless the customer writes again.",
    "closed": "Done.",
    "merged": "Another ticket goes on for it; mail to it goes there.",
    "spam": "Not a request.",
}
CAUSES = {
    "customer_wrote": "A mail of a person who is not an agent came to the ticket.",
    "agent_answered": "An agent's public answer was taken.",
}
SPOOL = {
    "received": "Accepted, and due.",
    "deferred": "Working on it raised; it is due again after 10 seconds, then after a minute.",
    "hold": "A person must look. `ticketgate queue release` lets it in, `queue drop` does not.",
    "quarantined": "Three tries failed. `queue show` prints the traceback, `queue retry` tries again.",
    "done": "Worked on, or dropped by an admin; `outcome` says what came of it.",
}
OUTBOX = {
    "queued": "To be handed over at `next_try_at`, for the first time or again.",
    "failed": "Refused for good, or not taken before it expired. `queue retry` begins anew.",
    "sent": "The peer took it.",
    "dropped": "An admin took it out.",
}
EVENTS = {
    "created": "The ticket was made.",
    "customer_replied": "A customer's or third party's mail was added.",
    "answered": "An agent's public answer was added. `had_directly`: who got the agent's own mail.",
    "noted": "An agent's note was added.",
    "state_changed": "The state changed.",
    "participant_added": "Somebody in Cc of a participant's or agent's mail is on the ticket from now on.",
    "copies_left_out": "A mail names more people than one can bring along; `count` of them do not take part.",
    "acknowledgement_held_back": "The sender got as many acknowledgements within the hour as are allowed.",
    "delivery_failure": "A mail of the ticket was refused or returned.",
    "delivery_delay": "A report says that a mail of the ticket is late.",
    "delivery_delivered": "A report says that a mail of the ticket has arrived.",
    "delivery_feedback": "A recipient's provider reports a mail of the ticket as abuse (RFC 5965).",
    "delivery_disposition": "A recipient's program tells what was done with a mail of the ticket (RFC 8098).",
    "mail_retried": "An admin has had a mail of the ticket tried again.",
    "mail_released": "An admin has let a held mail in.",
    "mail_dropped": "An admin has dropped a mail of the ticket.",
}
REPORT_KINDS = ("failure", "delay", "delivered", "feedback", "disposition")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of notice: who gets it, when, and which variables it has beside those of every template."""

    to: str
    when: str
    variables: tuple[str, ...]


_TICKET = ("desk", "ticket")
_NEWS = (
    *_TICKET, "text", "author", "silent", "encrypted", "reasons", "copies_left_out", "had_directly",
    "attachments", "left_out", "related", "signed_with",
)  # fmt: skip
NOTICES = {
    "acknowledgement": Kind(
        "the requester",
        "a person's mail made a ticket, the queue acknowledges, and the budget of the hour allows it",
        _TICKET,
    ),
    "answer": Kind(
        "the requester and each Cc participant, a mail of their own each, but for who stands in To or Cc of"
        " the agent's own mail",
        "an agent's public answer",
        (*_TICKET, "text", "agent", "signature"),
    ),
    "new_ticket": Kind("the queue's agents", "a mail made a ticket", _NEWS),
    "customer_reply": Kind(
        "the assignee, or the queue's agents", "a mail from outside was added to a ticket", _NEWS
    ),
    "agent_answer": Kind("the same, but for who wrote it", "an agent answered the customer", _NEWS),
    "note": Kind("the same, but for who wrote it", "an agent left a note", _NEWS),
    "held": Kind(
        "the agent in whose name the mail is",
        "a mail in an agent's name is held, and the budget of the hour allows it",
        ("desk", "label", "reason", "why", "text"),
    ),
    "delivery_trouble": Kind(
        "the assignee, or the queue's agents",
        "a mail to a customer was refused, returned, or has expired",
        (*_TICKET, "what", "recipient", "reply"),
    ),
    "alert": Kind(
        "each of `desk.admins`, once a day and cause", "the daemon needs help", ("kind", "text", "desk")
    ),
}
EVERYWHERE = ("marker", "note_address", "reply_address")
VARIABLES = {
    "marker": 'In agents\' mails the line "write above this line", else empty.',
    "note_address": "Address for an internal note on this ticket, signed for this recipient; may be empty.",
    "reply_address": "The mail's Reply-To.",
    "desk": "`name` as in From, `address` of the queue (an alert has `name` only).",
    "ticket": "`label` (DESK-1042), `number`, `subject`, `state`, `priority`, `queue`, `assignee`,"
    " `assigned_to` (public name), `created_at` (instant), `requester` (as text), `others` (list of"
    " texts), `people` (requester and Cc, as text), `history` (the last contributions, newest first: `kind`,"
    " `author`, `name`, `at`, `text`).",
    "text": "What was written: the new text without quotes and signature; of an agent's answer, what the"
    " customers get; of an alert, what is wrong.",
    "author": "Who wrote: `name`, `address` (empty for an agent), `kind` (customer, agent, third_party,"
    " machine).",
    "agent": "Who answered: `name`, the public one.",
    "signature": "The queue's signature; may be empty.",
    "silent": "Whether a machine seems to have sent it.",
    "encrypted": "How the mail is encrypted (OpenPGP, S/MIME), which nobody here could read; else empty.",
    "copies_left_out": "How many people in Cc were too many to be taken along.",
    "signed_with": "What of a customer's text was taken for its signature, where `text` is without it.",
    "had_directly": "List of people to whom an agent's own mail went directly.",
    "reasons": "List of texts: why priority and queue are what they are.",
    "attachments": "List of all attachments: `filename`, `content_type`, `size` in octets and more.",
    "left_out": "Those of them that are too large to be sent along (`delivery.attach_up_to`).",
    "related": "Label of another ticket that the mail names, or empty.",
    "what": "Kind of the mail that did not arrive, in words.",
    "recipient": "Whom it did not reach.",
    "reply": "What the peer or the report said; may be empty.",
    "label": "Label of the ticket that a held mail concerns, or empty.",
    "reason": "Why it is held.",
    "why": "List of texts: how far the sender is trusted, step by step.",
    "kind": "What the alert is about, in words.",
}
FILTERS = {
    "paragraphs": "Text as HTML: escaped, with line breaks and links.",
    "quote": 'Text with "> " before each line.',
    "size": "Octets as people say them: 1.2 MB.",
    "local": "An instant in the desk's zone: Mon 23 Nov 2026, 09:15 CET.",
}


def _complete(what: str, known: Iterable[str], told: Collection[str]) -> None:
    if odd := sorted(set(known) ^ set(told)):
        raise ValueError(f"{what}: only in one of code and tools/reference_house.py: {', '.join(odd)}")


def text(words: str) -> list[str]:
    """A paragraph of a page, broken into lines."""
    return [*wrap(words, 110, break_on_hyphens=False), ""]


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    told = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return [told[0], "|---" * len(head) + "|", *told[1:], ""]


def _meanings(head: str, words: Iterable[str], meanings: Mapping[str, str]) -> list[str]:
    return _rows((head, "meaning"), ((f"`{word}`", meanings[word]) for word in words))


def trail_kinds(folder: Path = ROOT / "gateway") -> set[str]:
    """Every kind of event that the code writes into a ticket's trail."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            position = {"NewEvent": 0, "_event": 1, "add_event": 2}.get(called)
            if position is None or len(node.args) <= position:
                continue
            kind = node.args[position]
            if isinstance(kind, ast.Constant):
                found.add(str(kind.value))
            elif isinstance(kind, ast.JoinedStr) and isinstance(kind.values[0], ast.Constant):
                found |= {f"{kind.values[0].value}{one}" for one in REPORT_KINDS}
    return found


def states_page(made: str) -> str:
    """States of tickets and of mail, and the events of a ticket's trail."""
    _complete("ticket states", State, STATES)
    _complete("causes", Cause, CAUSES)
    _complete("spool states", SPOOL_STATES, SPOOL)
    _complete("outbox states", OUTBOX_STATES, OUTBOX)
    _complete("events", trail_kinds(), EVENTS)
    reached = {State.NEW, *TRANSITIONS.values()}
    others = ", ".join(f"`{state}`" for state in State if state not in reached)
    lines = ["# States", "", made, "", "## Tickets", ""]
    lines += _meanings("state", State, STATES)
    lines += text(
        "A ticket begins as `new`. The second table is all that changes a state: what is not in it changes"
        " nothing. A mail of a machine (silent), a note and a delivery report are no cause."
    )
    lines += _meanings("cause", Cause, CAUSES)
    lines += _rows(
        ("state", "cause", "then"),
        ((f"`{state}`", f"`{cause}`", f"`{then}`") for (state, cause), then in TRANSITIONS.items()),
    )
    lines += [f"No mail and no command leads to {others}.", "", "## Mail that came in (spool)", ""]
    lines += _meanings("state", SPOOL_STATES, SPOOL)
    lines += [
        *text(
            "A mail under lease keeps its state; `lease_owner` and `lease_until` tell who has it and how"
            " long. Taking a mail counts as a try. When the lease ends before its owner is done, the mail is"
            " due again."
        ),
        "```text",
        "received ──▶ done",
        "   │  ▲  └──▶ hold ── release ──▶ received",
        "   ▼  │",
        "deferred ──▶ quarantined ── retry ──▶ received",
        "```",
        "",
        "## Mail that goes out (outbox)",
        "",
    ]
    lines += _meanings("state", OUTBOX_STATES, OUTBOX)
    lines += [
        *text(
            "`uncertain` is a mark, not a state: the connection ended after the end of the mail and before"
            " the reply, so the mail may have arrived. It stays `queued` and is repeated with the same"
            " octets."
        ),
        "```text",
        "queued ──▶ sent",
        "  │  ▲",
        "  ▼  │ retry",
        "failed          queued, failed ── drop ──▶ dropped",
        "```",
        "",
        "## Events of a ticket's trail",
        "",
        "`ticketgate tickets show NUMBER --history` prints them.",
        "",
    ]
    lines += _meanings("event", sorted(EVENTS), EVENTS)
    return "\n".join(lines).rstrip() + "\n"


def templates_page(made: str) -> str:
    """Every kind of notice with its files, recipients and variables."""
    _complete("kinds", KINDS, NOTICES)
    used = {name for kind in NOTICES.values() for name in kind.variables}
    _complete("variables", {*used, *EVERYWHERE}, VARIABLES)
    lines = [
        "# Templates of mails",
        "",
        made,
        "",
        *text(
            "A kind of mail is a pair of Jinja2 templates, `KIND.txt.j2` and `KIND.html.j2`. A file of the"
            " same name in the folder `templates/` of the config goes before the shipped one, also for the"
            " layouts. Templates are read when the config is: `ticketgate check` renders each with hostile"
            " text, and a reload takes changed ones. They run in Jinja2's sandbox. A variable that is not"
            " there is a mistake; in HTML templates text is escaped."
        ),
        "## Kinds",
        "",
    ]
    lines += _rows(
        ("kind", "goes to", "when", "variables"),
        (
            (
                f"`{kind}`",
                NOTICES[kind].to,
                NOTICES[kind].when,
                ", ".join(f"`{v}`" for v in NOTICES[kind].variables),
            )
            for kind in KINDS
        ),
    )
    lines += [
        f"Every kind also has {', '.join(f'`{name}`' for name in EVERYWHERE)}.",
        "",
        "## Files",
        "",
        "| file | extends |",
        "|---|---|",
    ]
    for path in sorted(templates_folder().glob("*.j2")):
        first = path.read_text("utf-8").splitlines()[0]
        base = first.split('"')[1] if first.startswith("{% extends") else ""
        lines.append(f"| `{path.name}` | {f'`{base}`' if base else 'nothing'} |")
    lines += ["", "## Variables", ""]
    lines += _meanings("variable", VARIABLES, VARIABLES)
    lines += ["## Filters", "", "Beside Jinja2's own:", ""]
    lines += _meanings("filter", FILTERS, FILTERS)
    return "\n".join(lines).rstrip() + "\n"
