"""Reverse paths and forward paths as they stand in MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531).

`parse_path` takes the text after `FROM:` or `TO:` apart into the mailbox and its ESMTP parameters. What
comes out can be stored, compared and logged: it holds no control character and no undecodable octet, a
source route is dropped (RFC 5321 appendix C), and a local part is quoted only where it has to be.

Raises `BadPath` for what is no path.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from gateway.mail.spelling import a_labels

MAX_ADDRESS = 512
"""Octets of one address. RFC 5321 wants 256; senders that fold other addresses into their own need more."""

_PLAIN = r"[^\x00-\x20\x7f<>()\[\],;:\\\"@]+"
_FAST = re.compile(rf"<({_PLAIN}@{_PLAIN})>", re.ASCII)
_ATOMS = re.compile(_PLAIN)
_QUOTED = re.compile(r'"((?:[^\x00-\x1f\x7f"\\]|\\[^\x00-\x1f\x7f])*)"')
_LITERAL = re.compile(r"\[[0-9A-Za-z:.-]+\]", re.ASCII)
_ROUTE = re.compile(rf"@{_PLAIN}(?:,@{_PLAIN})*:")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?", re.ASCII)


class BadPath(Exception):
    """The text is no path, or its parameters are no parameters."""


class Path(NamedTuple):
    """`address`: the mailbox without angle brackets, "" for the null reverse path. `parameters`: ESMTP
    parameters by upper-case name; None where a parameter has no value."""

    address: str
    parameters: dict[str, str | None]


def parse_path(text: str) -> Path:
    """Take `<a@example.org> SIZE=12 BODY=8BITMIME` apart.

    Angle brackets may be missing, and white space may stand before the path, as in the mail of old
    clients. Raises `BadPath`.
    """
    text = text.strip(" \t")
    if found := _FAST.match(text):
        address, rest = found[1], text[found.end() :]
    elif text.startswith("<"):
        address, rest = _bracketed(text)
    else:
        address, _, rest = text.partition(" ")
        rest = " " + rest if rest else ""
        address = _mailbox(address)
    if rest and rest[0] not in " \t":
        raise BadPath("no space after the path")
    _storable(address)
    return Path(address, _parameters(rest))


def _bracketed(text: str) -> tuple[str, str]:
    position = 1
    if text.startswith("<>"):
        return "", text[2:]
    if route := _ROUTE.match(text, position):
        position = route.end()
    end = position
    while end < len(text) and text[end] != ">":
        quoted = _QUOTED.match(text, end) if text[end] == '"' else None
        end = quoted.end() if quoted else end + 1
    if end >= len(text):
        raise BadPath("no closing bracket")
    return _mailbox(text[position:end]), text[end + 1 :]


def _mailbox(text: str) -> str:
    local, domain = split_address(text)
    if domain is None:
        return local
    if not (_ATOMS.fullmatch(domain) or _LITERAL.fullmatch(domain)):
        raise BadPath("no domain")
    return f"{local}@{domain}"


def split_address(text: str) -> tuple[str, str | None]:
    """(local part, domain) of an address; the domain is None where there is none. The local part is
    unquoted where it needs no quotes. Raises `BadPath`."""
    if text.startswith('"'):
        found = _QUOTED.match(text)
        if found is None:
            raise BadPath("bad quoted local part")
        plain = re.sub(r"\\(.)", r"\1", found[1])
        local = plain if _is_dot_atom(plain) else found[0]
        rest = text[found.end() :]
        if not rest:
            return local, None
        if not rest.startswith("@"):
            raise BadPath("text after the quoted local part")
        return local, rest[1:]
    local, at, domain = text.partition("@")
    if not _ATOMS.fullmatch(local):
        raise BadPath("no local part")
    return local, domain if at else None


def comparable(address: str) -> str:
    """The form in which two addresses that mean the same mailbox are equal: no needless quotes, NFC, case
    folded, an internationalised domain as A-labels. For comparing only, never for sending."""
    try:
        local, domain = split_address(address)
    except BadPath:
        return address.casefold()
    local = unicodedata.normalize("NFC", local).casefold()
    return local if domain is None else f"{local}@{_a_labels(domain)}"


def _a_labels(domain: str) -> str:
    found = a_labels(domain)
    return unicodedata.normalize("NFC", domain).casefold() if found is None else found.lower()


def _is_dot_atom(text: str) -> bool:
    return bool(_ATOMS.fullmatch(text)) and not (text[0] == "." or text[-1] == "." or ".." in text)


def _storable(address: str) -> None:
    try:
        octets = len(address.encode())
    except UnicodeEncodeError:
        raise BadPath("not UTF-8") from None
    if octets > MAX_ADDRESS:
        raise BadPath("too long")
    if not address.isascii() and any(
        unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp"} for sign in address
    ):
        raise BadPath("control character")


def _parameters(text: str) -> dict[str, str | None]:
    parameters: dict[str, str | None] = {}
    for word in text.split():
        found = _PARAMETER.fullmatch(word)
        if found is None or found[1].upper() in parameters:
            raise BadPath("bad parameters")
        parameters[found[1].upper()] = found[2]
    return parameters
