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
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
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
_BREAK = Markup("<br>\n")
_ANCHOR = Markup('<a href="{0}" style="color:#0b57d0">{0}</a>')


class TemplateMistake(Exception):
    """A template cannot be used; the text says file, line and what is wrong."""


def paragraphs(text: str) -> Markup:
    """Plain text as HTML: escaped, line breaks kept, web addresses as links."""
    pieces: list[Markup] = []
    last = 0
    for found in _LINK.finditer(text):
        pieces.append(_lines(text[last : found.start()]))
        pieces.append(_ANCHOR.format(found[0]))
        last = found.end()
    pieces.append(_lines(text[last:]))
    return Markup("").join(pieces)


def _lines(text: str) -> Markup:
    return escape(text).replace("\n", _BREAK)


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
