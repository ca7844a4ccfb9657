"""Reading secrets from where the config says they are.

Guarantees: a secret's value stands in no message. A file that others can read is refused.
Raises `SecretTrouble`, whose text names the place and the remedy.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.settings.model import Secret


class SecretTrouble(Exception):
    """A secret cannot be read. `public` may be told to admins; it holds no secret."""

    def __init__(self, public: str) -> None:
        super().__init__(public)
        self.public = public


def read_secret(secret: Secret, folder: Path) -> str:
    """The secret's text without the line end at its end. `folder` is the config folder, at which relative
    paths start. Raises `SecretTrouble`."""
    if secret.env is not None:
        value = os.environ.get(secret.env)
        if value is None:
            raise SecretTrouble(f"the environment variable {secret.env} is not set, set it for the daemon")
        return _told(value, f"the environment variable {secret.env}")
    if secret.file is not None:
        return _read(folder / secret.file)
    assert secret.credential is not None
    if "/" in secret.credential or secret.credential in ("", ".", ".."):
        raise SecretTrouble(f"{secret.credential!r} is no name of a credential, write the name alone")
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials is None:
        raise SecretTrouble(
            f"there is no credential {secret.credential}: systemd gave none,"
            f" add LoadCredential={secret.credential}:/path/of/the/file to the unit"
        )
    return _read(Path(credentials) / secret.credential)


def _read(path: Path) -> str:
    try:
        # The mode is asked of the opened file, so that nobody can change the file in between. Without
        # O_NONBLOCK a FIFO would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SecretTrouble(f"{path} is no file, name a file that holds nothing but the secret")
            if status.st_mode & 0o007:
                mode = stat.S_IMODE(status.st_mode)
                raise SecretTrouble(f"{path} is open to everybody (mode {mode:04o}), run: chmod o= {path}")
            octets = file.read(65537)
    except IsADirectoryError as error:
        raise SecretTrouble(f"{path} is no file, name a file that holds nothing but the secret") from error
    except OSError as error:
        raise SecretTrouble(
            f"{path} cannot be read ({error.strerror}), make it readable for the daemon"
        ) from error
    if len(octets) > 65536:
        raise SecretTrouble(
            f"{path} is too large for a secret, name a file that holds nothing but the secret"
        )
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        # `from None`: the error would carry the octets.
        raise SecretTrouble(f"{path} is not UTF-8 text, write the secret as text") from None
    return _told(text.removesuffix("\n").removesuffix("\r"), str(path))


def _told(value: str, place: str) -> str:
    if not value:
        raise SecretTrouble(f"{place} is empty, put the secret there")
    if "\0" in value or "\n" in value or "\r" in value:
        raise SecretTrouble(f"{place} holds more than one line, put the secret alone there")
    return value
