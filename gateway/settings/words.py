"""What a config key may hold, in words for an admin.

`Says` stands in an `Annotated` type of the schema and tells its meaning; `describe` gives the words for any
type of the schema. Both the loader's messages and the reference in docs/reference/config.md speak them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Says:
    """What a value of this type is, in words that go on from "must be"."""

    text: str


_PLAIN = {bool: "true or false", str: "text", float: "a number", int: "a whole number"}


def describe(annotation: Any, metadata: Iterable[object] = ()) -> str:
    """Words for the type `annotation` with its `Annotated` metadata: "one of smtp, lmtp"."""
    facts = list(_flat(metadata))
    while get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        facts = [*_flat(inner), *facts]
    for fact in facts:
        if isinstance(fact, Says):
            return fact.text
    origin = get_origin(annotation)
    if origin is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(annotation))
    if origin in (Union, UnionType):
        members = members_of(annotation)
        if len(members) == 1:
            return describe(members[0], facts)
        return "a section whose type is one of " + ", ".join(
            tag for member in members for tag in tags(member)
        )
    if origin is tuple:
        return "a list: each item " + describe(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a section with the keys " + ", ".join(annotation.model_fields)
    return _PLAIN[annotation] + _bounds(facts)


def describe_field(field: FieldInfo) -> str:
    """`describe` for a field of a model."""
    return describe(field.annotation, field.metadata)


def members_of(annotation: Any) -> list[Any]:
    """The types that a value may have, None left out: `[int]` for `int | None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        found = (members_of(member) for member in get_args(annotation) if member is not NoneType)
        return (
            [member for members in found for member in members] if _many(annotation) else [_sole(annotation)]
        )
    return [annotation]


def tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of `type` that choose this section among several."""
    return get_args(model.model_fields["type"].annotation)


def _many(annotation: Any) -> bool:
    return sum(member is not NoneType for member in get_args(annotation)) > 1


def _sole(annotation: Any) -> Any:
    return next(member for member in get_args(annotation) if member is not NoneType)


def _flat(metadata: Iterable[object]) -> Iterator[object]:
    for fact in metadata:
        if isinstance(fact, FieldInfo):
            yield from fact.metadata
        else:
            yield fact


def _bounds(facts: Iterable[object]) -> str:
    low = high = above = None
    for fact in facts:
        if isinstance(fact, Ge):
            low = fact.ge
        elif isinstance(fact, Gt):
            above = fact.gt
        elif isinstance(fact, Le):
            high = fact.le
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    if above is not None:
        return f" above {above}"
    return "" if high is None else f" of at most {high}"
