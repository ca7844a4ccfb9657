"""One mail through the pipeline, and what each stage made of it as one JSON object.

The object's fields are told in docs/reference/json.md and are stable: fields may be added, none is taken
away or changes its meaning. Never raises for what is in a mail: a stage that breaks is the object's `error`,
and the sections of that stage and of later ones are null.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.admin.mail_files import Found
from gateway.admin.tables import instant
from gateway.mail.message import Address, Forwarded, Message
from gateway.notices.render import TemplateMistake
from gateway.notices.values import OutgoingMail
from gateway.pipeline import CONCLUDE, UNDERSTAND, Policy, Work
from gateway.ports import Ids
from gateway.screen.values import Envelope, Screening
from gateway.tickets.values import Facts, Match, Triage

Json = dict[str, Any]
_NOTHING_KNOWN = Facts(next_number=1)


@dataclass(frozen=True, slots=True)
class Explained:
    """`value` is the object. `outcome`: what the mail does, in words. `exit_code` as of sysexits."""

    value: Json
    outcome: str
    exit_code: int


def explain_mail(found: Found, policy: Policy, ids: Ids, now: datetime) -> Explained:
    """Read one mail and take it through the pipeline, with no tickets known and an envelope that says
    nothing. Raises TemplateMistake: that is the config's fault, not the mail's."""
    try:
        raw = found.read()
    except OSError as error:
        reason = f"cannot be read: {error.strerror or type(error).__name__}"
        return Explained(_object(found.name, reason, None), "", os.EX_NOINPUT)
    work = Work(
        policy=policy,
        ids=ids,
        now=now,
        raw=raw,
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        envelope=Envelope(None, None, (), None),
        facts=_NOTHING_KNOWN,
    )
    told: str | None = None
    name = ""
    try:
        for stage in (*UNDERSTAND, *CONCLUDE):
            name = stage.name
            stage.run(work)
    except TemplateMistake:
        raise
    except Exception as error:  # noqa: BLE001 - whatever breaks on a mail is told, and the next mail goes on
        told = f"{name}: {type(error).__name__}: {error}"
    outcome = work.decision.outcome if work.decision is not None else ""
    return Explained(_object(found.name, told, work), outcome, os.EX_SOFTWARE if told else os.EX_OK)


def _object(name: str, error: str | None, work: Work | None) -> Json:
    mail = work.mail if work else None
    screening = work.screening if work else None
    match = work.match if work else None
    triage = work.triage if work else None
    built = work is not None and error is None
    return {
        "file": name,
        "error": error,
        "message": _message(mail.message) if mail else None,
        "screen": _screen(screening) if screening else None,
        "thread": _thread(match) if match else None,
        "triage": _triage(triage) if triage else None,
        "clocks": [] if built else None,
        "outgoing": [_outgoing(one) for one in work.outgoing] if work is not None and built else None,
    }


def _address(address: Address) -> Json:
    return {"name": address.name, "address": address.address}


def _addresses(addresses: Iterable[Address]) -> list[Json]:
    return [_address(one) for one in addresses]


def _message(message: Message) -> Json:
    return {
        "message_id": message.message_id,
        "date": instant(message.date) if message.date else None,
        "from": _addresses(message.from_),
        "reply_to": _addresses(message.reply_to),
        "to": _addresses(message.to),
        "cc": _addresses(message.cc),
        "subject": message.subject,
        "language": message.language,
        "text": message.text,
        "new_text": message.new_text,
        "quoted": message.quoted,
        "signature": message.signature,
        "html": message.html is not None,
        "attachments": [
            {
                "filename": one.filename,
                "content_type": one.content_type,
                "size": one.size,
                "sha256": one.sha256,
                "disposition": one.disposition,
                "content_id": one.content_id,
            }
            for one in message.attachments
        ],
        "in_reply_to": list(message.in_reply_to),
        "references": list(message.references),
        "forwarded": _forwarded(message.forwarded) if message.forwarded else None,
        "encrypted": message.encrypted,
        "defects": list(message.defects),
    }


def _forwarded(forwarded: Forwarded) -> Json:
    return {
        "from": _address(forwarded.from_) if forwarded.from_ else None,
        "to": _addresses(forwarded.to),
        "cc": _addresses(forwarded.cc),
        "subject": forwarded.subject,
        "date": forwarded.date,
        "body": forwarded.body,
    }


def _screen(screening: Screening) -> Json:
    report = screening.report
    return {
        "verdict": screening.verdict.value,
        "may_reply": screening.may_reply,
        "auto_submitted": screening.auto_submitted,
        "signals": [{"rule": one.rule, "evidence": one.evidence} for one in screening.signals],
        "dsn": {
            "kind": report.kind,
            "recipients": [
                {
                    "address": one.address,
                    "action": one.action,
                    "status": one.status,
                    "diagnostic": one.diagnostic,
                }
                for one in report.recipients
            ],
            "original_message_id": report.original_message_id,
        }
        if report
        else None,
        "trust": {"level": screening.trust.level, "why": list(screening.trust.why)},
    }


def _thread(match: Match) -> Json:
    return {
        "ticket": match.ticket,
        "evidence": [
            {"signal": one.signal, "value": one.value, "accepted": one.accepted, "why": one.why}
            for one in match.evidence
        ],
    }


def _triage(triage: Triage) -> Json:
    return {
        "impact": triage.impact,
        "urgency": triage.urgency,
        "priority": triage.priority,
        "category": triage.category,
        "tags": list(triage.tags),
        "queue": triage.queue,
        "assignee": triage.assignee,
        "reasons": [
            {"source": one.source, "evidence": one.evidence, "weight": one.weight} for one in triage.reasons
        ],
    }


def _outgoing(mail: OutgoingMail) -> Json:
    return {
        "kind": mail.kind,
        "to": mail.forward_path,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
    }
