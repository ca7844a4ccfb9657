"""Reading the config folder: all files into one `Settings`, or all mistakes at once.

`gateway.yaml` holds every section but `agents`, which stands in `agents.yaml`; `conf.d/*.yaml` is laid over
both in the order of names. An empty value means the default. Nothing of a secret's value is ever told.

Raises `ConfigMistakes`; an admin's mistake never raises anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from gateway.settings.cross import Finding, Loc, findings
from gateway.settings.draft import Draft
from gateway.settings.mistakes import ConfigMistakes, Mark, Mistake
from gateway.settings.model import Settings
from gateway.settings.tree import Section, locate, merge, plain, read_tree
from gateway.settings.wording import mistakes_of

MAIN, AGENTS, ADDITIONS = "gateway.yaml", "agents.yaml", "conf.d"
NOT_READ_YET = ("customers.yaml", "rules.yaml", "sla.yaml", "calendars.yaml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config without mistakes: values, folder, the files in the order of reading, and what looks odd. A
    mistake names a file as the folder was given, so that an editor finds it."""

    settings: Settings
    folder: Path
    files: tuple[Path, ...]
    warnings: tuple[Mistake, ...] = ()
    tree: Section = field(default_factory=lambda: Section(Mark(MAIN, 1, 1)), repr=False, compare=False)
    """Where each value stands."""

    def mistake(self, loc: Loc, wrong: str, right: str = "") -> Mistake:
        """A mistake found later (a file that cannot be read) at the place of the value that leads to it."""
        return _place(Finding(loc, wrong, right), self.tree)


@dataclass(frozen=True, slots=True)
class Reading:
    """A config as it was read, with its mistakes: `settings` is None where it does not fit the schema, and
    `draft` holds the sections that are right all the same."""

    settings: Settings | None
    draft: Draft
    folder: Path
    files: tuple[Path, ...]
    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]
    tree: Section = field(repr=False)

    def mistake(self, loc: Loc, wrong: str, right: str = "") -> Mistake:
        """As `Loaded.mistake`."""
        return _place(Finding(loc, wrong, right), self.tree)


def load(folder: Path) -> Loaded:
    """Read the config in `folder`. Raises `ConfigMistakes` with every mistake, in the order of the files."""
    reading = read(folder)
    if reading.mistakes or reading.settings is None:
        raise ConfigMistakes(reading.mistakes)
    return Loaded(reading.settings, folder, reading.files, reading.warnings, reading.tree)


def read(folder: Path) -> Reading:
    """Read the config in `folder` as far as that can be done; its mistakes are in the order of the files.
    Raises `ConfigMistakes` only where there is no config at all."""
    mistakes: list[Mistake] = []
    warnings: list[Mistake] = list(_strangers(folder))
    files = list(_files(folder))
    top = Mark(str(folder / MAIN), 1, 1)
    if folder / MAIN not in files:
        wrong = "the file is missing" if folder.is_dir() else f"there is no folder {folder}"
        raise ConfigMistakes([Mistake.at(top, "", wrong, "give the config folder by --config")])
    tree = Section(top)
    all_read = True
    for file in files:
        part = read_tree(file, str(file), mistakes)
        if part is None:
            all_read = False
            continue
        mistakes.extend(_misplaced(part, file.relative_to(folder).as_posix()))
        merged = merge(tree, part)
        assert isinstance(merged, Section)
        tree = merged
    data = plain(tree)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if all_read or detail["type"] != "missing" or len(detail["loc"]) > 1:
                mistakes.extend(mistakes_of(detail, tree))
    draft = Draft.of(settings) if settings and all_read else Draft.of_parts(data, all_read)
    told = [mistake.key for mistake in mistakes]
    for finding in findings(draft):
        mistake = _place(finding, tree)
        if not any(f"{key}.".startswith(f"{mistake.key}.") for key in told):
            (warnings if finding.harmless else mistakes).append(mistake)
    order = [str(file) for file in files]
    mistakes.sort(key=lambda told: (order.index(told.file), told.line, told.column))
    once = tuple(dict.fromkeys(mistakes))
    return Reading(settings, draft, folder, tuple(files), once, tuple(warnings), tree)


def _files(folder: Path) -> Iterator[Path]:
    for name in (MAIN, AGENTS):
        if (folder / name).exists():
            yield folder / name
    yield from sorted(path for path in (folder / ADDITIONS).glob("*.yaml") if not path.name.startswith("."))


def _strangers(folder: Path) -> Iterator[Mistake]:
    """Files that look like config and are not read."""
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml"), *(folder / ADDITIONS).glob("*.yml")]):
        shown, mark = path.relative_to(folder).as_posix(), Mark(str(path), 1, 1)
        if shown in NOT_READ_YET:
            yield Mistake.at(mark, "", "this version does not read the file yet")
        elif shown not in (MAIN, AGENTS) and not path.name.startswith("."):
            near = get_close_matches(path.stem, (Path(MAIN).stem, Path(AGENTS).stem), 1)
            right = f"did you mean {near[0]}.yaml?" if near else f"additions stand in {ADDITIONS}/*.yaml"
            yield Mistake.at(mark, "", "the file is not read", right)


def _misplaced(part: Section, name: str) -> Iterator[Mistake]:
    if name == MAIN and "agents" in part.entries:
        yield Mistake.at(
            part.entries["agents"][0], "agents", "agents do not stand here", f"write them into {AGENTS}"
        )
    if name == AGENTS:
        for key, (mark, _) in part.entries.items():
            if key in Settings.model_fields and key != "agents":
                yield Mistake.at(mark, key, "this does not stand here", f"write it into {MAIN}")


def _place(finding: Finding, tree: Section) -> Mistake:
    mark, _ = locate(tree, finding.loc)
    return Mistake.at(mark, ".".join(map(str, finding.loc)), finding.wrong, finding.right)
