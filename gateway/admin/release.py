"""What letting a held mail in would do, in words for the admin who decides about it.

The mail goes through the daemon's own pipeline with the facts of this moment, as if it were released, and
nothing is written. What comes in between the question and the release (an answer, a closed ticket) can change
it; the gate, not these words, protects the customer.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.admin.opened import label
from gateway.admin.signing import own_signer

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.mail.signed import Signer
    from gateway.pipeline import Work
    from gateway.settings.load import Loaded
    from gateway.settings.model import Settings
    from gateway.store.database import Database
    from gateway.store.queue_views import SpoolItem

_COMMAND = re.compile(r"\s*(#[a-z]{2,20})\b", re.IGNORECASE)


def what_release_does(loaded: Loaded, database: Database, item: SpoolItem, now: datetime) -> str:
    """One line of words, such as "it becomes an internal note on DESK-1042; …". Says so where it cannot be
    told. Raises StoreTrouble."""
    from gateway.store.errors import StoreTrouble

    signer = own_signer(loaded)
    if signer is None:
        return "cannot be told: the signing key cannot be read from here (call this as the daemon's user)"
    try:
        work = _as_if(loaded, signer, database, item, now)
    except StoreTrouble:
        raise
    except Exception as error:  # noqa: BLE001 - the daemon will have the same trouble, and quarantine it
        return f"working on it breaks ({type(error).__name__}); it would go to quarantine"
    return in_words(work, loaded.settings)


def _as_if(loaded: Loaded, signer: Signer, database: Database, item: SpoolItem, now: datetime) -> Work:
    from gateway.daemon.ingest import envelope_of
    from gateway.pipeline import Policy, Work, conclude, understand
    from gateway.runtime import SystemClock, SystemIds
    from gateway.store.facts import FactsReader
    from gateway.store.spool import Spool

    policy = Policy(loaded.settings, signer, loaded.folder / "templates")
    spool = Spool(database, SystemClock())
    row = replace(spool.row(item.id), released=True)
    raw = spool.raw(row.raw_id, row.size)
    envelope = envelope_of(row, policy)
    work = understand(Work(policy, SystemIds(), now, raw, row.raw_sha256, envelope, row.raw_id))
    assert work.clues is not None
    with database.read():
        facts = FactsReader(database).read(work.clues, now, row, lock=False)
    return conclude(work, facts)


def in_words(work: Work, settings: Settings) -> str:
    """What a mail that has gone through the pipeline does."""
    decision = work.decision
    assert decision is not None
    assert work.mail is not None
    on = label(settings, decision.ticket.number) if decision.ticket is not None else "no ticket"
    if decision.action == "hold":
        return f"it is held again: {decision.outcome.removeprefix('held: ')}"
    if decision.action in ("duplicate", "discard", "report"):
        return f"it makes no entry: {decision.outcome.removeprefix('discarded: ')}"
    customers = [mail.forward_path for mail in work.outgoing if mail.audience == "customer"]
    agents = [mail.forward_path for mail in work.outgoing if mail.audience == "agent"]
    outside = f"to {', '.join(customers)}" if customers else "to nobody outside"
    told = f"agents told: {', '.join(agents) or 'none'}"
    if decision.action == "new_ticket":
        assert decision.new_ticket is not None
        acknowledged = f"acknowledgement {outside}" if customers else "no acknowledgement"
        return f"it makes a new ticket in the queue {decision.new_ticket.queue}; {acknowledged}; {told}"
    match decision.outcome:
        case "note":
            return f"it becomes an internal note on {on}; nobody outside hears of it; {told}"
        case "answer":
            command = _COMMAND.match(work.mail.message.new_text)
            begins = f", with {command[1]} at its beginning," if command else ""
            return f"it goes out as an answer on {on}, word for word{begins} {outside}; {told}"
        case "silent":
            return f"it is kept on {on} as a machine's mail; {told}"
    return f"it is added to {on} as a mail from outside; {told}"
