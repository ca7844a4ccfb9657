"""One incoming mail while it has no other home: `ports.Raw` in memory, then in an unnamed temporary file.

Up to `MEMORY` octets stay in memory; a larger mail moves to a file that has no name, so a killed process
leaves nothing behind. The digest grows with the octets. Written by one thread, then read by any.

Raises `OSError` where the disk does (full, broken): the mail is then not taken.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

MEMORY = 256 * 1024
"""Octets of one mail that are held in memory."""

_CHUNK = 1024 * 1024


class FileRaw:
    """A mail that grows by `write` and is read by `chunks`. Close it when it is stored or refused."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` takes the temporary file; None: the system's folder for them."""
        self._folder = folder
        self._parts: list[bytes] = []
        self._file: FileIO | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._closed = False

    @property
    def size(self) -> int:
        """Octets so far."""
        return self._size

    @property
    def sha256(self) -> bytes:
        """Digest of the octets so far."""
        return self._digest.digest()

    @property
    def in_memory(self) -> bool:
        """Whether no file holds it."""
        return self._file is None

    def write(self, octets: bytes) -> None:
        """Add octets at the end. Raises OSError."""
        if self._closed:
            raise ValueError("the mail is closed")
        self._digest.update(octets)
        self._size += len(octets)
        if self._file is not None:
            _write_all(self._file, octets)
            return
        self._parts.append(octets)
        if self._size > MEMORY:
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115
            for part in self._parts:
                _write_all(self._file, part)
            self._parts = []

    def chunks(self) -> Iterator[bytes]:
        """The octets in order, pieces of 1 MiB and a rest; as often as wanted, even at the same time."""
        if self._closed:
            raise ValueError("the mail is closed")
        if self._file is None:
            if len(self._parts) > 1:
                self._parts = [b"".join(self._parts)]
            yield from tuple(self._parts)
            return
        position = 0
        while piece := os.pread(self._file.fileno(), _CHUNK, position):
            position += len(piece)
            yield piece

    def close(self) -> None:
        """Give back memory and file. Twice does no harm."""
        self._closed = True
        self._parts = []
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write_all(file: FileIO, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        written = file.write(view)
        view = view[written or 0 :]
