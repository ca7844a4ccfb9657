"""The desk's listeners and its spool without the pipeline: `python -m benchmarks.intake_alone CONFIG_FOLDER`.

Everything up to the durable 250 is the daemon's own code; nobody works on what was taken. Prints a line when
it listens; ends when its standard input ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.daemon.house import open_house
from gateway.daemon.listening import Listening, recipients
from gateway.daemon.logs import configure
from gateway.intake.listeners import Listeners
from gateway.runtime import SystemClock, SystemIds
from gateway.settings.load import load
from gateway.settings.passwords import verify_password


def main(config_folder: Path) -> None:
    """Until standard input ends."""
    clock, ids = SystemClock(), SystemIds()
    loaded = load(config_folder)
    configure(loaded.settings.daemon.log_format, loaded.settings.daemon.log_level)
    house = open_house(loaded, clock, ids)
    listening = Listening(
        lambda: Listeners(
            house.settings,
            house.store.spool,
            recipients(house.policy),
            clock=clock,
            ids=ids,
            config_folder=house.config_folder,
            on_accept=lambda _: None,
            verify_password=verify_password,
            at_end=house.store.close,
        )
    )
    listening.start()
    print("listening", flush=True)
    sys.stdin.buffer.read()
    listening.stop()
    listening.join(10)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
