"""What all benchmarks share: their result, the table that is printed, cores, and what a process has used.

A benchmark is a module with `TITLE` and `run(scale) -> Iterator[Row]`. A `Row` holds a figure and, where
there is one, the limit that was measured in the same run by the same means, so that their ratio says
something on any machine. The machine may be shared: figure and limit are measured in turns, and the
median of the turns stands in the row.
"""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done: `share` of the full number of mails, `rounds` of each pair."""

    rounds: int = 3
    share: float = 1.0

    def count(self, full: int) -> int:
        """A number of mails, at least ten."""
        return max(10, round(full * self.share))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `limit` is what was measured beside it, `ratio` the figure's part of it. `target`
    is told in words; `reached` is None where there is no target. `cpu` says what the daemon used."""

    what: str
    figure: float
    unit: str
    limit: float | None = None
    limit_name: str = ""
    ratio: float | None = None
    target: str = ""
    reached: bool | None = None
    cpu: str = ""

    def json(self) -> dict[str, object]:
        """The row for `--json`."""
        return asdict(self)


def rate_row(
    what: str,
    figures: Sequence[float],
    limits: Sequence[float],
    limit_name: str,
    least: float | None,
    cpu: str = "",
) -> Row:
    """Mails a second beside a limit; `least` is the ratio to reach. The ratio is the median of the ratios
    of the turns."""
    ratio = statistics.median(figure / limit for figure, limit in zip(figures, limits, strict=True))
    return Row(
        what,
        statistics.median(figures),
        "mails/s",
        statistics.median(limits),
        limit_name,
        ratio,
        "" if least is None else f">= {least:.0%}",
        None if least is None else ratio >= least,
        cpu,
    )


def most_row(what: str, figure: float, unit: str, most: float, cpu: str = "") -> Row:
    """A figure that must stay below `most`."""
    return Row(what, figure, unit, target=f"< {most:g} {unit}", reached=figure < most, cpu=cpu)


_HEADS = ("", "figure", "limit beside it", "ratio", "target", "reached", "processor time")


def table(rows: Sequence[Row]) -> str:
    """The rows as text in columns."""
    cells = [_HEADS]
    for row in rows:
        limit = "" if row.limit is None else f"{_number(row.limit)} {row.limit_name}"
        reached = "" if row.reached is None else ("yes" if row.reached else "NO")
        ratio = "" if row.ratio is None else f"{row.ratio:.0%}"
        figure = f"{_number(row.figure)} {row.unit}"
        cells.append((row.what, figure, limit, ratio, row.target, reached, row.cpu))
    used = [column for column in range(len(_HEADS)) if any(line[column] for line in cells[1:])]
    widths = {column: max(len(line[column]) for line in cells) for column in used}
    return "\n".join(
        "  ".join(line[column].ljust(widths[column]) for column in used).rstrip() for line in cells
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def cores() -> list[int]:
    """The processor cores that we may use."""
    return sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def on_cores(chosen: Sequence[int]) -> Iterator[None]:
    """What is started inside, and this process meanwhile, runs on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """The process and all that it started and that still runs."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(pid: int) -> float:
    """Processor seconds, user and system, of the process, its running descendants, and those of its children
    that have ended and were waited for (proc_pid_stat(5), fields 14 to 17)."""
    ticks = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def memory_mb(pid: int, field: str = "VmRSS") -> dict[int, float]:
    """Resident memory in MB by process of the family; `field`: VmRSS (now) or VmHWM (its peak)."""
    found = {}
    for one in family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    found[one] = int(line.split()[1]) / 1024
    return found


def median_of(rounds: int, measure: Callable[[], float]) -> float:
    """The median of some measurements."""
    return statistics.median(measure() for _ in range(rounds))
