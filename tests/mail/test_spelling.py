"""How an address is written for the wire, and when two spellings are the same address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.paths import comparable
from gateway.mail.message import Address, address_key
from gateway.mail.signed import Signer
from gateway.mail.spelling import a_labels, spelled

LOCAL = st.text(alphabet="abü.İKß\u030a \"'<\\@\u2028\udc80é", max_size=12)
DOMAIN = st.text(alphabet="abü.ßKx-_。Ａ＠😀\u0308", max_size=12)
ANY_ADDRESS = st.one_of(
    st.builds("{}@{}".format, LOCAL, DOMAIN), st.text(max_size=40), st.emails(), st.text("é@.", max_size=9)
)


@pytest.mark.parametrize(
    ("domain", "labels"),
    [
        ("customer.example", "customer.example"),
        ("Customer.Example", "Customer.Example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("mail_1.bücher.example", "mail_1.xn--bcher-kva.example"),
        ("bücher.xn--bcher-kva", "xn--bcher-kva.xn--bcher-kva"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),
        ("bücher.example。", "xn--bcher-kva.example"),
        ("😀.example", None),
        ("ü..example", None),
        (".ü", None),
        ("-ü.example", None),
        ("x＠ü.example", None),
        ("x ü.example", None),
        ("a\u200dü.example", None),
        ("1א.example", None),
        ("ü" * 70 + ".example", None),
        ("ü." * 120, None),
        ("ü" * 1000, None),
        ("\udcff.example", None),
    ],
)
def test_domains_in_a_labels(domain: str, labels: str | None) -> None:
    assert a_labels(domain) == labels


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("jana@customer.example", "jana@customer.example"),
        ("o'brien+x=y@Customer.Example", "o'brien+x=y@Customer.Example"),
        ("jana@bücher.example", "jana@xn--bcher-kva.example"),
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ('"john doe"@x.example', '"john doe"@x.example'),
        (r'"a\"b"@x.example', r'"a\"b"@x.example'),
        ('"jürgen x"@x.example', '"jürgen x"@x.example'),
        ("a..b@docomo.example", '"a..b"@docomo.example'),
        (".a.@docomo.example", '".a."@docomo.example'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
        ("a@😀.example", None),
        ("a@[192.0.2.1", None),
        ("a@[1\u0660]", None),
        ("a@x\n", None),
        ("a@x y", None),
        ("a b@x.example", None),
        ("a\u3000b@x.example", None),
        ("jü\u2028rgen@x.example", None),
        ("jü\x85rgen@x.example", None),
        ("a\udcff@x.example", None),
        ('"a>b"@x.example', None),
        ('"a\nb"@x.example', None),
        ('"a"b"@x.example', None),
        ("a(b)@x.example", None),
        ("a,b@x.example", None),
        ("@x.example", None),
        ("a@", None),
        ("a@.", None),
        ("a@x..example", None),
        ("a@x.example.", None),
        ("a", None),
        ("", None),
        ("a" * 500 + "@x.example", "a" * 500 + "@x.example"),
        ("a" * 510 + "@x.example", None),
        ("é" * 260 + "@x.example", None),
    ],
)
def test_addresses_on_the_wire(address: str, written: str | None) -> None:
    assert spelled(address) == written


@given(ANY_ADDRESS)
def test_what_is_written_can_stand_in_a_header_and_in_a_command_and_is_written_the_same_again(
    address: str,
) -> None:
    written = spelled(address)
    if written is not None:
        assert not set(written) & set("\r\n\0<>\u2028\u2029\x85")
        assert len(written.encode()) <= 512
        local, _, domain = written.rpartition("@")
        assert domain.isascii()
        assert written.isascii() == local.isascii()
        assert " " not in domain
        assert spelled(written) == written


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jana@Customer.Example", "jana@customer.example"),
        ("user@ünïcode.example", "user@xn--ncode-cta3g.example"),
        ("user@ÜNÏCODE.example", "user@XN--ncode-CTA3g.example"),
        ("user@bu\u0308cher.example", "user@bücher.example"),
        ("Jürgen@x.example", "ju\u0308rgen@x.example"),
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ('"jana"@customer.example', "Jana@customer.example"),
        (r'"j\ana"@customer.example', "Jana@customer.example"),
        ('"a..b"@docomo.example', "a..b@docomo.example"),
        ('"Jürgen"@bücher.example', "jürgen@xn--bcher-kva.example"),
    ],
)
def test_one_person_in_two_spellings_has_one_key(one: str, other: str) -> None:
    assert address_key(one) == address_key(other) == Address("", f" {other} ").key
    if ".." not in other:
        assert comparable(one) == comparable(other)
    signer = Signer({"k": b"a key for tests, thirty-two bytes"}, "k")
    signed = signer.verify_address(signer.address("support@acme.example", 7, "c", one))
    assert signed is not None
    assert signer.issued_to(signed, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user@straße.example", "user@strasse.example"),
        ("straße@x.example", "strasse@x.example"),
        ("\u212aelly@x.example", "kelly@x.example"),
        ("user@😀.example", "user@x.example"),
        ('"jana doe"@x.example', "janadoe@x.example"),
        (r'"jana\"@x.example', "jana@x.example"),
    ],
)
def test_two_people_have_two_keys(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


@given(ANY_ADDRESS)
def test_the_key_of_a_key_is_itself_and_what_is_written_has_the_key_of_its_address(address: str) -> None:
    key = address_key(address)
    assert address_key(key) == key
    written = spelled(address)
    if written is not None:
        assert address_key(written) == key


@given(st.text(alphabet="abcKÉé.", min_size=1, max_size=10))
def test_a_local_part_outside_ascii_never_has_a_key_inside(local: str) -> None:
    if not local.isascii():
        assert not address_key(f"{local}@x.example").isascii()


@pytest.mark.parametrize("end", ["\u3000", "(", '"', "\\", "\udcff"])
@pytest.mark.parametrize("sign", ["a", "é", ".", "a.", '"', "\\", "\\a"])
@pytest.mark.timeout(10)
def test_no_address_takes_long(sign: str, end: str) -> None:
    for address in (f"{sign * 400}{end}@x", f'"{sign * 400}{end}"@x', f"a@{sign * 400}{end}"):
        spelled(address)
        address_key(address)
