"""A desk under test: a config folder of its own and the real daemon as a process, or several of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.process import free_port, wait_until

KEY = "a-key-for-tests-only-0123456789"
AGENT_PASSWORD = "correct horse battery staple"


def base_settings(domain: str = "example.test") -> dict[str, Any]:
    """Settings that each test changes to its taste: queue support, agents petra and pavel, quick leases."""
    return {
        "state_dir": "var",
        "desk": {
            "name": "ACME Support",
            "domain": domain,
            "address": f"desk@{domain}",
            "ticket_prefix": "ACME",
            "admins": [f"admin@{domain}"],
        },
        "queues": [
            {"name": "support", "addresses": [f"support@{domain}"], "display_name": "ACME Support"},
        ],
        "security": {"agent_trust": "signed"},
        "signing": {"keys": [{"id": "k", "secret": {"env": "TICKETGATE_TEST_KEY"}}]},
        "delivery": {"via": {"type": "maildir", "path": "mail"}, "retry": {"first": "1s"}},
        "daemon": {"lease": "3s", "helpers": 0, "tick": "1s"},
    }


def agents(domain: str = "example.test") -> list[dict[str, Any]]:
    """Petra, who writes from two addresses, and Pavel."""
    from gateway.settings.passwords import hash_password

    return [
        {
            "name": "petra",
            "display_name": "Petra",
            "address": f"petra.private@{domain}",
            "aliases": [f"petra.phone@{domain}"],
            "password_hash": hash_password(AGENT_PASSWORD, b"0123456789abcdef"),
        },
        {"name": "pavel", "display_name": "Pavel", "address": f"pavel.private@{domain}"},
    ]


@dataclass
class Desk:
    """`folder` holds config/ and var/. `settings` may be changed before `start`, or before `reload`."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=base_settings)
    agents: list[dict[str, Any]] = field(default_factory=agents)
    environ: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def write_config(self) -> Path:
        """Write the settings down; JSON is YAML."""
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "gateway.yaml").write_text(json.dumps(self.settings, indent=1))
        (self.config / "agents.yaml").write_text(json.dumps({"agents": self.agents}, indent=1))
        return self.config

    def listener(self, name: str, protocol: str = "smtp", **more: Any) -> int:
        """Add a listener on a free port; returns the port."""
        port = free_port()
        self.settings.setdefault("listeners", []).append(
            {"name": name, "protocol": protocol, "listen": f"127.0.0.1:{port}", **more}
        )
        return port

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "gateway", *arguments, "--config", str(self.config)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "TICKETGATE_TEST_KEY": KEY, **self.environ}

    def run(self, *arguments: str, input_: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a command of ticketgate to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            input=input_,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def start(self, node: str = "one", command: list[str] | None = None) -> None:
        """Start a daemon; returns when it has greeted."""
        self.write_config()
        output = (self.folder / f"{node}.out").open("wb")
        errors = (self.folder / f"{node}.log").open("ab")
        process = subprocess.Popen(
            command or self.command("run"),
            cwd=self.folder,
            env=self.environment(),
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        output.close()
        errors.close()
        self.processes[node] = process

        def greeted() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"the daemon ended with {process.returncode}:\n{self.log(node)}")
            return b"takes mail for" in (self.folder / f"{node}.out").read_bytes()

        wait_until("the daemon's greeting", greeted, 30)

    def log(self, node: str = "one") -> str:
        return (self.folder / f"{node}.log").read_text()

    def wait_for_log(self, text: str, node: str = "one", seconds: float = 20.0) -> None:
        wait_until(f"{text!r} in the log", lambda: text in self.log(node), seconds)

    def reload(self, node: str = "one") -> None:
        self.write_config()
        self.processes[node].send_signal(signal.SIGHUP)

    def kill(self, node: str = "one") -> None:
        """SIGKILL, as a crash."""
        process = self.processes.pop(node)
        process.kill()
        process.wait(10)

    def stop(self, node: str = "one") -> int:
        """SIGTERM; returns the exit code."""
        process = self.processes.pop(node)
        process.send_signal(signal.SIGTERM)
        return process.wait(15)

    def close(self) -> None:
        for node in list(self.processes):
            self.kill(node)

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)


MakeDesk = Callable[[], Desk]
