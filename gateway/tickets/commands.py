"""Lines of an agent's mail that begin with #: what is a note, what is a command, what may be meant as one.

Lines are read as a person sees them: without characters that show nothing, a full-width # as #, without
markup around it (`*#note*`), with blanks behind it or not. `read` fails closed: what looks like a command
and is not understood, or stands in the middle of the text, is told as a doubt, so that nothing goes out.
A number (#1042, #3 of the list) is no command. Raises nothing; linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

WORDS = frozenset(
    ("take", "assign", "unassign", "team", "priority", "impact", "urgency", "category", "queue",
     "tag", "pending", "hold", "open", "resolve", "close", "reopen", "spam", "note", "notes",
     "public", "quiet", "answer", "merge", "split", "link", "duplicate", "unmerge", "cc",
     "customer", "forward", "due", "snooze", "ack", "undo", "show", "mine", "find", "late",
     "report", "help", "away",
    )
)  # fmt: skip
"""The commands of the house, those that are not understood yet too."""

_LONGEST = 400
"""Characters of a line that are looked at: a command stands at its beginning."""
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u2800\u3164\ufe00-\ufe0f\uffa0\u20e3]")
_COMMAND = re.compile(
    r"[\s*_~`]*+(?P<before>[^\w\s#>|]*+)[\s*_~`]*+(?P<signs>#+)[\s*_~`#]*+(?P<word>[^\W\d_]+)"
)
_ADDRESS = re.compile(
    r"[\s*_~`]*#[\s*_~`]*customer[\s*_~`:<]*(?P<address>[^\s<>,;]+@[^\s<>,;]+?)[>\s.*_`~]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Commands:
    """`note`: the mail is a note. `customer`: whom `#customer ADDRESS` names, "" nobody. `doubt`: why nothing
    may go out, or None; `inside`: it is about a line within the text, which is of no matter in a note."""

    note: bool
    customer: str
    doubt: str | None
    inside: bool = False


def read(text: str) -> Commands:
    """The commands in an agent's own new `text`."""
    lines = [line for line in text.splitlines() if line.strip() and _seen(line).strip()]
    first = _command(lines[0]) if lines else None
    if first == ("note", True):
        return Commands(True, "", None)
    customer = ""
    if lines and first == ("customer", True):
        found = _ADDRESS.fullmatch(_seen(lines[0]))
        if found is None:
            return Commands(False, "", "the mail begins with #customer, which needs one address behind it")
        customer, lines = found["address"], ["", *lines[1:]]
    elif first is not None and first[0] == "note":
        return Commands(False, "", "the mail begins with something like #note; write #note alone before it")
    elif first is not None:
        return Commands(False, "", f"the mail begins with #{first[0][:20]}, which is no command here")
    for line in lines[1:]:
        command = _command(line)
        if command is not None and command[0] in WORDS:
            return Commands(
                False,
                "",
                f"a line in it begins with #{command[0]}; commands stand at the top, and nothing was done",
                inside=True,
            )
    return Commands(False, customer, None)


def without_customer(text: str) -> str:
    """`text` without its first line, where that one is a `#customer` command."""
    stripped = text.lstrip("\n")
    first, _, rest = stripped.partition("\n")
    return rest.strip("\n") if _ADDRESS.fullmatch(_seen(first)) else text


def _seen(line: str) -> str:
    """The beginning of a line as it is seen."""
    shown = unicodedata.normalize("NFKC", line[:_LONGEST])
    if shown.isascii():
        return shown
    shown = _UNSEEN.sub("", shown)
    return "".join(one for one in shown if unicodedata.category(one) not in ("Cf", "Cc") or one == "\t")


def _command(line: str) -> tuple[str, bool] | None:
    """(the word behind # at the beginning of a line, whether it is written as a command is), or None."""
    found = _COMMAND.match(_seen(line))
    if found is None:
        return None
    return found["word"].casefold(), not found["before"] and len(found["signs"]) == 1
