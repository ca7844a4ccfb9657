"""What a peer's answer means for one mail: replies of SMTP and LMTP as `ports.Receipt`, and envelope checks.

Pure. A refusal of the recipient or of the mail is `failed` or `deferred` by its first digit (RFC 5321
section 4.2.1). A refusal of ourselves (login wanted or refused, sender not allowed, relaying denied, no
connection) is the neighbour's trouble and says nothing about the recipient: it is always `deferred`, and
comes as `PeerTrouble`, so that admins hear of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gateway.mail.spelling import a_labels, spelled
from gateway.ports import Delivery, Receipt

_ENHANCED_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_LONGEST_REPLY = 500
_LOGIN_CODES = frozenset({530, 534, 535, 538})
_SIZE_STATUS = frozenset({"5.2.3", "5.3.4"})


@dataclass(frozen=True, slots=True)
class PeerTrouble(Receipt):
    """The neighbour cannot be used, or not by us; `outcome` is "deferred". `stops`: no other mail would
    fare better now, so the others need not be tried; otherwise it may lie with this one mail."""

    stops: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: `code` of three digits (RFC 5321 section 4.2), `text` on one line without the code and
    without `enhanced_status` (RFC 3463, "" where the peer gives none)."""

    code: int
    text: str
    enhanced_status: str = ""

    @property
    def good(self) -> bool:
        """The command was done (2xx)."""
        return 200 <= self.code <= 299

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.code, self.enhanced_status, self.text) if part)


def one_line(text: str) -> str:
    """Text of a stranger made fit for a log line and a database: one line, no control characters, short."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROLS.sub(" ", text).strip()[:_LONGEST_REPLY]


def make_reply(code: int, octets: bytes) -> Reply:
    """A reply from its code and its lines, codes stripped, joined by LF (as smtplib gives them). The
    enhanced status code that each line repeats (RFC 2034 section 4) is taken out."""
    enhanced_status = ""
    lines = []
    for line in octets.decode("utf-8", "replace").split("\n"):
        found = _ENHANCED_STATUS.match(line)
        if found and found[1][0] == str(code)[0] and enhanced_status in ("", found[1]):
            enhanced_status = found[1]
            line = line[found.end() :]  # noqa: PLW2901
        lines.append(line)
    return Reply(code, one_line(" ".join(lines)), enhanced_status)


def refused(reply: Reply, stage: str) -> Receipt:
    """The receipt for a reply that is not the wanted one. `stage` is the command that it answers: MAIL, RCPT,
    DATA, or "." for the end of the mail."""
    text = str(reply)
    if stage == "MAIL" and reply.code in _LOGIN_CODES:
        return PeerTrouble("deferred", text, reply.enhanced_status, stops=True)
    if not 500 <= reply.code <= 599:
        return Receipt("deferred", text, reply.enhanced_status)
    if reply.code in _LOGIN_CODES or _refuses_us(reply, stage):
        return PeerTrouble("deferred", text, reply.enhanced_status, stops=False)
    return Receipt("failed", text, reply.enhanced_status)


def _refuses_us(reply: Reply, stage: str) -> bool:
    """Whether a 5xx refuses the sender or the relaying. Never reason enough to hold back other mails: behind
    a peer that asks the recipient's own server at RCPT, the recipient chooses the words."""
    if stage == "MAIL":
        about_this_mail = reply.code == 552 or reply.enhanced_status in _SIZE_STATUS
        return not about_this_mail and reply.enhanced_status != "5.6.7"
    return stage == "RCPT" and "relay" in reply.text.lower()


def refusal_of_envelope(reverse_path: str, forward_path: str) -> Receipt | None:
    """A receipt where one of the paths must not be put on the wire, into a header line or on a command line:
    it cannot be spelled (see `gateway.mail.spelling`), as it holds controls, angle brackets, spaces without
    quotes, a domain that is none, or no text at all (only the reverse path may be empty). None where both
    may."""
    if reverse_path and spelled(reverse_path) is None:
        return _unusable("sender", reverse_path, "5.1.7", "5.1.8")
    if spelled(forward_path) is None:
        return _unusable("recipient", forward_path, "5.1.3", "5.1.2")
    return None


def _unusable(whose: str, path: str, bad_address: str, bad_domain: str) -> Receipt:
    domain = path.rpartition("@")[2]
    if domain and a_labels(domain) is None:
        reason = f"the {whose}'s domain {domain} is no domain name: it has no form in ASCII (IDNA)"
        return Receipt("failed", one_line(f"501 {bad_domain} {reason}"), bad_domain)
    return Receipt("failed", f"501 {bad_address} the {whose}'s address cannot be used", bad_address)


def with_paths_spelled(delivery: Delivery) -> Delivery | Receipt:
    """`delivery` with the paths as they stand in the envelope, or why they must not."""
    refusal = refusal_of_envelope(delivery.reverse_path, delivery.forward_path)
    if refusal is not None:
        return refusal
    return replace(
        delivery,
        reverse_path=spelled(delivery.reverse_path) or "",
        forward_path=spelled(delivery.forward_path) or "",
    )
