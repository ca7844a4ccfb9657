"""A config with mistakes, as far as it can be understood.

The checks of `cross.py` work on it, so that they also run while other parts of the config are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.settings import model

Section = TypeVar("Section", bound=BaseModel)

_ADDRESS_LISTS = ("addresses", "aliases", "admins")


@dataclass(frozen=True, slots=True)
class Draft:
    """A config as far as it can be understood: what has a mistake of its own is left out, or stands there as
    something that collides with nothing. Lists hold (place in the list, section)."""

    state_dir: str
    desk: model.Desk | None
    signing: model.Signing | None
    security: model.Security | None
    delivery: model.DeliverySettings | None
    database: model.Database | None
    queues: tuple[tuple[int, model.Queue], ...]
    agents: tuple[tuple[int, model.Agent], ...]
    mailboxes: tuple[tuple[int, model.Mailbox], ...]
    listeners: tuple[tuple[int, model.Listener], ...]
    queue_names: frozenset[str]
    agent_names: frozenset[str]
    whole: bool
    """Nothing was left out."""
    named: bool
    """All names are known, as every file could be read."""

    @classmethod
    def of(cls, settings: model.Settings) -> Draft:
        """The draft of a config that fits the schema."""
        return cls(
            settings.state_dir,
            settings.desk,
            settings.signing,
            settings.security,
            settings.delivery,
            settings.database,
            tuple(enumerate(settings.queues)),
            tuple(enumerate(settings.agents)),
            tuple(enumerate(settings.mailboxes)),
            tuple(enumerate(settings.listeners)),
            frozenset(queue.name for queue in settings.queues),
            frozenset(agent.name for agent in settings.agents),
            whole=True,
            named=True,
        )

    @classmethod
    def of_parts(cls, data: dict[str, Any], named: bool) -> Draft:
        """The draft of `data`, which does not fit the schema. `named`: every file could be read."""
        mender = _Mender()
        state_dir = data.get("state_dir")
        return cls(
            state_dir
            if isinstance(state_dir, str)
            else str(model.Settings.model_fields["state_dir"].default),
            mender.section(model.Desk, data.get("desk")),
            mender.section(model.Signing, data.get("signing") or {}),
            mender.section(model.Security, data.get("security") or {}),
            mender.section(model.DeliverySettings, data.get("delivery")),
            mender.section(model.Database, data.get("database") or {}),
            mender.sections(model.Queue, data.get("queues")),
            mender.sections(model.Agent, data.get("agents")),
            mender.sections(model.Mailbox, data.get("mailboxes")),
            mender.sections(model.Listener, data.get("listeners")),
            _names(data.get("queues")),
            _names(data.get("agents")),
            whole=named and mender.whole,
            named=named,
        )


class _Mender:
    """Makes sections out of data with mistakes: a wrong value gives way to the default, or to a stand-in that
    nobody else uses. `whole` turns False when that was done."""

    def __init__(self) -> None:
        self.whole = True
        self._count = 0

    def sections(self, kind: type[Section], value: object) -> tuple[tuple[int, Section], ...]:
        items = enumerate(value) if isinstance(value, list) else ()
        made = ((at, self.section(kind, item)) for at, item in items)
        return tuple((at, section) for at, section in made if section is not None)

    def section(self, kind: type[Section], value: object) -> Section | None:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            self.whole = False
            wrong = [detail["loc"] for detail in error.errors(include_url=False, include_input=False)]
        if not isinstance(value, dict):
            return None
        mended: dict[str, Any] = {key: given for key, given in value.items() if key in kind.model_fields}
        for loc in wrong:
            if loc:
                self._mend(mended, kind, str(loc[0]), loc[1] if len(loc) > 1 else None)
        try:
            return kind.model_validate(mended)
        except ValidationError:
            return None

    def _mend(self, mended: dict[str, Any], kind: type[BaseModel], key: str, item: int | str | None) -> None:
        given = mended.get(key)
        if key in _ADDRESS_LISTS and isinstance(given, list) and isinstance(item, int):
            mended[key] = [*given[:item], self._stand_in("address"), *given[item + 1 :]]
        elif key in kind.model_fields and kind.model_fields[key].is_required():
            mended[key] = self._stand_in(key)
        else:
            mended.pop(key, None)

    def _stand_in(self, key: str) -> object:
        self._count += 1
        name = f"unreadable-{self._count}"
        stand_ins = {
            "address": f"{name}@unreadable.invalid",
            "addresses": [f"{name}@unreadable.invalid"],
            "listen": f"unix:{name}",
            "via": {"type": "maildir"},
        }
        return stand_ins.get(key, name)


def _names(value: object) -> frozenset[str]:
    items = value if isinstance(value, list) else []
    return frozenset(str(item["name"]) for item in items if isinstance(item, dict) and item.get("name"))
