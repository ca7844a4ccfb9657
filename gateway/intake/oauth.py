"""OAuth 2.0 access tokens from a refresh token that is kept in a file (RFC 6749 section 6).

The file is read again whenever a token is asked for, so an admin who puts a new one there needs no restart.
A refresh token that the server rotates is written (temporary file, fsync, rename, mode 0600) before the
access token that came with it is handed out: a crash between the two loses nothing. While one thread or
process talks to the token server, others that share the file wait for it (flock on the file): two of
them would otherwise spend one rotating token twice, and the provider would revoke both.

Raises `AccessRevoked` when the token server says that the grant or the client is not valid, `SourceTrouble`
for all that may pass by itself. No token and no secret is in any text.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from gateway.intake.trouble import AccessRevoked, one_line
from gateway.ports import Clock, SourceTrouble
from gateway.settings.model import OAuth

log = structlog.get_logger("intake.oauth")

_ANSWER_OCTETS = 64 * 1024
_MARGIN_S = 120.0
_LIFE_WHEN_UNTOLD_S = 600.0
_FINAL = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "unsupported_grant_type"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Opener(Protocol):
    """What `urllib.request.OpenerDirector` offers."""

    def open(self, fullurl: urllib.request.Request, data: bytes | None = None, timeout: float = ...) -> Any:
        """Send the request; returns a response with `read`, usable in a `with`."""
        ...


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token server that redirects would carry our secret elsewhere: its 3xx is an error."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def default_opener() -> Opener:
    """An opener that knows the environment's proxies and follows no redirects."""
    return urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True, slots=True)
class _Access:
    token: str
    until: float
    refresh_token: str


class AccessTokens:
    """Access tokens of one account. Used by one thread; several may share the file."""

    def __init__(
        self,
        oauth: OAuth,
        refresh_token_file: Path,
        client_secret: Callable[[], str] | None,
        clock: Clock,
        *,
        opener: Opener | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`refresh_token_file` is `oauth.refresh_token_file` made absolute. Raises ValueError where
        `token_url` is neither https nor loopback."""
        url = urllib.parse.urlsplit(oauth.token_url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ValueError("token_url must begin with https://")
        self._oauth = oauth
        self._path = refresh_token_file
        self._client_secret = client_secret
        self._clock = clock
        self._opener = opener or default_opener()
        self._timeout_s = timeout_s
        self._access: _Access | None = None
        self._unsaved: tuple[str, str] | None = None

    def get(self) -> str:
        """An access token that is valid for two more minutes at least. May talk to the token server."""
        with _locked(self._path) as there:
            refresh_token = self._save(*self._unsaved) if self._unsaved else there
            access = self._access
            if access and access.refresh_token == refresh_token and access.until > self._clock.monotonic():
                return access.token
            return self._refresh(refresh_token)

    def forget(self) -> None:
        """The server refused the access token: the next `get` asks for a new one."""
        self._access = None

    def _refresh(self, refresh_token: str) -> str:
        answer = self._ask(refresh_token)
        token, rotated = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(token, str) or not token:
            raise SourceTrouble("the token server's answer holds no access token")
        life = answer.get("expires_in")
        life_s = float(life) if isinstance(life, int | float) and life > 0 else _LIFE_WHEN_UNTOLD_S
        until = self._clock.monotonic() + max(life_s - _MARGIN_S, life_s / 2)
        if isinstance(rotated, str) and rotated and rotated != refresh_token:
            self._unsaved = (refresh_token, rotated)
            self._access = _Access(token, until, rotated)
            self._save(refresh_token, rotated)
        else:
            self._access = _Access(token, until, refresh_token)
        return token

    def _save(self, old: str, new: str) -> str:
        """Put `new` in the place of `old`; returns what the file holds then. What an admin has put there
        meanwhile (no lock binds an editor) stays as it is."""
        there = _token_in(self._path)
        if there == old:
            try:
                _write(self._path, new)
            except OSError as error:
                raise SourceTrouble(
                    f"the new refresh token cannot be written to {self._path.name}: {error.strerror}"
                ) from error
            log.info("refresh_token_rotated", file=self._path.name)
            there = new
        self._unsaved = None
        return there

    def _ask(self, refresh_token: str) -> dict[str, Any]:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self._oauth.client_id,
        }
        if self._client_secret is not None:
            form["client_secret"] = self._client_secret()
        if self._oauth.scope:
            form["scope"] = self._oauth.scope
        request = urllib.request.Request(  # noqa: S310
            self._oauth.token_url,
            data=urllib.parse.urlencode(form).encode("ascii"),
            headers={"Accept": "application/json"},
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                body = response.read(_ANSWER_OCTETS + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, _error_body(error)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise SourceTrouble(f"the token server cannot be reached: {one_line(reason)}") from error
        answer = _json(body)
        if answer is None:
            raise SourceTrouble("the token server's answer cannot be understood")
        if "error" in answer:
            raise _refused(200, body)
        return answer


def _refused(status: int, body: bytes) -> SourceTrouble:
    answer = _json(body) or {}
    error = one_line(answer.get("error", ""), 60)
    detail = one_line(answer.get("error_description", ""))
    if error in _FINAL:
        return AccessRevoked(
            f"access is revoked ({error}{': ' + detail if detail else ''}): a person has to log in again and"
            " put the new refresh token into its file"
        )
    return SourceTrouble(f"the token server answers {status} {error}".rstrip())


def _error_body(error: urllib.error.HTTPError) -> bytes:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return error.read(_ANSWER_OCTETS)
    return b""


def _json(body: bytes) -> dict[str, Any] | None:
    if len(body) > _ANSWER_OCTETS:
        return None
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[str]:
    """The refresh token, while nobody else uses the file. The holder's talk is bounded by its timeout."""
    while True:
        try:
            file = path.open("rb")
        except OSError as error:
            raise _unreadable(path, error) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            ours = os.fstat(file.fileno())
            try:
                now = path.stat()
            except FileNotFoundError:
                continue
            if (ours.st_dev, ours.st_ino) != (now.st_dev, now.st_ino):
                continue
            yield _token_in(path)
            return


def _token_in(path: Path) -> str:
    try:
        token = path.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not token:
        raise SourceTrouble(f"the refresh token file {path.name} is empty")
    return token


def _unreadable(path: Path, error: OSError) -> SourceTrouble:
    return SourceTrouble(f"the refresh token file {path.name} cannot be read: {error.strerror}")


def _write(path: Path, token: str) -> None:
    """Atomic and durable. A symbolic link stays one: what it points to is replaced."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(token.encode("ascii") + b"\n")
        file.flush()
        os.fsync(descriptor)
    temporary.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
