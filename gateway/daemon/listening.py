"""The listeners' thread: an asyncio loop that serves SMTP and LMTP until it is stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

from gateway.intake.listeners import Listeners
from gateway.intake.recipients import Recipients
from gateway.pipeline import Policy
from gateway.settings.model import Settings

_GRACE_S = 6.0


def recipients(policy: Policy) -> Recipients:
    """Which recipients this config takes."""

    def verify_signed(address: str) -> str | None:
        signed = policy.signer.verify_address(address)
        if signed is None:
            return None
        queue = policy.directory.queue_by_address(signed.base)
        return queue.name if queue else None

    return Recipients(policy.settings, verify_signed)


class Listening:
    """Runs `make()`'s listeners in a thread. `start` returns when they are open, or raises what opening them
    raised."""

    name = "listeners"

    def __init__(self, make: Callable[[], Listeners]) -> None:
        self._make = make
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: Listeners | None = None
        self._stop: asyncio.Event | None = None
        self._opened = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Open the ports. Raises OSError, ssl.SSLError, ValueError."""
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._listeners = self._make()
        try:
            await self._listeners.start()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            self._error = error
            return
        finally:
            self._opened.set()
        await self._stop.wait()
        await self._listeners.stop(_GRACE_S)

    def _call(self, coroutine: Any) -> Any:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def reload(self, settings: Settings, taken: Recipients) -> None:
        """Go on with a new config. Raises what opening a new port raised; then the old ones go on."""
        assert self._listeners is not None
        self._call(self._listeners.reload(settings, taken))

    def ports(self, names: Iterable[str]) -> dict[str, list[str | tuple[str, int]]]:
        """Where each listener is open."""
        assert self._listeners is not None
        found = self._listeners
        return {name: found.addresses(name) for name in names}

    def stop(self) -> None:
        """Take no more; returns at once."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; True where it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()
