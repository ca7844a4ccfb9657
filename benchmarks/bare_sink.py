"""A bare aiosmtpd server that answers 250 and keeps nothing: `python -m benchmarks.bare_sink PORT`.

Prints a line when it listens; ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from aiosmtpd.smtp import SMTP


class KeepNothing:
    """The handler."""

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take it."""
        return "250 2.0.0 taken"


async def serve(port: int) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    handler = KeepNothing()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="sink.example", enable_SMTPUTF8=True), "127.0.0.1", port, backlog=256
    )
    print("listening", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()


if __name__ == "__main__":
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    asyncio.run(serve(int(sys.argv[1])))
