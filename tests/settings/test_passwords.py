"""Agents' passwords as scrypt hashes."""

from __future__ import annotations

import pytest

from gateway.settings.model import Agent
from gateway.settings.passwords import hash_password, verify_password

SALT = b"0123456789abcdef"
KNOWN = "scrypt$14$8$1$MDEyMzQ1Njc4OWFiY2RlZg==$"


def test_a_password_fits_its_hash_alone() -> None:
    hashed = hash_password("Žluťoučký kůň", SALT)
    assert hashed.startswith(KNOWN)
    assert verify_password("Žluťoučký kůň", hashed)
    assert not verify_password("Žluťoučký kun", hashed)
    assert not verify_password("", hashed)


def test_the_salt_changes_the_hash() -> None:
    assert hash_password("x", SALT) != hash_password("x", SALT[::-1])


def test_a_vector_of_rfc_7914_holds() -> None:
    """Section 12, the third vector: N=16384, r=8, p=1."""
    import base64

    key = bytes.fromhex(
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
    )
    salt = base64.b64encode(b"SodiumChloride").decode()
    assert verify_password("pleaseletmein", f"scrypt$14$8$1${salt}${base64.b64encode(key).decode()}")


@pytest.mark.parametrize(
    "hashed",
    [
        "",
        "plain",
        "scrypt$14$8$1$!!$AAAA",
        "scrypt$14$8$1$AAAA$",
        "scrypt$99$8$1$AAAA$AAAA",
        "scrypt$0$8$1$AAAA$AAAA",
        "scrypt$14$0$1$AAAA$AAAA",
        "scrypt$x$8$1$AAAA$AAAA",
        "md5$14$8$1$AAAA$AAAA",
    ],
)
def test_what_is_no_hash_of_ours_fits_nothing(hashed: str) -> None:
    assert not verify_password("", hashed)


def test_a_hash_fits_the_schema() -> None:
    hashed = hash_password("x", SALT)
    agent = Agent(name="p", display_name="P", address="p@example.com", password_hash=hashed)
    assert agent.password_hash == hashed
