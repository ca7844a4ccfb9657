"""YAML files as trees that know where each value stands.

A value stays the text that the admin wrote (NO, 12:30, 1.10 stay what they are); the schema alone decides
what becomes a number. `${NAME}` in an unquoted or double-quoted value becomes the environment variable NAME;
single quotes keep it as it is. Trees of several files are merged: sections key by key, lists of named things
by name, anything else is replaced by the later file.

Nothing here raises for what an admin writes: mistakes are added to the list that is handed in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.settings.mistakes import Mark, Mistake

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEYS = {"file", "env", "credential"}
_NULL, _MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
_STANDARD_TAG = "tag:yaml.org,2002:"
_MOST_DEPTH = 50
_MOST_VALUES = 50_000
_PLAIN_WORDS = (
    (re.compile("maximum depth"), "lists and sections are nested too deeply", "close the brackets"),
    (re.compile(r"found character '\\t'"), "a tab stands where spaces belong", "indent with spaces"),
    (re.compile("undefined alias"), "an alias (*) names no anchor", "quote a value that begins with *"),
    (
        re.compile("mapping values are not allowed"),
        "a colon stands where no key can be",
        "check the indentation, or quote a value that holds ': '",
    ),
    (re.compile("could not find expected ':'"), "a key has no colon", "write key: value"),
    (re.compile("quoted scalar"), "a quote is never closed", "close it"),
    (re.compile("flow mapping|flow sequence|flow node"), "a bracket is never closed", "close it"),
    (
        re.compile("expected <block end>"),
        "the indentation does not fit",
        "indent the keys of one section alike",
    ),
    (re.compile("expected a single document"), "a second document begins", "remove the ---"),
)


@dataclass(slots=True)
class Scalar:
    """One value. `text` is None where nothing is given; `written` is what stands in the file."""

    mark: Mark
    text: str | None
    written: str


@dataclass(slots=True)
class Items:
    """A list."""

    mark: Mark
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Section:
    """A mapping: key → (where the key stands, value)."""

    mark: Mark
    entries: dict[str, tuple[Mark, Node]] = field(default_factory=dict)


Node = Scalar | Items | Section


def read_tree(path: Path, shown: str, mistakes: list[Mistake]) -> Section | None:
    """The tree of one file (`shown` is its name in messages). Mistakes are added to `mistakes`; what can
    be read in spite of them is returned, None where nothing can."""
    start = Mark(shown, 1, 1)
    try:
        # a FIFO would be waited for
        if not path.is_file():
            mistakes.append(Mistake.at(start, "", "this is no file"))
            return None
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        mistakes.append(Mistake.at(start, "", "the file is not UTF-8", "save it as UTF-8"))
        return None
    except OSError as error:
        mistakes.append(Mistake.at(start, "", f"the file cannot be read ({error.strerror})"))
        return None
    try:
        root = _compose(text)
        if root is None:
            return Section(start)
        tree = _Grower(shown, mistakes).grow(root, "", ())
    except _Unreadable as error:
        mistakes.append(error.mistake(shown))
        return None
    if isinstance(tree, Section):
        return tree
    if not (isinstance(tree, Scalar) and tree.text is None):
        mistakes.append(Mistake.at(tree.mark, "", "the file holds no keys", "write key: value, one a line"))
    return Section(start)


def merge(base: Node, over: Node) -> Node:
    """`over` laid upon `base`; both stay as they are."""
    if isinstance(base, Section) and isinstance(over, Section):
        if _replaces(base, over):
            return over
        entries = dict(base.entries)
        for key, (mark, node) in over.entries.items():
            entries[key] = (mark, merge(entries[key][1], node) if key in entries else node)
        return Section(base.mark, entries)
    if isinstance(base, Items) and isinstance(over, Items):
        names = [_name(item) for item in base.items]
        if all(names) and all(_name(item) for item in over.items):
            items = list(base.items)
            for item in over.items:
                if (name := _name(item)) in names:
                    items[names.index(name)] = merge(items[names.index(name)], item)
                else:
                    items.append(item)
            return Items(base.mark, items)
    return over


def plain(node: Node) -> Any:
    """The tree as dicts, lists, texts and None."""
    if isinstance(node, Section):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return node.text


def locate(node: Node, loc: Sequence[int | str]) -> tuple[Mark, Node | None]:
    """The place of `loc` and its node. The place is that of a single value; of the key where there is a list,
    a section or nothing. What does not stand in the files has no node, and the place of what misses it."""
    mark = node.mark
    for step in loc:
        if isinstance(node, Section) and step in node.entries:
            mark, node = node.entries[str(step)]
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            mark = node.mark
        else:
            return mark, None
    return (node.mark if isinstance(node, Scalar) and node.text is not None else mark), node


def _replaces(base: Section, over: Section) -> bool:
    """Whether the later section is another kind of thing: another `type`, or another place of a secret."""
    if "type" in over.entries:
        return "type" not in base.entries or plain(over.entries["type"][1]) != plain(base.entries["type"][1])
    return bool(over.entries) and over.entries.keys() <= _SECRET_KEYS and base.entries.keys() <= _SECRET_KEYS


def _name(item: Node) -> str | None:
    if isinstance(item, Section):
        for key in ("name", "id"):
            if key in item.entries and isinstance(value := item.entries[key][1], Scalar):
                return value.text
    return None


class _Unreadable(Exception):
    """The text is no YAML."""

    def __init__(self, line: int, column: int, wrong: str, right: str = "") -> None:
        super().__init__(wrong)
        self.line, self.column, self.wrong, self.right = line, column, wrong, right

    def mistake(self, shown: str) -> Mistake:
        return Mistake(shown, self.line, self.column, "", self.wrong, self.right)


def _compose(text: str) -> Any:
    """ruamel's nodes of the document, None where it is empty."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="rt")
    # An anchor that is given anew is right (YAML 1.2 section 7.1); the library would warn on standard error.
    yaml.composer.warn_double_anchors = False
    yaml.max_depth = _MOST_DEPTH
    try:
        return yaml.compose(text)
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        line, column = (at.line + 1, at.column + 1) if at else (1, 1)
        told = f"{error.context} {error.problem}"
        for pattern, wrong, right in _PLAIN_WORDS:
            if pattern.search(told):
                raise _Unreadable(line, column, wrong, right) from error
        raise _Unreadable(
            line, column, "this is no YAML", "see whether a quote, colon or bracket is missing"
        ) from error
    except YAMLError as error:
        before = text[: getattr(error, "position", 0)]
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise _Unreadable(*place, "a control character stands here", "remove it") from error


class _Grower:
    """Makes our tree out of ruamel's nodes, telling mistakes on the way."""

    def __init__(self, shown: str, mistakes: list[Mistake]) -> None:
        self.shown = shown
        self.mistakes = mistakes
        self.values = 0

    def grow(self, node: Any, key: str, above: tuple[int, ...]) -> Node:
        mark = Mark(self.shown, node.start_mark.line + 1, node.start_mark.column + 1)
        tell: Callable[..., None] = lambda wrong, right="": self.mistakes.append(  # noqa: E731
            Mistake.at(mark, key, wrong, right)
        )
        self.values += 1
        if self.values > _MOST_VALUES:
            raise _Unreadable(
                mark.line,
                mark.column,
                f"the file holds more than {_MOST_VALUES} values, counted with what its aliases (*) repeat",
                "write less, or take aliases away",
            )
        if id(node) in above:
            tell("an alias (*) holds itself", "write the values out")
            return Scalar(mark, None, "")
        above = (*above, id(node))
        if not str(node.tag).startswith(_STANDARD_TAG):
            tell(f"the tag {str(node.tag)[:40]} is not known", "quote a value that begins with !")
        kind = type(node).__name__
        if kind == "ScalarNode":
            return Scalar(mark, self._text(node, tell), node.value)
        if kind == "SequenceNode":
            return Items(
                mark,
                [self.grow(item, f"{key}.{at}".lstrip("."), above) for at, item in enumerate(node.value)],
            )
        own: dict[str, tuple[Mark, Node]] = {}
        taken_in: dict[str, tuple[Mark, Node]] = {}
        for key_node, value_node in node.value:
            key_mark = Mark(self.shown, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if type(key_node).__name__ != "ScalarNode":
                self.mistakes.append(
                    Mistake.at(key_mark, key, "a list or section stands where a key belongs")
                )
                continue
            name = str(key_node.value)
            if str(key_node.tag) == _MERGE:
                taken_in = self._sources(self.grow(value_node, key, above), key, key_mark) | taken_in
                continue
            inner = f"{key}.{name}".lstrip(".")
            if name in own:
                wrong = f"the key stands twice (first in line {own[name][0].line})"
                self.mistakes.append(Mistake.at(key_mark, inner, wrong, "keep one of them"))
            else:
                own[name] = (key_mark, self.grow(value_node, inner, above))
        return Section(mark, taken_in | own)

    def _sources(self, node: Node, key: str, mark: Mark) -> dict[str, tuple[Mark, Node]]:
        """The entries that `<<` takes in; the first source of several wins."""
        entries: dict[str, tuple[Mark, Node]] = {}
        for source in node.items if isinstance(node, Items) else [node]:
            if isinstance(source, Section):
                entries = source.entries | entries
            else:
                self.mistakes.append(Mistake.at(mark, key, "<< takes in something that is no section"))
        return entries

    def _text(self, node: Any, tell: Callable[..., None]) -> str | None:
        if str(node.tag) == _NULL:
            return None
        if node.style == "'":
            return str(node.value)

        def value_of(found: re.Match[str]) -> str:
            if (value := os.environ.get(found[1])) is None:
                tell(f"the environment variable {found[1]} is not set", "set it, or write the value itself")
                return found[0]
            return value

        return _VARIABLE.sub(value_of, node.value)
