"""Where a listener listens: addresses as the config writes them, and sockets that systemd hands over.

`parse_listen` reads `host:port`, `[v6]:port` and `unix:/path`. `inherited_sockets` takes the sockets of
socket activation (sd_listen_fds(3)) by name, so that a restart of the daemon refuses no connection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_DESCRIPTOR = 3


def parse_listen(listen: str) -> str | tuple[str, int]:
    """`listen` of a listener as the path of a unix socket, or as (host, port). Raises ValueError."""
    if listen.startswith("unix:"):
        return listen.removeprefix("unix:")
    host, _, port = listen.rpartition(":")
    number = int(port)
    if number > 65535:
        raise ValueError(f"{number} is no port")
    return host.removeprefix("[").removesuffix("]"), number


def inherited_sockets(
    environ: Mapping[str, str], first: int = FIRST_DESCRIPTOR
) -> dict[str, list[socket.socket]]:
    """Sockets that the service manager opened for this process, by name (`FileDescriptorName=`).

    Empty where the variables are meant for another process or are not there. The sockets are not passed
    on to child processes. Raises OSError where a descriptor is no socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = environ.get("LISTEN_FDS", "0")
    if not count.isdigit():
        return {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    for offset in range(int(count)):
        opened = socket.socket(fileno=first + offset)
        opened.set_inheritable(False)
        opened.setblocking(False)
        name = names[offset] if offset < len(names) else "unknown"
        sockets.setdefault(name, []).append(opened)
    return sockets
