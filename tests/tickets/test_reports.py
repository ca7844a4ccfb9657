"""Delivery reports: about a mail of ours, they stand on its ticket; never are they a ticket."""

from __future__ import annotations

import pytest

from gateway.tickets.values import ReportedMail
from tests.pipeline_world import SIGNER, envelope, facts, run, ticket

OURS = SIGNER.message_id(1042, "c", "jana@customer.example", "abc", "acme.example")


def report(action: str = "failed", status: str = "5.1.1", original: str = OURS) -> bytes:
    return f"""From: MAILER-DAEMON@mx.customer.example
To: support@acme.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <dsn@mx.customer.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I am sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.customer.example

Final-Recipient: rfc822; jana@customer.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: text/rfc822-headers

Message-ID: <{original}>
Subject: Re: Printer
X-Ticketgate-Loop: {original}

--b--
""".encode()


def about(audience: str = "customer") -> ReportedMail:
    return ReportedMail(77, 1042, "answer", audience, "jana@customer.example")


def test_a_failure_is_written_on_the_ticket_and_told_to_its_agents() -> None:
    work = run(report(), facts(ticket(), reported=(about(),)), envelope(reverse_path=""))
    assert work.clues is not None
    assert work.clues.reported_message_ids == (OURS,)
    assert work.decision is not None
    assert work.decision.action == "report"
    (event,) = work.decision.events
    assert event.kind == "delivery_failure"
    assert event.data["status"] == "5.1.1"
    assert {one.audience for one in work.outgoing} == {"agent"}
    assert "no such user" in work.outgoing[0].text


@pytest.mark.parametrize(
    ("action", "status", "kind"), [("delayed", "4.4.1", "delay"), ("delivered", "2.0.0", "delivered")]
)
def test_a_delay_or_success_is_written_down_and_told_to_nobody(action: str, status: str, kind: str) -> None:
    work = run(report(action, status), facts(ticket(), reported=(about(),)))
    assert work.decision is not None
    assert [event.kind for event in work.decision.events] == [f"delivery_{kind}"]
    assert work.outgoing == ()


def test_a_report_about_no_mail_of_ours_is_no_ticket() -> None:
    work = run(report(original="other@elsewhere.example"))
    assert work.decision is not None
    assert (work.decision.action, work.outgoing) == ("report", ())


def test_a_report_about_a_notice_to_an_agent_makes_no_further_notice_to_agents() -> None:
    work = run(report(), facts(ticket(), reported=(about("agent"),)))
    assert work.outgoing == ()
