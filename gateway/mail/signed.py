"""Signed reply addresses and Message-IDs: how a mail says which ticket it answers, and who was asked.

    support+1042-cq7f3ka-kmnopqrstuvwxyz23@example.com     <1042.cq7f3ka.9h2….kmnopqrstuvwxyz23@example.com>
            |    ||      ||                                  the same, with a unique part before the key
            |    ||      |+ 80 bits of HMAC-SHA256 over ticket, role, recipient and unique part, base32
            |    ||      + id of the key, one letter, so that keys can change
            |    |+ 30 bits of a keyed digest of the address to which it was issued
            |    + role: c customer's reply, a agent's reply, n agent's note, e envelope sender, x nobody's
            + ticket number

Both are ASCII, case-insensitive and short enough for the 64 octets of a local part (RFC 5321 section
4.5.3.1.1). Comparison takes constant time. Nothing here raises on what a stranger sends.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.mail.message import address_key

CUSTOMER, AGENT, NOTE, ENVELOPE, NOBODY = "c", "a", "n", "e", "x"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_TOKEN = re.compile(r"(\d{1,12})-([a-z])([a-z2-7]{6})-([a-z])([a-z2-7]{16})", re.ASCII)
_ID = re.compile(r"(\d{1,12})\.([a-z])([a-z2-7]{6})\.([a-z0-9]{1,32})\.([a-z])([a-z2-7]{16})", re.ASCII)
TOKEN_OCTETS = 12 + 1 + 7 + 1 + 17
"""Most octets that stand after the delimiter of a signed address."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds: `ticket` (0: none), `role`, `recipient` (keyed digest of the address to which
    it was issued), `base` (the address without what was signed, lower case; "" for Message-IDs)."""

    ticket: int
    role: str
    recipient: str
    base: str


def _base32(digest: bytes, length: int) -> str:
    """The first `length` characters of base32 (RFC 4648 section 6), lower case. The standard library's is
    written in Python too and five times slower."""
    bits = int.from_bytes(digest, "big")
    top = len(digest) * 8 - 5
    return "".join([_ALPHABET[bits >> shift & 31] for shift in range(top, top - 5 * length, -5)])


class Signer:
    """Signs with `keys[current]`, believes all of `keys` (one-letter id → secret octets)."""

    def __init__(self, keys: Mapping[str, bytes], current: str, delimiter: str = "+") -> None:
        self._keys = dict(keys)
        self._current = current
        self._delimiter = delimiter
        # one mail names its recipient five times
        self._recipient = lru_cache(4096)(self._recipient_uncached)

    def _mac(self, key_id: str, *parts: str) -> str:
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return _base32(hmac.digest(self._keys[key_id], text, hashlib.sha256), 16)

    def _recipient_uncached(self, address: str, key_id: str) -> str:
        text = b"recipient\0" + address_key(address).encode("utf-8", "surrogatepass")
        return _base32(hmac.digest(self._keys[key_id], text, hashlib.sha256), 6)

    def issued_to(self, signed: Signed, address: str) -> bool:
        """Whether `signed` was issued to `address`."""
        return any(
            hmac.compare_digest(self._recipient(address, key_id), signed.recipient) for key_id in self._keys
        )

    def address(self, base: str, ticket: int, role: str, recipient: str) -> str:
        """The address `base` (local@domain) signed for `ticket` and `role`, issued to `recipient`."""
        local, _, domain = base.rpartition("@")
        digest = self._recipient(recipient, self._current)
        mac = self._mac(self._current, "address", str(ticket), role, digest)
        return f"{local}{self._delimiter}{ticket}-{role}{digest}-{self._current}{mac}@{domain}"

    def verify_address(self, address: str) -> Signed | None:
        """What a signed address says, or None where it is none of ours (any case, any alphabet)."""
        local, at, domain = address.strip().lower().rpartition("@")
        base, delimiter, token = local.rpartition(self._delimiter)
        if self._delimiter == "-" and at:
            base, delimiter, token = self._split_dashes(local)
        found = _TOKEN.fullmatch(token) if at and delimiter and base else None
        if found is None:
            return None
        ticket, role, digest, key_id, mac = found.groups()
        if key_id not in self._keys:
            return None
        if not hmac.compare_digest(self._mac(key_id, "address", ticket, role, digest), mac):
            return None
        return Signed(int(ticket), role, digest, f"{base}@{domain}")

    @staticmethod
    def _split_dashes(local: str) -> tuple[str, str, str]:
        parts = local.rsplit("-", 3)
        return ("", "", "") if len(parts) < 4 else (parts[0], "-", "-".join(parts[1:]))

    def message_id(self, ticket: int, role: str, recipient: str, unique: str, domain: str) -> str:
        """A Message-ID (without <>) for a mail about `ticket` (0: none) to `recipient`. `unique`: 1 to 32
        characters of a-z and 0-9."""
        digest = self._recipient(recipient, self._current)
        mac = self._mac(self._current, "id", str(ticket), role, digest, unique)
        return f"{ticket}.{role}{digest}.{unique}.{self._current}{mac}@{domain}"

    def verify_message_id(self, message_id: str) -> Signed | None:
        """What a Message-ID of ours says, or None where it is none of ours. The domain is of no matter."""
        local, at, _ = message_id.strip().strip("<>").lower().rpartition("@")
        found = _ID.fullmatch(local) if at else None
        if found is None:
            return None
        ticket, role, digest, unique, key_id, mac = found.groups()
        if key_id not in self._keys:
            return None
        if not hmac.compare_digest(self._mac(key_id, "id", ticket, role, digest, unique), mac):
            return None
        return Signed(int(ticket), role, digest, "")

    def tag(self, ticket: int) -> str:
        """The last part of a subject tag: key id and 20 bits, enough against guessing as a tag alone never
        lets a stranger in."""
        return self._current + self._mac(self._current, "tag", str(ticket))[:4]

    def verify_tag(self, ticket: int, tag: str) -> bool:
        """Whether `tag` is the one of `ticket`."""
        key_id, mac = tag[:1], tag[1:]
        if key_id not in self._keys or not mac.isascii():
            return False
        return hmac.compare_digest(self._mac(key_id, "tag", str(ticket))[:4], mac)
