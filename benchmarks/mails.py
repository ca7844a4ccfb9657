"""Mails to measure with, made from a seed: the same seed gives the same octets on every machine.

`mix(count, seed)` is a support address's day: mails of about 29 KB in the mean, from one-line texts to mails
with pictures and documents; text and HTML side by side, answers that quote, five languages, four charsets,
the header fields that relays and clients leave. Each comes from a sender of its own, so that each is
acknowledged. `large(octets, number)` is one mail with an attachment that fills it up to `octets`.

Lines end in CRLF. Nothing here is taken from anybody's mail.
"""

from __future__ import annotations

import base64
import html
import quopri
import random
import textwrap

RECIPIENT = "support@example.test"
_WORDS = {
    "en": "the printer invoice order does not work since yesterday please help us with our account because"
    " delivery was late and nobody answers when we call about that number again thank you very much",
    "de": "der Drucker die Rechnung funktioniert nicht seit gestern bitte helfen Sie uns mit unserem Konto"
    " weil Lieferung verspätet für größere Menge und niemand antwortet vielen Dank übrigens schön",
    "cs": "tiskárna faktura objednávka nefunguje od včera prosím pomozte nám s naším účtem protože dodávka"
    " přišla pozdě a nikdo neodpovídá když voláme na číslo děkujeme ještě jednou žádost",
    "fr": "l'imprimante la facture ne fonctionne pas depuis hier merci de nous aider avec notre compte parce"
    " que la livraison était en retard et personne ne répond quand nous appelons à nouveau",
    "es": "la impresora la factura no funciona desde ayer por favor ayúdenos con nuestra cuenta porque el"
    " envío llegó tarde y nadie contesta cuando llamamos otra vez muchas gracias señores mañana",
}
_CHARSETS = {"en": "us-ascii", "de": "iso-8859-1", "cs": "utf-8", "fr": "windows-1252", "es": "utf-8"}
_NAMES = ("Anna Nowak", "Jörg Müller", "Jana Dvořáková", "Chloé Lefèvre", "Íñigo Peña", "Tom Baker")
_STYLE = (
    "<style>p.MsoNormal, li.MsoNormal {margin:0cm;margin-bottom:.0001pt;font-size:11.0pt;"
    'font-family:"Calibri",sans-serif;} a:link {color:#0563C1;text-decoration:underline;}'
    " .WordSection1 {page:WordSection1;}</style>"
)


class _Writer:
    """Text, HTML and parts of one mail."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.language = chance.choice(tuple(_WORDS))
        self.charset = _CHARSETS[self.language]
        self.words = _WORDS[self.language].split()

    def token(self, octets: int = 12) -> str:
        return self.chance.randbytes(octets).hex()

    def paragraph(self) -> str:
        some = [self.chance.choice(self.words) for _ in range(self.chance.randint(12, 70))]
        return " ".join(some).capitalize() + "."

    def paragraphs(self, least: int, most: int) -> list[str]:
        return [self.paragraph() for _ in range(self.chance.randint(least, most))]

    def part(self, kind: str, text: str) -> bytes:
        charset = self.charset if text.isascii() or self.charset != "us-ascii" else "utf-8"
        octets = text.encode(charset, "replace").replace(b"\n", b"\r\n")
        encoding, body = "7bit", octets
        if charset != "us-ascii":
            if self.chance.random() < 0.7:
                encoding, body = "quoted-printable", quopri.encodestring(octets)
                body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            else:
                encoding, body = "base64", _base64(octets)
        head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n"
        return head.encode() + b"\r\n" + body + b"\r\n"

    def file(self, octets: int, inline_id: str | None = None) -> bytes:
        suffix, kind = self.chance.choice(
            (("pdf", "application/pdf"), ("png", "image/png"), ("docx", "application/octet-stream"))
        )
        where = f"inline\r\nContent-ID: <{inline_id}>" if inline_id else "attachment"
        name = f"scan-{self.chance.randint(1, 9999)}.{suffix}"
        head = (
            f'Content-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: {where}; filename="{name}"\r\n'
        )
        return head.encode() + b"\r\n" + _base64(self.chance.randbytes(octets))

    def multipart(self, kind: str, parts: list[bytes]) -> bytes:
        boundary = f"----=_Part_{self.token()}"
        head = f'Content-Type: multipart/{kind};\r\n\tboundary="{boundary}"\r\n\r\n'.encode()
        mark = f"--{boundary}".encode()
        return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _base64(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def _quoted(lines: list[str], introduction: str, depth: int) -> str:
    text = "\n\n".join(lines)
    for level in range(depth):
        text = f"{introduction}\n" + textwrap.indent(text, "> " if level % 2 else ">", lambda _: True)
    return text


def _texts(writer: _Writer) -> tuple[str, str]:
    """The same in plain text and in HTML, often with what it answers to below."""
    chance = writer.chance
    said = writer.paragraphs(1, 8)
    name = chance.choice(_NAMES)
    text = (
        "\n\n".join(textwrap.fill(one, 74) for one in said) + f"\n\n-- \n{name}\n+420 555 {writer.token(2)}\n"
    )
    rich = "".join(
        f'<p class=MsoNormal><span style="font-family:Calibri">{html.escape(one)}<o:p></o:p></span></p>'
        for one in said
    )
    rich += f"<p>{html.escape(name)}<br>+420 555 {writer.token(2)}</p>"
    if chance.random() < 0.45:
        earlier = writer.paragraphs(2, 10)
        introduction = f"On 12.11.2026 10:15, {chance.choice(_NAMES)} wrote:"
        text += "\n" + _quoted(
            [textwrap.fill(one, 70) for one in earlier], introduction, chance.randint(1, 3)
        )
        inner = "".join(f"<p>{html.escape(one)}</p>" for one in earlier)
        rich += f'<div class="gmail_quote"><div>{introduction}</div><blockquote>{inner}</blockquote></div>'
    page = f'<html><head>{_STYLE}</head><body lang="{writer.language}"><div class="WordSection1">{rich}</div>'
    return text, page + "</body></html>"


def _of_a_large_provider(writer: _Writer, domain: str) -> list[str]:
    """Fields that the hosted mail services put in front."""
    chance = writer.chance

    def signature(octets: int) -> str:
        return "\r\n\t ".join(textwrap.wrap(base64.b64encode(chance.randbytes(octets)).decode(), 68))

    results = (
        f"spf=pass smtp.mailfrom={domain};\r\n\tdkim=pass header.d={domain}; dmarc=pass header.from={domain}"
    )
    return [
        f"ARC-Seal: i=1; a=rsa-sha256; s=arc; d=host.example; cv=none;\r\n\tb={signature(256)}",
        "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=host.example; s=arc;\r\n\t"
        f"h=From:Date:Subject:Message-ID:MIME-Version; bh={signature(32)};\r\n\tb={signature(256)}",
        f"ARC-Authentication-Results: i=1; mx.host.example 1; {results}",
        f"Authentication-Results: mx.host.example; {results}",
        "Accept-Language: en-US",
        "Content-Language: en-US",
        "X-Originating-IP: [198.51.100.7]",
        f"X-Tenant-Id: {writer.token(16)}",
        f"X-Network-Message-Id: {writer.token(16)}",
        f"X-Antispam-Report: CIP:255.255.255.255;CTRY:;LANG:{writer.language};SCL:1;SFV:NSPM;DIR:OUT;",
        *(f"X-Provider-Message-{number}: {signature(90)}" for number in range(1, 5)),
        "X-Provider-Transport-CrossTenant-AuthAs: Internal",
        f"X-Provider-Transport-CrossTenant-Id: {writer.token(16)}",
    ]


def _header(writer: _Writer, number: int, subject: str) -> bytes:
    chance, domain = writer.chance, f"customer{number % 97}.example"
    name = base64.b64encode(chance.choice(_NAMES).encode()).decode()
    day = f"Mon, 16 Nov 2026 {number // 60 % 24:02d}:{number % 60:02d}:30 +0100"
    lines = [f"Return-Path: <person{number}@{domain}>"]
    for hop in range(chance.randint(2, 5)):
        host = f"mx{hop}.{domain} (mx{hop}.{domain} [192.0.2.{chance.randint(1, 250)}])"
        cipher = "(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))"
        lines.append(
            f"Received: from {host}\r\n\t{cipher}\r\n\tby relay{hop}.example.test (Postfix) with ESMTPS id "
            f"{writer.token(6)}\r\n\tfor <{RECIPIENT}>; {day}"
        )
    signature = "\r\n\t ".join(textwrap.wrap(base64.b64encode(chance.randbytes(256)).decode(), 68))
    lines += [
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\r\n\t"
        f"h=from:to:subject:date:message-id; b={signature}",
        f"From: =?utf-8?B?{name}?= <person{number}@{domain}>",
        f"To: ACME Support <{RECIPIENT}>",
        f"Subject: {subject}",
        f"Date: {day}",
        f"Message-ID: <{writer.token()}@{domain}>",
        "X-Mailer: Example Mail 16.0",
        f"Thread-Index: {base64.b64encode(chance.randbytes(22)).decode()}",
    ]
    if chance.random() < 0.5:
        lines += _of_a_large_provider(writer, domain)
    if chance.random() < 0.3:
        known = [f"<{writer.token()}@{domain}>" for _ in range(chance.randint(1, 6))]
        lines += ["References: " + "\r\n ".join(known), f"In-Reply-To: {known[-1]}"]
    return ("\r\n".join(lines) + "\r\nMIME-Version: 1.0\r\n").encode("utf-8")


def one(number: int, seed: int = 1) -> bytes:
    """The mail `number` of the mix."""
    writer = _Writer(random.Random(f"{seed}/{number}"))
    chance = writer.chance
    words = " ".join(chance.choice(writer.words) for _ in range(chance.randint(2, 7)))
    subject = words
    if not words.isascii():
        subject = f"=?utf-8?B?{base64.b64encode(words.encode()).decode()}?="
    text, rich = _texts(writer)
    if chance.random() < 0.2:
        body = writer.part("plain", text)
    else:
        body = writer.multipart("alternative", [writer.part("plain", text), writer.part("html", rich)])
        if chance.random() < 0.08:
            picture = writer.file(chance.randint(2_000, 20_000), f"{writer.token()}@example")
            body = writer.multipart("related", [body, picture])
    if chance.random() < 0.25:
        files = [
            writer.file(int(chance.triangular(5_000, 110_000, 30_000)))
            for _ in range(chance.choice((1, 1, 2)))
        ]
        body = writer.multipart("mixed", [body, *files])
    return _header(writer, number, subject) + body


def mix(count: int, seed: int = 1) -> list[bytes]:
    """The first `count` mails of the mix."""
    return [one(number, seed) for number in range(count)]


def large(octets: int, number: int) -> bytes:
    """One mail of about `octets` with a text and one attachment."""
    writer = _Writer(random.Random(f"large/{number}"))
    head = _header(writer, number, f"A large file, number {number}")
    room = max(octets - len(head) - 2000, 0) * 57 // 78
    return head + writer.multipart("mixed", [writer.part("plain", writer.paragraph()), writer.file(room)])
