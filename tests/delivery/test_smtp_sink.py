"""Postfix's smtp-sink as a smarthost that takes, refuses, is slow or goes away."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from gateway.delivery.replies import PeerTrouble
from gateway.delivery.smtp_submitter import SmtpSubmitter
from tests.delivery.scripted import MAIL, make_delivery
from tests.peers.tools import Sink

MakeSubmitter = Callable[..., SmtpSubmitter]
MakeSink = Callable[..., Sink]


@pytest.mark.parametrize("options", [(), ("-p",), ("-e",), ("-8",)])
def test_what_the_sink_kept_is_what_was_handed_over(
    smtp_to: MakeSubmitter, smtp_sink: MakeSink, options: tuple[str, ...]
) -> None:
    sink = smtp_sink(*options, dump=True)
    submitter = smtp_to(sink.port)

    receipts = [submitter.submit(make_delivery(reverse_path=path)) for path in ("", "support@desk.test")]
    submitter.close()

    assert [receipt.outcome for receipt in receipts] == ["sent", "sent"]
    kept = sorted(sink.mails(), key=lambda mail: mail.reverse_path)
    assert [mail.reverse_path for mail in kept] == ["", "support@desk.test"]
    assert [mail.forward_paths for mail in kept] == [("kim@customer.test",)] * 2
    assert all(mail.raw.rstrip(b"\n") == MAIL.replace(b"\r\n", b"\n").rstrip(b"\n") for mail in kept)


@pytest.mark.parametrize(
    ("options", "outcome", "trouble"),
    [
        (("-f", "CONNECT"), "deferred", "for all"),
        (("-r", "CONNECT"), "deferred", "for all"),
        (("-q", "CONNECT"), "deferred", "for all"),
        (("-r", "EHLO"), "deferred", "for all"),
        (("-f", "EHLO,HELO"), "deferred", "for all"),
        (("-q", "EHLO"), "deferred", "for all"),
        (("-f", "MAIL"), "deferred", "for this mail"),
        (("-r", "MAIL"), "deferred", None),
        (("-Q", "MAIL"), "deferred", "for all"),
        (("-q", "MAIL"), "deferred", None),
        (("-f", "RCPT"), "failed", None),
        (("-r", "RCPT"), "deferred", None),
        (("-Q", "RCPT"), "deferred", None),
        (("-q", "RCPT"), "deferred", None),
        (("-f", "DATA"), "failed", None),
        (("-r", "DATA"), "deferred", None),
        (("-q", "DATA"), "deferred", None),
        (("-f", "."), "failed", None),
        (("-r", "."), "deferred", None),
        (("-Q", "."), "deferred", None),
        (("-q", "."), "uncertain", None),
    ],
)
def test_every_way_to_refuse(
    smtp_to: MakeSubmitter,
    smtp_sink: MakeSink,
    options: tuple[str, str],
    outcome: str,
    trouble: str | None,
) -> None:
    sink = smtp_sink(*options)
    submitter = smtp_to(sink.port)

    for _ in range(2):
        receipt = submitter.submit(make_delivery())
        stops = isinstance(receipt, PeerTrouble) and receipt.stops
        told = ("for all" if stops else "for this mail") if isinstance(receipt, PeerTrouble) else None
        assert (receipt.outcome, told) == (outcome, trouble)
    submitter.close()


def test_a_sink_slower_than_our_patience_before_the_mail_is_deferred(
    smtp_to: MakeSubmitter, smtp_sink: MakeSink
) -> None:
    sink = smtp_sink("-w", "2")

    receipt = smtp_to(sink.port, timeout_s=0.1).submit(make_delivery())

    assert receipt.outcome == "deferred"


class _Attachment:
    """25 MB in pieces of 1 MiB, as the store gives them."""

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(25):
            yield b"." + b"x" * 75 + b"\r\n" + (b"x" * 76 + b"\r\n") * 13_443


def test_a_mail_of_25_mb_costs_a_few_mb_of_memory(smtp_to: MakeSubmitter, smtp_sink: MakeSink) -> None:
    sink = smtp_sink()
    submitter = smtp_to(sink.port)
    delivery = make_delivery(_Attachment(), size=26_000_000)

    tracemalloc.start()
    try:
        receipt = submitter.submit(delivery)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    submitter.close()

    assert receipt.outcome == "sent"
    assert peak < 6_000_000


def test_one_connection_serves_many_mails(smtp_to: MakeSubmitter, smtp_sink: MakeSink) -> None:
    sink = smtp_sink("-n", "1", dump=True)
    submitter = smtp_to(sink.port)

    for _ in range(50):
        assert submitter.submit(make_delivery()).outcome == "sent"
    submitter.close()

    assert len(sink.mails()) == 50
