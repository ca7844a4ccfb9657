"""Helper processes: started while much waits, ended when told or when nothing is left."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.daemon.burst import ENOUGH, Burst
from tests.desk import Desk
from tests.peers.process import wait_until
from tests.pipeline_world import mail

WAITS_FOR_ITS_INPUT_TO_END = (sys.executable, "-c", "import sys; sys.stdin.read()")


def test_as_many_as_the_work_is_worth_and_no_more() -> None:
    burst = Burst(2, Path("."), WAITS_FOR_ITS_INPUT_TO_END)
    try:
        burst.look(ENOUGH - 1)
        assert burst.running == 0
        burst.look(ENOUGH)
        assert burst.running == 1
        burst.look(ENOUGH * 100)
        burst.look(ENOUGH * 100)
        assert burst.running == 2
    finally:
        burst.stop()
        burst.join(5)
    assert burst.running == 0


def test_one_that_fails_is_told_and_replaced() -> None:
    burst = Burst(1, Path("."), (sys.executable, "-c", "raise SystemExit(3)"))
    burst.look(ENOUGH)
    wait_until("its end", lambda: burst.look(0) is None and burst.running == 0)
    burst.stop()


def test_one_that_does_not_end_is_killed() -> None:
    burst = Burst(1, Path("."), (sys.executable, "-c", "while True: pass"))
    burst.look(ENOUGH)
    burst.stop()
    burst.join(0.2)
    assert burst.running == 0


def test_a_flood_is_worked_off_by_daemon_and_helper_and_each_mail_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.settings["daemon"]["helpers"] = 1
    desk.settings["security"]["acknowledgements_per_hour"] = 1000
    count = 500
    desk.write_config()
    box = tmp_path / "flood"
    box.mkdir()
    try:
        for number in range(count):
            (box / f"{number}.eml").write_bytes(mail(f"mail {number}\n", message_id=f"<f{number}@x.example>"))
        _spool(desk, box)
        desk.start()
        wait_until(
            "all mails to be out", lambda: len(list((tmp_path / "var/mail/new").glob("*"))) >= count * 3, 60
        )
    finally:
        desk.close()
    assert "helper_started" in desk.log()
    sent = [path.read_bytes() for path in (tmp_path / "var/mail/new").glob("*")]
    assert len(sent) == count * 3
    ids = [line for raw in sent for line in raw.splitlines() if line.startswith(b"Message-ID:")]
    assert len(set(ids)) == count * 3


def _spool(desk: Desk, box: Path) -> None:
    """Put the mails of a folder into the spool before the daemon runs."""
    import os

    from gateway.daemon.house import open_house
    from gateway.runtime import SystemClock, SystemIds
    from gateway.settings.load import load
    from gateway.store.spool import Accept, BytesRaw

    before = os.getcwd()
    os.chdir(desk.folder)
    os.environ.update(desk.environment())
    try:
        house = open_house(load(desk.config), SystemClock(), SystemIds())
        house.store.spool.accept(
            [
                Accept(
                    f"t/{path.name}",
                    "pipe",
                    "",
                    "support",
                    BytesRaw(path.read_bytes()),
                    "j@c.example",
                    (),
                    None,
                    "",
                )
                for path in sorted(box.iterdir())
            ]
        )
        house.store.close()
    finally:
        os.chdir(before)
