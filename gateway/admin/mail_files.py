"""Finding the mails behind the paths of a command line: files, folders, mboxes, Maildirs, standard input.

A mail is read when it is wanted and not kept, so that a folder or an mbox of any size takes the memory of
one mail. Folders are read in the order of names, through all folders below; hidden files are left out. In a
Maildir, `new` and `cur` count as one folder, `tmp` and the mail server's own files are left out, and its
folders (`.Archive`) come after it. An mbox is known by a second line "From sender date" behind a blank
line and before a header field; its mails are named PATH#1, PATH#2. Nothing raises but for
what the caller asks of a `Found`.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_FROM_LINE = re.compile(
    rb"From [^\n]{0,900}?\b\d{1,2}:\d\d(?::\d\d)?\b[^\n]{0,100}\n(?=>?[!-9;-~]+[ \t]?:|>From )"
)
_ENVELOPE_LINE = re.compile(rb"(?:>?From [^\n]*\n)+")
STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Found:
    """A mail by name. `read` gives its octets, before the next mail is asked for; raises OSError."""

    name: str
    read: Callable[[], bytes]


def mails(paths: Sequence[str]) -> Iterator[Found]:
    """The mails behind `paths`, in order; no path is standard input. What cannot be read is a Found too, and
    its `read` tells why."""
    for path in paths or (STANDARD_INPUT,):
        if path == STANDARD_INPUT:
            yield from _in_octets("-", sys.stdin.buffer.read())
        else:
            yield from _at(path)


def _at(path: str) -> Iterator[Found]:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        yield _failing(path, error)
        return
    if stat.S_ISDIR(mode):
        yield from _in_folder(path)
    elif stat.S_ISREG(mode):
        yield from _in_file(path)
    else:
        # a pipe, such as the shell's <(command)
        yield Found(path, lambda: Path(path).read_bytes())


def _failing(path: str, error: OSError) -> Found:
    def read() -> bytes:
        raise error

    return Found(path, read)


def _in_folder(path: str) -> Iterator[Found]:
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        yield _failing(path, error)
        return
    is_maildir = {"cur", "new"} <= set(names)
    if is_maildir:
        boxes = [os.path.join(path, name) for name in ("cur", "new")]
        files = [(name, box) for box in boxes for name in _listed(box) if not name.startswith(".")]
        for name, box in sorted(files):
            yield Found(os.path.join(box, name), Path(box, name).read_bytes)
        names = [name for name in names if name not in ("cur", "new", "tmp")]
    for name in names:
        below = os.path.join(path, name)
        if os.path.isdir(below):
            if not os.path.islink(below) and (is_maildir or not name.startswith(".")):
                yield from _in_folder(below)
        elif not is_maildir and not name.startswith(".") and os.path.isfile(below):
            yield from _in_file(below)


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.access(folder, os.R_OK | os.X_OK) else []


def _in_file(path: str) -> Iterator[Found]:
    try:
        with open(path, "rb") as file:
            if file.read(5) != b"From ":
                yield Found(path, Path(path).read_bytes)
                return
            if path.endswith(".eml"):
                yield Found(path, lambda: _without_envelope(Path(path).read_bytes()))
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield from _in_octets(path, mapped)
    except OSError as error:
        yield _failing(path, error)


def _in_octets(name: str, octets: bytes | mmap.mmap) -> Iterator[Found]:
    """The mails of an mbox, or the one mail that the octets are."""
    starts = _starts(octets)
    start, number = next(starts, None), 0
    if start != 0:
        whole = _without_envelope(octets[:])
        yield Found(name, lambda: whole)
        return
    while start is not None:
        stop = next(starts, None)
        number += 1
        alone = number == 1 and stop is None
        envelope = _ENVELOPE_LINE.match(octets, start)
        read = partial(_piece, octets, envelope.end() if envelope else start, stop)
        yield Found(name if alone else f"{name}#{number}", read)
        start = stop


def _piece(octets: bytes | mmap.mmap, start: int, stop: int | None) -> bytes:
    return octets[start:stop]


def _starts(octets: bytes | mmap.mmap) -> Iterator[int]:
    for found in _FROM_LINE.finditer(octets):
        start = found.start()
        if start == 0 or octets[max(start - 3, 0) : start].endswith((b"\n\n", b"\n\r\n")):
            yield start


def _without_envelope(mail: bytes) -> bytes:
    found = _ENVELOPE_LINE.match(mail)
    return mail[found.end() :] if found else mail
