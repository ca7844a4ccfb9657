"""Checks that look across sections: names that must exist, addresses that must differ.

They work on a `Draft`, which also exists while other parts of the config are wrong, so that all mistakes
are told in one run. Each check is a generator of `Finding`s; their order is a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gateway.settings import model
from gateway.settings.draft import Draft

Loc = tuple[int | str, ...]

_LOOPBACK_URLS = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
_LOOPBACK = ("127.", "localhost", "::1", "[::1]", "unix:")
_LOCAL_PART_OCTETS = 64
SIGNED_OCTETS = 38
"""`gateway.mail.signed.TOKEN_OCTETS`, which the settings cannot import; a test compares them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at the key `loc`. `harmless`: told, and the config is used all the same."""

    loc: Loc
    wrong: str
    right: str = ""
    harmless: bool = False


def findings(draft: Draft) -> Iterator[Finding]:
    """Everything that the checks find."""
    for check in CHECKS:
        yield from check(draft)


def names_once(draft: Draft) -> Iterator[Finding]:
    """Queues, agents, mailboxes, listeners and keys are told apart by name."""
    lists: dict[str, Sequence[tuple[int, Any]]] = {
        "queues": draft.queues,
        "agents": draft.agents,
        "mailboxes": draft.mailboxes,
        "listeners": draft.listeners,
    }
    for key, listed in lists.items():
        yield from _once(((key, at, "name"), section.name) for at, section in listed)
    if draft.signing:
        yield from _once((("signing", "keys", at, "id"), key.id) for at, key in enumerate(draft.signing.keys))


def names_exist(draft: Draft) -> Iterator[Finding]:
    """A queue's agents and a mailbox's queue stand in the config."""
    if not draft.named:
        return
    for at, queue in draft.queues:
        for place, name in enumerate(queue.agents):
            if name not in draft.agent_names:
                yield _unknown(("queues", at, "agents", place), "agent", name, draft.agent_names)
    for at, mailbox in draft.mailboxes:
        if mailbox.queue and mailbox.queue not in draft.queue_names:
            yield _unknown(("mailboxes", at, "queue"), "queue", mailbox.queue, draft.queue_names)


def addresses_apart(draft: Draft) -> Iterator[Finding]:
    """Each address of ours leads to one place, and nobody to whom we write has one of ours (a loop)."""
    ours: dict[str, str] = {}
    for at, queue in draft.queues:
        for place, address in enumerate(queue.addresses):
            if (holder := ours.get(address.casefold())) is not None:
                yield Finding(
                    ("queues", at, "addresses", place),
                    f"{address} is an address of {holder} already",
                    "must stand in one queue, once",
                )
            ours.setdefault(address.casefold(), f"the queue {queue.name}")
    if draft.desk:
        control = draft.desk.control_address
        if control and (holder := ours.get(control.casefold())):
            yield Finding(
                ("desk", "control_address"), f"{control} is an address of {holder}", "must be one of its own"
            )
        if control:
            ours.setdefault(control.casefold(), "the control address")
        ours.setdefault(draft.desk.address.casefold(), "the desk's address")
        for place, admin in enumerate(draft.desk.admins):
            if holder := ours.get(admin.casefold()):
                yield _loops(("desk", "admins", place), admin, holder)
    people: dict[str, str] = {}
    for at, agent in draft.agents:
        locs: list[tuple[Loc, str]] = [(("agents", at, "address"), agent.address)]
        locs += [(("agents", at, "aliases", place), alias) for place, alias in enumerate(agent.aliases)]
        for loc, address in locs:
            if holder := ours.get(address.casefold()):
                yield _loops(loc, address, holder)
            elif (other := people.setdefault(address.casefold(), agent.name)) != agent.name:
                yield Finding(loc, f"{address} is an address of the agent {other} too", "must be one agent's")


def zone_exists(draft: Draft) -> Iterator[Finding]:
    """The desk's time zone is known."""
    from zoneinfo import ZoneInfo, available_timezones

    if draft.desk is None:
        return
    try:
        ZoneInfo(draft.desk.timezone)
    except (ValueError, OSError, LookupError):
        near = get_close_matches(draft.desk.timezone, available_timezones(), 1)
        right = f"did you mean {near[0]}?" if near else "must be an IANA name such as Europe/Prague"
        yield Finding(("desk", "timezone"), f"{draft.desk.timezone!r} is no time zone", right)


def agents_can_prove_themselves(draft: Draft) -> Iterator[Finding]:
    """Where an agent's mail must be authenticated, there is a way to do so."""
    security = draft.security
    if not draft.whole or security is None or not draft.agents:
        return
    ways = (
        security.authserv_ids,
        any(listener.auth for _, listener in draft.listeners),
        any(mailbox.agents_only for _, mailbox in draft.mailboxes),
    )
    if security.agent_trust == "signed_and_authenticated" and not any(ways):
        yield Finding(
            ("security", "agent_trust"),
            "agents' mails must be authenticated, and there is no way to do it",
            "give security.authserv_ids, a listener with auth or a mailbox with agents_only,"
            " or accept the risk of agent_trust: signed",
        )


def listeners_work(draft: Draft) -> Iterator[Finding]:
    """Each listener has its own place, and AUTH where it is asked for."""
    seen: dict[str, str] = {}
    for at, listener in draft.listeners:
        loc: Loc = ("listeners", at)
        if (other := seen.setdefault(listener.listen, listener.name)) != listener.name:
            yield Finding(
                (*loc, "listen"), f"{listener.listen} is taken by the listener {other}", "must be its own"
            )
        if (
            not listener.listen.startswith("unix:")
            and not 1 <= int(listener.listen.rpartition(":")[2]) <= 65535
        ):
            yield Finding((*loc, "listen"), "there is no such port", "must be from 1 to 65535")
        if listener.auth_required and not listener.auth:
            yield Finding((*loc, "auth_required"), "AUTH is required and not offered", "set auth: true")
        if listener.proxy_protocol and listener.tls is not None and listener.tls.mode == "implicit":
            wrong = "a PROXY header cannot stand before implicit TLS"
            yield Finding((*loc, "proxy_protocol"), wrong, "use mode: starttls, or take it away")
        if not listener.auth:
            continue
        if draft.whole and not any(agent.password_hash for _, agent in draft.agents):
            yield Finding(
                (*loc, "auth"),
                "AUTH is offered and no agent has a password_hash",
                "make one by `ticketgate check --hash-password`",
            )
        if listener.tls is None and not listener.auth_without_tls:
            yield Finding((*loc, "auth"), "AUTH is offered only under TLS, and there is none", "give tls")
        if listener.auth_without_tls and not listener.listen.startswith(_LOOPBACK):
            yield Finding(
                (*loc, "auth_without_tls"),
                "passwords cross the network in the clear",
                "give tls",
                harmless=True,
            )


def mailboxes_work(draft: Draft) -> Iterator[Finding]:
    """Each mailbox has what its way of logging in needs, and does not feed itself."""
    for at, mailbox in draft.mailboxes:
        loc: Loc = ("mailboxes", at)
        if mailbox.auth == "xoauth2" and mailbox.oauth is None:
            yield Finding((*loc, "oauth"), "is missing", "auth: xoauth2 needs it")
        if mailbox.auth != "xoauth2" and mailbox.password is None:
            yield Finding((*loc, "password"), "is missing", f"auth: {mailbox.auth} needs it")
        if mailbox.auth != "xoauth2" and mailbox.oauth is not None:
            yield Finding(
                (*loc, "oauth"), f"auth: {mailbox.auth} does not use it", "set auth: xoauth2 or remove it"
            )
        if mailbox.oauth and not mailbox.oauth.token_url.startswith(("https://", *_LOOPBACK_URLS)):
            right = "must begin with https://"
            yield Finding((*loc, "oauth", "token_url"), "tokens would cross the network in the clear", right)
        if mailbox.after.removeprefix("move:") in mailbox.folders and mailbox.after.startswith("move:"):
            yield Finding(
                (*loc, "after"), "mails would come back into a folder that is read", "name another folder"
            )
        if mailbox.tls.mode == "none" and not mailbox.host.startswith(_LOOPBACK):
            yield Finding(
                (*loc, "tls"), "the password crosses the network in the clear", "use TLS", harmless=True
            )


def delivery_works(draft: Draft) -> Iterator[Finding]:
    """The way out is whole and does not lead back in."""
    if draft.delivery is None:
        return
    via, retry = draft.delivery.via, draft.delivery.retry
    loc: Loc = ("delivery", "via")
    if isinstance(via, model.SmtpDelivery):
        if (via.user is None) != (via.password is None):
            missing, given = ("password", "user") if via.password is None else ("user", "password")
            yield Finding((*loc, missing), "is missing", f"{given} needs it")
        if via.user and via.tls.mode == "none" and not via.host.startswith(_LOOPBACK):
            yield Finding(
                (*loc, "tls"), "the password crosses the network in the clear", "use TLS", harmless=True
            )
    if isinstance(via, model.LmtpDelivery) and (via.host is None) == (via.socket is None):
        yield Finding((*loc, "host"), "one way must be given", "must be host or socket, not both")
    if isinstance(via, model.SmtpDelivery | model.LmtpDelivery) and via.host and via.port:
        for _, listener in draft.listeners:
            if listener.listen == f"{via.host}:{via.port}":
                yield Finding(
                    loc, f"mail would go to our own listener {listener.name}", "must be another server"
                )
    if retry.longest < retry.first:
        yield Finding(("delivery", "retry", "longest"), "is shorter than first", "must be as long or longer")
    if retry.expiry < retry.first:
        yield Finding(
            ("delivery", "retry", "expiry"), "ends before the first retry", "must be longer than first"
        )


def database_works(draft: Draft) -> Iterator[Finding]:
    """The address of the database is one that we know, and holds no password."""
    if draft.database is None:
        return
    url = draft.database.url
    if "@" in url and ":" in url.partition("://")[2].rpartition("@")[0]:
        yield Finding(("database", "url"), "a password stands in the address", "give it by database.password")
    if not url.startswith(("sqlite:", "postgresql://")):
        yield Finding(
            ("database", "url"),
            "is no database that we know",
            "must be sqlite:FILE or postgresql://user@host/name",
        )
    if url.startswith("postgresql://") and draft.signing and not draft.signing.keys:
        yield Finding(
            ("signing", "keys"),
            "with PostgreSQL several nodes may sign, and they must share a key",
            "give signing.keys",
        )


def signed_addresses_fit(draft: Draft) -> Iterator[Finding]:
    """A signed reply address keeps within the 64 octets of a local part (RFC 5321 section 4.5.3.1.1)."""
    if draft.signing is None or draft.signing.mode != "plus":
        return
    most = _LOCAL_PART_OCTETS - len(draft.signing.delimiter) - SIGNED_OCTETS
    places: list[tuple[Loc, str]] = [
        (("queues", at, "addresses", place), address)
        for at, queue in draft.queues
        for place, address in enumerate(queue.addresses)
    ]
    for loc, address in places:
        if len(address.rpartition("@")[0].encode()) > most:
            yield Finding(
                loc,
                f"{address} is too long to be signed",
                f"must have at most {most} octets before the @, or set signing.mode: message_id",
            )


def desk_has_agents(draft: Draft) -> Iterator[Finding]:
    """A desk without agents takes mail that nobody is told of."""
    if draft.whole and not draft.agents:
        yield Finding(("agents",), "there are no agents", "write them into agents.yaml", harmless=True)


CHECKS: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    names_once,
    names_exist,
    addresses_apart,
    zone_exists,
    agents_can_prove_themselves,
    listeners_work,
    mailboxes_work,
    delivery_works,
    database_works,
    signed_addresses_fit,
    desk_has_agents,
)


def _once(named: Iterator[tuple[Loc, str]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for loc, name in named:
        if name in seen:
            yield Finding(loc, f"the name {name} stands twice", "must be unique")
        seen.add(name)


def _unknown(loc: Loc, kind: str, name: str, known: frozenset[str]) -> Finding:
    near = get_close_matches(name, known, 1)
    right = f"did you mean {near[0]}?" if near else "known: " + (", ".join(sorted(known)) or "none")
    return Finding(loc, f"there is no {kind} {name}", right)


def _loops(loc: Loc, address: str, holder: str) -> Finding:
    return Finding(
        loc, f"{address} is {_article(holder)}", "must be a person's own, or mails would go in circles"
    )


def _article(holder: str) -> str:
    return f"an address of {holder}" if holder.startswith("the queue") else holder
