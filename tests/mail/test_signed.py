"""Signed addresses and ids: what was signed is read again, what was changed is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.signed import TOKEN_OCTETS, Signer

OLD, NEW = b"the old key, thirty-two bytes long", b"the new key, thirty-two bytes long"
SIGNER = Signer({"b": NEW, "a": OLD}, "b")
NUMBERS = st.integers(1, 10**12 - 1)
ROLES = st.sampled_from("canex")


@given(NUMBERS, ROLES, st.emails())
def test_an_address_is_read_again_in_any_case(number: int, role: str, recipient: str) -> None:
    address = SIGNER.address("Support@acme.example", number, role, recipient)
    for wire in (address, address.upper(), f" {address} "):
        signed = SIGNER.verify_address(wire)
        assert signed is not None
        assert (signed.ticket, signed.role, signed.base) == (number, role, "support@acme.example")
        assert SIGNER.issued_to(signed, recipient.upper())
    local = address.rpartition("@")[0]
    assert len(local) - len("support") <= TOKEN_OCTETS + 1
    assert local.isascii()


@given(NUMBERS, ROLES, st.emails())
def test_a_message_id_is_read_again(number: int, role: str, recipient: str) -> None:
    message_id = SIGNER.message_id(number, role, recipient, "abc123", "acme.example")
    for wire in (message_id, f"<{message_id}>", message_id.upper(), message_id.replace("acme", "relay")):
        signed = SIGNER.verify_message_id(wire)
        assert signed is not None
        assert (signed.ticket, signed.role) == (number, role)


@given(st.data())
def test_whatever_is_changed_is_not_believed(data: st.DataObject) -> None:
    address = SIGNER.address("support@acme.example", 1042, "c", "jana@customer.example")
    start, end = address.index("+") + 1, address.index("@")
    place = data.draw(st.integers(start, end - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567018-"))
    changed = address[:place] + other + address[place + 1 :]
    if changed != address:
        assert SIGNER.verify_address(changed) is None


@given(st.text(max_size=200))
def test_nothing_that_a_stranger_writes_raises_or_is_believed(wire: str) -> None:
    assert SIGNER.verify_address(wire) is None
    assert SIGNER.verify_message_id(wire) is None
    assert not SIGNER.verify_tag(1, wire)
    assert not SIGNER.verify_tag(1, f"b{wire}é")


def test_the_role_and_the_recipient_are_part_of_what_is_signed() -> None:
    jana = SIGNER.address("support@acme.example", 1, "c", "jana@x.example")
    otto = SIGNER.address("support@acme.example", 1, "c", "otto@x.example")
    agent = SIGNER.address("support@acme.example", 1, "a", "jana@x.example")
    assert len({jana, otto, agent}) == 3
    signed = SIGNER.verify_address(jana)
    assert signed is not None
    assert not SIGNER.issued_to(signed, "otto@x.example")


def test_an_old_key_is_believed_while_it_is_in_the_config() -> None:
    before = Signer({"a": OLD}, "a")
    address = before.address("support@acme.example", 5, "c", "jana@x.example")
    signed = SIGNER.verify_address(address)
    assert signed is not None
    assert SIGNER.issued_to(signed, "jana@x.example")
    assert Signer({"b": NEW}, "b").verify_address(address) is None
    assert SIGNER.verify_tag(5, before.tag(5))


@pytest.mark.parametrize("delimiter", ["+", "-", "=", "#"])
def test_any_delimiter_and_a_base_that_holds_it(delimiter: str) -> None:
    signer = Signer({"a": OLD}, "a", delimiter)
    for base in ("support@x.example", f"our{delimiter}support@x.example"):
        signed = signer.verify_address(signer.address(base, 9, "a", "p@x.example"))
        assert signed is not None
        assert signed.base == base
