"""The rules in the order in which they are asked, and what follows from each. The strongest verdict holds:
discard, then hold, then dsn, then silent. `may_reply` needs that no rule objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.screen.authentication import domain_is_authentic
from gateway.screen.rules.auto_reply_fields import auto_reply_fields
from gateway.screen.rules.auto_submitted import auto_submitted, keyword
from gateway.screen.rules.delivery_report import delivery_report
from gateway.screen.rules.machine_sender import machine_sender
from gateway.screen.rules.mailing_list import mailing_list
from gateway.screen.rules.null_reverse_path import null_reverse_path
from gateway.screen.rules.own_mail import own_mail
from gateway.screen.trust import trust
from gateway.screen.values import Mail, Screening, Signal, Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    """`find` says what it found; then `verdict` holds, and the mail is not answered."""

    find: Callable[[Mail], Signal | None]
    verdict: Verdict


RULES: tuple[Rule, ...] = (
    Rule(own_mail, Verdict.DISCARD),
    Rule(delivery_report, Verdict.DSN),
    Rule(null_reverse_path, Verdict.SILENT),
    Rule(auto_submitted, Verdict.SILENT),
    Rule(auto_reply_fields, Verdict.SILENT),
    Rule(mailing_list, Verdict.SILENT),
    Rule(machine_sender, Verdict.SILENT),
)
_STRENGTH = (Verdict.ACCEPT, Verdict.SILENT, Verdict.DSN, Verdict.HOLD, Verdict.DISCARD)


def screen(mail: Mail) -> Screening:
    """Ask all rules; every signal found is kept, also those that lost."""
    verdict = Verdict.ACCEPT
    signals: list[Signal] = []
    for rule in RULES:
        signal = rule.find(mail)
        if signal is not None:
            signals.append(signal)
            verdict = max(verdict, rule.verdict, key=_STRENGTH.index)
    trusted = trust(mail)
    if trusted.level == "claimed_agent" and verdict is Verdict.ACCEPT and domain_is_authentic(mail) is False:
        signals.append(Signal("forged_agent", trusted.why[-1]))
        verdict = Verdict.HOLD
    return Screening(
        verdict=verdict,
        may_reply=verdict is Verdict.ACCEPT and _may_be_answered(mail),
        auto_submitted=keyword(mail),
        signals=tuple(signals),
        report=mail.message.report if verdict is Verdict.DSN else None,
        trust=trusted,
    )


def _may_be_answered(mail: Mail) -> bool:
    """Somebody wrote it, who is not ourselves, and whose From our border does not contradict."""
    if not mail.message.from_ or domain_is_authentic(mail) is False:
        return False
    return not any(mail.directory.is_ours(one.address) for one in mail.message.from_)
