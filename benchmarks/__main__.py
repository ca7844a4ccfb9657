"""`python -m benchmarks [NAME …]`: measure and print a table for each; `--json FILE` keeps the figures.

All traffic stays on the loopback interface. Each benchmark ends by itself; what it starts, it ends. One that
needs a server which is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import pytest

from benchmarks.frame import Row, Scale, table

NAMES = ("smtp_intake", "drain", "memory", "idle", "startup")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 where a target was not reached and `--strict` is given."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each measurement (3)")
    parser.add_argument("--share", type=float, default=1.0, help="part of the full number of mails (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a target is not reached")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    results: dict[str, list[Row]] = {}
    for name in chosen.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n{module.TITLE}", flush=True)
        began = time.monotonic()
        try:
            results[name] = list(module.run(Scale(chosen.rounds, chosen.share)))
        except pytest.skip.Exception as missing:
            print(f"left out: {missing}")
            continue
        print(table(results[name]))
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
    if chosen.json is not None:
        machine = {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
        }
        figures = {name: [row.json() for row in rows] for name, rows in results.items()}
        chosen.json.write_text(json.dumps({"on": machine, "figures": figures}, indent=1) + "\n")
    failed = any(row.reached is False for rows in results.values() for row in rows)
    return 1 if failed and chosen.strict else 0


if __name__ == "__main__":
    sys.exit(main())
