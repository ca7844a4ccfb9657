"""SMTP AUTH for agents (RFC 4954): whose password it is, at a cost that tells a stranger nothing.

An agent logs in with the agent's name or one of the agent's addresses. Checking a password is slow on
purpose, so it is done in threads of its own, few at a time; an unknown user costs the same work as a known
one.

Whoever fails too often has to wait: one login from one client, and, far later, a client with all its logins.
So a forgotten password in one telephone keeps nobody else out who stands behind the same address. What is
refused unlooked at is logged once a minute and client, with its count.

Raises `AuthBusy` where the check cannot be made now: the client is asked to come later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from gateway.intake.paths import comparable
from gateway.intake.smtp_limits import Floods, SlidingWindow
from gateway.ports import Clock
from gateway.settings.model import Agent

log = structlog.get_logger()

FAILURES = 10
"""Wrong passwords of one login from one client within the window, before it has to wait."""
CLIENT_FAILURES = 10 * FAILURES
"""The same of all logins from one client together."""
FAILURE_WINDOW_S = 600.0
_WAITING = 16
_MAX_PASSWORD = 1024


class AuthBusy(Exception):
    """The password was not looked at: login or client failed too often, or too many logins wait."""


class AgentLogins:
    """Passwords of the agents. One for all listeners."""

    def __init__(
        self, agents: Sequence[Agent], clock: Clock, verify_password: Callable[[str, str], bool]
    ) -> None:
        """`verify_password(password, hash)` tells whether they fit; it is called in threads."""
        self._verify = verify_password
        self._agents: dict[str, Agent] = {}
        for agent in agents:
            if agent.password_hash is not None:
                for login in (agent.name, agent.address, *agent.aliases):
                    self._agents.setdefault(comparable(login), agent)
        self._failures = SlidingWindow(clock, FAILURES, FAILURE_WINDOW_S)
        self._client_failures = SlidingWindow(clock, CLIENT_FAILURES, FAILURE_WINDOW_S)
        self._floods = Floods(clock, _tell_flood)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="auth")
        self._waiting = 0

    def __bool__(self) -> bool:
        """Whether anybody can log in."""
        return bool(self._agents)

    async def check(self, client: str, login: bytes, password: bytes) -> str | None:
        """The agent's name, or None where login and password do not fit. Raises AuthBusy."""
        # by the words that were given: counting by the agent would tell which words mean the same one
        both = f"{client} {comparable(login.decode('utf-8', 'backslashreplace'))}"
        full = self._failures.is_full(both) or self._client_failures.is_full(client)
        if full or self._waiting >= _WAITING:
            self._floods.note(client)
            raise AuthBusy
        self._waiting += 1
        try:
            name = await self._check(login, password)
        finally:
            self._waiting -= 1
        if name is None:
            self._failures.take(both)
            self._client_failures.take(client)
        return name

    def agent(self, login: bytes) -> Agent | None:
        """Whose login this is, whatever the password."""
        try:
            return self._agents.get(comparable(login.decode()))
        except UnicodeDecodeError:
            return None

    async def _check(self, login: bytes, password: bytes) -> str | None:
        if not self._agents or len(password) > _MAX_PASSWORD:
            return None
        known = self.agent(login)
        try:
            secret = password.decode()
        except UnicodeDecodeError:
            return None
        # Somebody's hash is checked even for nobody, so that the time tells nothing.
        agent = known or next(iter(self._agents.values()))
        assert agent.password_hash is not None
        loop = asyncio.get_running_loop()
        fits = await loop.run_in_executor(self._threads, self._verify, secret, agent.password_hash)
        return known.name if known is not None and fits else None

    def close(self) -> None:
        """End the threads, and tell what is left to be told."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._floods.end()


def _tell_flood(client: str, count: int) -> None:
    log.warning("login_flood", client=client, count=count)
