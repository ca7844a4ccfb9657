"""TLS and AUTH at the smarthost: what is refused costs no mail, and the password is told nowhere else."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.delivery.hand_over import Unusable
from gateway.delivery.replies import PeerTrouble
from gateway.delivery.smtp_submitter import SmtpSubmitter
from gateway.ports import Receipt
from gateway.settings.model import Tls
from tests.delivery.scripted import Peer, ScriptedServer, make_delivery
from tests.peers.certificates import Certificates
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix

MakeSubmitter = Callable[..., SmtpSubmitter]
PASSWORD = "grüße 7"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def server_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    return context


def is_trouble_for_all(receipt: Receipt) -> bool:
    return isinstance(receipt, PeerTrouble) and receipt.stops and receipt.outcome == "deferred"


def test_starttls_that_is_not_offered_sends_nothing(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(
            server.port, tls=Tls(mode="starttls"), user="desk", read_password=lambda: PASSWORD
        )
        receipt = submitter.submit(make_delivery())

    assert is_trouble_for_all(receipt)
    assert "STARTTLS is not offered" in receipt.reply


def test_starttls_that_is_refused_sends_nothing(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.hear("STARTTLS")
        peer.say("454 4.7.0 TLS not available")
        peer.hear_end()

    with ScriptedServer(talk) as server:
        receipt = smtp_to(server.port, tls=Tls(mode="starttls")).submit(make_delivery())

    assert is_trouble_for_all(receipt)
    assert "454 4.7.0 TLS not available" in receipt.reply


def test_what_was_said_before_tls_is_not_believed(
    smtp_to: MakeSubmitter, server_context: ssl.SSLContext, certificates: Certificates
) -> None:
    """CVE-2011-0411 from the client's side: replies slipped in behind the one to STARTTLS."""

    def talk(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.hear("STARTTLS")
        peer.say("220 go", "250-injected", "250 PIPELINING")
        peer.hear_end()

    with ScriptedServer(talk) as server:
        tls = Tls(mode="starttls", ca_file=str(certificates.ca_file))
        receipt = smtp_to(server.port, tls=tls).submit(make_delivery())

    assert is_trouble_for_all(receipt)
    assert "between STARTTLS and TLS" in receipt.reply


@pytest.mark.parametrize(
    ("tls", "host", "trusted"),
    [
        ({"ca_file": "ca"}, "localhost", True),
        ({"ca_file": "ca"}, "127.0.0.1", True),
        ({"ca_file": "other"}, "localhost", False),
        ({}, "localhost", False),
        ({"ca_file": "ca"}, "127.0.0.2", False),
        ({"verify": False}, "localhost", True),
    ],
)
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_the_certificate_must_be_good_for_the_host(
    smtp_to: MakeSubmitter,
    server_context: ssl.SSLContext,
    certificates: Certificates,
    mode: str,
    tls: dict[str, str | bool],
    host: str,
    trusted: bool,
) -> None:
    files = {"ca": certificates.ca_file, "other": certificates.other_ca_file}
    if "ca_file" in tls:
        tls = {**tls, "ca_file": str(files[str(tls["ca_file"])])}

    def talk(peer: Peer) -> None:
        if mode == "starttls":
            peer.greet("STARTTLS", "SIZE 1")
            peer.hear("STARTTLS")
            peer.say("220 go")
        try:
            peer.start_tls(server_context)
        except (ssl.SSLError, OSError):
            assert not trusted
            return
        if mode == "starttls":
            peer.hear("EHLO")
            peer.offer("PIPELINING")
        else:
            peer.greet("PIPELINING")
        if trusted:
            peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk, host=host) as server:
        settings = Tls.model_validate({"mode": mode, **tls})
        submitter = smtp_to(server.port, tls=settings, host=host)
        receipt = submitter.submit(make_delivery())
        submitter.close()

    if trusted:
        assert receipt.outcome == "sent"
    else:
        assert is_trouble_for_all(receipt)
        assert "certificate cannot be trusted" in receipt.reply


def test_a_ca_file_that_is_not_there_is_named(smtp_to: MakeSubmitter) -> None:
    receipt = smtp_to(1, tls=Tls(mode="implicit", ca_file="missing.pem")).submit(make_delivery())

    assert is_trouble_for_all(receipt)
    assert "missing.pem" in receipt.reply


def _plain(peer: Peer) -> None:
    peer.hear("AUTH PLAIN " + b64(f"\0desk\0{PASSWORD}"))


def _login(peer: Peer) -> None:
    peer.hear("AUTH LOGIN")
    peer.say("334 " + b64("Username:"))
    peer.hear(b64("desk"))
    peer.say("334 " + b64("Password:"))
    peer.hear(b64(PASSWORD))


def _cram_md5(peer: Peer) -> None:
    """The example of RFC 2195 section 2 is in `test_cram_md5_of_the_rfc`; here with our password."""
    peer.hear("AUTH CRAM-MD5")
    peer.say("334 " + b64("<1@relay.test>"))
    assert base64.b64decode(peer.hear()).startswith(b"desk ")


@pytest.mark.parametrize(
    ("offer", "login"),
    [("PLAIN LOGIN", _plain), ("LOGIN", _login), ("GSSAPI CRAM-MD5 PLAIN", _cram_md5), ("plain", _plain)],
)
def test_login(smtp_to: MakeSubmitter, offer: str, login: Callable[[Peer], None]) -> None:
    def talk(peer: Peer) -> None:
        peer.greet(f"AUTH {offer}")
        login(peer)
        peer.say("235 2.7.0 welcome")
        peer.take_mail()
        peer.hear_end()

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port, user="desk", read_password=lambda: PASSWORD)
        assert submitter.submit(make_delivery()).outcome == "sent"
        submitter.close()


def test_cram_md5_of_the_rfc(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("AUTH CRAM-MD5")
        peer.hear("AUTH CRAM-MD5")
        peer.say("334 " + b64("<1896.697170952@postoffice.reston.mci.net>"))
        assert base64.b64decode(peer.hear()) == b"tim b913a602c7eda7a495b4e6e7334d3890"
        peer.say("535 5.7.8 enough")

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port, user="tim", read_password=lambda: "tanstaaftanstaaf")
        assert is_trouble_for_all(submitter.submit(make_delivery()))


@pytest.mark.parametrize(
    "reply",
    [
        "535 5.7.8 wrong",
        "454 4.7.0 temporary",
        "534 5.7.9 mechanism too weak",
        "538 5.7.11 encrypt",
        "550 5.7.1 no",
        "334 ",
        "",
    ],
)
def test_a_refused_login_is_trouble_for_all(smtp_to: MakeSubmitter, reply: str) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        peer.hear("AUTH PLAIN")
        if reply:
            peer.say(reply)

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port, user="desk", read_password=lambda: PASSWORD)
        receipt = submitter.submit(make_delivery())

    assert is_trouble_for_all(receipt)
    assert "AUTH" in receipt.reply


def test_auth_that_is_not_offered_is_trouble_for_all(smtp_to: MakeSubmitter) -> None:
    with ScriptedServer(lambda peer: peer.greet("AUTH GSSAPI")) as server:
        submitter = smtp_to(server.port, user="desk", read_password=lambda: PASSWORD)
        receipt = submitter.submit(make_delivery())

    assert is_trouble_for_all(receipt)


def test_a_peer_that_repeats_the_password_does_not_get_it_into_the_receipt(smtp_to: MakeSubmitter) -> None:
    def talk(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        line = peer.hear("AUTH PLAIN")
        peer.say(f"535-5.7.8 bad {line}", f"535 5.7.8 that is {PASSWORD}, {b64(PASSWORD)}")

    with ScriptedServer(talk) as server:
        submitter = smtp_to(server.port, user="desk", read_password=lambda: PASSWORD)
        receipt = submitter.submit(make_delivery())

    told = receipt.reply
    assert "535 5.7.8 bad" in told
    assert PASSWORD not in told
    assert b64(PASSWORD) not in told
    assert b64(f"\0desk\0{PASSWORD}") not in told


def test_a_changed_password_holds_from_the_next_connection_on(smtp_to: MakeSubmitter) -> None:
    def refuse(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        peer.hear("AUTH PLAIN " + b64("\0desk\0old"))
        peer.say("535 5.7.8 wrong")

    def take(peer: Peer) -> None:
        peer.greet("AUTH PLAIN")
        peer.hear("AUTH PLAIN " + b64("\0desk\0new"))
        peer.say("235 2.7.0 welcome")
        peer.take_mail()
        peer.hear_end()

    password = ["old"]
    with ScriptedServer(refuse, take) as server:
        submitter = smtp_to(server.port, user="desk", read_password=lambda: password[0])
        assert is_trouble_for_all(submitter.submit(make_delivery()))
        password[0] = "new"
        assert submitter.submit(make_delivery()).outcome == "sent"
        submitter.close()


def test_a_password_that_cannot_be_read_is_trouble_for_all(smtp_to: MakeSubmitter) -> None:
    def unreadable() -> str:
        raise Unusable("the password of relay.test cannot be read: no file")

    with ScriptedServer(lambda peer: peer.greet("AUTH PLAIN")) as server:
        receipt = smtp_to(server.port, user="desk", read_password=unreadable).submit(make_delivery())

    assert is_trouble_for_all(receipt)
    assert "cannot be read" in receipt.reply


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_postfix_takes_mail_after_tls_and_auth(
    smtp_to: MakeSubmitter, postfix: Postfix, dovecot: Dovecot, mode: str, tmp_path: Path
) -> None:
    box = dovecot.user()
    submitter = smtp_to(
        postfix.submission_port if mode == "starttls" else postfix.submissions_port,
        host="localhost",
        tls=Tls.model_validate({"mode": mode, "ca_file": str(postfix.ca_file)}),
        user=box.user,
        read_password=lambda: box.password,
    )

    receipts = [submitter.submit(make_delivery(forward_path=box.address)) for _ in range(2)]

    assert [receipt.outcome for receipt in receipts] == ["sent", "sent"]
    assert receipts[0].enhanced_status == "2.0.0"


def test_postfix_refuses_a_wrong_password(smtp_to: MakeSubmitter, postfix: Postfix, dovecot: Dovecot) -> None:
    box = dovecot.user()
    submitter = smtp_to(
        postfix.submissions_port,
        host="localhost",
        tls=Tls(mode="implicit", ca_file=str(postfix.ca_file)),
        user=box.user,
        read_password=lambda: "wrong",
    )

    receipt = submitter.submit(make_delivery(forward_path=box.address))

    assert is_trouble_for_all(receipt)
    assert "535 5.7.8" in receipt.reply
