"""What never reaches a customer: text of a note, and addresses that are an agent's or signed for one.

The last look at a text before it goes out; time is linear in its length for each note line and address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.screen.directory import Directory

_TELLING = 12
"""Shortest line of a note, in characters, that is looked for inside of other lines."""
_WORD = r"[^\s<>@\"',;:()\[\]]"
_SIGNED = re.compile(
    r"[+=#-]\d{1,12}-[a-z][a-z2-7]{6}-[a-z][a-z2-7]{16}@" + _WORD + r"{1,255}", re.ASCII | re.IGNORECASE
)
"""A signed address from its delimiter on; what stands before that is found by looking back."""
_BASE = re.compile(_WORD, re.ASCII)
_LONGEST_BASE = 64


def holds_note(text: str, notes: Iterable[str]) -> bool:
    """Whether a line of one of `notes` stands in `text`, whatever its quote signs and line breaks."""
    shown = " ".join(text.replace(">", " ").split())
    return any(line in shown for line in _telling_lines(notes))


def _telling_lines(notes: Iterable[str]) -> Iterator[str]:
    for note in notes:
        for line in note.splitlines():
            telling = " ".join(line.replace(">", " ").split())
            if len(telling) >= _TELLING:
                yield telling


def holds_private_address(directory: Directory, text: str) -> bool:
    """Whether an agent's address or a signed one stands in `text`."""
    return _SIGNED.search(text) is not None or any(one.search(text) for one in _patterns(directory, text))


def without_private_addresses(directory: Directory, text: str, public: str) -> str:
    """`text` with agents' addresses and signed addresses replaced by `public`."""
    text = _without_signed(text, public)
    for pattern in _patterns(directory, text):
        text = pattern.sub(lambda _: public, text)
    return text


def _without_signed(text: str, public: str) -> str:
    pieces: list[str] = []
    last = 0
    for found in _SIGNED.finditer(text):
        start = found.start()
        least = max(last, start - _LONGEST_BASE)
        while start > least and _BASE.match(text[start - 1]):
            start -= 1
        pieces += (text[last:start], public)
        last = found.end()
    return "".join([*pieces, text[last:]]) if pieces else text


def _patterns(directory: Directory, text: str) -> Iterator[re.Pattern[str]]:
    """Agents' addresses with a detail (RFC 5233) or without, as far as their domains stand in `text`; IDN
    domains in both of their forms."""
    lower = text.lower()
    for address in sorted(directory.private_addresses()):
        local, _, domain = address.rpartition("@")
        for one in _forms(domain):
            if f"@{one}" in lower:
                detail = r"(?:\+[^\s<>@]{0,64})?"
                pattern = rf"(?<![\w.+-]){re.escape(local)}{detail}@{re.escape(one)}(?!\w)"
                yield re.compile(pattern, re.IGNORECASE)


def _forms(domain: str) -> tuple[str, ...]:
    if "xn--" not in domain:
        return (domain,)
    import idna

    try:
        return domain, idna.decode(domain)
    except idna.IDNAError:
        return (domain,)
