"""Variables as templates get them, with hostile text in each: what `ticketgate check` renders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.mail.message import Attachment
from gateway.tickets.values import Said

_HOSTILE = "<script>alert(1)</script> {{ 7*7 }} \r\nBcc: x@example.org ../../x"
_AT = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)

VARIABLES: Mapping[str, object] = {
    "marker": "",
    "desk": {"name": _HOSTILE, "address": "support@example.com"},
    "ticket": {
        "label": "DESK-1042",
        "number": 1042,
        "subject": _HOSTILE,
        "state": "open",
        "priority": "normal",
        "queue": "support",
        "assignee": "",
        "created_at": _AT,
        "people": _HOSTILE,
        "requester": _HOSTILE,
        "others": [_HOSTILE],
        "assigned_to": _HOSTILE,
        "history": (Said("public", "customer", _HOSTILE, _AT, _HOSTILE),),
    },
    "text": _HOSTILE,
    "signed_with": _HOSTILE,
    "author": {"name": _HOSTILE, "address": "jana@example.org", "kind": "customer"},
    "agent": {"name": _HOSTILE},
    "signature": _HOSTILE,
    "silent": True,
    "reasons": [_HOSTILE],
    "attachments": (
        Attachment("2", _HOSTILE, "application/pdf", 1234567, "0" * 64, "attachment", "", "base64", 0, 0),
    ),
    "left_out": (),
    "related": "DESK-7",
    "encrypted": "OpenPGP",
    "copies_left_out": 12,
    "had_directly": [_HOSTILE],
    "what": "answer",
    "recipient": _HOSTILE,
    "reply": _HOSTILE,
    "label": "DESK-1042",
    "reason": _HOSTILE,
    "why": (_HOSTILE,),
    "kind": "quarantine",
    "note_address": "support+1042-nabcdef-aabcdefghijklmnop@example.com",
    "reply_address": "support+1042-aabcdef-aabcdefghijklmnop@example.com",
}
