"""What systemd hears of us."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gateway.daemon.notify import Notify


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_hears_our_states(tmp_path: Path, abstract: bool) -> None:
    name = f"@ticketgate-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(5)
        notify = Notify({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"})
        assert notify.watchdog_s == 15
        notify.ready("taking mail")
        notify.reloading(5)
        notify.watchdog()
        notify.stopping()
        heard = [manager.recv(1000).decode() for _ in range(4)]
    assert heard == [
        "READY=1\nSTATUS=taking mail",
        "RELOADING=1\nMONOTONIC_USEC=5",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_without_a_service_manager_nothing_happens() -> None:
    notify = Notify({})
    notify.ready("x")
    assert notify.watchdog_s is None


def test_a_manager_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    notify = Notify({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notify.ready("x")
    notify.stopping()


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    assert Notify({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None
