"""The servers that other tests stand on do what those tests take for granted."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
from collections.abc import Callable

import pytest

from tests.peers.certificates import Certificates
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix
from tests.peers.postgres import PeerFailed, Postgres
from tests.peers.process import HOST, answers
from tests.peers.tools import Sink

MAIL = b"From: Anna <anna@customer.test>\r\nSubject: The printer burns\r\n\r\nPlease help.\r\n"


class TestTheWayOfAMail:
    def test_swaks_to_postfix_to_dovecot_to_imap(
        self, swaks: Callable[..., object], postfix: Postfix, dovecot: Dovecot
    ) -> None:
        box = dovecot.user()
        swaks(
            *("--server", f"{HOST}:{postfix.smtp_port}", "--to", box.address, "--from", "anna@customer.test"),
            *("--header", "Subject: The printer burns"),
        )
        box.wait_for_mails(1)
        with box.imap() as link:
            link.select("INBOX")
            _, numbers = link.search(None, "SUBJECT", '"printer burns"')
            assert numbers == [b"1"]

    def test_detail_after_plus_reaches_the_same_user(self, postfix: Postfix, dovecot: Dovecot) -> None:
        box = dovecot.user()
        with smtplib.SMTP(HOST, postfix.smtp_port) as link:
            link.sendmail("anna@customer.test", [box.address.replace("@", "+a.b-c@")], MAIL)
        (raw,) = box.wait_for_mails(1)
        assert f"Delivered-To: {box.address.replace('@', '+a.b-c@')}".encode() in raw

    def test_unknown_user_comes_back_as_a_dsn(self, postfix: Postfix, dovecot: Dovecot) -> None:
        sender = dovecot.user()
        with smtplib.SMTP(HOST, postfix.smtp_port) as link:
            link.sendmail(sender.address, ["nobody-here@example.test"], MAIL)
        (raw,) = sender.wait_for_mails(1)
        assert b"Return-Path: <>" in raw
        assert b"Status: 5.1.1" in raw
        postfix.wait_until_empty()

    def test_a_routed_domain_goes_to_another_server(
        self, postfix: Postfix, smtp_sink: Callable[..., Sink]
    ) -> None:
        sink = smtp_sink(dump=True)
        postfix.route("desk.test", f"smtp:[{HOST}]:{sink.port}")
        with smtplib.SMTP(HOST, postfix.smtp_port) as link:
            link.sendmail("anna@customer.test", ["support@desk.test"], MAIL)
        postfix.wait_until_empty()
        (taken,) = sink.mails()
        assert (taken.reverse_path, taken.forward_paths) == ("anna@customer.test", ("support@desk.test",))
        assert b"\nPlease help.\n" in taken.raw

    def test_a_refused_mail_waits_and_is_tried_again(
        self, postfix: Postfix, dovecot: Dovecot, smtp_sink: Callable[..., Sink]
    ) -> None:
        box, sink = dovecot.user(), smtp_sink("-r", "RCPT")
        postfix.route(box.address, f"smtp:[{HOST}]:{sink.port}")
        with smtplib.SMTP(HOST, postfix.smtp_port) as link:
            link.sendmail("anna@customer.test", [box.address], MAIL)
        assert [row["sender"] for row in postfix.queue()] == ["anna@customer.test"]
        postfix.route(box.address, None)
        postfix.flush()
        assert len(box.wait_for_mails(1)) == 1


class TestPostfixForSubmission:
    def test_it_wants_tls_and_a_password(
        self, postfix: Postfix, dovecot: Dovecot, certificates: Certificates
    ) -> None:
        box = dovecot.user()
        trust = ssl.create_default_context(cafile=str(certificates.ca_file))
        with smtplib.SMTP("localhost", postfix.submission_port) as link:
            assert link.docmd("MAIL FROM:<>")[0] == 530
            link.starttls(context=trust)
            link.login(box.user, box.password)
            link.sendmail(box.address, [box.address], MAIL)
        with smtplib.SMTP_SSL("localhost", postfix.submissions_port, context=trust) as link:
            link.login(box.user, box.password)
            link.sendmail(box.address, [box.address], MAIL)
        assert len(box.wait_for_mails(2)) == 2

    def test_a_stranger_is_refused(self, postfix: Postfix, certificates: Certificates) -> None:
        trust = ssl.create_default_context(cafile=str(certificates.ca_file))
        with smtplib.SMTP_SSL("localhost", postfix.submissions_port, context=trust) as link:
            link.mail("anna@customer.test")
            assert link.rcpt("bob@example.test")[0] == 554


class TestDovecot:
    def test_tls_is_believed_by_whoever_trusts_its_authority_only(
        self, dovecot: Dovecot, certificates: Certificates
    ) -> None:
        trust = ssl.create_default_context(cafile=str(certificates.ca_file))
        with imaplib.IMAP4_SSL("localhost", dovecot.imaps_port, ssl_context=trust) as link:
            assert {"IDLE", "AUTH=XOAUTH2"} <= set(link.capabilities)
        other = ssl.create_default_context(cafile=str(certificates.other_ca_file))
        with pytest.raises(ssl.SSLCertVerificationError):
            imaplib.IMAP4_SSL("localhost", dovecot.imaps_port, ssl_context=other)

    def test_after_login_it_offers_what_a_mailbox_reader_needs(self, dovecot: Dovecot) -> None:
        with dovecot.user().imap() as link:
            offered = set(link.capability()[1][0].decode().split())
        assert {"IDLE", "MOVE", "UIDPLUS"} <= offered

    @pytest.mark.parametrize(("lifetime_s", "outcome"), [(3600, "OK"), (-60, "NO")])
    def test_xoauth2_takes_a_token_until_it_expires(
        self, dovecot: Dovecot, certificates: Certificates, lifetime_s: int, outcome: str
    ) -> None:
        box = dovecot.user()
        trust = ssl.create_default_context(cafile=str(certificates.ca_file))
        words = f"user={box.user}\1auth=Bearer {dovecot.oauth_token(box, lifetime_s)}\1\1"
        with imaplib.IMAP4_SSL("localhost", dovecot.imaps_port, ssl_context=trust) as link:
            try:
                status = link.authenticate("XOAUTH2", lambda _: words.encode())[0]
            except imaplib.IMAP4.error:
                status = "NO"
        assert status == outcome

    def test_after_a_crash_it_stands_on_the_same_port_with_the_same_mail(self, dovecot: Dovecot) -> None:
        box = dovecot.user()
        box.append(MAIL)
        dovecot.kill()
        assert not answers(dovecot.imap_port)
        dovecot.restart()
        assert len(box.mails()) == 1
        box.empty()
        assert box.mails() == []


class TestPostgres:
    def test_each_database_is_empty_and_its_own(self, postgres: Postgres) -> None:
        first, second = postgres.new_database(), postgres.new_database()
        postgres.sql("CREATE TABLE t (x int)", first.rpartition("/")[2])
        with pytest.raises(PeerFailed, match="does not exist"):
            postgres.sql("SELECT * FROM t", second.rpartition("/")[2])
        postgres.drop_database(first)
        postgres.drop_database(second)

    def test_a_committed_row_outlives_a_crash(self, postgres: Postgres, postgres_database: str) -> None:
        name = postgres_database.rpartition("/")[2]
        postgres.sql("CREATE TABLE t AS SELECT 42 AS x", name)
        postgres.kill()
        postgres.restart()
        assert postgres.sql("SELECT x FROM t", name) == "42"


class TestTheSink:
    @pytest.mark.parametrize(("options", "code"), [(("-f", "RCPT"), 500), (("-r", "RCPT"), 450)])
    def test_it_refuses_what_it_is_told_to(
        self, smtp_sink: Callable[..., Sink], options: tuple[str, ...], code: int
    ) -> None:
        sink = smtp_sink(*options)
        with smtplib.SMTP(HOST, sink.port) as link:
            link.ehlo()
            link.mail("anna@customer.test")
            assert link.rcpt("bob@example.test")[0] == code

    def test_it_drops_the_connection_when_told_to(self, smtp_sink: Callable[..., Sink]) -> None:
        sink = smtp_sink("-q", ".")
        with smtplib.SMTP(HOST, sink.port) as link, pytest.raises(smtplib.SMTPServerDisconnected):
            link.sendmail("anna@customer.test", ["bob@example.test"], MAIL)
