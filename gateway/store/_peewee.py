"""peewee without the PostgreSQL driver, until a PostgreSQL database is opened.

peewee imports psycopg wherever it is installed, which takes longer than peewee itself; a command on SQLite
never needs it. Importing this module before peewee hides the driver while peewee is imported, and leaves
nothing hidden afterwards. `add_psycopg` then gives peewee what its own import would have given: the names
that a test holds against peewee's source.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_DRIVERS = ("psycopg", "psycopg2", "psycopg2cffi")


def _import_peewee() -> Any:
    """The module peewee, imported without drivers where it is not imported yet."""
    hidden = [name for name in _DRIVERS if name not in sys.modules] if "peewee" not in sys.modules else []
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import` of it an ImportError
    try:
        return import_module("peewee")
    finally:
        for name in hidden:
            del sys.modules[name]


_peewee = _import_peewee()


def add_psycopg() -> None:
    """Let peewee use psycopg 3. May be called again. Raises ImportError where psycopg is not installed."""
    if _peewee.psycopg is not None:
        return
    import psycopg
    from psycopg.pq import TransactionStatus
    from psycopg.types.json import Json, Jsonb

    _peewee.TransactionStatus = TransactionStatus
    _peewee.Json_pg3, _peewee.Jsonb_pg3 = Json, Jsonb
    adapter = _peewee.Psycopg3Adapter
    adapter.txn_idle = TransactionStatus.IDLE
    adapter.txn_inerror = TransactionStatus.INERROR
    adapter.txn_unknown = TransactionStatus.UNKNOWN
    _peewee.psycopg = psycopg
