"""Delivery reports, abuse feedback and read receipts, in their standard forms."""

from __future__ import annotations

import pytest

from gateway.mail.message import DeliveryReport
from tests.mail.mails import body_of


def _report(kind: bytes, block: bytes, original: bytes = b"", subtype: bytes = b"") -> DeliveryReport | None:
    body = b"--r\n\ntext\n--r\nContent-Type: message/" + (subtype or kind) + b"\n\n" + block + b"\n"
    if original:
        body += b"--r\nContent-Type: text/rfc822-headers\n\n" + original + b"\n"
    return body_of(
        body + b"--r--\n", b"Content-Type: multipart/report; boundary=r; report-type=" + kind
    ).report


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        ([b"failed"], "failure"),
        ([b"delayed"], "delay"),
        ([b"delivered"], "delivered"),
        ([b"relayed", b"expanded"], "delivered"),
        ([b"delivered", b"failed"], "failure"),
        ([b"delivered", b"delayed"], "delay"),
        ([b"Failed (now)"], "failure"),
    ],
)
def test_the_kind_follows_the_actions(actions: list[bytes], kind: str) -> None:
    blocks = b"Reporting-MTA: dns; x\n\n" + b"\n\n".join(
        b"Final-Recipient: rfc822;u%d@x.example\nAction: %s\nStatus: 2.0.0" % (number, action)
        for number, action in enumerate(actions)
    )
    report = _report(b"delivery-status", blocks)
    assert report is not None
    assert report.kind == kind
    assert [one.address for one in report.recipients] == [f"u{n}@x.example" for n in range(len(actions))]


def test_blocks_without_blank_lines_and_with_crlf() -> None:
    block = (
        b"Reporting-MTA: dns; x\r\nFinal-Recipient: rfc822; a@x\r\nStatus: 5.1.1\r\n"
        b"Final-Recipient: rfc822; b@x\r\n"
    )
    report = _report(b"delivery-status", block, b"Message-ID: <m@x>\r\n")
    assert report is not None
    assert [(one.address, one.action, one.status) for one in report.recipients] == [
        ("a@x", "failed", "5.1.1"),
        ("b@x", "failed", ""),
    ]
    assert report.original_message_id == "m@x"


def test_abuse_feedback() -> None:
    block = b"Feedback-Type: abuse\nOriginal-Rcpt-To: <a@x.example>\nUser-Agent: y\n"
    report = _report(b"feedback-report", block, b"Message-ID: <m@x>\n")
    assert report is not None
    assert (report.kind, report.original_message_id) == ("feedback", "m@x")
    assert [one.address for one in report.recipients] == ["a@x.example"]


def test_read_receipt() -> None:
    block = (
        b"Final-Recipient: rfc822;a@x.example\nOriginal-Message-ID: <m@x>\n"
        b"Disposition: manual-action; displayed\n"
    )
    report = _report(b"disposition-notification", block)
    assert report is not None
    assert (report.kind, report.original_message_id) == ("disposition", "m@x")


def test_a_report_that_is_only_claimed_is_none() -> None:
    assert body_of(b"--r\n\ntext\n--r--\n", b"Content-Type: multipart/report; boundary=r").report is None
