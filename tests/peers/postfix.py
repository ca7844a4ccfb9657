"""Postfix as an instance of its own: it takes mail on loopback ports and hands everything to Dovecot's LMTP.

Every domain is accepted; `name+detail@…` reaches `name@…`; an unknown user is bounced, because Dovecot
answers 550. `route` sends a domain or an address elsewhere, for example to the daemon's listener. Nothing
is looked up in DNS; a deferred mail is tried again after one second. Postfix's master needs root: without
it the tests that ask for it are skipped.
"""

from __future__ import annotations

import grp
import json
import os
import signal
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.certificates import Certificates
from tests.peers.dovecot import Dovecot
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

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mail.example.test
mydomain = example.test
myorigin = example.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_host_lookup = native
lmtp_host_lookup = native
smtpd_peername_lookup = no
append_dot_mydomain = no
alias_maps =
alias_database =
recipient_delimiter = +
default_transport = lmtp:inet:{host}:{lmtp_port}
transport_maps = socketmap:inet:{host}:{routes_port}:transport
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_forbid_bare_newline = normalize
smtpd_forbid_unauth_pipelining = yes
smtpd_data_restrictions = reject_unauth_pipelining
smtputf8_enable = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{host}:{sasl_port}
smtpd_tls_session_cache_database =
smtp_tls_security_level = none
smtp_connect_timeout = 5s
lmtp_connect_timeout = 5s
message_size_limit = 100000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
default_destination_concurrency_failed_cohort_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
in_flow_delay = 0
bounce_notice_recipient = postmaster@example.test
"""

_MASTER = """\
{host}:{smtp_port} inet n - n - - smtpd
{host}:{submission_port} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
{host}:{submissions_port} inet n - n - - smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace")


class _Routes(socketserver.ThreadingTCPServer):
    """Postfix's transport table as a socketmap server: netstrings, `transport KEY` in, `OK VALUE` or
    `NOTFOUND ` out (socketmap_table(5)). Postfix asks for whole addresses only, so the shorter keys are
    tried here, as transport(5) orders them."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int) -> None:
        self.table: dict[str, str] = {}
        super().__init__((HOST, port), _RoutesConnection)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def find(self, address: str) -> str | None:
        """The entry for an address: the whole, without its detail, its domain alone."""
        local_part, _, domain = address.rpartition("@")
        keys = (address, f"{local_part.partition('+')[0]}@{domain}", domain)
        return next((self.table[key] for key in keys if key in self.table), None)


class _RoutesConnection(socketserver.StreamRequestHandler):
    server: _Routes

    def handle(self) -> None:
        while (length := self._length()) is not None:
            _, _, key = self.rfile.read(length).decode().partition(" ")
            self.rfile.read(1)
            value = self.server.find(key.lower())
            answer = f"OK {value}" if value else "NOTFOUND "
            self.wfile.write(f"{len(answer.encode())}:{answer},".encode())

    def _length(self) -> int | None:
        digits = b""
        while (octet := self.rfile.read(1)) not in (b"", b":"):
            digits += octet
        return int(digits) if octet else None


class Postfix:
    """The running instance; see the module.

    `smtp_port` takes anything from loopback, STARTTLS offered; `submission_port` wants STARTTLS and AUTH,
    `submissions_port` implicit TLS and AUTH, with the users and passwords of Dovecot.
    """

    def __init__(self, folder: Path, dovecot: Dovecot, certificates: Certificates) -> None:
        if not is_root():
            pytest.skip("Postfix starts an instance of its own only as root")
        master = find_program("Postfix", "/usr/lib/postfix/sbin/master", "/usr/libexec/postfix/master")
        self._postqueue = find_program("Postfix", "/usr/sbin/postqueue", "postqueue")
        self.host = HOST
        self.smtp_port = free_port()
        self.submission_port = free_port()
        self.submissions_port = free_port()
        self.ca_file = certificates.ca_file
        self._folder = folder
        self._config = folder / "config"
        routes_port = free_port()
        self._routes = _Routes(routes_port)
        self._make_folders()
        values = {
            "host": HOST,
            "folder": folder,
            "lmtp_port": dovecot.lmtp_port,
            "sasl_port": dovecot.sasl_port,
            "routes_port": routes_port,
            "certificate": certificates.certificate,
            "key": certificates.key,
            "smtp_port": self.smtp_port,
            "submission_port": self.submission_port,
            "submissions_port": self.submissions_port,
        }
        (self._config / "main.cf").write_text(_MAIN.format(**values))
        (self._config / "master.cf").write_text(_MASTER.format(**values))
        for path in self._config.iterdir():
            # Postfix waits until main.cf is some seconds old, lest it reads one half written.
            os.utime(path, (1, 1))
        self._server = Server(
            [master, "-c", str(self._config), "-s"],
            folder / "output.log",
            lambda: answers(self.smtp_port, b"220 "),
        )

    def _make_folders(self) -> None:
        """What `postfix start` would make; its checks of every file take more than a second."""
        mail, drop = account("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        folders = {
            "config": (0, 0, 0o755),
            "data": (mail, 0, 0o700),
            "queue": (0, 0, 0o755),
            "queue/pid": (0, 0, 0o755),
            "queue/private": (mail, 0, 0o700),
            "queue/public": (mail, drop, 0o2710),
            "queue/maildrop": (mail, drop, 0o1730),
        }
        folders |= {f"queue/{name}": (mail, 0, 0o700) for name in _QUEUES}
        for name, (uid, gid, mode) in folders.items():
            path = self._folder / name
            path.mkdir()
            os.chown(path, uid, gid)
            path.chmod(mode)

    def start(self) -> None:
        """Start it; returns when it greets."""
        self._server.start()

    def stop(self) -> None:
        """End it in good order; mails in its queue stay."""
        self._server.stop()

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._routes.shutdown()
        self._routes.server_close()

    def route(self, key: str, next_hop: str | None) -> None:
        """Send a domain or a whole address to `next_hop`, such as `smtp:[127.0.0.1]:2525` or
        `lmtp:inet:127.0.0.1:2424`; None ends that. Details after + are routed like the address."""
        known = self._routes.table.pop(key.lower(), None)
        if next_hop is not None:
            self._routes.table[key.lower()] = next_hop
        if known not in (None, next_hop):
            # Its processes remember their last answer for half a minute, and a reload strands what is
            # just being delivered.
            wait_until("idle Postfix", lambda: all(row["queue_name"] == "deferred" for row in self.queue()))
            os.kill(self._server.pid, signal.SIGHUP)

    def flush(self) -> None:
        """Try all deferred mails now."""
        subprocess.run([self._postqueue, "-c", str(self._config), "-f"], check=True, timeout=20)

    def queue(self) -> list[dict[str, object]]:
        """What waits, as `postqueue -j` tells it (queue_name, queue_id, sender, recipients, …)."""
        done = subprocess.run(
            [self._postqueue, "-c", str(self._config), "-j"], check=True, capture_output=True, timeout=20
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_until_empty(self, seconds: float = 20.0) -> None:
        """Return when nothing waits. Raises `TimeoutError`."""
        wait_until("empty Postfix queue", lambda: not self.queue(), seconds)

    def log(self) -> str:
        """What it logged."""
        path = self._folder / "mail.log"
        return (path.read_text(errors="replace") if path.exists() else "") + self._server.log()


@pytest.fixture(scope="session")
def postfix(dovecot: Dovecot, certificates: Certificates) -> Iterator[Postfix]:
    """A running Postfix in front of `dovecot`, shared by the tests of this process."""
    with server_folder("postfix") as folder:
        server = Postfix(folder, dovecot, certificates)
        try:
            server.start()
            yield server
        finally:
            server.close()
