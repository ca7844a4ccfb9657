"""Address headers to mailboxes (RFC 5322 section 3.4, RFC 6531), by one strict parser.

Who a mail is from decides what it may do, so nothing here guesses: the text before an angle bracket is a
name and never an address (`agent@a <evil@b>` is evil@b alone, CVE-2023-27043), encoded words are decoded
only after the header has been taken apart, and an item that could be read as several mailboxes gives
several, which leaves the mail without an author (`Message.author`). Items without a domain give none.

Nested comments, groups, obsolete routes, quoted local parts, domain literals, semicolons between
mailboxes and unclosed quotes or brackets are read. Never raises; linear in the length of the header.
"""

from __future__ import annotations

import re

from gateway.mail.headers import clean, decode_text
from gateway.mail.message import Address

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<word>=\?[^?\s]{1,80}\?[bBqQ]\?[^?\s]{0,2000}\?=)"
    r"|(?P<special>[<>,;:@\[\"(])"
    r"|(?P<atom>(?:(?!=\?)[^ \t\r\n<>,;:@\[\"(])++|.)",
    re.DOTALL,
)
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*+)\"", re.DOTALL)
_LITERAL = re.compile(r"\[[^\[\]\\\s]{0,255}\]")
_PARENTHESIS = re.compile(r"\\.|[()]", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DOT_ATOM = re.compile(r"[^\s<>()\[\],;:@\\\"\x00-\x20\x7f]+")
_DOMAIN = re.compile(r"[^\s<>()\[\],;:@\\\"\x00-\x20\x7f]+|\[[^\[\]\\\s]{1,255}\]")
_MOST = 5000

Token = tuple[str, str]
"""(kind, text); kinds: space, word (encoded), special, atom, quoted, literal, comment."""


def parse_addresses(value: str) -> tuple[Address, ...]:
    """The mailboxes of an unfolded address header in order, groups opened. Octets above 127 and encoded
    words may stand in `value` as on the wire."""
    if "@" not in value:
        return ()
    found: list[Address] = []
    for item in _items(_tokens(value)):
        found.extend(_mailboxes(item))
        if len(found) >= _MOST:
            break
    return tuple(found)


def _tokens(value: str) -> list[Token]:
    tokens: list[Token] = []
    position, quotes, comments = 0, True, True
    while position < len(value):
        found = _TOKEN.match(value, position)
        assert found is not None
        kind, text = str(found.lastgroup), found[0]
        if text == '"':
            quoted = _QUOTED.match(value, position) if quotes else None
            if quoted is None:
                quotes, position = False, position + 1
                continue
            tokens.append(("quoted", quoted[0]))
            position = quoted.end()
        elif text == "(":
            end = _comment_end(value, position) if comments else -1
            if end < 0:
                comments, position = False, position + 1
                continue
            tokens.append(("comment", value[position + 1 : end - 1]))
            position = end
        elif text == "[":
            literal = _LITERAL.match(value, position)
            tokens.append(("literal", literal[0]) if literal else ("atom", "["))
            position = literal.end() if literal else position + 1
        else:
            tokens.append((kind, text))
            position = found.end()
    return tokens


def _comment_end(value: str, start: int) -> int:
    depth = 0
    for found in _PARENTHESIS.finditer(value, start):
        if found[0] == "(":
            depth += 1
        elif found[0] == ")":
            depth -= 1
            if not depth:
                return found.end()
    return -1


def _items(tokens: list[Token]) -> list[list[Token]]:
    """The tokens between commas (and semicolons), without the names of groups."""
    items: list[list[Token]] = []
    item: list[Token] = []
    closes = [index for index, token in enumerate(tokens) if token == ("special", ">")]
    last_close = closes[-1] if closes else -1
    angle = False
    for index, token in enumerate(tokens):
        if token[0] == "special":
            sign = token[1]
            if sign == "<":
                angle = True
            elif sign == ">":
                angle = False
            elif sign in ",;" and (not angle or index > last_close):
                items.append(item)
                item, angle = [], False
                continue
            elif sign == ":" and not angle and not any(token == ("special", "@") for token in item[-8:]):
                item = []
                continue
        item.append(token)
    items.append(item)
    return items


def _mailboxes(item: list[Token]) -> list[Address]:
    """The mailboxes in one item: one if it is in order, several if it could mean several (a second address
    behind the brackets, or before brackets that are not closed)."""
    found: list[Address] = []
    phrase: list[Token] = []
    inside: list[Token] | None = None
    for token in item:
        if token == ("special", "<"):
            inside = []
        elif token == ("special", ">"):
            if inside is not None:
                found.extend(_angle(phrase, inside))
                phrase, inside = [], None
        elif inside is not None:
            inside.append(token)
        else:
            phrase.append(token)
    if inside:
        found.extend(_angle(phrase, inside))
    if not found or any(token == ("special", "@") for token in phrase):
        found.extend(_bare(phrase))
    return found


def _angle(phrase: list[Token], inside: list[Token]) -> list[Address]:
    route = max((index for index, token in enumerate(inside) if token == ("special", ":")), default=-1)
    if route >= 0 and inside and inside[0] == ("special", "@"):
        inside = inside[route + 1 :]
    elif route >= 0 and [text.lower() for _, text in inside[:2]] == ["mailto", ":"]:
        inside = inside[2:]
    spec = _addr_spec([token for token in inside if token[0] not in ("space", "comment")])
    return [] if spec is None else [Address(_name(phrase, spec), spec)]


def _bare(tokens: list[Token]) -> list[Address]:
    """A mailbox without angle brackets: `a@b`, `a@b (Name)`, and, in breach of the grammar, words beside
    it. Each word with an @ counts as a mailbox of its own."""
    joined: list[list[Token]] = [[]]
    for index, token in enumerate(tokens):
        if token[0] == "comment":
            continue
        if token[0] == "space":
            before = tokens[index - 1][1] if index else ""
            after = tokens[index + 1][1] if index + 1 < len(tokens) else ""
            if not (before.endswith(("@", ".")) or after.startswith(("@", "."))):
                joined.append([])
            continue
        joined[-1].append(token)
    specs = [(spec, index) for index, word in enumerate(joined) if (spec := _addr_spec(word)) is not None]
    if len(specs) != 1:
        return [Address("", spec) for spec, _ in specs]
    spec, place = specs[0]
    others = [
        (kind, text)
        for index, word in enumerate(joined)
        if word and index != place
        for kind, text in [*word, ("space", " ")]
    ]
    comments = [token for token in tokens if token[0] == "comment"]
    return [Address(_name(others or comments, spec), spec)]


def _addr_spec(tokens: list[Token]) -> str | None:
    """local@domain of tokens without blanks and comments; None where they are anything else."""
    ats = [index for index, token in enumerate(tokens) if token == ("special", "@")]
    if len(ats) != 1 or not 0 < ats[0] < len(tokens) - 1:
        return None
    local_tokens, domain_tokens = tokens[: ats[0]], tokens[ats[0] + 1 :]
    if any(kind in ("word", "special") for kind, _ in (*local_tokens, *domain_tokens)):
        return None
    if any(kind == "quoted" for kind, _ in domain_tokens):
        return None
    local = "".join(text for _, text in local_tokens)
    domain = "".join(text for _, text in domain_tokens).rstrip(".")
    quoted = len(local_tokens) == 1 and local_tokens[0][0] == "quoted"
    if not (quoted and len(local) > 2) and not _DOT_ATOM.fullmatch(local):
        return None
    if not _DOMAIN.fullmatch(domain) or domain.startswith(".") or len(local) + len(domain) > 1000:
        return None
    spec = f"{local}@{domain}"
    if spec.isascii():
        return spec if clean(spec) == spec else None
    read = decode_text(spec)
    return read if "�" not in read and read.count("@") == spec.count("@") else None


def _name(phrase: list[Token], spec: str) -> str:
    """The display name that a phrase (or else a comment in it) gives."""
    words: list[str] = []
    for kind, text in phrase:
        if kind == "quoted":
            words.append(_ESCAPE.sub(r"\1", text[1:-1]))
        elif kind == "comment":
            continue
        else:
            words.append(" " if kind == "space" else text)
    name = decode_text("".join(words)).strip(" '\t")
    if not name:
        name = decode_text(" ".join(_ESCAPE.sub(r"\1", text) for kind, text in phrase if kind == "comment"))
    name = " ".join(name.split())
    return "" if name == spec else name
