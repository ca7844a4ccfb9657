"""Mails as mail clients make them: a new one, an answer with the quoted text below."""

from __future__ import annotations

import email
import smtplib
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=default)  # type: ignore[return-value]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def new_mail(sender: str, to: str, subject: str, text: str, message_id: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = subject
    mail["Message-ID"] = message_id
    mail["Date"] = "Mon, 23 Nov 2026 09:00:00 +0100"
    mail.set_content(text)
    return mail


def answer(
    original: bytes, sender: str, text: str, message_id: str, signature: str = "", to: str | None = None
) -> EmailMessage:
    """An answer as Thunderbird writes it: to Reply-To, the quote below an intro line, threading headers."""
    seen = parsed(original)
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to or parseaddr(str(seen["Reply-To"] or seen["From"]))[1]
    mail["Subject"] = f"Re: {seen['Subject'].removeprefix('Re: ')}"
    mail["Message-ID"] = message_id
    mail["In-Reply-To"] = str(seen["Message-ID"])
    mail["References"] = f"{seen['References'] or ''} {seen['Message-ID']}".strip()
    mail["Date"] = "Mon, 23 Nov 2026 10:00:00 +0100"
    mail["User-Agent"] = "Mozilla Thunderbird"
    mail["Received"] = (
        "from petras-laptop.private.lan (192.0.2.77) by mx.example.test; Mon, 23 Nov 2026 10:00"
    )
    quoted = "\n".join(f"> {line}" for line in text_of(seen).splitlines())
    body = f"{text}\n\nOn 23/11/2026 09:00, {parseaddr(str(seen['From']))[0]} wrote:\n{quoted}\n"
    if signature:
        body += f"\n-- \n{signature}\n"
    mail.set_content(body)
    return mail


def send(mail: EmailMessage, port: int, to: str | None = None, login: tuple[str, str] | None = None) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as link:
        if login:
            link.login(*login)
        link.send_message(mail, to_addrs=[to] if to else None)
