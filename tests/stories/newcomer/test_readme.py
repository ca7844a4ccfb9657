"""A newcomer types the README's lines, one after the other, and sees what it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.process import free_port, wait_until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The daemon on the shipped config, in a folder of its own, on another port."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    smtp, lmtp = free_port(), free_port()
    settings = tmp_path / "config" / "gateway.yaml"
    text = settings.read_text("utf-8")
    settings.write_text(
        text.replace("127.0.0.1:2525", f"127.0.0.1:{smtp}").replace(":2424", f":{lmtp}"), "utf-8"
    )
    command = [sys.executable, "-m", "gateway", "run", "--config", "config"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        wait_until("the daemon's greeting", lambda: b"takes mail for" in (tmp_path / "log").read_bytes(), 30)
        yield smtp
        running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 0


def lines_of_the_readme(begin: str) -> str:
    """The indented block of the README that begins so, up to its first line of output."""
    blocks = re.findall(r"(?:^ {4}.*\n)+", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    (block,) = [one for one in blocks if one.strip().startswith(begin)]
    return "\n".join(line.removeprefix("    ") for line in block.splitlines())


def test_customer_agent_and_the_answer(port: int, tmp_path: Path, swaks: Callable[..., object]) -> None:
    new = tmp_path / "var" / "mail" / "new"

    def type_in(lines: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", lines.replace("127.0.0.1:2525", f"127.0.0.1:{port}")],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def mails_lie_there(count: int) -> None:
        wait_until(f"{count} mails", lambda: new.is_dir() and len(list(new.iterdir())) >= count, 30)

    customer, look = lines_of_the_readme("swaks --server").split("\ngrep", 1)
    type_in(customer)
    mails_lie_there(3)
    seen = type_in("grep" + look)
    assert re.findall(r"Delivered-To: (\S+)", seen) == [
        "you@example.org",
        "petra@example.com",
        "pavel@example.com",
    ]

    agent, look = lines_of_the_readme("NOTICE=").split("\ncat", 1)
    type_in(agent)
    mails_lie_there(5)
    seen = type_in("cat" + look)
    assert "To: you@example.org" in seen
    assert "Please pull the plug." in seen
    assert "petra@example.com" not in seen
