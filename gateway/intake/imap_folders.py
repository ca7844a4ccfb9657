"""Folder names: from what an admin writes to what the server calls it.

An admin writes "Done/2026"; the server may separate levels by "." and keep personal folders under "INBOX."
(RFC 2342). The name is tried as it is written, then with the server's delimiter, then under the personal
prefix. Non-ASCII names travel in modified UTF-7 (RFC 3501 section 5.1.3), which IMAPClient does.
"""

from __future__ import annotations

import structlog

from gateway.intake.imap_client import Client, told_as
from gateway.intake.trouble import SourceRefused

log = structlog.get_logger("intake.imap")

_WILDCARDS = frozenset("*%")


def candidates(written: str, delimiter: str, prefix: str) -> list[str]:
    """What `written` may be called on a server with this delimiter and personal prefix; likeliest first,
    the last one being the name under which a missing folder is made."""
    if written.upper() == "INBOX":
        return ["INBOX"]
    names = [written]
    native = written.replace("/", delimiter) if delimiter else written
    names.append(native)
    if prefix and not native.startswith(prefix):
        names.append(prefix + native)
    return list(dict.fromkeys(names))


def server_names(client: Client, written: str) -> list[str]:
    """`candidates` for this server. A server that does not tell gets the name as it is written."""
    delimiter, prefix = "", ""
    try:
        with told_as("asking for the delimiter"):
            for _flags, separator, _name in client.list_folders("", ""):
                delimiter = _text(separator)
        if client.has_capability("NAMESPACE"):
            with told_as("asking for the namespace"):
                for start, separator in (client.namespace().personal or ())[:1]:
                    prefix, delimiter = _text(start), _text(separator) or delimiter
    except SourceRefused as refused:
        log.info("imap_names_not_told", reason=refused.public)
    return candidates(written, delimiter, prefix)


def exists(client: Client, name: str) -> bool:
    """Whether the server lists a folder of this very name."""
    if _WILDCARDS & set(name):
        return False
    with told_as(f"looking for folder {name}"):
        return any(_text(found) == name for _flags, _delimiter, found in client.list_folders("", name))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    return value if isinstance(value, str) else ""
