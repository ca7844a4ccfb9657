"""Mails as people's programs write them, and what such a program reads out of a mail of the desk."""

from __future__ import annotations

import base64
import email
import random
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property

_WORDS = (
    "printer", "order", "invoice", "paper", "broken", "lamp", "please", "again", "since", "monday", "number",
    "account", "parcel", "blue", "nothing", "works", "urgent", "later", "screen", "door", "cable", "thanks",
    "colleague", "question", "license", "keyboard", "window", "offer",
)  # fmt: skip
TOKEN = re.compile(r"\bz[tbnsax][a-z2-7]{9}z\b")
"""Marks every piece of text in the world. Second letter: t subject, b a customer's text, a an agent's
answer, n an agent's note, s an agent's signature, x the text of an exception."""


class Pen:
    """Makes text in which each piece can be told from all others."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def token(self, sort: str) -> str:
        return f"z{sort}{''.join(self._chance.choices('abcdefghijklmnopqrstuvwxyz234567', k=9))}z"

    def words(self, count: int) -> str:
        return " ".join(self._chance.choices(_WORDS, k=count))

    def text(self, token: str) -> str:
        lines = [self.words(self._chance.randint(3, 9)) for _ in range(self._chance.randint(1, 3))]
        lines[self._chance.randrange(len(lines))] += f" {token} {self.words(2)}"
        return "\n".join(line.capitalize() + "." for line in lines)


@dataclass(frozen=True, slots=True)
class Person:
    """A name and an address."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


def write(
    sender: Person | str,
    to: str,
    subject: str,
    text: str,
    at: datetime,
    *,
    message_id: str | None,
    cc: str = "",
    answers: tuple[str, str] | None = None,
    fields: tuple[str, ...] = (),
    html: str | None = None,
    attachment: bytes | None = None,
) -> bytes:
    """The octets of a mail. `answers`: (In-Reply-To, References)."""
    head = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", f"Date: {format_datetime(at)}"]
    if cc:
        head.append(f"Cc: {cc}")
    if message_id is not None:
        head.append(f"Message-ID: <{message_id}>")
    if answers is not None:
        head += [f"In-Reply-To: {answers[0]}", f"References: {_folded(answers[1])}"]
    head += [*fields, "MIME-Version: 1.0"]
    plain = "Content-Type: text/plain; charset=utf-8\n\n" + text + "\n"
    if html is not None:
        plain = _multipart("alternative", "alt", plain, f"Content-Type: text/html; charset=utf-8\n\n{html}\n")
    if attachment is not None:
        octets = (
            "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=note.bin\n"
        )
        octets += f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(attachment).decode()}"
        plain = _multipart("mixed", "mix", plain, octets)
    return ("\n".join(head) + "\n" + plain).replace("\n", "\r\n").encode("utf-8")


def _folded(references: str) -> str:
    return "\n ".join(references.split())


def _multipart(sort: str, name: str, *parts: str) -> str:
    boundary = f"=_{name}_boundary"
    inner = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{sort}; boundary="{boundary}"\n\n{inner}--{boundary}--\n'


class Received:
    """A mail of the desk in somebody's mailbox. `message_id` is what the recipient's client sees: a relay on
    the way may have changed it."""

    def __init__(self, octets: bytes, reverse_path: str, message_id: str) -> None:
        self.octets = octets
        self.reverse_path = reverse_path
        self.message_id = f"<{message_id}>"
        self._mail = email.message_from_bytes(octets)

    def field(self, name: str) -> str:
        return " ".join(str(self._mail.get(name, "")).split())

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The decoded texts."""
        return tuple(
            payload.decode("utf-8")
            for part in self._mail.walk()
            if part.get_content_maintype() == "text"
            and isinstance(payload := part.get_payload(decode=True), bytes)
        )

    @property
    def text(self) -> str:
        return self.parts[0].replace("\r\n", "\n")

    @property
    def everything(self) -> str:
        """All that a recipient could read, on the wire and decoded."""
        return "\n".join((self.octets.decode("latin-1"), *self.parts))

    @property
    def reply_to(self) -> str:
        return self.field("Reply-To").rpartition("<")[2].rstrip(">")

    @property
    def own_id(self) -> str:
        """The Message-ID that the desk gave it."""
        return self.field("X-Ticketgate-Loop")

    @property
    def ticket(self) -> int:
        """0 where it is about no ticket."""
        return int(self.own_id.partition(".")[0])

    @property
    def note_address(self) -> str | None:
        found = re.search(r"^Internal note: (\S+)$", self.text, re.MULTILINE)
        return found[1] if found else None

    @property
    def answers(self) -> tuple[str, str]:
        """(In-Reply-To, References) of a reply to it."""
        return self.message_id, f"{self.field('References')} {self.message_id}".strip()

    def quoted(self, style: str, at: datetime) -> str:
        """What a mail client puts below (or above) a reply."""
        sender, text = self.field("From"), self.text.rstrip("\n")
        if style == "block":
            return (
                f"-----Original Message-----\nFrom: {sender}\nSent: {at:%A, %d %B %Y %H:%M}\n"
                f"To: {self.field('To')}\nSubject: {self.field('Subject')}\n\n{text}"
            )
        name = sender.partition(" <")[0]
        return f"On {at:%a, %d %b %Y at %H:%M}, {name} wrote:\n" + "\n".join(
            f"> {line}".rstrip() for line in text.split("\n")
        )


def changed_by_a_relay(octets: bytes, message_id: str) -> bytes:
    """The mail with another Message-ID, as Amazon SES and Exchange do."""
    field = f"Message-ID: <{message_id}>".encode()
    return re.sub(rb"(?mi)^Message-ID: .*(?:\r\n[ \t].*)*", field, octets, count=1)


def delivery_report(received: Received, recipient: str, at: datetime, message_id: str) -> bytes:
    """A DSN (RFC 3464) about a mail of the desk."""
    status = (
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.far.test\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\n"
    )
    original = "Content-Type: text/rfc822-headers\n\n" + "".join(
        f"{name}: {received.field(name)}\n" for name in ("From", "To", "Subject", "Message-ID")
    )
    body = _multipart(
        "report", "dsn", "Content-Type: text/plain\n\nIt could not be delivered.\n", status, original
    )
    body = body.replace("multipart/report;", "multipart/report; report-type=delivery-status;")
    head = (
        f"From: Mail Delivery System <MAILER-DAEMON@mx.far.test>\nTo: {received.reverse_path}\n"
        f"Subject: Undelivered Mail Returned to Sender\nDate: {format_datetime(at)}\n"
        f"Message-ID: <{message_id}>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
    )
    return (head + body).replace("\n", "\r\n").encode("ascii")
