"""How long a command takes from Enter to prompt."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import mails
from benchmarks.desk import desk
from benchmarks.frame import Row, Scale, most_row
from tests.desk import Desk

TITLE = "startup: commands from Enter to prompt"
MOST_S = 0.4
TIMES = 10
COMMANDS = (
    *("--help", "check", "tickets list", "tickets search printer", "queue list", "explain"),
    *("accept --queue support", "send nobody@example.net"),
)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(made: Desk, command: list[str], times: int) -> tuple[float, float]:
    """Median wall seconds and processor seconds of a command, which gets a mail on standard input."""
    walls, cpus = [], []
    for _ in range(times):
        began, before = time.perf_counter(), _spent()
        done = subprocess.run(
            command,
            cwd=made.folder,
            env=made.environment(),
            input=mails.mix(1)[0],
            check=False,
            capture_output=True,
            timeout=30,
        )
        # a search that finds nothing ends with 1
        assert done.returncode in (0, 1), done.stderr
        walls.append(time.perf_counter() - began)
        cpus.append(_spent() - before)
    return sorted(walls)[times // 2], sorted(cpus)[times // 2]


def run(scale: Scale) -> Iterator[Row]:
    """Each command, on a desk that has a database."""
    times = max(3, round(TIMES * min(scale.share, 1.0)))
    program = str(Path(sys.executable).with_name("ticketgate"))
    with desk() as made:
        made.start()
        config = ["--config", str(made.config)]
        yield from (
            most_row(f"ticketgate {name}", wall, "s", MOST_S, f"{cpu:.2f} s")
            for name in COMMANDS
            for wall, cpu in [
                measure(made, [program, *name.split(), *(config if name != "--help" else ())], times)
            ]
        )
