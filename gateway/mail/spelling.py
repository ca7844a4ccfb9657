"""How an address is spelled on the wire, and how two spellings of one address are told to be the same.

A domain outside ASCII has one spelling in ASCII, its A-labels (RFC 5891, mapped by UTS 46 without its
transitional rules: straße.example is not strasse.example); that one goes into envelopes and header fields.
A local part outside ASCII has none: it is written as it is, and a mail that names it needs SMTPUTF8 (RFC
6531). A local part that is no dot-atom is quoted (RFC 5321 section 4.1.2).

Never raises. ASCII takes the short way; the tables of IDNA are loaded at the first address beyond it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MOST_OCTETS = 512
"""Of an address that is written. RFC 5321 section 4.5.3.1 wants 254; senders that fold other addresses into
their own need more, and a header line has room for 998."""

_NOT_IN_ATOMS = r"\s\x00-\x20\x7f-\x9f\ud800-\udfff()<>\[\]:;@\\,\""
_ATOM = rf"[^{_NOT_IN_ATOMS}.]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOTS_AND_ATOMS = re.compile(rf"[^{_NOT_IN_ATOMS}]+")
# angle brackets may be quoted too, but a server that reads them otherwise would find another path
_QUOTED = re.compile(r'"(?:[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"\\<>]|\\[ -;=?-~])+"')
_ESCAPED = re.compile(r"\\(.)")
_DOMAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|\[[0-9A-Za-z:.-]+\]")
_USUAL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
)
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_LONGEST_DOMAIN = 253


def a_labels(domain: str) -> str | None:
    """`domain` in ASCII: itself where it is ASCII, else its A-labels. None: there is no such domain name."""
    return domain if domain.isascii() else _a_labels(domain)


@lru_cache(maxsize=1024)
def _a_labels(domain: str) -> str | None:
    if len(domain) > _LONGEST_DOMAIN:
        return None
    import idna

    labels = []
    try:
        for label in idna.uts46_remap(domain, std3_rules=False).removesuffix(".").split("."):
            if not label.isascii():
                labels.append(idna.alabel(label).decode("ascii"))
            elif _LABEL.fullmatch(label):
                labels.append(label)
            else:
                return None
    except UnicodeError:
        return None
    found = ".".join(labels)
    return found if len(found) <= _LONGEST_DOMAIN else None


def spelled(address: str) -> str | None:
    """`address` (an addr-spec) as it is written in an envelope and in a header field: ASCII unless its local
    part is not. None: it cannot be written so that it says the same, and no mail can go there."""
    if len(address) <= MOST_OCTETS and _USUAL.fullmatch(address):
        return address
    return _spelled(address)


@lru_cache(maxsize=1024)
def _spelled(address: str) -> str | None:
    local, _, raw_domain = address.rpartition("@")
    domain = a_labels(raw_domain)
    if domain is None or not _DOMAIN.fullmatch(domain):
        return None
    if not (_DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
        if not _DOTS_AND_ATOMS.fullmatch(local):
            return None
        local = f'"{local}"'
    written = f"{local}@{domain}"
    return written if len(written.encode()) <= MOST_OCTETS else None


def folded(address: str) -> str:
    """The form in which addresses are compared: lower case, composed (NFC), without needless quotes, the
    domain in A-labels where there are any. What is outside ASCII before the @ never becomes equal to what is
    inside."""
    address = address.strip()
    return address.lower() if address.isascii() and not address.startswith('"') else _folded(address)


@lru_cache(maxsize=1024)
def _folded(address: str) -> str:
    local, at, domain = address.rpartition("@")
    if not at:
        return _lower(address)
    bare = _ESCAPED.sub(r"\1", local[1:-1])
    # some phone companies gave away a..b@, which senders write with quotes or without
    if _QUOTED.fullmatch(local) and _DOTS_AND_ATOMS.fullmatch(bare):
        local = bare
    found = a_labels(domain)
    return f"{_lower(local)}@{_lower(domain) if found is None else found.lower()}"


def _lower(text: str) -> str:
    lower = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    # the Kelvin sign is a k in lower case
    return text if lower.isascii() and not text.isascii() else lower
