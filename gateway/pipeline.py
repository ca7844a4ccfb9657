"""The way of a mail through the house, as data: the contents page.

    parse ─▶ screen ─▶ (the store looks up the clues) ─▶ match ─▶ triage ─▶ decide ─▶ notices ─▶ build

Everything here is a pure function of (mail, facts, policy, now) and an id port. The daemon runs it between
spool and outbox, `ticketgate explain` runs it and prints each stage, the simulation runs it under a virtual
clock: it is the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gateway.mail.parse import parse
from gateway.mail.signed import Signer
from gateway.notices.build import Builder
from gateway.notices.plan import plan
from gateway.notices.render import Renderer
from gateway.notices.values import Notice, OutgoingMail
from gateway.ports import Ids
from gateway.screen.directory import Directory
from gateway.screen.table import screen
from gateway.screen.values import Envelope, Mail, Screening
from gateway.settings.model import Settings
from gateway.tickets.clues import clues
from gateway.tickets.decide import decide
from gateway.tickets.match import match
from gateway.tickets.values import Case, Clues, Decision, Facts, Match, Triage
from gateway.triage.classify import classify


class Policy:
    """The config in the form in which the pipeline reads it. `overrides`: the config's own templates, or
    None."""

    def __init__(self, settings: Settings, signer: Signer, overrides: Path | None) -> None:
        self.settings = settings
        self.signer = signer
        self.directory = Directory(settings)
        self.renderer = Renderer(overrides, settings.desk.timezone)
        self.builder = Builder(settings, signer, self.renderer)


@dataclass(slots=True)
class Work:
    """A mail on its way; each stage fills in its own field and touches no other."""

    policy: Policy
    ids: Ids
    now: datetime
    raw: bytes | memoryview
    raw_sha256: str
    envelope: Envelope
    raw_id: int | None = None
    mail: Mail | None = None
    screening: Screening | None = None
    clues: Clues | None = None
    facts: Facts | None = None
    match: Match | None = None
    triage: Triage | None = None
    decision: Decision | None = None
    notices: tuple[Notice, ...] = ()
    outgoing: tuple[OutgoingMail, ...] = ()


def _parse(work: Work) -> None:
    policy = work.policy
    message = parse(work.raw, policy.settings.parse)
    work.mail = Mail(message, work.envelope, policy.settings, policy.directory, policy.signer, work.raw)


def _screen(work: Work) -> None:
    assert work.mail is not None
    work.screening = screen(work.mail)


def _clues(work: Work) -> None:
    assert work.mail is not None
    assert work.screening is not None
    work.clues = clues(work.mail, work.screening, work.raw_sha256)


def _match(work: Work) -> None:
    assert work.mail is not None
    assert work.screening is not None
    assert work.facts is not None
    work.match = match(work.mail, work.screening, work.facts)


def _triage(work: Work) -> None:
    assert work.clues is not None
    work.triage = classify(work.clues.queue)


def _decide(work: Work) -> None:
    assert work.mail is not None
    assert work.screening is not None
    assert work.clues is not None
    assert work.facts is not None
    assert work.match is not None
    assert work.triage is not None
    work.decision = decide(
        Case(
            mail=work.mail,
            screening=work.screening,
            match=work.match,
            triage=work.triage,
            clues=work.clues,
            facts=work.facts,
            now=work.now,
        )
    )


def _notices(work: Work) -> None:
    assert work.mail is not None
    assert work.screening is not None
    assert work.triage is not None
    assert work.decision is not None
    work.notices = plan(work.mail, work.screening, work.triage, work.decision, work.raw_id)


def _build(work: Work) -> None:
    build = work.policy.builder.build
    work.outgoing = tuple(build(notice, work.ids, work.now) for notice in work.notices)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its name, and what it does to the work."""

    name: str
    run: Callable[[Work], None]


UNDERSTAND: tuple[Stage, ...] = (
    Stage("parse", _parse),
    Stage("screen", _screen),
    Stage("clues", _clues),
)
"""What needs nothing but the mail; runs outside any transaction."""

JUDGE: tuple[Stage, ...] = (
    Stage("match", _match),
    Stage("triage", _triage),
    Stage("decide", _decide),
)
"""What needs the facts."""

TELL: tuple[Stage, ...] = (
    Stage("notices", _notices),
    Stage("build", _build),
)
"""What follows from the decision."""

CONCLUDE = JUDGE + TELL


def understand(work: Work) -> Work:
    """Run the stages before the facts; returns `work`."""
    for stage in UNDERSTAND:
        stage.run(work)
    return work


def judge(work: Work, facts: Facts) -> Work:
    """Run the stages that need the facts; returns `work`. May be called again with other facts."""
    work.facts = facts
    for stage in JUDGE:
        stage.run(work)
    return work


def renumber(work: Work, number: int) -> Work:
    """Decide anew with the number of the new ticket, now that one is known to be wanted."""
    assert work.facts is not None
    work.facts = replace(work.facts, next_number=number)
    _decide(work)
    return work


def tell(work: Work) -> Work:
    """Run the stages that follow from the decision; returns `work`."""
    for stage in TELL:
        stage.run(work)
    return work


def conclude(work: Work, facts: Facts) -> Work:
    """All stages after the facts."""
    return tell(judge(work, facts))
