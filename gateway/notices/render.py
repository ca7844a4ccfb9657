"""Templates to text and HTML.

A kind is a pair `<kind>.txt.j2` and `<kind>.html.j2` on one layout. Files of the same name in the config's
`templates/` folder go before the shipped ones. Jinja2's immutable sandbox and strict undefined: a
template reads what it is given and nothing else, and mail is data, never template. HTML is escaped by
default. A template file is read once: by `load`, or when it is first wanted.

Raises TemplateMistake with file and line for an admin's template that cannot be used.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from textwrap import wrap
from zoneinfo import ZoneInfo

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from gateway.resources import templates_folder

KINDS = (
    "acknowledgement", "answer", "new_ticket", "customer_reply", "agent_answer", "note", "held",
    "delivery_trouble", "alert",
)  # fmt: skip
_LINK = re.compile(r"https?://[^\s<>\"')\]]{1,1000}", re.ASCII)
_RUN = re.compile(" {2,}")
_DEEPEST = 4
"""Quotes in quotes that are shown as such; deeper ones keep their further signs."""
_MOST_QUOTES = 500
_SIGNS = re.compile(r"(?:> ?)+")
_SHALLOW = re.compile(rf"(?:> ?){{{_DEEPEST}}}")
_MOST_BLANKS = 100
_COLUMN = 13
_LONGEST_FACT = 75
_BREAK = Markup("<br>\n")
_NO_BREAK = Markup("&nbsp;")
_QUOTE = Markup(
    '\n<blockquote class="said" style="border-left:3px solid #dadce0;padding:0 0 0 12px;margin:8px 0">'
)
_UNQUOTE = Markup("</blockquote>\n")
_ANCHOR = Markup('<a href="{0}" style="color:#0b57d0">{0}</a>')


class TemplateMistake(Exception):
    """A template cannot be used; the text says file, line and what is wrong."""


def paragraphs(text: str) -> Markup:
    """Plain text as HTML: escaped, line breaks and runs of blanks kept, web addresses as links, lines with
    quote signs as quotes. Blanks are kept by no-break ones, as not every mail client knows `white-space`."""
    pieces: list[Markup] = []
    own: list[str] = []
    depth = 0
    for line, wanted in _depths(text.split("\n")):
        if wanted != depth:
            pieces.append(_block(own, edge=True))
            own = []
            pieces += [_QUOTE] * (wanted - depth) + [_UNQUOTE] * (depth - wanted)
            depth = wanted
        own.append(line)
    pieces.append(_block(own, edge=bool(pieces)))
    pieces.append(_UNQUOTE * depth)
    return Markup("").join(pieces)


def _depths(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Each line without its quote signs, and how deep a quote it is. A run of lines that begins with two or
    more signs at once (the prompt of a program) is no quote; after very many quotes nothing is."""
    literal = quoted = False
    last = changes = 0
    for line in lines:
        found = _SIGNS.match(line)
        if found is None:
            literal = quoted = False
            last = 0
            yield line, 0
            continue
        depth = found[0].count(">")
        literal = literal or (not quoted and depth > 1) or changes > _MOST_QUOTES
        quoted = True
        if literal:
            yield line, 0
            continue
        signs = _SHALLOW.match(line) if depth > _DEEPEST else found
        assert signs is not None
        depth = min(depth, _DEEPEST)
        changes += depth != last
        last = depth
        yield line[signs.end() :], depth


def _block(lines: list[str], *, edge: bool) -> Markup:
    """Lines with breaks between them; next to a quote (`edge`) no blank ones at their ends."""
    start, stop = 0, len(lines)
    if edge:
        while start < stop and not lines[start].strip():
            start += 1
        while stop > start and not lines[stop - 1].strip():
            stop -= 1
    return _BREAK.join([_line(line) for line in lines[start:stop]])


def _line(line: str) -> Markup:
    if "  " not in line and "\t" not in line and "://" not in line and not line.startswith(" "):
        return escape(line).replace("\xa0", _NO_BREAK) if "\xa0" in line else escape(line)
    line = line.expandtabs(8) if "\t" in line else line
    body = line.lstrip(" ")
    pieces: list[Markup] = [_NO_BREAK * min(len(line) - len(body), _MOST_BLANKS)]
    last = 0
    for found in _LINK.finditer(body):
        pieces.append(_blanks(body[last : found.start()]))
        pieces.append(_ANCHOR.format(found[0]))
        last = found.end()
    pieces.append(_blanks(body[last:]))
    return Markup("").join(pieces)


def _blanks(text: str) -> Markup:
    """Escaped, runs of blanks kept; the last blank of a run lets the line break there."""
    kept = (
        _RUN.sub(lambda run: "\xa0" * min(len(run[0]) - 1, _MOST_BLANKS) + " ", text)
        if "  " in text
        else text
    )
    return escape(kept).replace("\xa0", _NO_BREAK)


def facts(value: str, label: str) -> str:
    """A line of facts in plain text, `label` and then `value` in its column. A long one becomes several lines
    of less than 76 characters, each with the label, so that no mail client breaks it and each can be known
    as ours."""
    head = f"{label}:".ljust(_COLUMN)
    room = _LONGEST_FACT - len(head)
    value = " ".join(value.split())
    lines = wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(f"{head}{line}".rstrip() for line in lines)


def quote(text: str) -> str:
    """Plain text with "> " before each line."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def size(octets: int) -> str:
    """Octets as people say them."""
    if octets < 1000:
        return f"{octets} B"
    if octets < 1_000_000:
        return f"{octets / 1000:.0f} kB"
    return f"{octets / 1_000_000:.1f} MB"


class Renderer:
    """The templates of one config. `overrides` is the config's own folder of them, or None."""

    def __init__(self, overrides: Path | None, timezone: str) -> None:
        loaders: list[BaseLoader] = [FileSystemLoader(str(templates_folder()))]
        if overrides is not None and overrides.is_dir():
            loaders.insert(0, FileSystemLoader(str(overrides)))
        zone = ZoneInfo(timezone)
        environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(loaders),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html.j2"),
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters.update(
            paragraphs=paragraphs,
            quote=quote,
            facts=facts,
            size=size,
            local=lambda at: local_time(at, zone),
        )
        self._environment: Environment = environment

    def load(self) -> None:
        """Read all templates now. Raises TemplateMistake."""
        for kind in KINDS:
            for form in ("txt", "html"):
                self._template(f"{kind}.{form}.j2")

    def _template(self, name: str) -> Template:
        try:
            return self._environment.get_template(name)
        except TemplateError as error:
            raise TemplateMistake(_told(name, error)) from error

    def render(self, kind: str, variables: Mapping[str, object]) -> tuple[str, str]:
        """(text, HTML) of one notice. Raises TemplateMistake."""
        shown = []
        for form in ("txt", "html"):
            try:
                shown.append(self._template(f"{kind}.{form}.j2").render(variables))
            except TemplateMistake:
                raise
            except Exception as error:
                raise TemplateMistake(_told(f"{kind}.{form}.j2", error)) from error
        text, html = shown
        while "\n\n\n" in text:
            text = text.replace("\n\n\n", "\n\n")
        return text.strip() + "\n", html


def local_time(at: datetime, zone: ZoneInfo) -> str:
    """An instant in the desk's zone: "Mon 23 Nov 2026, 09:15 CET"."""
    return f"{at.astimezone(zone):%a %d %b %Y, %H:%M %Z}"


def _told(name: str, error: Exception) -> str:
    """file:line: what is wrong; the line is where the template was when it raised."""
    file, line = getattr(error, "filename", None), getattr(error, "lineno", None)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.endswith(".j2"):
            file, line = frame.filename, frame.lineno
    return f"{file or name}:{line or 1}: {getattr(error, 'message', None) or error}"


@cache
def _sample_variables() -> Mapping[str, object]:
    from gateway.notices.samples import VARIABLES

    return VARIABLES


def check_templates(overrides: Path | None) -> list[str]:
    """Render each kind with hostile sample data; returns the mistakes in words, one line each."""
    try:
        renderer = Renderer(overrides, "UTC")
        renderer.load()
    except TemplateMistake as mistake:
        return [str(mistake)]
    mistakes: list[str] = []
    for kind in KINDS:
        try:
            _, html = renderer.render(kind, _sample_variables())
        except TemplateMistake as mistake:
            mistakes.append(str(mistake))
            continue
        if "<script" in html.lower():
            mistakes.append(f"{kind}.html.j2:1: mail text stands in it unescaped; take the |safe filter away")
    return mistakes
