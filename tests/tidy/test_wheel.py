"""An installed wheel works from any folder: templates and the example config travel in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unpacked as an installer does."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=100,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(
    installed: Path, folder: Path, *arguments: str, input_: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    environ = {**os.environ, "PYTHONPATH": str(installed)}
    environ.pop("TICKETGATE_CONFIG", None)
    return subprocess.run(
        [sys.executable, "-P", "-m", "gateway", *arguments],
        cwd=folder,
        env=environ,
        input=input_,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_it_checks_its_own_example_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "check")
    assert done.returncode == 0, done.stderr.decode()
    assert str(installed) in done.stdout.decode(), "the example that came with the wheel"


def test_it_takes_and_explains_a_mail(installed: Path, tmp_path: Path) -> None:
    mail = b"From: you@example.org\nTo: support@example.com\nSubject: Hello\n\nIt burns.\n"
    config = tmp_path / "config"
    shutil.copytree(installed / "gateway" / "_shipped" / "config", config)
    state = tmp_path / "state"
    main = config / "gateway.yaml"
    main.write_text(main.read_text().replace("state_dir: var", f"state_dir: {state}"))
    assert run(installed, tmp_path, "accept", input_=mail).returncode == 0
    assert (state / "ticketgate.db").exists()
    told = run(installed, tmp_path, "explain", input_=mail).stdout.decode()
    assert "acknowledgement" in told


def test_it_holds_no_tests_and_no_state(installed: Path) -> None:
    names = {path.relative_to(installed).parts[0] for path in installed.rglob("*")}
    assert {name for name in names if not name.endswith(".dist-info")} == {"gateway"}
    (info,) = installed.glob("*.dist-info")
    assert (info / "licenses" / "LICENSE").exists()
