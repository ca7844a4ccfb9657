"""How far the sender is trusted: whether this mail may act as an agent.

All three are needed (the config can ask for less): one From address, and it is an agent's; proof that the
mail is that agent's; a signed reply address that was issued to that very agent.
"""

from __future__ import annotations

from gateway.mail.signed import AGENT, NOTE, Signed
from gateway.screen.authentication import domain_is_authentic
from gateway.screen.values import ANY_AGENT, Mail, Trust
from gateway.settings.model import Agent

_RECIPIENT_FIELDS = ("Delivered-To", "X-Original-To", "Envelope-To")


def signed_recipients(mail: Mail) -> tuple[tuple[str, Signed], ...]:
    """Our signed addresses among the mail's recipients, envelope first: (address, what it says)."""
    message = mail.message
    found: dict[str, Signed] = {}
    fields = [
        value.strip().strip("<>") for name in _RECIPIENT_FIELDS for value in message.headers.get_all(name)
    ]
    for address in (*mail.envelope.forward_paths, *fields, *(a.address for a in (*message.to, *message.cc))):
        signed = mail.signer.verify_address(address)
        if signed is not None:
            found.setdefault(address.lower(), signed)
    return tuple(found.items())


def signed_references(mail: Mail) -> tuple[tuple[str, Signed], ...]:
    """Our signed Message-IDs in In-Reply-To and References, the nearest first: (message id, what it says)."""
    message = mail.message
    found: dict[str, Signed] = {}
    for message_id in (*message.in_reply_to, *reversed(message.references)):
        signed = mail.signer.verify_message_id(message_id)
        if signed is not None:
            found.setdefault(message_id, signed)
    return tuple(found.items())


def trust(mail: Mail) -> Trust:
    """Judge the sender."""
    author = mail.message.author
    if author is None:
        count = len(mail.message.from_)
        return Trust("unknown", None, (f"{count} From addresses, so nobody is believed",))
    agent = mail.directory.agent_by_address(author.address)
    if agent is None:
        return Trust("unknown", None, ("From is no agent's address",))
    why = [f"From is agent {agent.name}'s"]
    if mail.envelope.released:
        return Trust("agent", agent.name, (*why, "an admin has released the mail"))
    complete = _signed(mail, agent, why)
    if mail.settings.security.agent_trust == "signed_and_authenticated":
        complete = _authenticated(mail, agent, why) and complete
    elif domain_is_authentic(mail) is False:
        why.append("our border says that the mail is not from that domain (DMARC fail)")
        complete = False
    return Trust("agent" if complete else "claimed_agent", agent.name, tuple(why))


def _signed(mail: Mail, agent: Agent, why: list[str]) -> bool:
    addresses = (agent.address, *agent.aliases)
    marks = [*signed_recipients(mail)]
    if mail.settings.signing.mode == "message_id":
        marks += signed_references(mail)
    for mark, signed in marks:
        if signed.role in (AGENT, NOTE) and any(mail.signer.issued_to(signed, a) for a in addresses):
            why.append(f"{mark} was issued to {agent.name}")
            return True
    if mail.settings.signing.mode == "message_id":
        why.append(f"it answers no mail of ours to {agent.name} (none is in its In-Reply-To or References)")
    else:
        why.append(f"no signed reply address that was issued to {agent.name}")
    return False


def _authenticated(mail: Mail, agent: Agent, why: list[str]) -> bool:
    known_as = mail.envelope.authenticated_as
    if known_as is not None:
        why.append(f"logged in as {known_as}")
        return known_as in (agent.name, ANY_AGENT)
    authentic = domain_is_authentic(mail)
    why.append(
        {
            True: "our border has authenticated the domain",
            False: "our border says that the mail is not from that domain (DMARC fail)",
            None: "no login, and no Authentication-Results of ours",
        }[authentic]
    )
    return authentic is True
