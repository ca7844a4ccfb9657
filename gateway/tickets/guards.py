"""What never reaches a customer: text of a note, and addresses that are an agent's or signed for one.

The last look at a text before it goes out; time is linear in its length for each note line and address.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from gateway.screen.directory import Directory

_TELLING = 12
"""Shortest line of a note, in characters, that is looked for inside of other lines."""
_COURTESY = re.compile(
    r"(?:(?:best|kind(?:est)?|warm(?:est)?|many|with|and|my|the|thanks?|thank you|(?:very|so) much|in advance"
    r"|regards|wishes|greetings|sincerely|yours|truly|faithfully|cheers|for your|help|support|patience"
    r"|mit|freundlichen?|besten?|schönen?|herzlichen?|lieben?|vielen?|gr[üu](?:ß|ss)en?|danke?|im voraus"
    r"|und|hochachtungsvoll|s pozdravem|s pozdravom|s úctou"
    r"|děkuji|děkujeme|ďakujem|předem|hezký|pěkný|den"
    r"|cordialement|bien|à vous|vous|sincères|salutations|merci|d'avance|avec|mes|meilleures|bonne|journée"
    r"|un|saludos?|cordial(?:es)?|atentamente|gracias|de antemano|cordiali|distinti|saluti|grazie"
    r"|atenciosamente|obrigad[oa]|z poważaniem|pozdrawiam|serdecznie|pozdrowieniami|dziękuję"
    r"|met vriendelijke groete?n?"
    r"|med vänliga? hälsning(?:ar)?|med venlig hilsen|terveisin|ystävällisin|üdvözlettel|с уважением)"
    r"(?!\w)[\s,.!;:–-]*)+",
    re.IGNORECASE,
)
"""Words of which closing phrases are made, and nothing else."""
_LONGEST_COURTESY = 80
_HIDDEN = "\xad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
"""Characters that show nothing."""
_GAP = rf"[{_HIDDEN}]{{0,8}}"
_AT = rf"[\"'”’]?[\s{_HIDDEN}]{{0,8}}(?:[@＠﹫]|%(?:25){{0,3}}40|&#64;)[\s{_HIDDEN}]{{0,8}}"
_WORD = r"[^\s<>@\"',;:()\[\]]"
_SIGNED = re.compile(
    r"[+=#-]\d{1,12}-[a-z][a-z2-7]{6}-[a-z][a-z2-7]{16}" + _AT + _WORD + r"{1,255}", re.ASCII | re.IGNORECASE
)
"""A signed address from its delimiter on; what stands before that is found by looking back."""
_BASE = re.compile(_WORD, re.ASCII)
_LONGEST_BASE = 64
_UNSEEN = re.compile(f"[{_HIDDEN}]")
_ENCODED = re.compile(r"%(?:25){0,3}(2[bde]|3[0-9]|4[0-9a-f]|5[0-9a-f]|6[0-9a-f]|7[0-9a-e])", re.IGNORECASE)


def holds_note(
    text: str, notes: Iterable[str], public: Iterable[str] = (), names: Collection[str] = ()
) -> bool:
    """Whether a telling line of one of `notes` stands in `text`, whatever its quote signs and line breaks.
    Closing phrases tell nothing, nor do `names` (of agents) and what stands in `public` texts too."""
    shown = _flow(text)
    found = {line for line in _telling_lines(notes) if line in shown}
    if not found:
        return False
    spoken = [_flow(one) for one in public]
    return any(
        not _is_courtesy(line, names) and not any(line in one for one in spoken) for line in sorted(found)
    )


def _flow(text: str) -> str:
    return " ".join(text.replace(">", " ").split())


def _is_courtesy(line: str, names: Collection[str]) -> bool:
    if len(line) > _LONGEST_COURTESY:
        return False
    for name in sorted((name for name in names if name), key=len, reverse=True):
        line = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", line, flags=re.IGNORECASE)
    line = line.strip(" ,.!;:–-")
    return not line or _all_courtesy(line)


def _all_courtesy(line: str) -> bool:
    return all(_COURTESY.fullmatch(piece) for piece in re.split(r"[,.!;:–]+\s*", line) if piece.strip())


def _telling_lines(notes: Iterable[str]) -> Iterator[str]:
    for note in notes:
        for line in note.splitlines():
            telling = _flow(line)
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
    domains in both of their forms. An address is found also in quotes (RFC 5322 section 3.4.1),
    percent-encoded (RFC 3986 section 2.1), and with blanks and unseen characters within."""
    lower = _plain(text)
    for address in sorted(directory.private_addresses()):
        local, _, domain = address.rpartition("@")
        for one in _forms(domain):
            if one in lower:
                yield _pattern(local, one)


def _plain(text: str) -> str:
    shown = text if text.isascii() else _UNSEEN.sub("", text)
    if "%" in shown:
        shown = _ENCODED.sub(lambda found: chr(int(found[1], 16)), shown)
    return shown.lower()


@lru_cache(maxsize=4096)
def _pattern(local: str, domain: str) -> re.Pattern[str]:
    detail = r"(?:(?:\+|%2b)[^\s<>@]{0,64}?)?"
    pattern = rf"(?<![\w.+-])[\"'“‘]?{_spelled(local)}{detail}{_AT}{_spelled(domain)}(?!\w)"
    return re.compile(pattern, re.IGNORECASE)


def _spelled(word: str) -> str:
    """A pattern of `word`, each character by itself, escaped or percent-encoded."""

    def one(character: str) -> str:
        plain = re.escape(character)
        if not character.isascii():
            return plain
        return (
            rf"(?:\\?{plain}|%(?:25){{0,3}}{ord(character):02x}|%(?:25){{0,3}}{ord(character.upper()):02x})"
        )

    return _GAP.join(one(character) for character in word) + _GAP


def _forms(domain: str) -> tuple[str, ...]:
    if "xn--" not in domain:
        return (domain,)
    import idna

    try:
        return domain, idna.decode(domain)
    except idna.IDNAError:
        return (domain,)
