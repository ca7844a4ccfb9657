"""Hashes of agents' passwords (scrypt, RFC 7914), as they stand in agents.yaml.

    scrypt$LOG2N$R$P$SALT$KEY          salt and key in base64

Checking one takes about 50 ms and 16 MiB, on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_COST = (14, 8, 1)
_KEY_OCTETS = 32
_MOST = (18, 16, 8)


def hash_password(password: str, salt: bytes) -> str:
    """The hash of `password`; `salt`: 16 octets or more that nobody can guess."""
    key = _derive(password, salt, _COST, _KEY_OCTETS)
    return "$".join(["scrypt", *map(str, _COST), _text(salt), _text(key)])


def verify_password(password: str, hashed: str) -> bool:
    """Whether `password` has the hash `hashed`; takes the same time whichever octet differs. False where
    `hashed` is none of our hashes."""
    try:
        scheme, log2n, r, p, salt, key = hashed.split("$")
        cost = int(log2n), int(r), int(p)
        salt_octets, key_octets = base64.b64decode(salt, validate=True), base64.b64decode(key, validate=True)
    except ValueError:
        return False
    bearable = all(1 <= value <= most for value, most in zip(cost, _MOST, strict=True))
    if scheme != "scrypt" or not key_octets or not bearable:
        return False
    return hmac.compare_digest(_derive(password, salt_octets, cost, len(key_octets)), key_octets)


def _derive(password: str, salt: bytes, cost: tuple[int, int, int], octets: int) -> bytes:
    log2n, r, p = cost
    n = 1 << log2n
    memory = 128 * r * (n + p + 2)
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=memory + 2**20, dklen=octets)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
