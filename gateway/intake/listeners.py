"""The SMTP and LMTP listeners of one daemon: opened, served, taken to a new config, closed.

`Listeners` lives in a running asyncio loop. `start` opens all ports or none. `reload` takes new settings
whole or not at all: connections that are open go on under the old ones. `stop` takes no further mail,
sends idle clients away with 421, lets a mail that is being received or stored come to its end, and drops
what is left when the grace is over.

`start` and `reload` raise OSError (a port is taken, a certificate cannot be read), ssl.SSLError and
ValueError (a listener that cannot be).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from gateway.intake.group_commit import GroupCommit, SpoolLike
from gateway.intake.recipients import Recipients
from gateway.intake.smtp_auth import AgentLogins
from gateway.intake.smtp_context import ListenerContext
from gateway.intake.smtp_limits import Connections, InFlight, SlidingWindow
from gateway.intake.smtp_server import LmtpServer, SmtpServer
from gateway.intake.sockets import parse_listen
from gateway.intake.unix_socket import UnixSocket, group_id
from gateway.ports import Clock, Ids
from gateway.settings.model import Listener, ListenerTls, Settings

log = structlog.get_logger()

_BACKLOG = 256
_TLS_HANDSHAKE_S = 15.0
_POLL_S = 0.02

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd writes every command of a client there


def server_tls(tls: ListenerTls, config_folder: Path) -> ssl.SSLContext:
    """The TLS context of a listener. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config_folder / tls.certificate, config_folder / tls.key)
    return context


class _Open:
    """One listener that is open."""

    def __init__(self, context: ListenerContext) -> None:
        self.context = context
        self.servers: list[asyncio.Server] = []
        self.unix: UnixSocket | None = None

    def protocol(self) -> asyncio.Protocol:
        """A connection under the settings of this moment."""
        made = LmtpServer if self.context.listener.protocol == "lmtp" else SmtpServer
        return made(self.context)

    async def open(self, inherited: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        tls = self.context.tls if self.context.implicit_tls else None
        handshake = _TLS_HANDSHAKE_S if tls else None
        where = parse_listen(self.context.listener.listen)
        for opened in inherited:
            make = loop.create_unix_server if opened.family == socket.AF_UNIX else loop.create_server
            self.servers.append(
                await make(
                    self.protocol, sock=opened, ssl=tls, ssl_handshake_timeout=handshake, backlog=_BACKLOG
                )
            )
        if inherited:
            return
        if isinstance(where, str):
            listener = self.context.listener
            self.unix = UnixSocket(where, listener.socket_mode, listener.socket_group, _BACKLOG)
            server = await loop.create_unix_server(
                self.protocol,
                sock=self.unix.socket,
                ssl=tls,
                ssl_handshake_timeout=handshake,
                backlog=_BACKLOG,
            )
        else:
            host, port = where
            server = await loop.create_server(
                self.protocol, host, port, ssl=tls, ssl_handshake_timeout=handshake, backlog=_BACKLOG
            )
        self.servers.append(server)

    def close(self) -> None:
        if self.unix is not None:
            # before the socket is closed: after that another daemon may have its own at the same path
            self.unix.remove()
        for server in self.servers:
            server.close()
        self.servers = []
        if self.unix is not None:
            self.unix.socket.close()
            self.unix = None

    def permit(self, listener: Listener) -> None:
        """Mode and group of a unix socket as `listener` says. Raises OSError, ValueError."""
        if self.unix is not None:
            self.unix.permit(listener.socket_mode, listener.socket_group)


class Listeners:
    """All listeners of the settings."""

    def __init__(
        self,
        settings: Settings,
        spool: SpoolLike,
        recipients: Recipients,
        *,
        clock: Clock,
        ids: Ids,
        config_folder: Path,
        on_accept: Callable[[int], None],
        verify_password: Callable[[str, str], bool],
        inherited: Mapping[str, Sequence[socket.socket]] | None = None,
        at_end: Callable[[], None] | None = None,
        login_delay_s: float = 1.0,
    ) -> None:
        """`on_accept` is called in the loop with each new spool id. `inherited`: sockets by name of the
        listener (`sockets.inherited_sockets`). `at_end` runs in the committing thread when it ends.
        `login_delay_s`: how long a wrong password waits for its answer."""
        self._settings = settings
        self._recipients = recipients
        self._clock = clock
        self._ids = ids
        self._config_folder = config_folder
        self._on_accept = on_accept
        self._verify_password = verify_password
        self._inherited = dict(inherited or {})
        self._login_delay_s = login_delay_s
        self._commit = GroupCommit(spool, at_end)
        self._logins: AgentLogins | None = None
        self._open: dict[str, _Open] = {}
        self._retired: list[_Open] = []

    async def start(self) -> None:
        """Open all listeners, or none."""
        Path(self._settings.state_dir).mkdir(parents=True, exist_ok=True)
        self._open, self._logins = await self._opened(self._settings, self._recipients, {})
        self._commit.start()

    async def reload(self, settings: Settings, recipients: Recipients) -> None:
        """Go on with new settings, or, where they cannot be, with the old ones (and raise)."""
        old, old_logins = self._open, self._logins
        self._open, self._logins = await self._opened(settings, recipients, old)
        self._settings, self._recipients = settings, recipients
        kept = {id(opened) for opened in self._open.values()}
        for opened in old.values():
            if id(opened) not in kept:
                opened.close()
                self._retired.append(opened)
        if old_logins is not None:
            old_logins.close()

    async def _opened(
        self, settings: Settings, recipients: Recipients, old: Mapping[str, _Open]
    ) -> tuple[dict[str, _Open], AgentLogins]:
        logins = AgentLogins(settings.agents, self._clock, self._verify_password)
        contexts = [self._context(listener, settings, recipients, logins) for listener in settings.listeners]
        opened: dict[str, _Open] = {}
        kept: list[tuple[_Open, ListenerContext]] = []
        permitted: list[_Open] = []
        fresh: list[_Open] = []
        try:
            for context in contexts:
                name = context.listener.name
                before = old.get(name)
                if before is not None and _same_port(before.context, context):
                    kept.append((before, context))
                    opened[name] = before
                    continue
                opened[name] = _Open(context)
                fresh.append(opened[name])
                await opened[name].open(self._inherited.get(name, ()))
            for each, context in kept:
                permitted.append(each)
                each.permit(context.listener)
        except BaseException:
            for each in permitted:
                each.permit(each.context.listener)
            for each in fresh:
                each.close()
            logins.close()
            raise
        for each, context in kept:
            each.context = context
        for name, each in opened.items():
            log.info("listening", listener=name, at=[_shown(where) for where in _addresses(each)])
        return opened, logins

    def _context(
        self, listener: Listener, settings: Settings, recipients: Recipients, logins: AgentLogins
    ) -> ListenerContext:
        parse_listen(listener.listen)
        group_id(listener.socket_group)
        tls = server_tls(listener.tls, self._config_folder) if listener.tls is not None else None
        if listener.proxy_protocol and listener.tls is not None and listener.tls.mode == "implicit":
            raise ValueError(f"listener {listener.name}: a PROXY header cannot stand before implicit TLS")
        if listener.auth_required and not listener.auth:
            raise ValueError(f"listener {listener.name}: auth_required needs auth")
        before = self._open.get(listener.name)
        return ListenerContext(
            listener=listener,
            hostname=listener.hostname or settings.desk.domain,
            tls=tls,
            logins=logins if listener.auth and logins else None,
            recipients=recipients,
            commit=self._commit,
            ids=self._ids,
            connections=Connections(listener.limits),
            rate=SlidingWindow(self._clock, listener.limits.mails_per_minute_per_client, 60.0),
            in_flight=InFlight(listener.limits.bytes_in_flight),
            folder=Path(settings.state_dir),
            on_accept=self._on_accept,
            login_delay_s=self._login_delay_s,
            alive=before.context.alive if before is not None else set(),
        )

    def addresses(self, name: str) -> list[str | tuple[str, int]]:
        """Where the listener of this name is really open: (host, port), or the path of a unix socket."""
        return _addresses(self._open[name])

    def port(self, name: str) -> int:
        """The port of a listener on TCP; of use where the config says port 0."""
        for address in self.addresses(name):
            if not isinstance(address, str):
                return address[1]
        raise LookupError(f"{name} has no port")

    async def stop(self, grace_s: float = 8.0) -> None:
        """Close the ports, let go of the clients within `grace_s` seconds, end the thread and the logins."""
        listeners = [*self._open.values(), *self._retired]
        for opened in listeners:
            opened.close()
        loop = asyncio.get_running_loop()
        limit = loop.time() + grace_s
        while left := [connection for opened in listeners for connection in opened.context.alive]:
            if loop.time() >= limit:
                break
            for connection in left:
                connection.stop()
            await asyncio.sleep(_POLL_S)
        for connection in left:
            connection.abort()
        if left:
            log.warning("connections_dropped", count=len(left), reason="the grace is over")
        await loop.run_in_executor(None, self._commit.stop)
        if self._logins is not None:
            self._logins.close()
        self._open = {}
        self._retired = []


def _addresses(opened: _Open) -> list[str | tuple[str, int]]:
    found: list[str | tuple[str, int]] = []
    for server in opened.servers:
        for listening in server.sockets:
            name = listening.getsockname()
            found.append(name if isinstance(name, str) else (name[0], name[1]))
    return found


def _shown(where: str | tuple[str, int]) -> str:
    if isinstance(where, str):
        return where
    host, port = where
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _same_port(old: ListenerContext, new: ListenerContext) -> bool:
    """Whether the port can stay open under the new settings. Implicit TLS belongs to the port itself."""
    return (
        old.listener.listen == new.listener.listen
        and old.implicit_tls == new.implicit_tls
        and (not new.implicit_tls or old.listener.tls == new.listener.tls)
    )
