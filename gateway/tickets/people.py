"""Who is on a ticket: the requester and the Cc participants that a mail brings."""

from __future__ import annotations

from collections.abc import Collection

from gateway.mail.message import Address
from gateway.screen.rules.machine_sender import NOBODY
from gateway.screen.values import Mail
from gateway.tickets.values import Participant

_MOST_CC = 20
"""People whom one mail can bring along."""


def may_take_part(mail: Mail, address: Address) -> bool:
    """Neither the desk itself, nor a signed address, nor an agent, nor something that is no address."""
    spec = address.address
    local, at, domain = spec.rpartition("@")
    return (
        bool(local and at and domain)
        and not any(character.isspace() or character in "<>,;" for character in spec)
        and len(spec) <= 254
        and not mail.directory.is_ours(spec)
        and mail.signer.verify_address(spec) is None
        and not mail.directory.is_agents(spec)
        and NOBODY.fullmatch(local.lower()[:64]) is None
    )


def requester(mail: Mail) -> Address:
    """Whom to answer: the only Reply-To (RFC 5322 section 3.6.2) where it can take part, else From; an empty
    address where neither tells."""
    message = mail.message
    author = message.author
    if len(message.reply_to) == 1 and may_take_part(mail, message.reply_to[0]):
        reply_to = message.reply_to[0]
        if author is not None and not reply_to.name:
            return Address(author.name, reply_to.address)
        return reply_to
    if author is not None:
        return author
    return Address("", "")


def opening_participants(mail: Mail) -> tuple[Participant, ...]:
    """All who are on a new ticket."""
    message = mail.message
    first = requester(mail)
    people = {}
    if first.address:
        people[first.key] = Participant(first, "requester")
    author = message.author
    if author is not None and author.key not in people:
        people[author.key] = Participant(author, "author")
    for address in carbon_copies(mail):
        people.setdefault(address.key, Participant(address, "cc"))
    return tuple(people.values())


def carbon_copies(mail: Mail) -> tuple[Address, ...]:
    """The people in Cc, and those in To beside the desk, no more than can be brought along."""
    return named_beside(mail)[:_MOST_CC]


def left_out(mail: Mail, known: Collection[str]) -> int:
    """How many people in Cc and To are beyond the bound; those on the ticket (`known`, by key) do not
    count."""
    return sum(one.key not in known for one in named_beside(mail)[_MOST_CC:])


def named_beside(mail: Mail) -> tuple[Address, ...]:
    """All people in Cc, and in To beside the desk: they got the mail from its writer."""
    found: dict[str, Address] = {}
    for address in (*mail.message.cc, *mail.message.to):
        if may_take_part(mail, address):
            found.setdefault(address.key, address)
    return tuple(found.values())
