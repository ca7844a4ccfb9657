"""STARTTLS, implicit TLS and AUTH at the listeners, with certificates made for the test."""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.intake.smtp_tools import Client, Served, eventually, serving
from tests.peers.certificates import Certificates

LOVELACE = base64.b64encode(b"\0ada\0lovelace").decode()


@pytest.fixture
def tls(certificates: Certificates) -> dict[str, Any]:
    return {"certificate": str(certificates.certificate), "key": str(certificates.key)}


@pytest.fixture
def trust(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.ca_file))


def test_starttls(tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext) -> None:
    with serving(tmp_path, {"tls": tls}) as served:
        with smtplib.SMTP("localhost", served.port, timeout=10) as smtp:
            smtp.ehlo()
            assert smtp.has_extn("starttls")
            smtp.starttls(context=trust)
            smtp.ehlo()
            assert not smtp.has_extn("starttls")
            assert smtp.docmd("STARTTLS")[0] == 503
            smtp.sendmail("k@c.example", ["support@example.com"], "hello\r\n")
            smtp.sendmail("k@c.example", ["support@example.com"], "x" * 200_000 + "\r\n")
        assert eventually(lambda: served.context.connections.count == 0)
    assert len(served.spool.mails) == 2


def test_the_session_begins_anew_after_starttls(
    tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext
) -> None:
    with (
        serving(tmp_path, {"tls": tls}) as served,
        smtplib.SMTP("localhost", served.port, timeout=10) as smtp,
    ):
        smtp.ehlo()
        smtp.mail("k@c.example")
        smtp.starttls(context=trust)
        assert smtp.docmd("RCPT TO:<support@example.com>")[0] == 503


def test_commands_pipelined_behind_starttls_are_dropped(
    tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext
) -> None:
    with serving(tmp_path, {"tls": tls}) as served, served.client() as client:
        client.send(b"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<evil@c.example>\r\n")
        assert client.reply().startswith("220 ")
        with trust.wrap_socket(client.sock, server_hostname="localhost") as secured:
            secure = Client(secured, greet=False)
            assert secure.say("NOOP") == "250 2.0.0 OK", (
                "the first reply under TLS is to the first command there"
            )
            assert secure.say("RCPT TO:<support@example.com>").startswith("503 ")
            secure.close()


def test_a_failed_handshake_ends_the_connection_and_nothing_else(tmp_path: Path, tls: dict[str, Any]) -> None:
    with serving(tmp_path, {"tls": tls}) as served:
        with served.client() as client:
            assert client.say("STARTTLS").startswith("220 ")
            client.send(b"this is no handshake\r\n" * 10)
            assert client.is_closed()
        assert eventually(lambda: served.context.connections.count == 0)
        assert eventually(lambda: not served.context.alive)
        with served.client() as client:
            assert client.mail().startswith("250 ")


def test_no_mail_before_tls_where_it_is_required(
    tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext
) -> None:
    with (
        serving(tmp_path, {"tls": {**tls, "required": True}}) as served,
        smtplib.SMTP("localhost", served.port, timeout=10) as smtp,
    ):
        smtp.ehlo()
        assert smtp.docmd("MAIL FROM:<>")[0] == 530
        smtp.starttls(context=trust)
        smtp.sendmail("k@c.example", ["support@example.com"], "hello\r\n")
    assert len(served.spool.mails) == 1


def test_implicit_tls(tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext) -> None:
    with serving(tmp_path, {"tls": {**tls, "mode": "implicit", "required": True}}) as served:
        with smtplib.SMTP_SSL("localhost", served.port, timeout=10, context=trust) as smtp:
            smtp.ehlo()
            assert not smtp.has_extn("starttls")
            smtp.sendmail("k@c.example", ["support@example.com"], "hello\r\n")
        assert eventually(lambda: served.context.connections.count == 0)
    assert len(served.spool.mails) == 1


def test_a_client_under_tls_may_close_without_a_word(
    tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext
) -> None:
    with serving(tmp_path, {"tls": {**tls, "mode": "implicit"}}) as served:
        with (
            socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            client = Client(secured)
            client.say("MAIL FROM:<>")
            client.file.close()
        assert eventually(lambda: served.context.connections.count == 0)


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
def test_an_agent_logs_in_under_tls(
    tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext, mode: str, mechanism: str
) -> None:
    listener = {"tls": {**tls, "mode": mode}, "auth": True, "auth_required": True}
    with serving(tmp_path, listener) as served:
        if mode == "implicit":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL("localhost", served.port, timeout=10, context=trust)
        else:
            smtp = smtplib.SMTP("localhost", served.port, timeout=10)
            smtp.starttls(context=trust)
        with smtp:
            smtp.ehlo()
            smtp.user, smtp.password = "ada@private.example", "lovelace"
            smtp.auth(mechanism.removeprefix("auth_").upper(), getattr(smtp, mechanism))
            smtp.sendmail("ada@private.example", ["support@example.com"], "hello\r\n")
    assert [stored.accept.authenticated_as for stored in served.spool.mails] == ["ada"]


def test_auth_is_not_offered_and_not_taken_in_the_clear(tmp_path: Path, tls: dict[str, Any]) -> None:
    with serving(tmp_path, {"tls": tls, "auth": True}) as served, served.client() as client:
        assert "AUTH" not in client.say("EHLO x")
        assert client.say(f"AUTH PLAIN {LOVELACE}").startswith("538 5.7.11 ")
        assert client.mail().startswith("250 "), "a port for both takes mail without AUTH"
    assert served.spool.mails[0].accept.authenticated_as is None


def test_auth_is_not_offered_where_nobody_has_a_password(tmp_path: Path) -> None:
    bob = {"name": "bob", "display_name": "Bob", "address": "bob@private.example"}
    listener = {"auth": True, "auth_without_tls": True}
    with serving(tmp_path, listener, agents=[bob]) as served, served.client() as client:
        assert "AUTH" not in client.say("EHLO x")
        assert client.say(f"AUTH PLAIN {LOVELACE}").startswith("502 ")


def test_a_login_is_forgotten_at_starttls(tmp_path: Path, tls: dict[str, Any], trust: ssl.SSLContext) -> None:
    listener = {"tls": tls, "auth": True, "auth_without_tls": True}
    with serving(tmp_path, listener) as served, smtplib.SMTP("localhost", served.port, timeout=10) as smtp:
        smtp.login("ada", "lovelace")
        smtp.starttls(context=trust)
        smtp.sendmail("k@c.example", ["support@example.com"], "hello\r\n")
    assert served.spool.mails[0].accept.authenticated_as is None


def test_no_password_reaches_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = base64.b64encode(b"\0ada\0hunter2").decode()
    with (
        serving(tmp_path, {"auth": True, "auth_without_tls": True}) as served,
        served.client() as client,
    ):
        client.say(f"AUTH PLAIN {secret}")
        client.say(f"AUTH PLAIN {LOVELACE}")
        client.mail()
    out = "".join(capsys.readouterr())
    assert "login_refused" in out
    assert "agent=ada" in out
    assert not any(word in out for word in ("hunter2", secret, "lovelace", LOVELACE))


def test_a_wrong_password_has_to_wait(tmp_path: Path) -> None:
    with (
        serving(tmp_path, {"auth": True, "auth_without_tls": True}) as served,
        served.client() as client,
    ):
        object.__setattr__(served.context, "login_delay_s", 0.2)
        begun = time.monotonic()
        assert client.say("AUTH PLAIN AGFkYQB3cm9uZw==").startswith("535 5.7.8 ")
        assert time.monotonic() - begun >= 0.2


def test_a_client_that_guesses_is_refused_before_its_password_is_looked_at(tmp_path: Path) -> None:
    def guess(served: Served, times: int) -> list[str]:
        with served.client() as client:
            return [client.say("AUTH PLAIN AGFkYQB3cm9uZw==")[:9] for _ in range(times)]

    with serving(tmp_path, {"auth": True, "auth_without_tls": True}) as served:
        for _ in range(3):
            assert guess(served, 3) == ["535 5.7.8", "535 5.7.8", "421 4.7.0"]
        assert guess(served, 2) == ["535 5.7.8", "454 4.7.0"]
        with served.client() as client:
            assert client.say(f"AUTH PLAIN {LOVELACE}").startswith("454 4.7.0 ")
            served.clock.at += 601
            assert client.say(f"AUTH PLAIN {LOVELACE}").startswith("235 2.7.0 ")


def test_swaks_submits_under_tls(tmp_path: Path, tls: dict[str, Any], swaks: Callable[..., Any]) -> None:
    with serving(tmp_path, {"tls": tls, "auth": True, "auth_required": True}) as served:
        swaks(
            *("--server", f"127.0.0.1:{served.port}", "-tls", "--auth", "LOGIN", "--auth-user", "ada"),
            *("--auth-password", "lovelace", "--from", "ada@private.example", "--to", "support@example.com"),
        )
    assert served.spool.mails[0].accept.authenticated_as == "ada"
