"""The lock files are in step with pyproject.toml: every dependency is pinned, fits, and has hashes.

Nothing is asked of the network: this tells that `make lock` was forgotten, not that something newer exists.
"""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.sources import ROOT

_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?P<rest>[^\n]*)\n(?P<more>(?: +.*\n)*)", re.M)


def pins(text: str) -> dict[str, tuple[str, int, bool]]:
    """Package → (version, number of hashes, whether pyproject.toml itself asks for it)."""
    return {
        canonicalize_name(found["name"]): (
            found["version"],
            found["more"].count("--hash=sha256:"),
            "ticketgate" in found["more"],
        )
        for found in _PIN.finditer(text)
    }


def out_of_step(wanted: list[str], lock: str) -> list[str]:
    """What is asked for and not so pinned, pinned without hashes, or pinned and not asked for any more."""
    locked, found = pins(lock), []
    asked = {canonicalize_name(Requirement(line).name): Requirement(line) for line in wanted}
    for name, requirement in asked.items():
        if name not in locked:
            found.append(f"{name} is not locked")
        elif not requirement.specifier.contains(locked[name][0], prereleases=True):
            found.append(f"{name} is locked at {locked[name][0]}, and pyproject.toml says {requirement}")
    found += [f"{name} has no hash" for name, (_, hashes, _) in locked.items() if not hashes]
    found += [
        f"{name} is no longer asked for" for name, pin in locked.items() if pin[2] and name not in asked
    ]
    return found


def _asked_for(*groups: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]["postgres"]
    chosen = [line for group in groups for line in project["dependency-groups"][group]]
    return [*project["project"]["dependencies"], *extras, *chosen]


@pytest.mark.parametrize(
    ("file", "groups"), [("runtime.txt", ["build"]), ("dev.txt", ["build", "dev"])], ids=["runtime", "dev"]
)
def test_lock_is_in_step_with_the_project(file: str, groups: list[str]) -> None:
    lock = (ROOT / "requirements" / file).read_text()
    assert out_of_step(_asked_for(*groups), lock) == [], "run `make lock`"


def test_both_locks_pin_the_same_versions() -> None:
    runtime, dev = (pins((ROOT / "requirements" / f"{name}.txt").read_text()) for name in ("runtime", "dev"))
    assert {name: dev[name][0] for name in runtime} == {name: pin[0] for name, pin in runtime.items()}


def test_the_build_backend_is_the_locked_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = (ROOT / "requirements" / "runtime.txt").read_text()
    assert [
        line for line in out_of_step(project["build-system"]["requires"], lock) if "asked" not in line
    ] == []


_GOOD = "rich==15.0.1 \\\n    --hash=sha256:aa\n    # via ticketgate (pyproject.toml)\n"


@pytest.mark.parametrize(
    ("wanted", "lock", "complaint"),
    [
        (["rich>=15", "typer"], _GOOD, "typer is not locked"),
        (["rich>=16"], _GOOD, "rich is locked at 15.0.1"),
        (["rich>=15"], _GOOD.replace("    --hash=sha256:aa\n", ""), "rich has no hash"),
        ([], _GOOD, "rich is no longer asked for"),
    ],
)
def test_a_lock_out_of_step_is_found(wanted: list[str], lock: str, complaint: str) -> None:
    assert out_of_step(["rich>=15"], _GOOD) == []
    assert complaint in out_of_step(wanted, lock)[0]
