"""What a key may hold, in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from gateway.settings import model
from gateway.settings.units import Duration
from gateway.settings.words import describe, members_of


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "text"),
        (bool | None, "true or false"),
        (Literal["smtp", "lmtp"], "one of smtp, lmtp"),
        (model.Port | None, "a whole number from 1 to 65535"),
        (Annotated[int, Field(ge=3)], "a whole number of at least 3"),
        (Annotated[float, Field(gt=0)], "a number above 0"),
        (Annotated[int, Field(le=9)] | None, "a whole number of at most 9"),
        (Duration, "a number with its unit, such as 30s, 5m, 2h, 3d"),
        (tuple[model.Name, ...], "a list: each item a short name of a-z, 0-9, - and _"),
        (model.Secret | None, "a section with the keys file, env, credential"),
        (model.SmtpDelivery | model.MaildirDelivery, "a section whose type is one of smtp, maildir"),
    ],
)
def test_types_in_words(annotation: Any, words: str) -> None:
    assert describe(annotation) == words


def test_members_are_told_without_none() -> None:
    assert members_of(int | None) == [int]
    assert members_of(model.SmtpDelivery | model.LmtpDelivery | None) == [
        model.SmtpDelivery,
        model.LmtpDelivery,
    ]
