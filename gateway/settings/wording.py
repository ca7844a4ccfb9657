"""pydantic's errors, told in an admin's words and at their place in the files.

Values are quoted only where they can hold no secret, and as they stand in the file: what came out of an
environment variable is not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from gateway.settings.mistakes import Mark, Mistake
from gateway.settings.model import Secret, Settings
from gateway.settings.tree import Items, Node, Scalar, Section, locate
from gateway.settings.words import describe, describe_field, members_of, tags

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_PRIVATE = ("pass", "secret", "token", "credential", "key", "url")
_SHOWN_LENGTH = 40
_SHAPES = {
    "int_parsing", "int_type", "int_from_float", "float_parsing", "float_type", "bool_parsing", "bool_type",
    "string_type", "tuple_type", "model_type", "model_attributes_type", "dict_type", "finite_number",
}  # fmt: skip


def mistakes_of(detail: ErrorDetails, tree: Section) -> Iterator[Mistake]:
    """The mistake that an error of `Settings.model_validate` on the values of `tree` stands for, if any."""
    loc, section, must_be = _resolve(detail["loc"])
    kind = detail["type"]
    mark, node = locate(tree, loc)
    key = ".".join(map(str, loc))
    right = f"must be {must_be}"
    if kind == "extra_forbidden" and section is Secret:
        # What stands there as a key may be the secret itself.
        outer = ".".join(map(str, loc[:-1]))
        yield Mistake.at(mark, outer, "a key is not known here", "must be one of file, env, credential")
    elif kind == "extra_forbidden":
        mark = _key_mark(tree, loc)
        yield Mistake.at(mark, key, "the key is not known here", _near(str(loc[-1]), section))
    elif kind == "missing":
        yield Mistake.at(mark, key, "is missing", right)
    elif kind in ("union_tag_not_found", "union_tag_invalid") and isinstance(node, Section):
        known = ", ".join(tag for member in _members_at(loc) for tag in tags(member))
        mark, node = locate(tree, (*loc, "type"))
        wrong = "is missing" if node is None else f"{_shown(node, ())} is not known"
        yield Mistake.at(mark, f"{key}.type", wrong, f"must be one of {known}")
    elif kind == "value_error" and not isinstance(node, Scalar):
        yield Mistake.at(mark, key, str(detail["ctx"]["error"]))
    elif node is None or (isinstance(node, Scalar) and node.text is None):
        yield Mistake.at(mark, key, "is empty", right)
    elif kind == "too_short":
        # pydantic counts only the items without mistakes, and those have been told.
        if isinstance(node, Items) and not node.items:
            yield Mistake.at(mark, key, "is an empty list", right)
    elif kind in _SHAPES or not isinstance(node, Scalar):
        yield Mistake.at(mark, key, f"is {_shape(node, loc)}", right)
    else:
        yield Mistake.at(mark, key, f"{_shown(node, loc)} does not fit", right)


def _members_at(loc: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """The sections that may stand at `loc`."""
    annotation: Any = Settings
    for step in loc:
        annotation = _inner(annotation, step)
    return [
        member
        for member in members_of(annotation)
        if isinstance(member, type) and issubclass(member, BaseModel)
    ]


def _resolve(told: tuple[int | str, ...]) -> tuple[tuple[int | str, ...], type[BaseModel], str]:
    """pydantic's place of an error without the tags that it mixes in; the section that holds the key; and
    what the value must be."""
    loc: list[int | str] = []
    annotation: Any = Settings
    section: type[BaseModel] = Settings
    must_be = ""
    for step in told:
        members = members_of(annotation)
        if len(members) > 1:
            annotation = next(member for member in members if step in tags(member))
            continue
        section = (
            members[0] if isinstance(members[0], type) and issubclass(members[0], BaseModel) else section
        )
        loc.append(step)
        if isinstance(step, str) and section is members[0] and step not in section.model_fields:
            break
        if isinstance(step, str) and section is members[0]:
            must_be = describe_field(section.model_fields[step])
            annotation = section.model_fields[step].annotation
        else:
            annotation = _inner(annotation, step)
            must_be = describe(annotation)
    return tuple(loc), section, must_be


def _inner(annotation: Any, step: int | str) -> Any:
    """The type of the value under `step`."""
    member = members_of(annotation)[0]
    if isinstance(member, type) and issubclass(member, BaseModel):
        return member.model_fields[str(step)].annotation
    return get_args(member)[0]


def _near(key: str, section: type[BaseModel]) -> str:
    near = get_close_matches(key, section.model_fields, 1)
    return f"did you mean {near[0]}?" if near else "known keys: " + ", ".join(section.model_fields)


def _key_mark(tree: Section, loc: tuple[int | str, ...]) -> Mark:
    """Where the key itself stands, not its value."""
    outer = locate(tree, loc[:-1])[1]
    assert isinstance(outer, Section)
    return outer.entries[str(loc[-1])][0]


def _shape(node: Node, loc: tuple[int | str, ...]) -> str:
    if isinstance(node, Scalar):
        return "text" if _private(loc) else f"the text {_shown(node, loc)}"
    return "a list" if isinstance(node, Items) else "a section"


def _shown(node: Node, loc: tuple[int | str, ...]) -> str:
    if not isinstance(node, Scalar) or _private(loc):
        return "the value"
    text = " ".join(node.written.split())
    return repr(text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…")


def _private(loc: tuple[int | str, ...]) -> bool:
    return any(word in str(step) for step in loc for word in _PRIVATE)
