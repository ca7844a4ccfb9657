"""Secrets come from a file, a variable or a systemd credential, and stand in no message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.settings.model import Secret
from gateway.settings.secrets import SecretTrouble, read_secret

VALUE = "tr0ub4dor"


def put(path: Path, octets: bytes = VALUE.encode(), mode: int = 0o600) -> Path:
    path.write_bytes(octets)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_file_holds_the_secret_with_or_without_a_line_end(tmp_path: Path, end: bytes) -> None:
    put(tmp_path / "p", VALUE.encode() + end, 0o640)
    assert read_secret(Secret(file="p"), tmp_path) == VALUE
    assert read_secret(Secret(file=str(tmp_path / "p")), Path("/elsewhere")) == VALUE


def test_blanks_belong_to_the_secret(tmp_path: Path) -> None:
    put(tmp_path / "p", b" a b \n")
    assert read_secret(Secret(file="p"), tmp_path) == " a b "


def test_a_variable_holds_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_PASSWORD", VALUE)
    assert read_secret(Secret(env="DESK_PASSWORD"), tmp_path) == VALUE


def test_systemd_gives_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "imap", mode=0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(Secret(credential="imap"), Path("/elsewhere")) == VALUE


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644])
def test_a_file_that_is_open_to_everybody_is_refused(tmp_path: Path, mode: int) -> None:
    path = put(tmp_path / "p", mode=mode)
    with pytest.raises(SecretTrouble, match=f"open to everybody .mode {mode:04o}.*run: chmod o= {path}"):
        read_secret(Secret(file="p"), tmp_path)


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "is empty, put the secret there"),
        (b"\n", "is empty"),
        (VALUE.encode() + b"\nmore", "holds more than one line"),
        (VALUE.encode() + b"\0", "holds more than one line"),
        (VALUE.encode() + b"\xff", "is not UTF-8 text"),
        (VALUE.encode() * 10000, "is too large for a secret"),
    ],
)
def test_a_file_that_holds_no_secret_is_told_without_its_text(
    tmp_path: Path, octets: bytes, told: str
) -> None:
    put(tmp_path / "p", octets)
    with pytest.raises(SecretTrouble, match=told) as caught:
        read_secret(Secret(file="p"), tmp_path)
    error: BaseException | None = caught.value
    while error is not None and not error.__suppress_context__:
        assert VALUE not in repr(error)
        error = error.__context__


def test_what_is_not_there_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    for secret, told in [
        (Secret(file="no"), rf"{tmp_path}/no cannot be read \(No such file or directory\), make it readable"),
        (Secret(file="."), "is no file, name a file"),
        (Secret(env="NO_SUCH"), "the environment variable NO_SUCH is not set, set it"),
        (Secret(credential="imap"), "add LoadCredential=imap:/path/of/the/file to the unit"),
        (Secret(credential="../etc/shadow"), "is no name of a credential"),
    ]:
        with pytest.raises(SecretTrouble, match=told):
            read_secret(secret, tmp_path)


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p", 0o600)
    with pytest.raises(SecretTrouble, match="is no file"):
        read_secret(Secret(file="p"), tmp_path)
