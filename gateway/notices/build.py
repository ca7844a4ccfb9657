"""A notice to an outgoing mail: rendered, signed, composed. The one place where outgoing headers are made.

A mail to an address in ASCII has a header block in ASCII, whoever else is on the ticket: its To and Cc leave
out a person whose address cannot be written there, as one such address would ask the mail servers on the way
for SMTPUTF8, which most do not offer. That person's own copy names all.
"""

from __future__ import annotations

from datetime import datetime

from gateway.mail.compose import AttachmentHead, base64_size, compose
from gateway.mail.message import Address, address_key
from gateway.mail.quotes import MARKER
from gateway.mail.signed import ENVELOPE, NOTE, Signer
from gateway.mail.spelling import a_labels, spelled
from gateway.notices.render import Renderer
from gateway.notices.values import AttachedPart, Notice, OutgoingMail
from gateway.ports import Ids
from gateway.screen.rules.own_mail import LOOP_FIELD
from gateway.settings.model import Settings

_MOST_REFERENCES = 12


class Builder:
    """Makes mails for one config."""

    def __init__(self, settings: Settings, signer: Signer, renderer: Renderer) -> None:
        self._settings = settings
        self._signer = signer
        self._renderer = renderer
        self._domain = a_labels(settings.desk.domain) or settings.desk.domain

    def _signed_address(self, notice: Notice, role: str) -> str:
        if self._settings.signing.mode == "message_id" or notice.ticket is None:
            return notice.base
        return self._signer.address(notice.base, notice.ticket, role, notice.recipient.address)

    def _subject(self, notice: Notice) -> str:
        if notice.ticket is None:
            return notice.subject
        tag = f"[{self._settings.desk.ticket_prefix}-{notice.ticket}-{self._signer.tag(notice.ticket)}]"
        if notice.subject.startswith("Re: "):
            return f"Re: {tag} {notice.subject[4:]}"
        return f"{tag} {notice.subject}"

    def _references(self, notice: Notice) -> list[str]:
        """The thread: what came from outside, and our own signed root of it, which stands there although it
        was never sent, so that the thread holds for each recipient, and holds where a relay gives our mails
        other ids. The first id, the root and the newest ones are kept when there are many."""
        if notice.ticket is None:
            return []
        root = self._signer.message_id(
            notice.ticket, notice.role, notice.recipient.address, "root", self._domain
        )
        # an id outside ASCII is not written
        outside = [one for one in dict.fromkeys(notice.references) if one.isascii()]
        if len(outside) > _MOST_REFERENCES:
            outside = [outside[0], *outside[-_MOST_REFERENCES + 1 :]]
        return [*outside[:1], root, *outside[1:]]

    def build(self, notice: Notice, ids: Ids, now: datetime) -> OutgoingMail:
        """The mail of `notice`, dated `now`. Raises TemplateMistake."""
        unique = ids.token(12)
        recipient = notice.recipient.address
        message_id = self._signer.message_id(notice.ticket or 0, notice.role, recipient, unique, self._domain)
        reply_to = self._signed_address(notice, notice.role)
        variables = dict(notice.variables)
        plus = self._settings.signing.mode == "plus" and notice.ticket is not None
        variables["note_address"] = self._signed_address(notice, NOTE) if plus else ""
        variables["reply_address"] = reply_to
        variables["marker"] = MARKER if notice.audience == "agent" else ""
        text, html = self._renderer.render(notice.kind, variables)
        subject = self._subject(notice)
        references = self._references(notice)
        in_reply_to = notice.in_reply_to or ""
        if not (in_reply_to and in_reply_to.isascii()):
            in_reply_to = references[-1] if references else ""
        to, copies = _shown(notice)
        headers: list[tuple[str, object]] = [
            ("Date", now),
            ("From", Address(notice.from_name, notice.base)),
            ("To", to),
            ("Cc", copies),
            ("Reply-To", Address(notice.from_name, reply_to)),
            ("Subject", subject),
            ("Message-ID", (message_id,)),
            ("In-Reply-To", (in_reply_to,)),
            ("References", references),
            (LOOP_FIELD, message_id),
        ]
        if notice.auto_submitted is not None:
            headers += [("Auto-Submitted", notice.auto_submitted), ("X-Auto-Response-Suppress", "All")]
        heads = [
            # our text refers to no part, and a Content-ID can name the sender's own computer
            AttachmentHead(one.content_type, one.filename, one.disposition, "", one.charset, one.method)
            for one in notice.attachments
        ]
        composed = compose(headers, text, html, heads, unique)  # type: ignore[arg-type]
        reverse_path = "" if notice.null_reverse_path else self._signed_address(notice, ENVELOPE)
        size = len(composed.octets) + len(composed.tail)
        size += sum(map(len, composed.attachment_heads))
        size += sum(base64_size(one.size) for one in notice.attachments)
        return OutgoingMail(
            ticket=notice.ticket,
            kind=notice.kind,
            audience=notice.audience,
            reverse_path=reverse_path,
            forward_path=recipient,
            recipient_key=address_key(recipient),
            message_id=message_id,
            subject=subject,
            skeleton=composed.octets,
            attachments=tuple(
                AttachedPart(head, notice.raw_id or 0, one.start, one.stop, one.encoding)
                for head, one in zip(composed.attachment_heads, notice.attachments, strict=True)
            ),
            tail=composed.tail,
            size=size,
            text=text,
            html=html,
        )


def _shown(notice: Notice) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """What To and Cc show to this recipient; somebody stands in To as long as anybody is left."""
    beyond_ascii = not (spelled(notice.recipient.address) or "").isascii()

    def told(people: tuple[Address, ...]) -> tuple[Address, ...]:
        written = ((one, spelled(one.address)) for one in people)
        return tuple(one for one, spec in written if spec is not None and (beyond_ascii or spec.isascii()))

    to, copies = told(notice.shown_to), told(notice.shown_cc)
    return (to, copies) if to else (copies, ())
