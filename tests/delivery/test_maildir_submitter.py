"""The Maildir of a fresh install: any client opens it, and a mail is there whole or not at all."""

from __future__ import annotations

import imaplib
import mailbox
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.delivery.maildir_submitter import MaildirSubmitter
from gateway.delivery.replies import PeerTrouble
from gateway.runtime import SystemIds
from tests.delivery.scripted import MAIL, make_delivery
from tests.peers.dovecot import Dovecot

LINES = MAIL.replace(b"\r\n", b"\n")


def test_a_mail_becomes_a_file_with_its_envelope_on_top(tmp_path: Path) -> None:
    submitter = MaildirSubmitter(tmp_path / "var" / "mail", SystemIds())

    receipt = submitter.submit(make_delivery([MAIL[:5], MAIL[5:15], MAIL[15:]]))
    submitter.submit(make_delivery(reverse_path="", forward_path="kim@bücher.test", outbox_id=2))

    assert receipt.outcome == "sent"
    first, second = sorted((tmp_path / "var" / "mail" / "new").iterdir())
    assert first.read_bytes() == (
        b"Return-Path: <support@desk.test>\nDelivered-To: kim@customer.test\n" + LINES
    )
    assert second.read_bytes().startswith(b"Return-Path: <>\nDelivered-To: kim@xn--bcher-kva.test\n")
    assert first.stat().st_mode & 0o077 == 0
    assert not list((tmp_path / "var" / "mail" / "tmp").iterdir())


def test_the_standard_library_reads_it(tmp_path: Path) -> None:
    MaildirSubmitter(tmp_path / "mail", SystemIds()).submit(make_delivery())

    (message,) = mailbox.Maildir(tmp_path / "mail", create=False)

    assert message["Subject"] == "hello"
    assert message["Delivered-To"] == "kim@customer.test"


def test_dovecot_reads_it(tmp_path: Path, dovecot: Dovecot) -> None:
    box = dovecot.user()
    submitter = MaildirSubmitter(tmp_path / "mail", SystemIds())
    for outbox_id in (9, 10, 11):
        submitter.submit(make_delivery([b"Subject: %d\r\n\r\nx\r\n" % outbox_id], outbox_id=outbox_id))
    shutil.copytree(tmp_path / "mail", box.maildir, dirs_exist_ok=True)
    _give_to_owner(box.maildir, tmp_path)

    with imaplib.IMAP4(dovecot.host, dovecot.imap_port) as client:
        client.login(box.user, box.password)
        assert client.select("INBOX") == ("OK", [b"3"])
        subjects = [client.fetch(str(n), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1] for n in (1, 2, 3)]

    assert [line.split()[1] for line in subjects] == [b"9", b"10", b"11"]


def _give_to_owner(maildir: Path, template: Path) -> None:
    owner = maildir.parents[2].stat()
    if owner.st_uid == template.stat().st_uid:
        return
    for path in [*maildir.parents[:2], maildir, *maildir.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)


def test_a_repeat_replaces_itself_while_nobody_has_read_it(tmp_path: Path) -> None:
    submitter = MaildirSubmitter(tmp_path, SystemIds())

    for _ in range(2):
        assert submitter.submit(make_delivery()).outcome == "sent"
    submitter.submit(make_delivery(forward_path="lee@customer.test"))

    assert len(list((tmp_path / "new").iterdir())) == 2


def test_a_mail_that_cannot_be_read_to_its_end_does_not_appear(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield MAIL
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        MaildirSubmitter(tmp_path, SystemIds()).submit(make_delivery(broken(), size=1))

    assert not list((tmp_path / "new").iterdir())
    assert not list((tmp_path / "tmp").iterdir())


def test_a_folder_that_cannot_be_made_is_trouble_for_all(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file")

    receipt = MaildirSubmitter(tmp_path / "mail", SystemIds()).submit(make_delivery())

    assert isinstance(receipt, PeerTrouble)
    assert receipt.stops
    assert "Not a directory" in receipt.reply


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    submitter = MaildirSubmitter(tmp_path / "mail", SystemIds())
    submitter.submit(make_delivery())
    shutil.rmtree(tmp_path / "mail")

    assert [submitter.submit(make_delivery()).outcome for _ in range(2)] == ["deferred", "sent"]


def test_a_full_disk_is_trouble_for_all_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    receipt = MaildirSubmitter(tmp_path, SystemIds()).submit(make_delivery())

    assert isinstance(receipt, PeerTrouble)
    assert "No space left" in receipt.reply
    assert not list((tmp_path / "new").iterdir())
    assert not list((tmp_path / "tmp").iterdir())


def test_a_path_with_a_line_end_makes_no_header(tmp_path: Path) -> None:
    receipt = MaildirSubmitter(tmp_path, SystemIds()).submit(make_delivery(reverse_path="a@b\nBcc: c@d"))

    assert receipt.outcome == "failed"
    assert not (tmp_path / "new").exists()
