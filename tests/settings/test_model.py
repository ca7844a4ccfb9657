"""The schema itself: what has to hold for all sections and all keys, also for those that come later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from gateway.settings import model
from gateway.settings.words import describe_field

SECTIONS = [
    value for value in vars(model).values() if isinstance(value, type) and issubclass(value, model.Model)
]


def keys() -> Iterator[tuple[type[BaseModel], str]]:
    for section in SECTIONS:
        for key in section.model_fields:
            yield section, key


@pytest.mark.parametrize(
    ("section", "key"), list(keys()), ids=lambda value: getattr(value, "__name__", value)
)
def test_each_key_can_be_described(section: type[BaseModel], key: str) -> None:
    assert describe_field(section.model_fields[key])


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_frozen_and_know_their_keys(section: type[BaseModel]) -> None:
    assert section.model_config.get("frozen") is True
    assert section.model_config.get("extra") == "forbid"
    assert section.__doc__


@pytest.mark.parametrize(
    ("section", "key"), list(keys()), ids=lambda value: getattr(value, "__name__", value)
)
def test_a_default_fits_what_it_is_a_default_of(section: type[BaseModel], key: str) -> None:
    field = section.model_fields[key]
    if field.is_required() or field.default is None:
        return
    annotated: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    assert TypeAdapter(annotated).validate_python(field.default) == field.default
