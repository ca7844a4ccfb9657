"""The files that the tidy tests read, and imports taken out of Python source.

`Imports` resolves names as the reader of one file would: after `import time as t`, `t.monotonic` is
`time.monotonic`; after `from datetime import datetime`, `datetime.now` is `datetime.datetime.now`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {".git", ".venv", "var", "dist", "node_modules", "__pycache__"}


def text_files() -> Iterator[tuple[str, str]]:
    """(path relative to the tree, text) of every file that can be part of the repository."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if _NOT_OURS.intersection(parts) or any(part.endswith("_cache") for part in parts):
            continue
        if not path.is_file() or path.is_symlink() or ".hypothesis" in parts:
            continue
        octets = path.read_bytes()
        if b"\0" not in octets:
            yield str(path.relative_to(ROOT)), octets.decode("utf-8", "replace")


def modules(*folders: str) -> Iterator[tuple[str, str]]:
    """(path, source) of the Python modules under `folders`."""
    for path, text in text_files():
        if path.endswith(".py") and path.split("/")[0] in folders:
            yield path, text


def dotted(path: str) -> str:
    """The module's name: gateway/mail/parse.py is gateway.mail.parse."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_modules(path: str, source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a module imports, wherever in it the import stands. For
    `from a import b` both a and a.b are told, because b may be a module; relative imports are resolved."""
    package = dotted(path) if path.endswith("__init__.py") else dotted(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield node.lineno, base
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


class Imports:
    """What the names in one module stand for."""

    def __init__(self, tree: ast.AST) -> None:
        self._names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._names[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def resolve(self, node: ast.expr) -> str | None:
        """The full dotted name of `a.b.c`, when `a` was imported; a builtin keeps its own name."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value)
            return f"{base}.{node.attr}" if base else None
        return None
