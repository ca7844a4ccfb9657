"""What `explain` prints: the object for programs, the pages for people, and what it does not touch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admin import explain_object, signing
from gateway.admin.explain_object import Explained
from gateway.admin.explain_view import page, summary
from gateway.admin.mail_files import Found
from gateway.admin.tables import Paint, cells
from gateway.daemon import house
from gateway.pipeline import Policy, Stage, Work
from gateway.runtime import SystemIds
from gateway.settings.load import load
from tests.admin.desk import call, mail, make_config, make_desk, run

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
NOW = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
WITH_FILE = (
    b"From: =?utf-8?q?=C5=BDofie?= <zofie@example.cz>\r\nTo: Support <support@example.com>, b@example.net\r\n"
    b"Cc: c@example.net\r\nReply-To: r@example.cz\r\nSubject: Re: Invoice\r\n"
    b"Date: Mon, 23 Nov 2026 09:15:00 +0100\r\nMessage-ID: <1@example.cz>\r\nIn-Reply-To: <0@example.cz>\r\n"
    b"References: <00@example.cz> <0@example.cz>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
    b"It is wrong.\r\n\r\n> How is it?\r\n\r\n-- \r\nZofie\r\n--b\r\n"
    b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=a.pdf\r\n\r\naGVsbG8=\r\n--b--\r\n"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return make_config(tmp_path)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    loaded = load(make_config(tmp_path_factory.mktemp("desk")))
    return Policy(loaded.settings, signing.readable_signer(loaded, SystemIds()), None)


def explained(policy: Policy, octets: bytes) -> Explained:
    return explain_object.explain_mail(Found("mail", lambda: octets), policy, SystemIds(), NOW)


def write(folder: Path, name: str, octets: bytes) -> str:
    (folder / name).write_bytes(octets)
    return str(folder / name)


class TestTheObject:
    def test_it_has_just_the_promised_fields(self, policy: Policy) -> None:
        value = explained(policy, WITH_FILE).value
        assert list(value) == [
            "file", "error", "message", "screen", "thread", "triage", "clocks", "outgoing",
        ]  # fmt: skip
        assert set(value["message"]) == {
            "message_id", "date", "from", "reply_to", "to", "cc", "subject", "language", "text", "new_text",
            "quoted", "signature", "html", "attachments", "in_reply_to", "references", "forwarded",
            "encrypted", "defects",
        }  # fmt: skip
        assert set(value["screen"]) == {
            "verdict", "may_reply", "auto_submitted", "signals", "dsn", "trust",
        }  # fmt: skip
        assert set(value["screen"]["trust"]) == {"level", "why"}
        assert set(value["thread"]) == {"ticket", "evidence"}
        assert set(value["triage"]) == {
            "impact", "urgency", "priority", "category", "tags", "queue", "assignee", "reasons",
        }  # fmt: skip
        assert all(set(one) == {"source", "evidence", "weight"} for one in value["triage"]["reasons"])
        assert all(set(one) == {"kind", "to", "subject", "text", "html"} for one in value["outgoing"])

    def test_it_says_what_the_mail_is(self, policy: Policy) -> None:
        message = explained(policy, WITH_FILE).value["message"]
        assert message["date"] == "2026-11-23T08:15:00Z"
        assert message["from"] == [{"name": "Žofie", "address": "zofie@example.cz"}]
        assert [one["address"] for one in message["to"]] == ["support@example.com", "b@example.net"]
        assert message["reply_to"] == [{"name": "", "address": "r@example.cz"}]
        assert message["attachments"] == [
            {
                "filename": "a.pdf",
                "content_type": "application/pdf",
                "size": 5,
                "sha256": hashlib.sha256(b"hello").hexdigest(),
                "disposition": "attachment",
                "content_id": "",
            }
        ]
        assert (message["in_reply_to"], message["references"]) == (
            ["0@example.cz"], ["00@example.cz", "0@example.cz"],
        )  # fmt: skip
        assert (message["html"], message["encrypted"], message["forwarded"]) == (False, None, None)
        assert message["new_text"] == "It is wrong."
        assert "> How is it?" in message["quoted"]
        assert "Zofie" in message["signature"]

    def test_a_persons_mail_is_acknowledged_and_told_to_agents(self, policy: Policy) -> None:
        value = explained(policy, mail()).value
        assert (value["screen"]["verdict"], value["screen"]["may_reply"]) == ("accept", True)
        assert [(one["kind"], one["to"]) for one in value["outgoing"]] == [
            ("acknowledgement", "jane@example.org"), ("new_ticket", "petra@example.com"),
        ]  # fmt: skip
        assert "[DESK-1-" in value["outgoing"][0]["subject"]
        assert value["thread"] == {"ticket": None, "evidence": []}

    def test_a_delivery_report_is_told_by_recipient(self, policy: Policy) -> None:
        octets = (
            b"From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
            b"--b\r\n\r\nsorry\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
            b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; gone@example.org\r\n"
            b"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n\r\n--b\r\n"
            b"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <orig@example.com>\r\n\r\n--b--\r\n"
        )
        screen = explained(policy, octets).value["screen"]
        assert screen["verdict"] == "dsn"
        assert screen["dsn"]["kind"] == "failure"
        assert screen["dsn"]["original_message_id"] == "orig@example.com"
        (recipient,) = screen["dsn"]["recipients"]
        assert set(recipient) == {"address", "action", "status", "diagnostic"}
        assert (recipient["address"], recipient["status"]) == ("gone@example.org", "5.1.1")

    @given(st.binary(max_size=400))
    @settings(max_examples=60, deadline=None)
    def test_any_octets_give_an_object_that_is_json(self, policy: Policy, octets: bytes) -> None:
        one = explained(policy, octets)
        assert one.value["error"] is None
        assert json.loads(json.dumps(one.value)) == one.value

    def test_a_stage_that_breaks_is_the_error_and_keeps_what_was_before_it(
        self, policy: Policy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(work: Work) -> Work:
            raise ValueError("boom")

        stages = [
            stage if stage.name != "screen" else Stage("screen", broken)
            for stage in explain_object.UNDERSTAND
        ]
        monkeypatch.setattr(explain_object, "UNDERSTAND", tuple(stages))
        one = explained(policy, mail())
        assert one.value["error"] == "screen: ValueError: boom"
        assert one.value["message"]["subject"] == "Printer on fire"
        assert [one.value[key] for key in ("screen", "thread", "triage", "clocks", "outgoing")] == [None] * 5
        assert one.exit_code == os.EX_SOFTWARE


class TestTheCommand:
    def test_jsonl_goes_on_after_a_bad_one(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        good = write(tmp_path, "good.eml", mail())
        ran = call(capsys, config, "explain", "--jsonl", good, str(tmp_path / "missing"), good)
        lines = [json.loads(line) for line in ran.out.splitlines()]
        assert [(one["file"], one["error"]) for one in lines] == [
            (good, None),
            (str(tmp_path / "missing"), "cannot be read: No such file or directory"),
            (good, None),
        ]
        assert (ran.code, ran.err) == (os.EX_NOINPUT, "")

    def test_json_is_one_array(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "mails"
        folder.mkdir()
        assert call(capsys, config, "explain", "--json", str(folder)).json == []
        names = [write(folder, name, mail(subject=name)) for name in ("1", "2")]
        value = call(capsys, config, "explain", "--json", str(folder)).json
        assert [(one["file"], one["message"]["subject"]) for one in value] == list(
            zip(names, ("1", "2"), strict=True)
        )

    def test_each_line_is_out_before_the_next_mail_is_read(self, config: Path, tmp_path: Path) -> None:
        first = write(tmp_path, "first.eml", mail())
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "gateway", "explain", "--jsonl", "--config", str(config), first]
        with subprocess.Popen([*command, str(pipe)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["file"] == first
            pipe.write_bytes(mail(subject="late"))
            assert json.loads(process.stdout.readline())["message"]["subject"] == "late"
        assert process.returncode == 0

    def test_standard_input_needs_no_path(self, config: Path) -> None:
        ran = run("explain", "--jsonl", "--config", str(config), given=mail(subject="piped"))
        assert (ran.code, ran.err) == (0, "")
        assert (ran.json["file"], ran.json["message"]["subject"]) == ("-", "piped")

    @pytest.mark.parametrize("arguments", [("--json", "--jsonl"), ("--at", "noon")])
    def test_a_wrong_call_is_told(
        self, config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
    ) -> None:
        ran = call(capsys, config, "explain", *arguments, os.devnull)
        assert ran.code == os.EX_USAGE
        assert arguments[0] in ran.err

    def test_mistakes_in_the_config_and_in_templates_are_told(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (config / "templates").mkdir()
        (config / "templates" / "acknowledgement.txt.j2").write_text("one\n{% if %}\n")
        ran = call(capsys, config, "explain", write(tmp_path, "mail", mail()))
        assert ran.code == os.EX_CONFIG
        assert "acknowledgement.txt.j2:2" in ran.err
        (config / "gateway.yaml").write_text("desk: {}\n")
        assert call(capsys, config, "explain", os.devnull).code == os.EX_CONFIG


class TestWhatItTouches:
    def test_it_makes_no_state_folder_and_needs_no_database(
        self, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert call(capsys, config, "explain", write(tmp_path, "mail", mail())).code == 0
        assert not (tmp_path / "var").exists()

    def test_the_desks_own_key_is_used_where_it_is(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert signing.KEY_FILE == house.KEY_FILE
        desk = make_desk(tmp_path)
        signer = desk.house.policy.signer
        address = signer.address("support@example.com", 1042, "c", "jane@example.org")
        answer = write(tmp_path, "answer.eml", mail(To=address))
        (evidence,) = call(capsys, desk.config, "explain", "--json", answer).json[0]["thread"]["evidence"]
        assert evidence == {
            "signal": "signed_address", "value": address, "accepted": False,
            "why": "there is no such ticket",
        }  # fmt: skip

    def test_a_key_that_cannot_be_read_is_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        more = "signing: {keys: [{id: a, secret: {file: missing}}]}\n"
        ran = call(capsys, make_config(tmp_path, more), "explain", write(tmp_path, "mail", mail()))
        assert ran.code == 0
        assert "our own signatures are not recognised" in ran.err


def shown(policy: Policy, octets: bytes, full: bool = False, paint: bool = False) -> str:
    return page(explained(policy, octets), Paint(paint), 80, full)


class TestThePage:
    def test_the_verdict_stands_first_and_says_why(self, policy: Policy) -> None:
        text = shown(policy, mail(Auto_Submitted="auto-replied", Subject="Away"))
        sections = re.findall(r"^(?:── )?([A-Z][a-z]+(?: out)?)\b", text, re.M)
        assert sections == ["Verdict", "Mail", "Thread", "Triage", "Goes out"]
        assert "SILENT" in text
        assert "because    auto_submitted: " in text
        assert "must not be answered" in text

    def test_long_text_is_cut_with_a_hint_and_whole_with_full(self, policy: Policy) -> None:
        octets = mail(body="".join(f"line {at}\n" for at in range(100)))
        assert "more lines (--full shows them)" in shown(policy, octets)
        assert "line 99" not in shown(policy, octets)
        assert "line 99" in shown(policy, octets, full=True)

    def test_lines_keep_to_the_width(self, policy: Policy) -> None:
        octets = mail(subject="long " * 60, body="wide 漢字 " * 60 + "\n", sender=f"{'x' * 200}@example.org")
        lines = shown(policy, octets).splitlines()
        assert [line for line in lines if cells(line) > 80] == []

    @given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80), st.binary(max_size=80))
    @settings(max_examples=60, deadline=None)
    def test_no_mail_commands_the_terminal(self, policy: Policy, subject: str, body: bytes) -> None:
        clean = re.sub("[\r\n]", " ", subject)
        octets = f"From: {clean} <a@b.example>\nSubject: {clean}\n\n".encode() + b"\x1b]0;x\x07\x9b" + body
        text = shown(policy, octets, full=True)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)

    def test_colour_only_where_it_is_wanted(self, policy: Policy) -> None:
        assert "\x1b[" not in shown(policy, mail())
        assert "\x1b[32;1mACCEPT" in shown(policy, mail(), paint=True)

    def test_an_error_is_shown(self, policy: Policy) -> None:
        one = explained(policy, mail())
        broken = replace(one, value={**one.value, "error": "build: boom", "outgoing": None, "clocks": None})
        assert "Error      build: boom" in page(broken, Paint(False), 80, False)

    def test_many_mails_end_with_a_sum(self) -> None:
        assert summary(["accept", "silent", "accept"]) == "3 mails: 2 accept, 1 silent"
        assert summary([]) == "0 mails"


def test_every_mail_of_the_corpora_is_explained(policy: Policy) -> None:
    files = sorted((CORPORA / "stalwart").rglob("*"))[:60] if CORPORA.is_dir() else []
    if not files:
        pytest.skip("the mails of others are not here (../shared/corpora)")
    for file in files:
        if file.is_file():
            one: Any = explained(policy, file.read_bytes())
            assert one.value["error"] is None, file.name
            assert page(one, Paint(False), 80, True)
