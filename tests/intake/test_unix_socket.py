"""The unix socket of a listener: who gets in, and what becomes of a file that was there before."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.recipients import Recipients
from gateway.intake.unix_socket import UnixSocket
from gateway.settings.model import Listener
from tests.intake.smtp_tools import Client, desk_settings, serving, verify_signed

_KNOCK = """
import os, socket, sys
path, user, group = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setgid(group)
os.setuid(user)
with socket.socket(socket.AF_UNIX) as link:
    link.settimeout(5)
    link.connect(path)
    print(link.recv(100).decode())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, and short enough for the path of a socket."""
    made = Path(tempfile.mkdtemp(prefix="desk"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def stranger() -> tuple[int, int]:
    """(user, group) of an account without any rights here."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def other_group(*but: int) -> grp.struct_group:
    return next(one for one in grp.getgrall() if one.gr_gid not in (0, *but))


def knock(path: Path, user: int, group: int) -> str:
    """What another user, with this group and no other, hears at the socket."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _KNOCK, str(path), str(user), str(group)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd="/",
    )
    return done.stdout if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def unix(path: Path, **more: Any) -> dict[str, Any]:
    return {"protocol": "lmtp", "listen": f"unix:{path}", **more}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """The daemon's own, and the widest."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_another_user_of_the_group_gets_in_and_nobody_else(
    folder: Path, tmp_path: Path, stranger: tuple[int, int]
) -> None:
    path = folder / "lmtp"
    user, own_group = stranger
    group = other_group(own_group)
    with serving(tmp_path, unix(path, socket_group=group.gr_name)):
        assert (mode_of(path), path.stat().st_gid) == (0o660, group.gr_gid)
        assert knock(path, user, group.gr_gid).startswith("220 ")
        assert knock(path, user, own_group).startswith("PermissionError")
    assert not path.exists()


@pytest.mark.usefixtures("umask")
def test_without_a_group_it_is_the_daemons_own(
    folder: Path, tmp_path: Path, stranger: tuple[int, int]
) -> None:
    path = folder / "lmtp"
    with serving(tmp_path, unix(path)):
        assert (mode_of(path), path.stat().st_gid) == (0o660, os.getegid())
        assert knock(path, stranger[0], os.getegid()).startswith("220 ")
        assert knock(path, *stranger).startswith("PermissionError")


def test_the_mode_can_be_chosen(folder: Path, tmp_path: Path, stranger: tuple[int, int]) -> None:
    path = folder / "lmtp"
    with serving(tmp_path, unix(path, socket_mode="0666")):
        assert mode_of(path) == 0o666
        assert knock(path, *stranger).startswith("220 ")


def test_nobody_can_connect_before_mode_and_group_stand(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bound, but not yet listened on: even we ourselves are refused then."""
    path = str(folder / "lmtp")
    refused: list[bool] = []
    really = os.chmod

    def chmod(at: str, mode: int) -> None:
        with socket.socket(socket.AF_UNIX) as link:
            refused.append(link.connect_ex(path) != 0)
        really(at, mode)

    monkeypatch.setattr(os, "chmod", chmod)
    made = UnixSocket(path, 0o660, None, 5)
    assert refused == [True]
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path)
    made.socket.close()


def test_what_a_dead_daemon_left_is_taken_away(folder: Path, tmp_path: Path) -> None:
    path = folder / "lmtp"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    with serving(tmp_path, unix(path)), socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        with Client(link, lmtp=True) as client:
            assert client.mail().startswith("250 ")


@pytest.mark.parametrize("backlog", [5, 0])
def test_a_socket_on_which_somebody_listens_is_left_alone(folder: Path, backlog: int) -> None:
    """Also where it is too busy to take us."""
    path = folder / "lmtp"
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen(backlog)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3 if backlog == 0 else 0)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(str(path))
        with pytest.raises(OSError, match="somebody listens there already"):
            UnixSocket(str(path), 0o660, None, 5)
        for one in waiting:
            one.close()
        assert path.is_socket()


def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    path = folder / "lmtp"
    path.write_text("dear")
    with pytest.raises(OSError, match="no socket"):
        UnixSocket(str(path), 0o660, None, 5)
    assert path.read_text() == "dear"


def test_of_two_that_start_at_once_one_gets_it(folder: Path) -> None:
    path = str(folder / "lmtp")
    for _ in range(20):
        made: list[UnixSocket | OSError] = []

        def start(made: list[UnixSocket | OSError] = made) -> None:
            try:
                made.append(UnixSocket(path, 0o660, None, 5))
            except OSError as error:
                made.append(error)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [one for one in made if isinstance(one, UnixSocket)]
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path)
        winner.socket.close()


def test_only_what_it_has_made_is_removed(folder: Path) -> None:
    path = folder / "lmtp"
    made = UnixSocket(str(path), 0o660, None, 5)
    path.rename(folder / "moved")
    path.write_text("another's")
    made.remove()
    assert path.exists()
    path.unlink()
    made.remove()
    made.socket.close()


def test_a_group_that_is_not_there_is_told_before_anything_is_opened(folder: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="there is no group nosuchgroup"),
        serving(tmp_path, unix(folder / "lmtp", socket_group="nosuchgroup")),
    ):
        pass
    assert list(folder.iterdir()) == []


def test_a_reload_changes_the_mode_of_a_socket_that_stays_open(folder: Path, tmp_path: Path) -> None:
    path = folder / "lmtp"
    with serving(tmp_path, unix(path)) as served:
        settings = desk_settings(tmp_path, {"name": "in", **unix(path, socket_mode="0600")})
        served.run(served.listeners.reload(settings, Recipients(settings, verify_signed)))
        assert mode_of(path) == 0o600
        bad = desk_settings(tmp_path, {"name": "in", **unix(path)}, {"name": "bad", "listen": "192.0.2.1:1"})
        with pytest.raises(OSError, match=r"192\.0\.2\.1"):
            served.run(served.listeners.reload(bad, Recipients(bad, verify_signed)))
        assert mode_of(path) == 0o600, "a reload that cannot be changes nothing"


@pytest.mark.parametrize(("written", "mode"), [("0660", 0o660), ("600", 0o600), ("0o666", 0o666)])
def test_a_mode_is_octal_however_it_is_written(written: str, mode: int) -> None:
    assert Listener(name="in", listen="unix:/x", socket_mode=written).socket_mode == mode  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["rw-rw----", "0680", "6", "7777", ""])
def test_what_is_no_mode_is_a_mistake(written: str) -> None:
    with pytest.raises(ValueError, match="is no file mode"):
        Listener(name="in", listen="unix:/x", socket_mode=written)  # type: ignore[arg-type]
