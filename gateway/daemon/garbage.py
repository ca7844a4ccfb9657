"""How often the interpreter looks for cycles of dead objects.

Working on a mail makes and drops many thousand objects, few of them in cycles. By default Python looks after
each 700 new ones, and again and again at the half million that make up the program; that is a seventh of
all processor time a mail. What stands once all is loaded is never garbage, so it is left out, and the rest
is looked at fifteen times less often.
"""

from __future__ import annotations

import gc
from importlib import import_module

YOUNG = 10_000
"""New objects after which the youngest are looked at. Ten mails of 25 MB at once take no more memory with it
than with Python's own 700 (`make bench ARGS=memory`)."""
_LOADED_LATER = ("chardet", "inscriptis.html_engine", "lxml.etree", "gateway.tickets.from_agent")
"""What working on a mail loads when it first needs it, so that commands start quickly."""


def settle() -> None:
    """Call once, when all is loaded and before the work begins."""
    for name in _LOADED_LATER:
        import_module(name)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
