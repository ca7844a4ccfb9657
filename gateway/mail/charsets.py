"""Octets to text: what a mail says about its charset, and what to do when that is missing or wrong.

`decode` always gives text without NUL and without lone surrogates. It trusts a declared charset that
decodes without an error; otherwise it tries UTF-8, then guesses. Names that mails use for supersets are
taken as browsers take them (iso-8859-1 as windows-1252, gb2312 as gb18030, ks_c_5601-1987 as cp949), since
that is what the senders' programs write.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

_GUESSED_OCTETS = 16 * 1024
_SUPERSETS = {
    "iso8859-1": "cp1252",
    "ascii": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz": "hz",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
    "big5": "big5hkscs",
    "iso2022_jp": "iso2022_jp_ext",
    "iso2022_jp_1": "iso2022_jp_ext",
    "iso2022_jp_2": "iso2022_jp_2",
}
_NICKNAMES = {
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "x-windows-949": "cp949",
    "cp-850": "cp850",
    "cp-1252": "cp1252",
    "win-1251": "cp1251",
    "win1251": "cp1251",
    "windows-874": "cp874",
    "windows-31j": "cp932",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "x-big5": "big5hkscs",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "ansi_x3.110-1983": "cp1252",
    "x-ansi": "cp1252",
    "latin1_swedish_ci": "cp1252",
}
_NO_CHARSETS = frozenset(
    "idna punycode unicode_escape raw_unicode_escape undefined mbcs oem palmos charmap".replace(
        "_", "-"
    ).split()
)
_SHIFTING = frozenset(("utf-7", "hz", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"))
_ISO_2022 = re.compile(rb"\x1b(?:\$[@AB(]|\([BIJ])")
_SURROGATES = re.compile("[\ud800-\udfff]+")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_C1 = {code: bytes([code]).decode("latin-1") for code in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}


class Decoded(NamedTuple):
    """`text`, and how it was come by: "declared", "assumed" (none declared, and it is UTF-8 or ASCII),
    "guessed", or "damaged" (some octets could not be read and stand as U+FFFD)."""

    text: str
    how: str


def safe(text: str) -> str:
    """`text` without NUL; lone surrogates, which no UTF-8 sink takes, become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii() or not _SURROGATES.search(text):
        return text
    joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _SURROGATES.sub("�", joined)


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """The name of Python's codec for a charset label, or None where it names no charset."""
    name = label.strip(" \t\r\n\0\"'<>=,.").split("\0")[0].lower()
    name = (name.split() or [""])[0].removeprefix("charset=").strip("\"';,")
    if not name or len(name) > 64:
        return None
    name = _NICKNAMES.get(name, name)
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if not getattr(found, "_is_text_encoding", True) or found.name.replace("_", "-") in _NO_CHARSETS:
        return None
    return _SUPERSETS.get(found.name, found.name)


def decode(octets: bytes, label: str | None, hint: str | None = None) -> Decoded:
    """The text of `octets`. `label` is the declared charset; `hint` one that is likely where nothing is
    declared (that of the mail's other parts)."""
    codec = codec_of(label) if label else None
    if octets.isascii() and codec not in _SHIFTING and b"\x1b" not in octets:
        return Decoded(safe(octets.decode("ascii")), "declared" if codec else "assumed")
    if _ISO_2022.search(octets) and (codec is None or codec in ("utf-8", "cp1252", "cp932")):
        codec = "iso2022_jp_ext"
    if codec and (text := _strictly(octets, codec)) is not None:
        return Decoded(text, "declared")
    if (text := _strictly(octets, "utf-8")) is not None:
        return Decoded(text, "assumed")
    text = octets.decode(codec or "utf-8", "replace")
    if _mostly_read(text, codec or "utf-8"):
        return Decoded(safe(text), "damaged")
    for candidate in (codec_of(hint) if hint else None, guess(octets)):
        if candidate and (text := _strictly(octets, candidate)) is not None:
            return Decoded(text, "guessed")
    return Decoded(safe(octets.decode("cp1252", "replace")), "damaged")


def _mostly_read(text: str, codec: str) -> bool:
    """Whether a text with U+FFFD in it is better than a guess: little was lost, and for UTF-8, whose letters
    prove themselves, more letters were read than lost."""
    lost = text.count("�")
    if lost == 1 and text.endswith("�"):
        return True
    if codec != "utf-8":
        return lost * 20 <= len(text)
    sample = text[:4000]
    return lost * 20 <= len(text) and 2 * sample.count("�") < sum(not sign.isascii() for sign in sample)


def guess(octets: bytes) -> str | None:
    """The codec that `octets` are most likely written in, None where nothing can be said."""
    import chardet  # most mail says its charset

    sample = octets[:_GUESSED_OCTETS]
    found = chardet.detect(sample)
    label = found.get("encoding")
    return codec_of(label) if label else None


def _strictly(octets: bytes, codec: str) -> str | None:
    try:
        text = octets.decode(codec)
    except UnicodeError:
        if codec != "cp1252":
            return None
        try:
            text = _western(octets)
        except UnicodeError:
            return None
    return safe(text)


def _western(octets: bytes) -> str:
    """windows-1252, with its five holes read as in iso-8859-1 (as browsers do)."""
    return octets.decode("latin-1").translate(_WESTERN)


_WESTERN = {code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if code not in _C1}
