"""What the idle daemon costs: one IMAP mailbox in IDLE, an SMTP and an LMTP listener, nothing to do."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.desk import connected_at, desk, pid, read_from
from benchmarks.frame import Row, Scale, cpu_seconds, memory_mb, most_row
from benchmarks.peers import dovecot, sink

TITLE = "idle: one mailbox in IDLE, two listeners"
SETTLE_S = 3.0
WATCH_S = 20.0


def run(scale: Scale) -> Iterator[Row]:
    """Watch once for twenty seconds, fewer with a smaller share."""
    watch_s = max(2.0, WATCH_S * min(scale.share, 1.0))
    with dovecot() as server, sink() as port, desk(port) as made:
        read_from(made, server, server.user())
        made.listener("smtp")
        made.listener("lmtp", "lmtp")
        made.start()
        connected_at(made)
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), cpu_seconds(pid(made))
        time.sleep(watch_s)
        share = (cpu_seconds(pid(made)) - before) / (time.monotonic() - began)
        yield most_row("memory (RSS)", sum(memory_mb(pid(made)).values()), "MB", 120)
        yield most_row("processor", share * 100, "% of a core", 1)
