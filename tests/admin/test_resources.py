"""The shipped folders are found in a checkout and in an installed wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import resources

REPO = Path(__file__).resolve().parents[2]


def test_in_a_checkout_they_stand_at_its_root() -> None:
    assert resources.config_folder() == REPO / "config"
    assert resources.templates_folder() == REPO / "templates"
    assert resources.systemd_folder() == REPO / "systemd"


def test_in_a_wheel_they_travel_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "site-packages" / "gateway")
    with pytest.raises(FileNotFoundError, match="the shipped folder config is missing"):
        resources.config_folder()
    inside = tmp_path / "site-packages" / "gateway" / "_shipped" / "config"
    inside.mkdir(parents=True)
    assert resources.config_folder() == inside


def test_an_installed_wheel_checks_its_own_example(tmp_path: Path) -> None:
    """The package laid out as the wheel lays it out, run from a folder that holds nothing else."""
    package = tmp_path / "site" / "gateway"
    shutil.copytree(REPO / "gateway", package, ignore=shutil.ignore_patterns("__pycache__", "_shipped"))
    for name in ("config", "templates", "systemd"):
        shutil.copytree(REPO / name, package / "_shipped" / name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r});"
        "from gateway.admin.main import main; sys.exit(main(['check']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    if not Path("/etc/ticketgate/gateway.yaml").exists():
        assert f"config is right: {package}/_shipped/config" in result.stdout
