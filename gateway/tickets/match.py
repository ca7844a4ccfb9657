"""Which ticket a mail belongs to: the evidence ladder and the gate.

Ladder, strongest first: our signed address among the recipients; our Message-ID in In-Reply-To or
References; a known foreign Message-ID there; our signed tag in the subject. Every signal is recorded, also
those that lost, and why.

The gate: what was signed for this very sender is enough. Anything else needs an agent, a participant of the
ticket, or an authenticated sender of the requester's own domain. A stranger's mail makes a new ticket, linked
to the one that it names; he becomes no participant of that one.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.mail.signed import AGENT, CUSTOMER, ENVELOPE, NOTE, Signed
from gateway.screen import freemail
from gateway.screen.authentication import domain_is_authentic
from gateway.screen.trust import signed_recipients, signed_references
from gateway.screen.values import Mail, Screening, Verdict
from gateway.tickets.clues import subject_tags
from gateway.tickets.values import Evidence, Facts, Match, TicketFacts


def _signals(mail: Mail, facts: Facts) -> Iterator[tuple[str, str, int, Signed | None]]:
    """(signal, value, ticket number, what was signed), strongest first."""
    for address, signed in signed_recipients(mail):
        if signed.ticket:
            yield "signed_address", address, signed.ticket, signed
    for message_id, signed in signed_references(mail):
        if signed.ticket:
            yield "own_message_id", message_id, signed.ticket, signed
    message = mail.message
    for message_id in dict.fromkeys((*message.in_reply_to, *reversed(message.references))):
        number = facts.known_ids.get(message_id)
        if number is not None:
            yield "known_message_id", message_id, number, None
    for tag, number in subject_tags(message.subject, mail.settings.desk.ticket_prefix, mail.signer):
        yield "subject_tag", tag, number, None


def _gate(
    mail: Mail, screening: Screening, ticket: TicketFacts, signed: Signed | None
) -> tuple[bool, str, str]:
    """(accepted, the sender's role, why)."""
    author = mail.message.author
    trust = screening.trust
    if trust.level == "agent":
        return _agent_gate(mail, screening, signed)
    if trust.level == "claimed_agent":
        return True, "claimed_agent", "From is an agent's, who has to prove it"
    if author is None:
        return False, "stranger", "nobody can be told from From"
    if domain_is_authentic(mail) is False:
        return False, "stranger", "our border says that the mail is not from that domain (DMARC fail)"
    if (
        signed is not None
        and signed.role in (CUSTOMER, ENVELOPE)
        and mail.signer.issued_to(signed, author.address)
    ):
        return True, "participant", "issued to this sender"
    if ticket.participant(author.key) is not None:
        return True, "participant", "the sender is a participant"
    domain = ticket.requester.key.rpartition("@")[2]
    if (
        author.key.rpartition("@")[2] == domain
        and domain not in freemail.PROVIDERS
        and domain_is_authentic(mail)
    ):
        return True, "third_party", "an authenticated sender of the requester's domain"
    return False, "stranger", "the sender is no participant"


def _agent_gate(mail: Mail, screening: Screening, signed: Signed | None) -> tuple[bool, str, str]:
    agent = mail.directory.agent(screening.trust.agent or "")
    if mail.envelope.released:
        return True, "agent", "an admin has released the mail"
    if screening.verdict is Verdict.SILENT:
        return True, "agent", "a machine's answer from an agent's address, which changes nothing"
    if agent is None or signed is None or signed.role not in (AGENT, NOTE):
        return False, "agent", "an agent acts only on what was signed for an agent"
    if not any(mail.signer.issued_to(signed, address) for address in (agent.address, *agent.aliases)):
        return False, "agent", "issued to another agent"
    return True, "agent", f"issued to agent {agent.name}"


def match(mail: Mail, screening: Screening, facts: Facts) -> Match:
    """Judge all signals; the strongest accepted one decides."""
    evidence: list[Evidence] = []
    chosen: tuple[int, str, bool] | None = None
    related: int | None = None
    for signal, value, named, signed in _signals(mail, facts):
        number = facts.merged.get(named, named)
        ticket = facts.tickets.get(number)
        if ticket is None:
            evidence.append(Evidence(signal, value[:300], named, False, "there is no such ticket"))
            continue
        accepted, role, why = _gate(mail, screening, ticket, signed)
        if accepted and chosen is None:
            chosen = (number, role, signed is not None and signed.role == NOTE and signal == "signed_address")
        elif accepted and chosen is not None and chosen[0] != number:
            accepted, why = False, "a stronger signal names another ticket"
        if not accepted and related is None:
            related = number
        evidence.append(Evidence(signal, value[:300], number, accepted, why))
    if chosen is None:
        return Match(None, related, "stranger", False, tuple(evidence))
    # both kinds of an agent's address in one mail: what was meant is unsure, so it is kept inside
    note = chosen[2] or any(
        signed.role == NOTE
        for _, signed in signed_recipients(mail)
        if chosen[1] in ("agent", "claimed_agent")
    )
    return Match(chosen[0], related if related != chosen[0] else None, chosen[1], note, tuple(evidence))
