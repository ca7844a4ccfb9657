"""What the library does behind our back."""

from __future__ import annotations

import logging

import pytest

from tests.intake.imap_server import ImapServer
from tests.intake.imap_tools import a_mail
from tests.intake.test_imap_source import take


def test_no_mail_and_no_password_is_worded_for_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """IMAPClient switches imaplib's debugging on, which words each response even where nobody listens."""
    caplog.set_level(logging.DEBUG)
    with ImapServer() as server:
        server.add(a_mail(1))
        assert len(take(server).taken) == 1
    assert not [told for told in caplog.messages if "secret" in told or "Subject" in told]
    assert not [record for record in caplog.records if record.name == "imapclient.imaplib"]
