"""A mistake in the config files, told so that an admin can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a config file; line and column count from 1, `file` is relative to where the config folder
    as it was given is."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at which place, and what would be right (may be empty)."""

    file: str
    line: int
    column: int
    key: str
    wrong: str
    right: str

    @classmethod
    def at(cls, mark: Mark, key: str, wrong: str, right: str = "") -> Mistake:
        """The mistake at `mark`."""
        return cls(mark.file, mark.line, mark.column, key, wrong, right)

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        told = key + ", ".join(part for part in (self.wrong, self.right) if part)
        # A quoted key may hold line ends and escape sequences.
        printable = "".join(letter if letter.isprintable() else " " for letter in told)
        return f"{self.file}:{self.line}:{self.column}: {printable}"


class ConfigMistakes(Exception):
    """The config cannot be used. `mistakes` holds all of them; the text has one line each."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))
