"""Access tokens from a refresh-token file (failure case 20): rotation is saved first, revocation is told."""

from __future__ import annotations

import io
import json
import os
import stat
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.oauth import AccessTokens, default_opener
from gateway.intake.trouble import AccessRevoked
from gateway.ports import SourceTrouble
from gateway.settings.model import OAuth
from tests.intake.imap_tools import HandClock

OAUTH = OAuth(
    token_url="https://login.example.test/token", client_id="desk", refresh_token_file="r", scope="imap"
)


class TokenServer:
    """An opener that answers out of a list: a dict is a 200 with JSON, (status, dict) an HTTP error."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        self.timeouts: list[float] = []
        self.on_ask: Callable[[], None] = lambda: None

    def open(
        self, fullurl: urllib.request.Request, data: bytes | None = None, timeout: float = 0
    ) -> io.BytesIO:
        assert isinstance(fullurl.data, bytes)
        self.asked.append(dict(urllib.parse.parse_qsl(fullurl.data.decode())))
        self.timeouts.append(timeout)
        self.on_ask()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):
            status, body = answer
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            raise urllib.error.HTTPError(fullurl.full_url, status, "no", Message(), io.BytesIO(text))
        return io.BytesIO(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "refresh"
    path.write_text("first\n")
    path.chmod(0o600)
    return path


def tokens(file: Path, server: TokenServer, clock: HandClock | None = None) -> AccessTokens:
    return AccessTokens(OAUTH, file, lambda: "hush", clock or HandClock(), opener=server, timeout_s=7)


def test_a_token_is_asked_for_once_and_again_before_it_ends(file: Path) -> None:
    clock = HandClock()
    server = TokenServer({"access_token": "a", "expires_in": 3600}, {"access_token": "b", "expires_in": 3600})
    source = tokens(file, server, clock)
    assert [source.get(), source.get()] == ["a", "a"]
    assert server.asked == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "first",
            "client_id": "desk",
            "client_secret": "hush",
            "scope": "imap",
        }
    ]
    assert server.timeouts == [7]
    clock.pass_(seconds=3600 - 119)
    assert source.get() == "b"


def test_a_rotated_refresh_token_is_on_disk_before_the_access_token_is_handed_out(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    rename, fsync = Path.rename, os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(Path, "rename", lambda a, b: (order.append("rename"), rename(a, b))[1])
    source = tokens(file, TokenServer({"access_token": "a", "refresh_token": "second"}))
    assert source.get() == "a"
    assert order == ["fsync", "rename", "fsync"]
    assert file.read_text() == "second\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["refresh"]
    assert source.get() == "a", "the cached token belongs to the new refresh token"


def test_the_mode_is_0600_whatever_the_umask_and_the_old_mode(file: Path) -> None:
    file.chmod(0o644)
    (file.parent / ".refresh.new").write_text("left over by a crash")
    before = os.umask(0)
    try:
        tokens(file, TokenServer({"access_token": "a", "refresh_token": "second"})).get()
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == "second\n"


def test_a_symbolic_link_stays_one(file: Path) -> None:
    link = file.parent / "link"
    link.symlink_to(file)
    tokens(link, TokenServer({"access_token": "a", "refresh_token": "second"})).get()
    assert link.is_symlink()
    assert file.read_text() == "second\n"


def test_a_rotated_token_that_cannot_be_written_is_not_lost_and_not_used_before(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tokens(file, TokenServer({"access_token": "a", "refresh_token": "second"}))
    with monkeypatch.context() as broken:

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        broken.setattr(os, "fsync", full)
        for _ in range(2):
            with pytest.raises(SourceTrouble, match="No space left") as caught:
                source.get()
            assert "second" not in caught.value.public
        assert file.read_text() == "first\n"
    assert source.get() == "a"
    assert file.read_text() == "second\n"


def test_a_new_content_of_the_file_is_picked_up_without_a_restart(file: Path) -> None:
    server = TokenServer({"access_token": "a"}, {"access_token": "b"})
    source = tokens(file, server)
    source.get()
    file.write_text("by the admin\n")
    assert source.get() == "b"
    assert server.asked[1]["refresh_token"] == "by the admin"


def test_an_admins_new_token_is_not_overwritten_by_a_rotation_that_was_under_way(file: Path) -> None:
    server = TokenServer({"access_token": "a", "refresh_token": "second"}, {"access_token": "b"})
    server.on_ask = lambda: file.write_text("by the admin\n")
    source = tokens(file, server)
    source.get()
    assert file.read_text() == "by the admin\n"
    assert source.get() == "b"


def test_an_admins_new_token_is_not_overwritten_by_a_rotation_that_could_not_be_saved(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = TokenServer({"access_token": "a", "refresh_token": "second"}, {"access_token": "b"})
    source = tokens(file, server)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", lambda _a, _b: (_ for _ in ()).throw(OSError(30, "Read-only")))
        with pytest.raises(SourceTrouble):
            source.get()
    file.write_text("by the admin\n")
    assert source.get() == "b"
    assert file.read_text() == "by the admin\n"


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client", "unauthorized_client"])
def test_revoked_is_told_in_plain_words_and_a_new_token_works_at_once(file: Path, error: str) -> None:
    answer = (400, {"error": error, "error_description": "Token has been\r\nexpired or revoked."})
    source = tokens(file, TokenServer(answer, {"access_token": "b"}))
    with pytest.raises(AccessRevoked, match=error) as caught:
        source.get()
    assert "first" not in caught.value.public
    assert "hush" not in caught.value.public
    assert "\n" not in caught.value.public
    file.write_text("second\n")
    assert source.get() == "b"


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"<html>oops</html>"),
        (429, {"error": "slow_down"}),
        (400, {"error": "temporarily_unavailable"}),
        (302, b""),
        urllib.error.URLError(TimeoutError("timed out")),
        TimeoutError("timed out"),
        ConnectionResetError(104, "reset"),
        b"no json",
        b"[1, 2]",
        b"[" * 60_000,
        b'{"access_token": "' + b"x" * 70_000 + b'"}',
        {"access_token": ""},
        {"access_token": 7},
        {"token_type": "Bearer"},
    ],
)
def test_what_may_pass_is_trouble_and_the_file_stays(file: Path, answer: Any) -> None:
    source = tokens(file, TokenServer(answer, {"access_token": "b"}))
    with pytest.raises(SourceTrouble) as caught:
        source.get()
    assert not isinstance(caught.value, AccessRevoked)
    assert "first" not in caught.value.public
    assert file.read_text() == "first\n"
    assert source.get() == "b"


def test_an_error_in_a_200_counts(file: Path) -> None:
    with pytest.raises(AccessRevoked):
        tokens(file, TokenServer({"error": "invalid_grant"})).get()


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_a_missing_or_empty_file_is_told(file: Path, content: str | None) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with pytest.raises(SourceTrouble, match="refresh"):
        tokens(file, TokenServer()).get()


def test_a_refused_access_token_is_forgotten(file: Path) -> None:
    source = tokens(file, TokenServer({"access_token": "a"}, {"access_token": "b"}))
    source.get()
    source.forget()
    assert source.get() == "b"


def test_two_mailboxes_on_one_file_do_not_spend_a_rotating_token_twice(file: Path) -> None:
    """The server takes each refresh token once: a second use of it would revoke the grant."""
    valid, generation = "first", 1
    asked: list[str] = []

    class Rotating:
        def open(self, fullurl: urllib.request.Request, data: None = None, timeout: float = 0) -> io.BytesIO:
            nonlocal valid, generation
            assert isinstance(fullurl.data, bytes)
            given = dict(urllib.parse.parse_qsl(fullurl.data.decode()))["refresh_token"]
            asked.append(given)
            if given != valid:
                body = io.BytesIO(b'{"error": "invalid_grant"}')
                raise urllib.error.HTTPError(fullurl.full_url, 400, "no", Message(), body)
            generation += 1
            valid = f"token-{generation}"
            return io.BytesIO(json.dumps({"access_token": "a", "refresh_token": valid}).encode())

    errors: list[Exception] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        source = AccessTokens(OAUTH, file, None, HandClock(), opener=Rotating())
        barrier.wait(10)
        try:
            for _ in range(5):
                source.forget()
                source.get()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert len(asked) == len(set(asked)) == 40
    assert file.read_text().strip() == valid


@pytest.mark.parametrize(
    "url", ["http://login.example.test/token", "file:///etc/passwd", "ftp://x/", "login.example.test"]
)
def test_a_token_url_that_is_not_https_is_refused(file: Path, url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        AccessTokens(OAUTH.model_copy(update={"token_url": url}), file, None, HandClock())


def test_over_http_with_a_redirect_that_is_not_followed(file: Path) -> None:
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "/token")
                self.end_headers()
                return
            body = b'{"access_token": "a"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            paths.append(f"GET {self.path}")
            self.send_error(404)

        def log_message(self, *_arguments: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            base = f"http://127.0.0.1:{server.server_address[1]}"
            here = OAUTH.model_copy(update={"token_url": f"{base}/token"})
            away = OAUTH.model_copy(update={"token_url": f"{base}/elsewhere"})
            assert AccessTokens(here, file, None, HandClock()).get() == "a"
            with pytest.raises(SourceTrouble, match="302"):
                AccessTokens(away, file, None, HandClock(), opener=default_opener()).get()
        finally:
            server.shutdown()
            thread.join(5)
    assert paths == ["/token", "/elsewhere"]
