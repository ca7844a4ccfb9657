"""sendmail as a program: arguments, input, exit codes, and programs that behave badly."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.delivery.replies import PeerTrouble
from gateway.delivery.sendmail_submitter import SendmailSubmitter
from gateway.runtime import SystemClock
from gateway.settings.model import SendmailDelivery
from tests.delivery.scripted import MAIL, make_delivery
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix
from tests.peers.process import find_program, wait_until

MakeSubmitter = Callable[..., SendmailSubmitter]
BIG = b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20_000


@pytest.fixture
def running(tmp_path: Path) -> MakeSubmitter:
    """A maker: a shell script as the program."""

    def make(script: str, timeout_s: float = 10.0) -> SendmailSubmitter:
        program = tmp_path / "sendmail"
        program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        via = SendmailDelivery(
            type="sendmail", command=(str(program), "-i"), timeout=timedelta(seconds=timeout_s)
        )
        return SendmailSubmitter(via, SystemClock())

    return make


def test_arguments_and_input(running: MakeSubmitter, tmp_path: Path) -> None:
    submitter = running('printf "%s\\n" "$@" > arguments; cat > mail')

    receipt = submitter.submit(make_delivery([MAIL[:17], MAIL[17:]], forward_path="-oQ/tmp@customer.test"))

    assert receipt.outcome == "sent"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments == ["-i", "-f", "support@desk.test", "--", "-oQ/tmp@customer.test"]
    assert (tmp_path / "mail").read_bytes() == MAIL.replace(b"\r\n", b"\n")


def test_the_null_reverse_path(running: MakeSubmitter, tmp_path: Path) -> None:
    submitter = running('printf "%s\\n" "$@" > arguments; cat > mail')

    assert submitter.submit(make_delivery([BIG], reverse_path="")).outcome == "sent"

    assert (tmp_path / "arguments").read_text().splitlines()[1:3] == ["-f", "<>"]
    assert (tmp_path / "mail").read_bytes() == BIG.replace(b"\r\n", b"\n")


def test_addresses_are_given_in_utf8_whatever_the_locale(
    running: MakeSubmitter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitter = running('printf "%s\\n" "$@" > arguments; cat > mail')
    monkeypatch.setattr(
        os, "fsencode", lambda name: name if isinstance(name, bytes) else name.encode("ascii")
    )

    receipt = submitter.submit(make_delivery(forward_path="漢字@bücher.test"))

    assert receipt.outcome == "sent"
    assert (tmp_path / "arguments").read_bytes().splitlines()[4] == "漢字@xn--bcher-kva.test".encode()


def test_our_environment_is_not_passed_on(
    running: MakeSubmitter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")

    running("env > environment; cat > mail").submit(make_delivery())

    told = (tmp_path / "environment").read_text()
    assert "secret" not in told
    assert f"PATH={os.environ['PATH']}" in told


@pytest.mark.parametrize(
    ("script", "outcome", "status", "trouble"),
    [
        ("cat >/dev/null; echo queue full >&2; exit 75", "deferred", "4.3.0", False),
        ("cat >/dev/null; exit 69", "deferred", "4.3.0", False),
        ("cat >/dev/null; exit 65", "failed", "5.6.0", False),
        ("cat >/dev/null; exit 67", "failed", "5.1.1", False),
        ("exit 67", "failed", "5.1.1", False),
        ("cat >/dev/null; exit 68", "failed", "5.1.2", False),
        ("cat >/dev/null; exit 64", "deferred", "4.3.5", True),
        ("cat >/dev/null; exit 77", "deferred", "4.3.5", True),
        ("cat >/dev/null; exit 1", "deferred", "4.3.5", True),
        ("exit 0", "deferred", "4.3.5", True),
        ("cat >/dev/null; kill -9 $$", "uncertain", "4.3.0", False),
        ("kill -9 $$", "deferred", "4.3.0", False),
    ],
)
def test_how_it_ends_tells_the_outcome(
    running: MakeSubmitter, script: str, outcome: str, status: str, trouble: bool
) -> None:
    receipt = running(script).submit(make_delivery([BIG]))

    assert (receipt.outcome, receipt.enhanced_status) == (outcome, status)
    assert isinstance(receipt, PeerTrouble) == trouble


def test_what_it_prints_is_told_and_bounded(running: MakeSubmitter) -> None:
    script = f"{sys.executable} -c 'print(\"no room\\n\" * 200000)'; cat >/dev/null; exit 75"

    receipt = running(script).submit(make_delivery([BIG]))

    assert "no room no room" in receipt.reply
    assert len(receipt.reply) <= 500


@pytest.mark.parametrize(
    ("script", "outcome"), [("sleep 60", "deferred"), ("cat >/dev/null; sleep 60", "uncertain")]
)
def test_a_program_that_hangs_is_ended(running: MakeSubmitter, script: str, outcome: str) -> None:
    receipt = running(script, timeout_s=0.5).submit(make_delivery([BIG]))

    assert receipt.outcome == outcome
    assert "did not end in time" in receipt.reply


def test_a_child_that_keeps_the_output_open_holds_nothing_up(running: MakeSubmitter) -> None:
    receipt = running("cat >/dev/null; sleep 5 & exit 0", timeout_s=3).submit(make_delivery([BIG]))

    assert receipt.outcome == "sent"


def test_a_mail_that_cannot_be_read_to_its_end_is_never_cut_short(
    running: MakeSubmitter, tmp_path: Path
) -> None:
    def broken() -> Iterator[bytes]:
        yield BIG
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        running("cat > mail; echo done > done").submit(make_delivery(broken(), size=1))

    assert not (tmp_path / "done").exists()


def test_a_program_that_is_not_there_is_trouble_for_all(tmp_path: Path) -> None:
    via = SendmailDelivery(type="sendmail", command=(str(tmp_path / "missing"),))

    receipt = SendmailSubmitter(via, SystemClock()).submit(make_delivery())

    assert isinstance(receipt, PeerTrouble)
    assert receipt.stops
    assert "No such file" in receipt.reply


def test_postfix_takes_it(postfix: Postfix, dovecot: Dovecot) -> None:
    """Its -f takes <> for the null reverse path, and -i keeps it from ending at a lone dot."""
    box = dovecot.user()
    program = find_program("Postfix", "/usr/sbin/sendmail")
    via = SendmailDelivery(type="sendmail", command=(program, "-C", str(postfix._config), "-i"))

    receipt = SendmailSubmitter(via, SystemClock()).submit(
        make_delivery(reverse_path="", forward_path=box.address)
    )

    assert receipt.outcome == "sent"
    wait_until("mail in the mailbox", lambda: bool(box.mails()))
    (mail,) = box.mails()
    assert mail.startswith(b"Return-Path: <>\n")
    assert mail.endswith(MAIL.replace(b"\r\n", b"\n").partition(b"\n\n")[2])


def test_a_path_with_a_line_end_is_refused(running: MakeSubmitter, tmp_path: Path) -> None:
    receipt = running("echo ran > ran").submit(make_delivery(reverse_path="a@b\n"))

    assert receipt.outcome == "failed"
    assert not (tmp_path / "ran").exists()
