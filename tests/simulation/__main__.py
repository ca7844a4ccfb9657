"""Run a simulation by hand: `python -m tests.simulation --seed 7 --mails 10000`."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.simulation.invariants import violations
from tests.simulation.simulation import NoRest, Plan, Simulation


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed gives one trace; drawn where it is not given")
    parser.add_argument("--mails", type=int, default=10_000, help="how many mails are written to the desk")
    parser.add_argument("--nodes", type=int, default=3, help="how many nodes share the database")
    parser.add_argument("--trace", type=Path, help="write the trace into this file")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    print(f"seed {seed}, {options.mails} mails, {options.nodes} nodes", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(Plan(seed, options.mails, options.nodes), Path(folder), bool(options.trace))
        found: list[str] = []
        try:
            simulation.run()
            found = violations(simulation)
        except NoRest as trouble:
            found = [str(trouble)]
        finally:
            if options.trace:
                options.trace.write_text("\n".join(simulation.trace.lines or []), "utf-8")
        for name, value in simulation.figures().items():
            print(f"{name:24} {value}")
        simulation.close()
    print(f"{'trace':24} {simulation.trace.digest}")
    print(f"{'seconds':24} {time.monotonic() - began:.1f}")
    for line in found:
        print(f"BROKEN: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
