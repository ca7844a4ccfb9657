"""Connecting and logging in: three TLS modes, three ways to prove who we are, and what must never happen."""

from __future__ import annotations

import logging
import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.imap_login import Credentials, open_client, tls_context
from gateway.intake.trouble import LoginRefused, SourceRefused
from gateway.ports import SourceTrouble
from gateway.settings.model import Tls
from tests.intake.imap_server import ImapServer, Session
from tests.intake.imap_tools import a_mailbox
from tests.peers.certificates import Certificates


class Tokens:
    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.forgotten = 0

    def get(self) -> str:
        return self.tokens[0]

    def forget(self) -> None:
        self.forgotten += 1
        del self.tokens[:-1]


def log_in(
    server: ImapServer, password: str = "secret", tokens: Tokens | None = None, **settings: Any
) -> None:
    settings = {"host": "127.0.0.1", "tls": {"mode": "none"}, "timeout": "5s", **settings}
    credentials = Credentials(lambda: password, tokens)
    open_client(a_mailbox(port=server.port, **settings), credentials, Path("/")).part()


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("desk@example.test", "secret", 'desk@example.test "secret"'),
        ("CORP\\desk", 'pass "word"\\', r'"CORP\\desk" "pass \"word\"\\"'),
        ("desk person", "a b", '"desk person" "a b"'),
    ],
)
def test_login_quotes_user_and_password(user: str, password: str, said: str) -> None:
    with ImapServer() as server:
        log_in(server, password, user=user)
        assert server.logins == [said]


def test_a_non_ascii_password_goes_by_plain_in_utf8() -> None:
    with ImapServer() as server:
        log_in(server, "pässwörd")
        assert server.logins == ["PLAIN \0desk\0pässwörd"]


def test_a_non_ascii_password_where_plain_is_not_offered_is_told_and_no_crash() -> None:
    with ImapServer(capabilities="IMAP4rev1") as server, pytest.raises(SourceTrouble, match="AUTH=PLAIN"):
        log_in(server, "pässwörd")


def test_plain() -> None:
    with ImapServer() as server:
        log_in(server, auth="plain")
        assert server.logins == ["PLAIN \0desk\0secret"]


@pytest.mark.parametrize("field", ["user", "password"])
def test_a_line_break_in_user_or_password_reaches_no_server(field: str) -> None:
    settings: dict[str, Any] = {field: "x\r\nA1 DELETE INBOX"}
    with ImapServer() as server, pytest.raises(SourceTrouble, match="control character"):
        log_in(server, **settings)
    assert not any("DELETE" in line for line in server.lines)


def test_login_that_the_server_disables_is_not_tried() -> None:
    with ImapServer(capabilities="IMAP4rev1 LOGINDISABLED") as server:
        with pytest.raises(SourceTrouble, match="TLS"):
            log_in(server)
        assert server.logins == []


def test_a_refused_login_is_told_without_the_password() -> None:
    with ImapServer() as server:
        server.refuse_login = "no, secret is wrong\a"
        with pytest.raises(LoginRefused) as caught:
            log_in(server)
    assert "AUTHENTICATIONFAILED" in caught.value.public
    assert "secret" not in caught.value.public
    assert caught.value.public.isprintable()
    assert "b'" not in caught.value.public


@pytest.mark.parametrize("command", ["LOGIN", "AUTHENTICATE"])
def test_a_connection_that_breaks_in_the_login_is_no_refused_login(command: str) -> None:
    def bye(session: Session, _tag: str, _arguments: str) -> bool:
        session.say("* BYE too many connections")
        session.hang_up()
        return True

    with ImapServer() as server:
        server.on[command] = bye
        with pytest.raises(SourceTrouble) as caught:
            log_in(server, auth="login" if command == "LOGIN" else "plain")
    assert not isinstance(caught.value, LoginRefused | SourceRefused)


def test_xoauth2() -> None:
    with ImapServer() as server:
        server.tokens = {"good"}
        log_in(server, auth="xoauth2", tokens=Tokens("good"))
        assert server.logins == ["XOAUTH2 user=desk\1auth=Bearer good\1\1"]


def test_a_stale_access_token_is_replaced_once_and_the_error_challenge_gets_an_empty_answer() -> None:
    tokens = Tokens("stale", "good")
    with ImapServer() as server:
        server.tokens = {"good"}
        log_in(server, auth="xoauth2", tokens=tokens)
        assert server.logins[1] == "then ''"
        assert tokens.forgotten == 1


def test_a_token_that_is_refused_twice_is_told_without_it() -> None:
    tokens = Tokens("stale-1", "stale-2")
    with ImapServer() as server, pytest.raises(LoginRefused) as caught:
        log_in(server, auth="xoauth2", tokens=tokens)
    assert "stale" not in caught.value.public


@pytest.mark.parametrize("auth", ["login", "plain", "xoauth2"])
def test_no_secret_is_logged_at_any_level(auth: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ImapServer() as server:
        server.tokens = {"s3same"}
        log_in(server, "s3same", Tokens("s3same"), auth=auth)
    assert "Connected to host" in caplog.text
    assert "s3same" not in caplog.text
    encoded = (b64encode(f"{start}s3same{end}".encode()).decode() for start, end in SECRETS)
    assert not any(text in caplog.text for text in encoded)


SECRETS = [("\0desk\0", ""), ("user=desk\1auth=Bearer ", "\1\1")]


def test_a_server_that_wants_to_know_who_we_are_is_told() -> None:
    with ImapServer(capabilities="IMAP4rev1 ID") as server:
        log_in(server)
        assert any("ID (" in line for line in server.lines)


def test_a_server_that_refuses_id_is_no_trouble() -> None:
    def refuse(session: Session, tag: str, _arguments: str) -> bool:
        session.say(f"{tag} NO none of that")
        return True

    with ImapServer(capabilities="IMAP4rev1 ID") as server:
        server.on["ID"] = refuse
        log_in(server)


def test_capabilities_are_asked_for_again_after_the_login() -> None:
    with ImapServer(capabilities="IMAP4rev1") as server:

        def login(session: Session, tag: str, _arguments: str) -> bool:
            server.capabilities = "IMAP4rev1 MOVE"
            session.say("* CAPABILITY IMAP4rev1", f"{tag} OK welcome")
            return True

        server.on["LOGIN"] = login
        server.greeting = "* OK [CAPABILITY IMAP4rev1] ready"
        mailbox = a_mailbox(host="127.0.0.1", port=server.port, tls={"mode": "none"})
        client = open_client(mailbox, Credentials(lambda: "secret"), Path("/"))
        assert client.has_capability("MOVE")
        client.part()


@pytest.mark.parametrize("greeting", ["* BYE go away", "220 smtp.example.test ESMTP", ""])
def test_a_greeting_that_is_none(greeting: str) -> None:
    with ImapServer() as server:
        server.greeting = greeting
        with pytest.raises(SourceTrouble):
            log_in(server)


def test_a_server_that_never_greets_is_left_in_time() -> None:
    with ImapServer() as server:
        server.on["CAPABILITY"] = server.hold
        with pytest.raises(SourceTrouble, match="no answer in time"):
            log_in(server, timeout="300ms")


def test_nobody_there() -> None:
    with ImapServer() as server:
        port = server.port
    mailbox = a_mailbox(host="127.0.0.1", port=port, tls={"mode": "none"})
    with pytest.raises(SourceTrouble, match="refused"):
        open_client(mailbox, Credentials(lambda: "secret"), Path("/"))


def server_tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    return context


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_tls_with_a_certificate_that_the_ca_file_signs(mode: str, certificates: Certificates) -> None:
    with ImapServer(capabilities="IMAP4rev1 STARTTLS") as server:
        server.tls, server.implicit_tls = server_tls(certificates), mode == "implicit"
        log_in(server, host="localhost", tls={"mode": mode, "ca_file": str(certificates.ca_file)})
        assert server.logins == ['desk "secret"']


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_a_certificate_from_another_authority_gets_no_password(mode: str, certificates: Certificates) -> None:
    with ImapServer(capabilities="IMAP4rev1 STARTTLS") as server:
        server.tls, server.implicit_tls = server_tls(certificates), mode == "implicit"
        with pytest.raises(SourceTrouble, match="certificate is not valid"):
            log_in(server, host="localhost", tls={"mode": mode, "ca_file": str(certificates.other_ca_file)})
        assert server.logins == []


def test_verify_false_takes_any_certificate(certificates: Certificates) -> None:
    with ImapServer() as server:
        server.tls, server.implicit_tls = server_tls(certificates), True
        log_in(server, tls={"mode": "implicit", "verify": False})
        assert len(server.logins) == 1


def test_a_server_without_starttls_gets_no_password() -> None:
    with ImapServer() as server:
        with pytest.raises(SourceTrouble, match="does not offer STARTTLS"):
            log_in(server, tls={"mode": "starttls"})
        assert server.logins == []


def test_a_server_that_refuses_starttls_gets_no_password() -> None:
    def refuse(session: Session, tag: str, _arguments: str) -> bool:
        session.say(f"{tag} NO not today")
        return True

    with ImapServer(capabilities="IMAP4rev1 STARTTLS") as server:
        server.on["STARTTLS"] = refuse
        with pytest.raises(SourceTrouble):
            log_in(server, tls={"mode": "starttls"})
        assert server.logins == []


def test_a_preauth_greeting_does_not_lead_around_starttls() -> None:
    with ImapServer(capabilities="IMAP4rev1 STARTTLS") as server:
        server.greeting = "* PREAUTH welcome back"
        with pytest.raises(SourceTrouble):
            log_in(server, tls={"mode": "starttls"})
        assert server.logins == []


def test_the_context_wants_tls_1_2_and_tells_of_a_missing_ca_file(tmp_path: Path) -> None:
    assert tls_context(Tls(), tmp_path).minimum_version == ssl.TLSVersion.TLSv1_2
    with pytest.raises(SourceTrouble, match="nowhere"):
        tls_context(Tls(ca_file="nowhere.pem"), tmp_path)
