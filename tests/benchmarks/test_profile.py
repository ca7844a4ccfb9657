"""The profile names functions of the daemon: it must go on finding them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.profile import STAGES

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.usefixtures("dovecot", "smtp_sink")
def test_every_stage_takes_its_share() -> None:
    command = [sys.executable, "-m", "benchmarks.profile", "--mails", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    took = {line[:14].strip(): float(line[14:].split()[0]) for line in done.stdout.splitlines()[1:]}
    assert set(took) == {*STAGES, "together"}
    assert all(took.values()), took
