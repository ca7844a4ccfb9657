"""The unix socket of a listener: made so that nobody gets in who may not, taken away when it is dead.

A socket is bound, given its group and mode, and only then listened on: until that, nobody at all can connect.
What a dead process has left at the path is removed; a socket on which somebody listens never is. Two daemons
that start at once follow one another by a lock on the folder.

Raises OSError where the path cannot be had, and ValueError where there is no such group.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ANSWER_S = 1.0


class UnixSocket:
    """A socket that listens at `path`. It is the file's owner: `remove` takes away only what it has made."""

    def __init__(self, path: str, mode: int, group: str | None, backlog: int) -> None:
        self.path = path
        gid = group_id(group)
        with _alone(Path(path).parent):
            _remove_dead(path)
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.bind(path)
                try:
                    self._made = _identity(path)
                    _permit(path, mode, gid)
                    self.socket.listen(backlog)
                except BaseException:
                    os.unlink(path)
                    raise
            except BaseException:
                self.socket.close()
                raise
        self.socket.setblocking(False)

    def permit(self, mode: int, group: str | None) -> None:
        """Another mode and group from now on. Who is connected stays so."""
        _permit(self.path, mode, group_id(group))

    def remove(self) -> None:
        """Take the file away, unless another has taken its place."""
        if _identity(self.path) == self._made:
            os.unlink(self.path)


def group_id(group: str | None) -> int:
    """The number of a group; that of this process for None. Raises ValueError."""
    if group is None:
        return os.getegid()
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ValueError(f"there is no group {group} on this machine") from None


def _permit(path: str, mode: int, gid: int) -> None:
    if os.lstat(path).st_gid != gid:
        # first nobody of the old group, then the new group, then its rights
        os.chmod(path, mode & 0o700)
        try:
            os.chown(path, -1, gid)
        except PermissionError as error:
            public = f"the daemon's user is no member of the group {gid}, so it cannot give it the socket"
            raise PermissionError(error.errno, public, path) from error
    os.chmod(path, mode)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_dead(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file that is no socket", path)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        # a listener that is too busy to answer would be waited for
        probe.settimeout(_ANSWER_S)
        with suppress(BlockingIOError, TimeoutError):
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
                return
    raise OSError(errno.EADDRINUSE, "somebody listens there already", path)
