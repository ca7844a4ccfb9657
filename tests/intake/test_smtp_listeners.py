"""Opening, reloading and stopping the listeners; sockets that the service manager hands over."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.recipients import Recipients
from gateway.intake.sockets import inherited_sockets, parse_listen
from tests.intake.smtp_tools import FakeSpool, desk_settings, eventually, serving, verify_signed


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        ("127.0.0.1:2525", ("127.0.0.1", 2525)),
        ("[::1]:25", ("::1", 25)),
        ("localhost:0", ("localhost", 0)),
        ("unix:/run/lmtp.sock", "/run/lmtp.sock"),
    ],
)
def test_where_a_listener_listens(listen: str, where: Any) -> None:
    assert parse_listen(listen) == where


def test_stopping_sends_idle_clients_away_and_lets_a_mail_come_to_its_end(tmp_path: Path) -> None:
    spool = FakeSpool(gate=threading.Event())
    with serving(tmp_path, spool=spool) as served:
        port = served.port
        idle, sending, storing = served.client(), served.client(), served.client()
        sending.envelope()
        sending.send(b"Subject: half\r\n")
        storing.mail_begun = storing.envelope()  # type: ignore[attr-defined]
        storing.send(b"Subject: whole\r\n.\r\n")
        assert spool.entered.wait(5)
        stopping = threading.Thread(target=lambda: served.run(served.listeners.stop(5)))
        stopping.start()
        assert idle.reply().startswith("421 4.3.2 ")
        assert idle.is_closed()
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection(("127.0.0.1", port), timeout=1)
        sending.send(b"other half\r\n.\r\n")
        assert spool.gate is not None
        spool.gate.set()
        for client in (sending, storing):
            assert client.reply().startswith("250 2.0.0 ")
            assert client.reply().startswith("421 4.3.2 ")
            assert client.is_closed()
            client.close()
        idle.close()
        stopping.join(10)
        assert not stopping.is_alive()
    assert len(spool.mails) == 2


def test_a_mail_that_does_not_end_within_the_grace_is_dropped(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        client.envelope()
        client.send(b"Subject: half\r\n")
        assert eventually(lambda: served.context.in_flight.octets > 0)
        served.run(served.listeners.stop(0.1))
        assert client.is_closed()
    assert served.spool.mails == []


def test_all_ports_are_opened_or_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "lmtp.sock"
        listeners = [
            {"name": "in", "protocol": "lmtp", "listen": f"unix:{path}"},
            {"name": "other", "listen": f"127.0.0.1:{port}"},
        ]
        with pytest.raises(OSError, match="in use"), serving(tmp_path, listeners=listeners):
            pass
        assert not path.exists()


@pytest.mark.parametrize(
    "listener", [{"auth_required": True}, {"tls": {"certificate": "none.pem", "key": "none.key"}}]
)
def test_a_listener_that_cannot_be_does_not_start(tmp_path: Path, listener: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OSError)), serving(tmp_path, listener):
        pass


def test_reload_keeps_the_port_and_its_connections(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        port = served.port
        settings = desk_settings(tmp_path, {}, queues=[{"name": "new", "addresses": ["new@example.com"]}])
        served.run(served.listeners.reload(settings, Recipients(settings, verify_signed)))
        assert served.port == port
        assert client.mail().startswith("250 "), "an open connection goes on under the old settings"
        with served.client() as later:
            assert later.envelope("support@example.com", "new@example.com")[1:3] == [
                "550 5.1.1 No such recipient here",
                "250 2.1.5 Recipient ok",
            ]


def test_reload_opens_new_ports_and_closes_old_ones(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        old = served.port
        settings = desk_settings(tmp_path, {"name": "second"})
        served.run(served.listeners.reload(settings, Recipients(settings, verify_signed)))
        with socket.create_connection(("127.0.0.1", served.listeners.port("second")), timeout=5) as sock:
            assert sock.recv(3) == b"220"
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection(("127.0.0.1", old), timeout=1)


def test_a_reload_that_cannot_be_changes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        settings = desk_settings(tmp_path, {}, {"name": "bad", "listen": "192.0.2.1:1"})
        with pytest.raises(OSError):  # noqa: PT011
            served.run(served.listeners.reload(settings, Recipients(settings, verify_signed)))
        with served.client() as client:
            assert client.mail().startswith("250 ")


def test_sockets_of_the_service_manager_are_taken_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as manager:
        port = manager.getsockname()[1]
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "in"}
        inherited = inherited_sockets(environ, os.dup(manager.fileno()))
        with serving(tmp_path, inherited=inherited) as served:
            assert served.port == port
            with served.client() as client:
                assert client.mail().startswith("250 ")
        with socket.create_connection(("127.0.0.1", port), timeout=1) as waiting:
            assert waiting.getpeername()[1] == port, "between two daemons nobody is refused"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"},
    ],
)
def test_sockets_that_are_not_for_us_are_left_alone(environ: dict[str, str]) -> None:
    assert inherited_sockets(environ, 0) == {}
