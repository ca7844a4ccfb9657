"""What the tests of this room share: submitters for loopback ports, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.smtp_submitter import SmtpSubmitter
from gateway.runtime import SystemClock
from gateway.settings.model import SmtpDelivery, Tls


@pytest.fixture
def smtp_to(tmp_path: Path) -> Iterator[Callable[..., SmtpSubmitter]]:
    """A maker of submitters: `smtp_to(port, password=…, timeout_s=…, tls=…)`, without TLS where none is
    given; `tmp_path` is the config folder."""
    made = []

    def make(
        port: int,
        *,
        read_password: Callable[[], str] | None = None,
        timeout_s: float = 5.0,
        tls: Tls | None = None,
        host: str = "127.0.0.1",
        **settings: Any,
    ) -> SmtpSubmitter:
        via = SmtpDelivery(
            host=host,
            port=port,
            tls=tls or Tls(mode="none"),
            timeout=timedelta(seconds=timeout_s),
            **settings,
        )
        submitter = SmtpSubmitter(via, tmp_path, "desk.test", read_password, SystemClock())
        made.append(submitter)
        return submitter

    yield make
    for submitter in made:
        submitter.close()
