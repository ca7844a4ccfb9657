"""What every file of the repository keeps to.

Each rule is a function from (path, text) to complaints; one test runs it over the tree, another feeds it a
bad sample, so that a rule that finds nothing is known to be able to find something.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.tidy.sources import modules, text_files

LONGEST_FILE = 350
# Written in two pieces, so that this file keeps to its own rules.
_UNFINISHED = re.compile(rf"\b(TO{''}DO|FIX{''}ME|X{''}XX|NotImplemented{''}Error)\b")
_MACHINE_PATH = re.compile(r"(?<![\w.)])/(work|root)/|(?<![\w.)])/(home|Users)/(?!USER|you|alice)\w")
_REGISTRY = re.compile(
    "|".join((rf"py{''}pi\.org", rf"python{''}hosted\.org", rf"npm{''}js\.org|npmjs\.com"))
)


def docstring_rule(path: str, text: str) -> Iterator[str]:
    """A module opens with a docstring."""
    if text.strip() and ast.get_docstring(ast.parse(text)) is None:
        yield f"{path}:1: no docstring"


def length_rule(path: str, text: str) -> Iterator[str]:
    """A file of the product stays short enough to be read in one go."""
    if (lines := text.count("\n")) > LONGEST_FILE:
        yield f"{path}: {lines} lines, more than {LONGEST_FILE}: divide it"


def unfinished_rule(path: str, text: str) -> Iterator[str]:
    """Nothing is left for later in a file; that is what issues are for."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _UNFINISHED.search(line):
            yield f"{path}:{number}: {found[0]}"


def swallow_rule(path: str, text: str) -> Iterator[str]:
    """No handler that does nothing, no suppression of every exception, no bare except."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield f"{path}:{node.lineno}: a bare except"
            idle = (ast.Pass, ast.Expr)
            if all(isinstance(step, idle) and _does_nothing(step) for step in node.body):
                yield f"{path}:{node.lineno}: an exception is swallowed: tell it, or suppress its class"
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            for argument in node.args:
                if ast.unparse(argument) in {"Exception", "BaseException"}:
                    yield f"{path}:{node.lineno}: suppress({ast.unparse(argument)}) hides our own bugs"


def _does_nothing(step: ast.stmt) -> bool:
    return isinstance(step, ast.Pass) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))


def print_rule(path: str, text: str) -> Iterator[str]:
    """Only the commands print; all else logs."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{path}:{node.lineno}: print outside admin: log it"


def machine_path_rule(path: str, text: str) -> Iterator[str]:
    """No path of the machine on which something was written."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _MACHINE_PATH.search(line):
            yield f"{path}:{number}: the machine path {line[found.start() : found.start() + 30]!r}"


def registry_rule(path: str, text: str) -> Iterator[str]:
    """No host of a package registry: whoever installs has their own settings for that."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _REGISTRY.search(line):
            yield f"{path}:{number}: the registry host {found[0]}"


Rule = Callable[[str, str], Iterator[str]]


def _product() -> Iterator[tuple[str, str]]:
    return modules("gateway")


def _all_modules() -> Iterator[tuple[str, str]]:
    return modules("gateway", "tests", "benchmarks")


def _outside_admin() -> Iterator[tuple[str, str]]:
    return ((path, text) for path, text in modules("gateway") if not path.startswith("gateway/admin/"))


def _own_words() -> Iterator[tuple[str, str]]:
    """Not the licence, and not the sample mails, which hold what people write."""
    return ((path, text) for path, text in text_files() if path != "LICENSE" and not path.endswith(".eml"))


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        (docstring_rule, _all_modules),
        (length_rule, _product),
        (unfinished_rule, _own_words),
        (swallow_rule, _all_modules),
        (print_rule, _outside_admin),
        (machine_path_rule, _own_words),
        (registry_rule, _own_words),
    ],
)
def test_the_tree_keeps_to(rule: Rule, files: Callable[[], Iterator[tuple[str, str]]]) -> None:
    found = [line for path, text in files() for line in rule(path, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        (docstring_rule, "import os\n"),
        (length_rule, "x = 1\n" * (LONGEST_FILE + 1)),
        (unfinished_rule, "# TO" + "DO: later\n"),
        (unfinished_rule, "raise NotImplemented" + "Error\n"),
        (swallow_rule, "try:\n    f()\nexcept OSError:\n    pass\n"),
        (swallow_rule, "try:\n    f()\nexcept OSError:\n    ...\n"),
        (swallow_rule, "try:\n    f()\nexcept:\n    log()\n"),
        (swallow_rule, "with contextlib.suppress(Exception):\n    f()\n"),
        (print_rule, "print('x')\n"),
        (machine_path_rule, "see /wo" + "rk/shared\n"),
        (machine_path_rule, "open('/ro" + "ot/x')\n"),
        (machine_path_rule, "cd /ho" + "me/bob/src\n"),
        (registry_rule, "--index-url https://py" + "pi.org/simple\n"),
    ],
)
def test_a_breach_is_found(rule: Rule, sample: str) -> None:
    assert list(rule("gateway/mail/x.py", sample)) != []


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        (docstring_rule, ""),
        (length_rule, "x = 1\n" * LONGEST_FILE),
        (unfinished_rule, "Todo el mundo\n"),
        (swallow_rule, "try:\n    f()\nexcept OSError as trouble:\n    log(trouble)\n"),
        (swallow_rule, "with contextlib.suppress(FileNotFoundError):\n    f()\n"),
        (print_rule, "console.print('x')\n"),
        (machine_path_rule, "../work/x and https://example.test/home/ and /var/lib/ticketgate\n"),
    ],
)
def test_what_is_allowed_is_left_alone(rule: Rule, sample: str) -> None:
    assert list(rule("gateway/mail/x.py", sample)) == []
