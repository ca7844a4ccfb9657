"""peewee is imported without the PostgreSQL driver, and gets it when it is wanted."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


def in_a_new_process(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_driver_stays_out_until_it_is_asked_for() -> None:
    pytest.importorskip("psycopg")
    code = (
        "import sys, gateway.store._peewee as ours, peewee\n"
        "print('psycopg' in sys.modules, peewee.psycopg)\n"
        "import psycopg\n"  # nothing is left hidden
        "ours.add_psycopg(); ours.add_psycopg()\n"
        "database = peewee.PostgresqlDatabase(None); database.init('postgresql:///x', prefer_psycopg3=True)\n"
        "print(type(database._adapter).__name__, peewee.psycopg is psycopg)\n"
    )
    assert in_a_new_process(code).splitlines() == ["False None", "Psycopg3Adapter True"]


def test_peewee_is_the_same_as_if_it_had_imported_the_driver_itself() -> None:
    pytest.importorskip("psycopg")
    shown = (
        "print([(name, getattr(peewee, name) is not None) for name in "
        "('psycopg', 'TransactionStatus', 'Json_pg3', 'Jsonb_pg3')],"
        "[str(getattr(peewee.Psycopg3Adapter, name)) for name in ('txn_idle', 'txn_inerror', 'txn_unknown')])"
    )
    late = f"import gateway.store._peewee as ours; ours.add_psycopg(); import peewee; {shown}"
    assert in_a_new_process(late) == in_a_new_process(f"import peewee; {shown}")


def test_peewee_takes_no_more_from_the_driver_than_we_give_it() -> None:
    import peewee

    taken: set[str] = set()
    for node in ast.parse(Path(peewee.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Try):
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom) and (inner.module or "").split(".")[0] == "psycopg":
                    taken |= {alias.asname or alias.name for alias in inner.names}
                elif isinstance(inner, ast.Import):
                    taken |= {alias.name for alias in inner.names if alias.name == "psycopg"}
    assert taken == {"psycopg", "TransactionStatus", "Json_pg3", "Jsonb_pg3"}
