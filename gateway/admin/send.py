"""`ticketgate send`: one test mail by the configured way out, at once and past the outbox, with the peer's
reply.

Exit codes: 0 the peer took it; 75 it could not be handed over now (or may have been: the reply got lost); 69
the peer refused it for good; 64 wrong usage; 78 the config is wrong.

The mail is marked as automatic, so no machine answers it. It comes from the queue's address, so that what is
returned of it comes to the desk.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.admin.opened import fail
from gateway.admin.options import ConfigOption, JsonOption, load_or_exit
from gateway.admin.tables import as_json, clean, forgiving_output

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.ports import Delivery, Ids
    from gateway.settings.model import Queue, Settings

_EXIT_CODES = {
    "sent": os.EX_OK,
    "deferred": os.EX_TEMPFAIL,
    "uncertain": os.EX_TEMPFAIL,
    "failed": os.EX_UNAVAILABLE,
}
_MEANINGS = {
    "sent": "the peer took the mail",
    "deferred": "not now; a mail of the outbox would be tried again",
    "uncertain": "no reply to the end of the mail: it may or may not have arrived",
    "failed": "refused for good",
}


def send(
    to: Annotated[str, typer.Argument(metavar="TO", help="The mail address to send to.")],
    subject: Annotated[str, typer.Option("--subject", help="The subject.")] = "Test mail of ticketgate",
    body: Annotated[str | None, typer.Option("--body", help="The text; - is standard input.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="The queue from whose address it is.")] = None,
    config: ConfigOption = None,
    json_: JsonOption = False,
) -> int:
    """Send a test mail by the configured way out, and show what the peer says.

    Examples:

        ticketgate send you@example.org

        ticketgate send you@example.org --queue billing --subject "Is this on?" --json
    """
    forgiving_output()
    recipient = _address(to)
    loaded = load_or_exit(config)
    settings = loaded.settings
    chosen = _queue(settings, queue)
    from pathlib import Path

    from gateway.delivery.make import make_submitter
    from gateway.runtime import SystemClock, SystemIds

    text = sys.stdin.read() if body == "-" else body
    clock, ids = SystemClock(), SystemIds()
    delivery = make_test_mail(settings, chosen, recipient, subject, text, ids, clock.now())
    began = clock.monotonic()
    submitter = make_submitter(settings, loaded.folder, Path(settings.state_dir).absolute(), ids, clock)
    try:
        receipt = submitter.submit(delivery)
    finally:
        submitter.close()
    took_s = round(clock.monotonic() - began, 3)
    if json_:
        value = {
            "outcome": receipt.outcome,
            "reply": receipt.reply,
            "enhanced_status": receipt.enhanced_status,
            "to": recipient,
            "from": delivery.reverse_path,
            "message_id": delivery.message_id,
            "via": settings.delivery.via.type,
            "took_s": took_s,
        }
        print(as_json(value))
    else:
        print(f"{receipt.outcome}: {_MEANINGS[receipt.outcome]} ({settings.delivery.via.type}, {took_s} s)")
        print(f"  {clean(receipt.reply)}")
    return _EXIT_CODES[receipt.outcome]


def make_test_mail(
    settings: Settings,
    queue: Queue,
    recipient: str,
    subject: str,
    body: str | None,
    ids: Ids,
    now: datetime,
) -> Delivery:
    """The mail, ready for the wire. Its Message-ID is not signed, or the desk would throw it away as its own
    where it is sent to the desk itself."""
    from gateway.mail.compose import compose
    from gateway.mail.message import Address
    from gateway.mail.spelling import a_labels
    from gateway.ports import Delivery

    sender = queue.addresses[0]
    unique = ids.token()
    message_id = f"test.{unique}@{a_labels(settings.desk.domain) or settings.desk.domain}"
    text = body if body is not None else f"This is a test mail of {settings.desk.name}, sent by an admin.\n"
    composed = compose(
        [
            ("Date", now),
            ("From", Address(queue.display_name or settings.desk.name, sender)),
            ("To", (Address("", recipient),)),
            ("Subject", subject),
            ("Message-ID", (message_id,)),
            ("Auto-Submitted", "auto-generated"),
        ],
        text,
        None,
        (),
        unique,
    )
    return Delivery(
        outbox_id=0,
        reverse_path=sender,
        forward_path=recipient,
        message_id=message_id,
        size=len(composed.octets),
        chunks=(composed.octets,),
        needs_smtputf8=composed.needs_smtputf8,
    )


def _address(text: str) -> str:
    from gateway.delivery.replies import refusal_of_envelope
    from gateway.intake.paths import BadPath, parse_path

    try:
        path = parse_path(text)
    except BadPath as bad:
        raise _bad_address(text) from bad
    local, at, domain = path.address.rpartition("@")
    if not (local and at and domain) or path.parameters or refusal_of_envelope("", path.address):
        raise _bad_address(text)
    return path.address


def _bad_address(text: str) -> typer.Exit:
    return fail(f"{text!r} is no mail address: write one such as you@example.org", os.EX_USAGE)


def _queue(settings: Settings, name: str | None) -> Queue:
    for queue in settings.queues:
        if name is None or queue.name == name:
            return queue
    known = ", ".join(queue.name for queue in settings.queues)
    raise fail(f"there is no queue {name}; there are: {known}", os.EX_USAGE)
