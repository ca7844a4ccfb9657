"""What a peer's answer means for one mail: replies of SMTP and LMTP as `ports.Receipt`, and envelope checks.

Pure. A refusal of the recipient or of the mail is `failed` or `deferred` by its first digit (RFC 5321
section 4.2.1). A refusal of ourselves (login wanted or refused, sender not allowed, relaying denied, no
connection) is the neighbour's trouble and says nothing about the recipient: it is always `deferred`, and
comes as `PeerTrouble`, so that admins hear of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.ports import Receipt

_ENHANCED_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_LONGEST_REPLY = 500
_LOGIN_CODES = frozenset({530, 534, 535, 538})
_SIZE_STATUS = frozenset({"5.2.3", "5.3.4"})
_NOT_IN_A_PATH = re.compile(r"[\x00-\x20\x7f-\x9f<>\u2028\u2029]")


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
    control characters, spaces, angle brackets, no text at all (only the reverse path may be empty),
    or what UTF-8 cannot write. None where both may."""
    for name, status, path in (("sender", "5.1.7", reverse_path), ("recipient", "5.1.3", forward_path)):
        empty = not path and name == "recipient"
        if empty or _NOT_IN_A_PATH.search(path) or not _encodable(path):
            return Receipt("failed", f"501 {status} the {name}'s address cannot be used", status)
    return None


def _encodable(path: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in path)
