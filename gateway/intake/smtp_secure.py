"""STARTTLS and AUTH on one connection (RFC 3207, 4954). The exchanges are aiosmtpd's; added are:

- AUTH knows of implicit TLS, is offered only where an agent has a password, and takes the mechanism's name
  in any case of letters;
- passwords are checked in a thread, a wrong one has to wait, the third one ends the connection;
- a second STARTTLS is refused, and what was pipelined behind the first is dropped.
"""

# The base has no types, and names its methods for the commands.
# mypy: disable-error-code="misc"
# ruff: noqa: N802

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiosmtpd.smtp import AuthResult

from gateway.intake.smtp_auth import AuthBusy
from gateway.intake.smtp_connection import Connection
from gateway.intake.smtp_context import ListenerContext

_FAILED_LOGINS = 3


class SecureConnection(Connection):
    """A conversation that can become private, with a client who can be known."""

    def __init__(self, context: ListenerContext) -> None:
        super().__init__(context)
        self._failed_logins = 0

    @property
    def authenticated_as(self) -> str | None:
        """Name of the agent who logged in."""
        return self.session.auth_data if self.session.authenticated else None

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self.encrypted:
            await self.push("503 5.5.1 TLS is already active")
            return
        if self.tls_context is not None and not arg:
            # What was pipelined behind STARTTLS is not the client's but anybody's (RFC 3207 section 6).
            self._reader._buffer.clear()
        await super().smtp_STARTTLS(arg)

    def auth_is_offered(self) -> bool:
        """Whether AUTH may be used now."""
        return bool(self.context.logins) and (self.encrypted or not self._auth_require_tls)

    async def check_auth_needed(self, caller_method: str) -> bool:
        if self.context.listener.auth_required and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
            return True
        return False

    async def smtp_AUTH(self, arg: str | None) -> None:
        if not self.context.logins:
            await self.push("502 5.5.1 AUTH is not available")
            return
        if self.envelope.mail_from is not None:
            await self.push("503 5.5.1 AUTH is not permitted during a mail transaction")
            return
        mechanism, space, initial = (arg or "").partition(" ")
        await super().smtp_AUTH(mechanism.upper() + space + initial)

    def _authenticate(self, mechanism: str, auth_data: Any) -> AuthResult:
        # The base only takes login and password out of the exchange; `_checked` looks at them.
        return AuthResult(success=True, auth_data=auth_data)

    async def auth_PLAIN(self, _: Any, args: Sequence[str]) -> AuthResult:
        return await self._checked(await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: Any, args: Sequence[str]) -> AuthResult:
        return await self._checked(await super().auth_LOGIN(_, args))

    async def _checked(self, parsed: AuthResult) -> AuthResult:
        if not parsed.success:
            return parsed
        logins = self.context.logins
        assert logins is not None
        assert self._client_key is not None
        try:
            agent = await logins.check(self._client_key, parsed.auth_data.login, parsed.auth_data.password)
        except AuthBusy:
            busy = "454 4.7.0 Temporary authentication failure"
            return AuthResult(success=False, handled=False, message=busy)
        if agent is not None:
            self.log.info("login_accepted", client=self.client, agent=agent)
            return AuthResult(success=True, auth_data=agent)
        self._failed_logins += 1
        known = logins.agent(parsed.auth_data.login)
        # a login that is nobody's stays out of the log: people type their passwords there
        self.log.warning(
            "login_refused",
            client=self.client,
            agent=None if known is None else known.name,
            reason="unknown user" if known is None else "wrong password",
        )
        await asyncio.sleep(self.context.login_delay_s)
        if self._failed_logins >= _FAILED_LOGINS:
            self._over = True
            goodbye = "421 4.7.0 Too many failed logins, closing connection"
            return AuthResult(success=False, handled=False, message=goodbye)
        return AuthResult(success=False, handled=False)
