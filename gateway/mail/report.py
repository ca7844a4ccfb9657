"""Reports by machines about a mail that was sent earlier: delivery status (RFC 3464), abuse feedback
(ARF, RFC 5965) and disposition notifications (RFC 8098).

Only reports of these standard forms are read here. Never raises; reads a bounded number of octets.
"""

from __future__ import annotations

import re

from gateway.mail.body import octets
from gateway.mail.headers import decode_field
from gateway.mail.message import DeliveryReport, ReportedRecipient
from gateway.mail.references import message_id
from gateway.mail.structure import Part, walk

_MOST_OCTETS = 256 * 1024
_MOST_RECIPIENTS = 1000
_BLANK_LINE = re.compile(rb"\n[ \t]*(?:\n[ \t]*)+")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_ORIGINALS = frozenset(
    (
        "message/rfc822",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global",
        "message/global-headers",
    )
)
_GOOD = frozenset(("delivered", "relayed", "expanded"))

Fields = dict[str, str]


def read_report(raw: bytes, root: Part) -> DeliveryReport | None:
    """The report that a mail is, or None where it is none."""
    leaves: dict[str, Part] = {}
    original: Part | None = None
    for leaf in root.leaves():
        leaves.setdefault(leaf.content_type, leaf)
        if leaf.content_type in _ORIGINALS and original is None:
            original = leaf
    kind = root.parameters.get("report-type", "").lower() if root.content_type == "multipart/report" else ""
    status = leaves.get("message/delivery-status") or leaves.get("message/global-delivery-status")
    if status is not None and (kind in ("", "delivery-status") or root.content_type != "multipart/report"):
        return _delivery(_blocks(raw, status), _original_id(raw, original))
    feedback = leaves.get("message/feedback-report")
    if feedback is not None:
        return _feedback(_blocks(raw, feedback), _original_id(raw, original))
    disposition = leaves.get("message/disposition-notification")
    if disposition is not None:
        return _disposition(_blocks(raw, disposition), _original_id(raw, original))
    return None


def _blocks(raw: bytes, part: Part) -> list[list[tuple[str, bytes]]]:
    """The groups of fields of a report part, in order."""
    content = octets(raw, part, _MOST_OCTETS).replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    blocks = []
    for block in _BLANK_LINE.split(content)[: _MOST_RECIPIENTS + 1]:
        found = walk(block + b"\n\n", header_octets=_MOST_OCTETS, headers=200, depth=1, parts=1)
        if found.root.fields:
            blocks.append(found.root.fields)
    return blocks


def _typed(value: bytes) -> str:
    """A value without its type: "rfc822; a@b" → "a@b"."""
    text = decode_field(value)
    kind, semicolon, rest = text.partition(";")
    return rest.strip() if semicolon and len(kind) < 40 else text


def _address(value: bytes) -> str:
    return _typed(value).strip().strip("<>").strip()


def _delivery(blocks: list[list[tuple[str, bytes]]], original: str | None) -> DeliveryReport:
    recipients: list[ReportedRecipient] = []
    for block in blocks:
        current: dict[str, bytes] = {}
        for name, value in block:
            if name == "final-recipient" and "final-recipient" in current:
                recipients.append(_recipient(current))
                current = {}
            current.setdefault(name, value)
        if "final-recipient" in current or "original-recipient" in current:
            recipients.append(_recipient(current))
    actions = {recipient.action for recipient in recipients}
    if "failed" in actions or not actions:
        kind = "failure"
    elif "delayed" in actions:
        kind = "delay"
    elif actions <= _GOOD:
        kind = "delivered"
    else:
        kind = "failure"
    return DeliveryReport(kind, tuple(recipients), original)


def _recipient(fields: dict[str, bytes]) -> ReportedRecipient:
    address = _address(fields.get("final-recipient", b"")) or _address(fields.get("original-recipient", b""))
    action = (decode_field(fields.get("action", b"")).split() or [""])[0].strip(";,").lower()
    diagnostic = _typed(fields.get("diagnostic-code", b""))
    found = _STATUS.search(decode_field(fields.get("status", b""))) or _STATUS.search(diagnostic)
    status = ".".join(found.groups()) if found else ""
    if not action:
        action = {"4": "delayed", "2": "delivered"}.get(status[:1], "failed")
    return ReportedRecipient(address, action, status, diagnostic)


def _feedback(blocks: list[list[tuple[str, bytes]]], original: str | None) -> DeliveryReport:
    addresses = [
        _address(value)
        for block in blocks
        for name, value in block
        if name in ("original-rcpt-to", "final-recipient", "removal-recipient")
    ]
    recipients = tuple(ReportedRecipient(one, "", "", "") for one in dict.fromkeys(addresses) if one)
    return DeliveryReport("feedback", recipients, original)


def _disposition(blocks: list[list[tuple[str, bytes]]], original: str | None) -> DeliveryReport:
    fields: dict[str, bytes] = {}
    for block in blocks:
        for name, value in block:
            fields.setdefault(name, value)
    address = _address(fields.get("final-recipient", b"")) or _address(fields.get("original-recipient", b""))
    recipients = (
        (ReportedRecipient(address, "", "", _typed(fields.get("disposition", b""))),) if address else ()
    )
    told = message_id(fields.get("original-message-id", b""))
    return DeliveryReport("disposition", recipients, told or original)


def _original_id(raw: bytes, part: Part | None) -> str | None:
    """The Message-ID of the mail that a report gives back."""
    if part is None:
        return None
    content = octets(raw, part, _MOST_OCTETS).lstrip(b"\r\n")
    found = walk(content, header_octets=_MOST_OCTETS, headers=500, depth=1, parts=1)
    return message_id(found.root.raw("message-id"))
