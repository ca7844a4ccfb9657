"""Dovecot 2.3 as IMAP and LMTP server, with users made on demand.

IMAP offers STARTTLS and plain LOGIN on one port, implicit TLS on another; IDLE, MOVE, UIDPLUS; AUTH PLAIN,
LOGIN, XOAUTH2 and OAUTHBEARER (tokens are JSON Web Tokens that `oauth_token` signs). LMTP delivers to the
users' Maildirs, takes `name+detail` for `name`, and answers 550 for an unknown user.
"""

from __future__ import annotations

import base64
import grp
import hashlib
import hmac
import imaplib
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.certificates import Certificates
from tests.peers.process import (
    HOST,
    Server,
    account,
    answers,
    find_program,
    free_port,
    is_root,
    server_folder,
    wait_until,
)

PASSWORD = "correct horse"
_TOKEN_KEY = b"a key that only this test server knows"

_CONFIG = """\
protocols = imap lmtp
listen = {host}
base_dir = {folder}/run
log_path = {folder}/dovecot.log
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
auth_verbose = yes
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN username_format=%Lu {folder}/users/%Lu
}}
userdb {{
  driver = passwd-file
  args = username_format=%Lu {folder}/users/%Lu
}}
mail_location = maildir:~/Maildir
mail_fsync = never
first_valid_uid = 1
mail_max_userip_connections = 200
recipient_delimiter = +
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Archive {{
    auto = create
  }}
}}
service imap-login {{
  {no_chroot}
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service auth {{
  inet_listener sasl {{
    port = {sasl_port}
  }}
}}
service stats {{
  {no_chroot}
}}
service anvil {{
  {no_chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.test
}}
"""

_OAUTH2 = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""


def _delivered_at(path: Path) -> tuple[int, int]:
    """Seconds and microseconds out of a Maildir file name such as 1795328436.M53824P10487.vm,S=16:2,S."""
    found = re.match(r"(\d+)\.M(\d+)P", path.name)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@dataclass(frozen=True, slots=True)
class UserBox:
    """A user of the server. `user` is the login name, which is the address."""

    user: str
    password: str
    address: str
    maildir: Path
    _imap_port: int

    def mails(self, folder: str = "INBOX") -> list[bytes]:
        """The raw mails of a folder, oldest first, read from the Maildir (with \\n line ends)."""
        base = self.maildir if folder == "INBOX" else self.maildir / f".{folder.replace('/', '.')}"
        files = [path for part in ("new", "cur") for path in (base / part).glob("*")]
        files.sort(key=_delivered_at)
        return [path.read_bytes() for path in files]

    def wait_for_mails(self, count: int = 1, folder: str = "INBOX", seconds: float = 20.0) -> list[bytes]:
        """The raw mails of a folder as soon as there are `count` of them. Raises `TimeoutError`."""
        wait_until(f"{count} mails for {self.address}", lambda: len(self.mails(folder)) >= count, seconds)
        return self.mails(folder)

    def append(self, raw: bytes, folder: str = "INBOX", flags: str = "") -> None:
        """Put a mail into a folder by IMAP APPEND; `flags` such as "\\\\Seen"."""
        with self.imap() as link:
            status, reply = link.append(folder, f"({flags})", None, raw)  # type: ignore[arg-type]
            assert status == "OK", reply

    def imap(self) -> imaplib.IMAP4:
        """A connection that is logged in; close it by `with`."""
        link = imaplib.IMAP4(HOST, self._imap_port, timeout=20)
        link.login(self.user, self.password)
        return link

    def empty(self) -> None:
        """Remove all mails of all folders, by IMAP."""
        with self.imap() as link:
            for folder in ("INBOX", *(path.name[1:] for path in self.maildir.glob(".*") if path.is_dir())):
                link.select(f'"{folder.replace(".", "/")}"')
                link.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
                link.expunge()


class Dovecot:
    """The running server; see the module."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        program = find_program("Dovecot", "dovecot")
        find_program("Dovecot (package dovecot-imapd)", "/usr/lib/dovecot/imap", "/usr/libexec/dovecot/imap")
        find_program("Dovecot (package dovecot-lmtpd)", "/usr/lib/dovecot/lmtp", "/usr/libexec/dovecot/lmtp")
        self.host = HOST
        self.imap_port = free_port()
        self.imaps_port = free_port()
        self.lmtp_port = free_port()
        self.sasl_port = free_port()
        self.ca_file = certificates.ca_file
        self._folder = folder
        self._users: dict[str, UserBox] = {}
        self._numbers = itertools.count(1)
        self._mail_account = account("nobody")
        self._write_config(certificates)
        self._server = Server(
            [program, "-F", "-c", str(folder / "dovecot.conf")],
            folder / "output.log",
            lambda: answers(self.imap_port, b"* OK") and answers(self.lmtp_port, b"220 "),
        )

    def _write_config(self, certificates: Certificates) -> None:
        folder = self._folder
        internal, login = account("dovecot"), account("dovenull")
        plain_user = not is_root()
        text = _CONFIG.format(
            host=HOST,
            folder=folder,
            internal=internal.pw_name,
            internal_group=grp.getgrgid(internal.pw_gid).gr_name,
            login=login.pw_name,
            no_chroot="chroot =" if plain_user else "",
            certificate=certificates.certificate,
            key=certificates.key,
            imap_port=self.imap_port,
            imaps_port=self.imaps_port,
            lmtp_port=self.lmtp_port,
            sasl_port=self.sasl_port,
        )
        (folder / "dovecot.conf").write_text(text)
        (folder / "oauth2.conf").write_text(_OAUTH2.format(folder=folder))
        (folder / "users").mkdir()
        keys = folder / "keys" / "default" / "HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_bytes(base64.b64encode(_TOKEN_KEY))
        mail = folder / "mail"
        mail.mkdir()
        os.chown(mail, self._mail_account.pw_uid, self._mail_account.pw_gid)

    def user(self, name: str | None = None, domain: str = "example.test") -> UserBox:
        """The user `name@domain`, made at the first call; a new name at each call where none is given."""
        name = name or f"user{next(self._numbers)}"
        address = f"{name}@{domain}".lower()
        if address not in self._users:
            home = self._folder / "mail" / domain / name
            uid, gid = self._mail_account.pw_uid, self._mail_account.pw_gid
            # A file a user: Dovecot looks at most once a second whether a file that it knows has grown.
            entry = f"{address}:{{PLAIN}}{PASSWORD}:{uid}:{gid}::{home}::\n"
            (self._folder / "users" / address).write_text(entry)
            self._users[address] = UserBox(address, PASSWORD, address, home / "Maildir", self.imap_port)
        return self._users[address]

    def oauth_token(self, box: UserBox, lifetime_s: int = 3600) -> str:
        """An access token for AUTH=XOAUTH2; with a negative lifetime one that has expired."""

        def part(value: object) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

        now = int(time.time())
        claims = {"sub": box.user, "iat": now - 86400, "nbf": now - 86400, "exp": now + lifetime_s}
        body = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
        digest = hmac.new(_TOKEN_KEY, body.encode(), hashlib.sha256).digest()
        return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    def start(self) -> None:
        """Start it; returns when IMAP and LMTP answer."""
        self._server.start()

    def stop(self) -> None:
        """End it in good order."""
        self._server.stop()

    def kill(self) -> None:
        """End it and every connection at once, as a crash does; the mails stay."""
        self._server.kill()
        shutil.rmtree(self._folder / "run", ignore_errors=True)

    def restart(self) -> None:
        """Start it again on the same ports and mails."""
        self._server.restart()

    def log(self) -> str:
        """The end of its log."""
        path = self._folder / "dovecot.log"
        return (path.read_text(errors="replace") if path.exists() else "") + self._server.log()


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """A running Dovecot, shared by the tests of this process: take users of your own."""
    with server_folder("dovecot") as folder:
        server = Dovecot(folder, certificates)
        server.start()
        try:
            yield server
        finally:
            server.kill()
