"""What a mail is, once it has been understood: the values that every later stage reads.

All text is NFC-free (as sent), holds no NUL and no lone surrogate, so that any database and any JSON
takes it. Header values hold no CR or LF.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gateway.mail.spelling import folded


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of an address header (RFC 5322 section 3.4): decoded display name, addr-spec as sent."""

    name: str
    address: str

    @property
    def key(self) -> str:
        """The addr-spec in the form in which addresses are compared: lower case, IDN domain in A-labels
        where that works."""
        return address_key(self.address)


def address_key(address: str) -> str:
    """`address` folded for comparison (see `Address.key`)."""
    return folded(address)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A leaf (or a message/rfc822 part, kept whole) that is not the mail's own text.

    `part` is IMAP's part number ("2", "1.3"); `start` and `stop` are the offsets of the part's encoded
    body in the raw mail, so that its octets can be read without parsing again; `encoding` is its
    content-transfer-encoding, lower case ("base64", "quoted-printable", "uuencode", "7bit", …).
    `size` and `sha256` (hex) are of the decoded octets. `filename` is as sent, decoded, folder parts
    taken off; "" where there is none. `content_id` is without <>. `disposition`: "attachment" or "inline".
    `charset` (RFC 2046 section 4.1.2) and `method` (RFC 5545 section 8.1) are parameters of its type, ""
    where there are none. `own_text`: it is text of the mail itself, kept as a file too because it has a
    name, is too long to be read whole (one without a name is given one then), or is another form of what
    is read.
    """

    part: str
    filename: str
    content_type: str
    size: int
    sha256: str
    disposition: str
    content_id: str
    encoding: str
    start: int
    stop: int
    charset: str = ""
    method: str = ""
    own_text: bool = False


@dataclass(frozen=True, slots=True)
class Headers:
    """The header block: decoded values by lower-case name, in order of appearance."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The first value of the field, or None."""
        name = name.lower()
        return next((value for key, value in self.fields if key == name), None)

    def get_all(self, name: str) -> tuple[str, ...]:
        """All values of the field, topmost first."""
        name = name.lower()
        return tuple(value for key, value in self.fields if key == name)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient of a delivery report (RFC 3464 section 2.3): `address` (Final-Recipient or
    Original-Recipient without its type), `action` (failed, delayed, delivered, relayed, expanded), `status`
    (RFC 3463, "" unknown), `diagnostic` (Diagnostic-Code without its type)."""

    address: str
    action: str
    status: str
    diagnostic: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a machine says about a mail that was sent earlier. `kind`: failure, delay, delivered, feedback
    (ARF, RFC 5965), disposition (RFC 8098). `original_message_id` without <>, or None."""

    kind: str
    recipients: tuple[ReportedRecipient, ...]
    original_message_id: str | None


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The header block and body of a mail that somebody forwarded inline or attached."""

    from_: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    subject: str
    date: str
    body: str


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed mail. `message_id`, `in_reply_to` and `references` are without <>. `text` is the whole
    readable text (from text/plain, or from HTML), `new_text` what this sender wrote now, `quoted` and
    `signature` what was split off. `defects` are names of what was wrong with the bytes. `encrypted` is
    None, "smime", "pgp" (cannot be read) . `body_sha256` (hex) is of the body octets with line ends
    folded to LF and trailing blank lines dropped: the same mail over two routes has the same one."""

    message_id: str | None
    date: datetime | None
    from_: tuple[Address, ...]
    sender: Address | None
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    subject: str
    headers: Headers
    text: str
    new_text: str
    quoted: str
    signature: str
    html: str | None
    attachments: tuple[Attachment, ...]
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    language: str | None
    forwarded: Forwarded | None
    encrypted: str | None
    report: DeliveryReport | None
    content_type: str
    body_sha256: str
    defects: tuple[str, ...] = field(default=())

    @property
    def author(self) -> Address | None:
        """The one From address, or None where there is none or more than one (RFC 5322 section 3.6.2 allows
        several; whoever claims several identities is given none)."""
        return self.from_[0] if len(self.from_) == 1 else None
