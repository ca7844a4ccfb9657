"""The scripts behind `make` say plainly what is missing, and the units of systemd hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A search path on which little more than a shell is installed."""
    for name in ("sh", "id", "cat", "dirname", "env"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    return str(tmp_path)


class TestEnv:
    def test_an_old_python_is_told_with_the_packages_to_install(self, tmp_path: Path) -> None:
        old = tmp_path / "python3"
        old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
        old.chmod(0o755)
        done = _run("tools/env", "runtime", PYTHON=str(old))
        assert done.returncode == 69
        for words in ("Python 3.11 or newer", "Python 3.9.2", "python3-venv", "dnf install", "PYTHON="):
            assert words in done.stderr

    def test_a_wrong_call_is_told(self) -> None:
        assert _run("tools/env", "everything").returncode == 64


class TestTestPeers:
    def test_what_is_missing_is_named_where_nothing_can_be_installed(self, bare_path: str) -> None:
        script = (ROOT / "tools" / "test-peers").read_text()
        # The tool looks into the folders of servers too, whatever the search path says.
        script = script.replace(":/usr/sbin:/usr/local/sbin:/sbin", "").replace("/usr/lib", "/nowhere")
        done = _run("/bin/sh", "-c", script, PATH=bare_path)
        assert done.returncode == 0
        for package in ("dovecot-imapd", "dovecot-lmtpd", "postfix", "swaks", "openssl", "postgresql"):
            assert package in done.stderr
        assert "skipped" in done.stderr


class TestUnits:
    def test_exposure_is_at_or_under_two(self) -> None:
        program = shutil.which("systemd-analyze")
        if program is None:
            pytest.skip("systemd-analyze is not installed (Debian: systemd)")
        units = ROOT / "systemd"
        done = _run(program, "security", "--offline=true", "--no-pager", str(units / "ticketgate.service"))
        found = re.search(r"Overall exposure level for ticketgate\.service: (\d+\.\d+)", done.stdout)
        assert found, done.stdout + done.stderr
        assert float(found[1]) <= 2.0

    @pytest.mark.parametrize(
        "name", ["ticketgate-smtp.socket", "ticketgate-lmtp.socket", "ticketgate.service"]
    )
    def test_systemd_understands_every_line(self, name: str, tmp_path: Path) -> None:
        program = shutil.which("systemd-analyze")
        if program is None:
            pytest.skip("systemd-analyze is not installed (Debian: systemd)")
        for path in (ROOT / "systemd").glob("ticketgate*"):
            text = path.read_text().replace("/opt/ticketgate/bin/ticketgate", "/bin/true")
            (tmp_path / path.name).write_text(text)
        done = _run(program, "verify", "--man=no", str(tmp_path / name))
        assert (done.returncode, [line for line in done.stderr.splitlines() if "ticketgate" in line]) == (
            0,
            [],
        )
