"""A full mailbox through the whole desk: IMAP, ticket, acknowledgement and agent's notice handed on.

A thousand mails wait in a Dovecot mailbox. The daemon is started; the clock runs from its login until the
last of two thousand outgoing mails was taken by smtp-sink. Beside it: mail-parser's own parse rate on the
same mails, in a process of its own on one core, before and after each drain (their mean is the limit of that
turn, as shared machines change their pace within seconds), and the bare rate of fetching them by IMAP.

`one core` binds the daemon with all its children to one core and leaves the others to Dovecot and the sink.
`all cores` binds nothing: on a machine with two cores Dovecot, sink and PostgreSQL take their part of them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from imapclient import IMAPClient

from benchmarks import mails
from benchmarks.desk import connected_at, desk, pid, postgres_of, read_from, sqlite_of, wait_until_handed_on
from benchmarks.frame import Row, Scale, cores, cpu_seconds, on_cores, rate_row
from benchmarks.peers import dovecot, fill, postgres, sink
from tests.peers.dovecot import Dovecot, UserBox

TITLE = "drain: a full mailbox until every acknowledgement and notice is handed on"
MAILS = 1000
PARSE = """
import sys, time, mailparser
from benchmarks import mails
some = mails.mix(int(sys.argv[1]))
began = time.perf_counter()
for raw in some:
    mailparser.parse_from_bytes(raw)
print(len(some) / (time.perf_counter() - began))
"""


def parse_rate(count: int, core: Sequence[int]) -> float:
    """Mails a second that mail-parser parses on one core, alone."""
    with on_cores(core):
        done = subprocess.run(
            [sys.executable, "-c", PARSE, str(count)], check=True, capture_output=True, text=True, timeout=300
        )
    return float(done.stdout)


def fetch_rate(server: Dovecot, box: UserBox, count: int) -> float:
    """Mails a second that come by IMAP in batches of 50, and are thrown away."""
    with IMAPClient(server.host, server.imap_port, ssl=False) as client:
        client.login(box.user, box.password)
        client.select_folder("INBOX", readonly=True)
        uids = client.search()
        assert len(uids) == count
        began = time.perf_counter()
        for start in range(0, count, 50):
            client.fetch(uids[start : start + 50], ["BODY.PEEK[]"])
        return count / (time.perf_counter() - began)


@dataclass
class Drained:
    """What the turns of one way of running gave: mails a second, processor milliseconds a mail."""

    rates: list[float] = field(default_factory=list)
    parses: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def cpu(self) -> str:
        """For the table, without the start of the daemon, with that of its helpers."""
        return f"{statistics.median(self.cpu_ms):.1f} ms a mail"


def drain(
    server: Dovecot,
    port: int,
    box: UserBox,
    count: int,
    bound_to: Sequence[int],
    into: Drained,
    url: str | None,
) -> None:
    """Start a daemon on the full mailbox and wait until all is handed on."""
    with desk(port) as made, ExitStack() as stack:
        read_from(made, server, box)
        if url is not None:
            made.settings["database"] = {"url": url}
        with on_cores(bound_to):
            made.start()
        began_at = connected_at(made)
        start_s = cpu_seconds(pid(made))
        ask = stack.enter_context(sqlite_of(made) if url is None else postgres_of(url))
        ended_at = wait_until_handed_on(ask, count, 300)
        into.rates.append(count / (ended_at - began_at).total_seconds())
        into.cpu_ms.append((cpu_seconds(pid(made)) - start_s) / count * 1000)


def run(scale: Scale) -> Iterator[Row]:
    """One core and all cores on SQLite beside mail-parser and beside the bare fetch; on PostgreSQL too."""
    some = mails.mix(scale.count(MAILS))
    yield Row("mean size of the mails", statistics.mean(map(len, some)) / 1000, "KB")
    everywhere = cores()
    one, rest = everywhere[:1], everywhere[1:] or everywhere
    fetches: list[float] = []
    bound, free, on_postgres = Drained(), Drained(), Drained()
    parsed = parse_rate(len(some), one)
    for _ in range(scale.rounds):
        for daemon, peers, into in ((one, rest, bound), (everywhere, everywhere, free)):
            with on_cores(peers), dovecot() as server, sink() as port:
                box = server.user()
                fill(box, some)
                if into is bound:
                    fetches.append(fetch_rate(server, box, len(some)))
                drain(server, port, box, len(some), daemon, into, None)
                before, parsed = parsed, parse_rate(len(some), one)
                into.parses.append((before + parsed) / 2)
                if into is free:
                    with postgres() as database:
                        drain(server, port, box, len(some), daemon, on_postgres, database.new_database())
                    before, parsed = parsed, parse_rate(len(some), one)
                    on_postgres.parses.append((before + parsed) / 2)
    yield rate_row("one core, SQLite", bound.rates, bound.parses, "mail-parser alone", 0.30, bound.cpu)
    yield rate_row("all cores, SQLite", free.rates, free.parses, "mail-parser alone", 0.40, free.cpu)
    yield rate_row(
        "all cores, PostgreSQL",
        on_postgres.rates,
        on_postgres.parses,
        "mail-parser alone",
        None,
        on_postgres.cpu,
    )
    yield rate_row("one core, SQLite", bound.rates, fetches, "bare fetch", None)
    yield rate_row("all cores, SQLite", free.rates, fetches, "bare fetch", None)
