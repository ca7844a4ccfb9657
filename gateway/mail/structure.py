"""The tree of MIME parts of a mail, as offsets into its raw octets (RFC 2045, RFC 2046).

`walk` reads a mail once and tells where each part's header block and body begin and end. It copies no
body, decodes nothing and never raises, whatever the octets. It sees the same leaves as the standard
library's feed parser, with these wanted differences: every `message/*` part is one leaf that is kept
whole, a `Content-Type` whose parameters lack their semicolons is still read, and beyond the limits on depth
and number of parts the rest is one leaf.

Time is linear in the size of the mail (times the nesting depth, which is bounded). Part numbers are
IMAP's (RFC 3501 section 6.4.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.mail.parameters import content_type_of, parameters_of

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
# Fields as RFC 5322 has them, so that a regular block is taken apart by two matches.
_REGULAR = rb"([!-9;-~]++)[ \t]*+:([^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*+)"
_REGULAR_BLOCK = re.compile(
    rb"(?:" + _REGULAR.replace(b"([!", b"(?:[!").replace(b":([^", b":(?:[^") + rb")++"
)
_REGULAR_FIELDS = re.compile(_REGULAR)
_LEADING = re.compile(
    rb"(?:\xef\xbb\xbf)?+[\r\n]*+(?=(?:From |(?:Received|Return-Path|Delivered-To|From|To|Subject|Date|"
    rb"Message-ID|MIME-Version|Content-Type|DKIM-Signature|X-[A-Za-z-]{1,40}):))",
    re.IGNORECASE,
)
_DELIMITER = re.compile(
    rb"(?:(?<=[\r\n])|\A)(--[^\r\n]{1,200}+)(?:\r\n|\r|\n)Content-[A-Za-z-]{2,40}+[ \t]*+:", re.IGNORECASE
)
_GUESSED_WITHIN = 64 * 1024
_MANY_FALSE_HITS = 2000

RawField = tuple[str, bytes]
"""A header field: its name in lower case, its value as it stands in the mail, folded and with octets
above 127."""


@dataclass(slots=True)
class Part:
    """One part. `start` is where its header block begins, `body` where its body begins and `stop` where
    that ends (the line end before a boundary belongs to the boundary, RFC 2046 section 5.1.1).
    `content_type` is lower case, "text/plain" where none is given or it cannot be read."""

    number: str
    start: int
    body: int
    stop: int
    fields: list[RawField]
    content_type: str
    parameters: dict[str, str]
    encoding: str
    disposition: str
    disposition_parameters: dict[str, str]
    parts: list[Part] = field(default_factory=list)
    index: int = 0
    """Place among the parts of its parent, from 0."""
    parent: Part | None = None

    def raw(self, name: str) -> bytes:
        """The folded value of the first field `name` (lower case), b"" where there is none."""
        return next((value for key, value in self.fields if key == name), b"")

    def leaves(self) -> Iterator[Part]:
        """The parts that hold no other part, in order."""
        pending = [self]
        while pending:
            part = pending.pop()
            if part.parts:
                pending.extend(reversed(part.parts))
            else:
                yield part


@dataclass(slots=True)
class Structure:
    """A mail's tree and the names of what was wrong with its structure."""

    root: Part
    defects: list[str]


def walk(raw: bytes, *, header_octets: int, headers: int, depth: int, parts: int) -> Structure:
    """The structure of `raw`. At most `headers` fields and `header_octets` octets of one header block are
    looked at, multiparts are opened down to `depth` levels, `parts` is the most parts that are told."""
    walker = _Walker(raw, header_octets, headers, depth, parts)
    leading = _LEADING.match(raw)
    start = leading.end() if leading is not None else 0
    return Structure(walker.part("", start, len(raw), 0, "text/plain"), walker.defects)


class _Walker:
    def __init__(self, raw: bytes, header_octets: int, headers: int, depth: int, parts: int) -> None:
        self.raw = raw
        self.header_octets = header_octets
        self.headers = headers
        self.depth = depth
        self.parts_left = parts
        self.defects: list[str] = []

    def defect(self, name: str) -> None:
        if name not in self.defects:
            self.defects.append(name)

    def part(self, number: str, start: int, stop: int, level: int, default_type: str) -> Part:
        """The part that fills raw[start:stop], with everything in it."""
        self.parts_left -= 1
        fields, body = self.header_block(start, stop)
        found: dict[str, bytes] = {}
        for name, value in fields:
            if name.startswith("content-"):
                found.setdefault(name, value)
        typed = found.get("content-type")
        content_type, parameters = (default_type, {}) if typed is None else content_type_of(typed)
        disposition, disposition_parameters = parameters_of(found.get("content-disposition", b""))
        part = Part(
            number=number or "1",
            start=start,
            body=body,
            stop=stop,
            fields=fields,
            content_type=content_type,
            parameters=parameters,
            encoding=_encoding(found.get("content-transfer-encoding", b"")),
            disposition=disposition,
            disposition_parameters=disposition_parameters,
        )
        if content_type.startswith("multipart/"):
            self.open(part, number, level)
        return part

    def open(self, part: Part, number: str, level: int) -> None:
        if level >= self.depth:
            self.defect("too-deep")
            return
        boundary = part.parameters.get("boundary")
        regions: list[tuple[int, int]] = []
        preamble_stop, closed = part.stop, False
        if boundary is not None:
            delimiter = b"--" + boundary.rstrip().encode("utf-8", "surrogateescape")
            regions, preamble_stop, closed = self.split(delimiter, part.body, part.stop)
        if not regions:
            self.defect("no-boundary" if boundary is None else "boundary-not-found")
            guess = self.guess_delimiter(part)
            if not guess:
                part.stop = preamble_stop
                return
            self.defect("boundary-guessed")
            regions, _, closed = self.split(guess, part.body, part.stop)
        if not closed:
            self.defect("boundary-not-closed")
        default_type = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        for index, (start, stop) in enumerate(regions):
            last = index == len(regions) - 1
            if self.parts_left <= 1 and not last:
                self.defect("too-many-parts")
                stop, last = regions[-1][1], True  # noqa: PLW2901
            child_number = f"{number}.{index + 1}" if number else str(index + 1)
            end = self.without_line_end(start, stop)
            child = self.part(child_number, start, end, level + 1, default_type)
            child.index, child.parent = index, part
            part.parts.append(child)
            if last:
                break

    def guess_delimiter(self, part: Part) -> bytes:
        """The first line that begins with "--" and stands above a Content- field; b"" where there is none."""
        stop = min(part.stop, part.body + _GUESSED_WITHIN)
        for found in _DELIMITER.finditer(self.raw, part.body, stop):
            delimiter = found[1].rstrip(b" \t")
            if not delimiter.endswith(b"--"):
                return delimiter
        return b""

    def without_line_end(self, start: int, stop: int) -> int:
        end = self.raw[max(start, stop - 2) : stop]
        return stop - (2 if end == b"\r\n" else end[-1:] in (b"\r", b"\n"))

    def split(self, delimiter: bytes, start: int, stop: int) -> tuple[list[tuple[int, int]], int, bool]:
        """Regions between delimiter lines in raw[start:stop]; where the preamble ends when there are none;
        whether the close delimiter was seen."""
        regions: list[tuple[int, int]] = []
        opened = -1
        for line_start, line_stop, closing in self.delimiter_lines(delimiter, start, stop):
            if opened < 0:
                if closing:
                    return [], line_start, True
            elif line_start == opened:
                opened = line_stop
                continue
            else:
                regions.append((opened, line_start))
                if closing:
                    return regions, line_start, True
                if len(regions) > self.parts_left + 1:
                    self.defect("too-many-parts")
                    return [*regions, (line_stop, stop)], stop, False
            opened = line_stop
        if opened < 0:
            return [], stop, False
        return [*regions, (opened, stop)], stop, False

    def delimiter_lines(self, delimiter: bytes, start: int, stop: int) -> Iterator[tuple[int, int, bool]]:
        """(start, stop, whether it closes) of each line of raw[start:stop] that is a delimiter line."""
        raw, false_hits, hits, position, length = self.raw, 0, 0, start, len(delimiter)
        run: re.Pattern[bytes] | None = None
        while (at := raw.find(delimiter, position, stop)) >= 0:
            position = at + 1
            if at == start or raw[at - 1] in b"\r\n":
                line = _LINE.match(raw, at + length, stop)
                assert line is not None
                tail = line.group().rstrip(b"\r\n").rstrip(b" \t")
                if tail in (b"", b"--"):
                    yield at, line.end(), bool(tail)
                    position, hits = line.end(), hits + 1
                    if hits > _MANY_FALSE_HITS:
                        run = run or re.compile(
                            b"(?:" + re.escape(delimiter) + rb"(?:--)?+[ \t]*+(?>\r\n|\r|\n))*+"
                        )
                        repeated = run.match(raw, position, stop)
                        if repeated is not None and repeated.end() > position:
                            yield position, repeated.end(), False
                            position = repeated.end()
                    continue
                position = line.end()
            false_hits += 1
            if false_hits > _MANY_FALSE_HITS:
                break
        else:
            return
        hostile = re.compile(rb"[\r\n]" + re.escape(delimiter) + rb"(--)?+[ \t]*+(?:(?=[\r\n])|\Z)")
        position -= 1
        while (found := hostile.search(raw, position, stop)) is not None:
            line = _LINE.match(raw, found.end(), stop)
            assert line is not None
            yield found.start() + 1, line.end(), found[1] is not None
            position = line.end() - 1

    def header_block(self, start: int, stop: int) -> tuple[list[RawField], int]:
        """The fields of the header block at raw[start:stop], and where the body begins."""
        raw, position = self.raw, start
        limit = min(stop, start + self.header_octets)
        regular = self.regular_block(start, limit)
        if regular is not None:
            return regular
        fields: list[RawField] = []
        name, value_start, value_stop = "", 0, 0
        match_line, match_field = _LINE.match, _FIELD.match
        while position < stop:
            if position >= limit or len(fields) >= self.headers:
                self.defect("header-too-long")
                position = self.body_after(position, stop)
                break
            first = raw[position]
            if first in b"\r\n":
                position += 2 if raw[position : min(position + 2, stop)] == b"\r\n" else 1
                break
            line = match_line(raw, position, stop)
            assert line is not None
            line_stop = line.end()
            if first in b" \t":
                if name:
                    value_stop = line_stop
                elif line.group().strip():
                    self.defect("header-continues-nothing")
                position = line_stop
                continue
            field_name = match_field(raw, position, line_stop)
            if field_name is None:
                if raw.startswith((b"From ", b">From "), position) and (
                    position == start or match_field(raw, line_stop, stop) is not None
                ):
                    position = line_stop
                    continue
                if first == 0x3A:
                    self.defect("header-without-name")
                    if name:
                        fields.append((name, raw[value_start : min(value_stop, limit)]))
                        name = ""
                    position = line_stop
                    continue
                self.defect("no-blank-line-after-header")
                break
            if name:
                fields.append((name, raw[value_start:value_stop]))
            name = field_name[1].decode("ascii").lower()
            value_start, value_stop = field_name.end(), line_stop
            position = line_stop
        if name:
            fields.append((name, raw[value_start : min(value_stop, limit)]))
        return fields, position

    def regular_block(self, start: int, limit: int) -> tuple[list[RawField], int] | None:
        """What `header_block` gives where the block is ended by a blank line before `limit` and every line of
        it is as it should be; None otherwise."""
        end = self.raw.find(b"\r\n\r\n", start, limit) + 2
        if end < 2:
            return None
        block = _REGULAR_BLOCK.fullmatch(self.raw, start, end)
        if block is None:
            return None
        found = _REGULAR_FIELDS.findall(self.raw, start, end)
        if len(found) > self.headers:
            return None
        return [(name.decode("ascii").lower(), value) for name, value in found], end + 2

    def body_after(self, position: int, stop: int) -> int:
        """Where the body begins when the header block is too long to be read: after the next blank line."""
        found = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n").search(self.raw, position, stop)
        return stop if found is None else found.end()


def _encoding(value: bytes) -> str:
    """The Content-Transfer-Encoding, lower case; "7bit" where there is none."""
    words = value.decode("ascii", "replace").replace(";", " ").split()
    return words[0].strip("\"'").lower() if words else "7bit"
