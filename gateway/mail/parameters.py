"""The values of Content-Type and Content-Disposition: a token and its parameters (RFC 2045 section 5.1,
RFC 2183), with continuations, charsets and percent signs (RFC 2231).

Reads also what is sent in breach of the grammar: no semicolon before a parameter, values with blanks and
without quotes, a quote that is never closed, encoded words (RFC 2047) inside quotes. Parameter values are
returned as they stand on the wire (octets above 127 as surrogates), apart from RFC 2231; `file_name`
makes the one that people see. Nothing here raises; time is linear in the length of the value.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from gateway.mail.charsets import decode

_PARAMETER = re.compile(rb"[\s;]*+([^\s=;\"]++)\s*+=\s*+(?:\"((?:[^\"\\]++|\\.)*+)\"|([^;]*+))", re.DOTALL)
_BETWEEN = re.compile(rb"[\s;]*+")
_TYPE = re.compile(rb"\s*+([^\s;/\"=]++)\s*+/\s*+([^\s;/\"=]++)(?=[\s;]|\Z)")
_TOKEN = re.compile(rb"\s*+([^\s;=\"]++)(?=\s*+(?:;|\Z))")
_ESCAPED = re.compile(rb"\\([\"\\])")
_SECTION = re.compile(r"([^*]+)\*(?:(\d{1,4})(\*?))?")
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")


def content_type_of(value: bytes) -> tuple[str, dict[str, str]]:
    """("type/subtype" in lower case, parameters by lower-case name). "text/plain" where the value cannot
    be read (RFC 2045 section 5.2)."""
    found = _TYPE.match(value)
    if found is None:
        return "text/plain", _parameters(value, max(value.find(b";"), 0))
    main, sub = found[1].decode("latin-1").lower(), found[2].decode("latin-1").lower()
    return f"{main}/{sub}", _parameters(value, found.end())


def parameters_of(value: bytes) -> tuple[str, dict[str, str]]:
    """(token in lower case, "" where there is none; parameters by lower-case name)."""
    if not value:
        return "", {}
    found = _TOKEN.match(value)
    token, start = ("", 0) if found is None else (found[1].decode("latin-1").lower(), found.end())
    return token, _parameters(value, start)


def _parameters(value: bytes, start: int) -> dict[str, str]:
    if start >= len(value.rstrip()):
        return {}
    value = _LINE_ENDS.sub(b"", value[start:])
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    position = 0
    while position < len(value):
        found = _PARAMETER.match(value, position)
        if found is None:
            between = _BETWEEN.match(value, position)
            position = value.find(b";", between.end() if between else position) + 1
            if not position:
                break
            continue
        position = max(found.end(), position + 1)
        name = found[1].decode("latin-1").lower()
        if found[2] is not None:
            content = _ESCAPED.sub(rb"\1", found[2])
        else:
            content = found[3].strip().removeprefix(b'"').removesuffix(b'"')
        section = _SECTION.fullmatch(name) if "*" in name else None
        if section is None:
            plain.setdefault(name, content.decode("ascii", "surrogateescape"))
            continue
        encoded = section[2] is None or bool(section[3])
        sections.setdefault(section[1], {}).setdefault(int(section[2] or 0), (content, encoded))
    for name, pieces in sections.items():
        plain[name] = _joined(pieces)
    return plain


def _joined(pieces: dict[int, tuple[bytes, bool]]) -> str:
    """The value of RFC 2231 sections, in order of their numbers."""
    first, first_encoded = pieces[min(pieces)]
    charset = "utf-8"
    if first_encoded and first.count(b"'") >= 2:
        label, _language, first = first.split(b"'", 2)
        charset = label.decode("ascii", "replace").strip() or "utf-8"
    octets = bytearray()
    for number in sorted(pieces):
        content, encoded = (first, first_encoded) if number == min(pieces) else pieces[number]
        octets += unquote_to_bytes(content) if encoded else content
    return decode(bytes(octets), charset).text
