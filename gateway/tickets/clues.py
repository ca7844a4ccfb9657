"""What a mail gives to look up: its identity, the tickets and Message-IDs that it names."""

from __future__ import annotations

import re

from gateway.mail.message import address_key
from gateway.mail.signed import Signer
from gateway.screen.trust import signed_recipients, signed_references
from gateway.screen.values import Mail, Screening
from gateway.tickets.people import requester
from gateway.tickets.values import Clues

_TAG = re.compile(r"\[([A-Z][A-Z0-9]{0,15})-(\d{1,12})-([a-z])([a-z2-7]{4})\]", re.ASCII | re.IGNORECASE)
_MOST_IDS = 50


def dedup_key(mail: Mail, raw_sha256: str) -> str:
    """Identity of the wire mail: its Message-ID with the hash of its body, as a relay changes the header and
    a reused id brings another body; without an id the hash of all octets. Under a released mail it is another
    one, so that the entry can be written although the held one was seen."""
    message_id = mail.message.message_id
    if message_id:
        # a sender that gives all its mails one id differs at least in From or Date
        date = mail.message.date.isoformat() if mail.message.date else ""
        sender = ",".join(one.key for one in mail.message.from_)[:300]
        return f"{message_id[:500]} {mail.message.body_sha256} {date} {sender}"
    return f"raw {raw_sha256}"


def subject_tags(subject: str, prefix: str, signer: Signer) -> tuple[tuple[str, int], ...]:
    """Our signed tags in a subject: (as it stands there, ticket number)."""
    found = []
    for hit in _TAG.finditer(subject):
        number = int(hit[2])
        if hit[1].upper() == prefix and signer.verify_tag(number, (hit[3] + hit[4]).lower()):
            found.append((hit[0], number))
    return tuple(found)


def queue_of(mail: Mail) -> str:
    """The queue that the mail came to: by the envelope, by its recipient fields, else the first one."""
    if mail.envelope.queue is not None:
        return mail.directory.queue(mail.envelope.queue).name
    message = mail.message
    fields = [
        value.strip().strip("<>")
        for name in ("Delivered-To", "X-Original-To", "Envelope-To")
        for value in message.headers.get_all(name)
    ]
    named = (*mail.envelope.forward_paths, *fields, *(a.address for a in (*message.to, *message.cc)))
    for address in named:
        signed = mail.signer.verify_address(address)
        queue = mail.directory.queue_by_address(signed.base if signed else address)
        if queue is not None:
            return queue.name
    return mail.directory.default_queue.name


def _answer_key(mail: Mail) -> str:
    author = mail.message.author
    agent = mail.directory.agent_by_address(author.address) if author else None
    return address_key(agent.address) if agent else requester(mail).key


def clues(mail: Mail, screening: Screening, raw_sha256: str) -> Clues:
    """All that is to be looked up before the mail can be judged."""
    message = mail.message
    signed = [*signed_recipients(mail), *signed_references(mail)]
    tags = subject_tags(message.subject, mail.settings.desk.ticket_prefix, mail.signer)
    numbers = [one.ticket for _, one in signed if one.ticket] + [number for _, number in tags]
    own = {message_id for message_id, _ in signed}
    foreign = [one for one in (*message.in_reply_to, *reversed(message.references)) if one not in own]
    report = screening.report
    reported_ids: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    if report is not None:
        original = report.original_message_id
        reported_ids = (original,) if original else ()
        recipients = tuple(dict.fromkeys(one.address.lower() for one in report.recipients if one.address))[
            :20
        ]
        if original and (about := mail.signer.verify_message_id(original)) and about.ticket:
            numbers.append(about.ticket)
    return Clues(
        queue=queue_of(mail),
        dedup_key=dedup_key(mail, raw_sha256),
        answer_key=_answer_key(mail),
        tickets=tuple(dict.fromkeys(numbers)),
        message_ids=tuple(dict.fromkeys(foreign))[:_MOST_IDS],
        reported_message_ids=reported_ids,
        reported_recipients=recipients,
        by_agent=screening.trust.level == "agent",
    )
