"""A certificate authority and a server certificate for localhost, made by the openssl program."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.process import find_program, server_folder

_EXTENSIONS = """\
subjectAltName = DNS:localhost, DNS:mail.example.test, IP:127.0.0.1
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
"""
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: `ca_file` to trust, `certificate` and `key` of a server that is called localhost,
    mail.example.test and 127.0.0.1. `other_ca_file` is an authority that signed none of them."""

    ca_file: Path
    certificate: Path
    key: Path
    other_ca_file: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and what it signs in `folder`."""
    program = find_program("openssl", "openssl")

    def openssl(*arguments: str) -> None:
        subprocess.run([program, *arguments], check=True, capture_output=True, timeout=20)

    def path(name: str) -> str:
        return str(folder / name)

    def authority(name: str) -> None:
        openssl(
            *("req", "-x509", *_KEY, "-days", "30", "-subj", f"/CN=ticketgate test {name}"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", path(f"{name}.key"), "-out", path(f"{name}.pem")),
        )

    authority("ca")
    authority("other-ca")
    (folder / "server.ext").write_text(_EXTENSIONS)
    openssl("req", *_KEY, "-subj", "/CN=localhost", "-keyout", path("server.key"), "-out", path("server.csr"))
    openssl(
        *("x509", "-req", "-days", "30", "-in", path("server.csr"), "-extfile", path("server.ext")),
        *("-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-out", path("server.pem")),
    )
    return Certificates(
        ca_file=folder / "ca.pem",
        certificate=folder / "server.pem",
        key=folder / "server.key",
        other_ca_file=folder / "other-ca.pem",
    )


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """A certificate authority and a server certificate for localhost."""
    with server_folder("tls") as folder:
        yield make_certificates(folder)
