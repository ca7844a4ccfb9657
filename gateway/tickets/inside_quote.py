"""Answers that an agent wrote inside a quoted notice whose lines have no quote signs (Outlook).

Such lines cannot be told from the notice's by their marks, so that they would be lost without a word. Here
each line is asked whether the notice has it. What nobody knows, directly under a line of the ticket's texts,
is an answer; where the agent says that answers stand below, so is every unknown line of the notice. Raises
nothing; linear in the length of the mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.mail.quotes import Told
from gateway.screen.values import Mail
from gateway.tickets.answer_text import told_lines
from gateway.tickets.notice_lines import Known
from gateway.tickets.values import TicketFacts

_BELOW = re.compile(
    r"\b(?:below|inline|in-line|in (?:red|blue|green|bold|colou?r)|unten|im text|in rot|rot markiert"
    r"|blau|grün|farbig|níže|červeně|modře|v textu|nižšie|ci-dessous|en rouge|dans le texte|más abajo|en rojo"
    r"|sotto|in rosso|hieronder|in het rood|poniżej|na czerwono|nedan|i rött|nedenfor|ниже|красным)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"[ \xa0]?<(?:https?|mailto):[^<>\s]{1,2000}>|\[cid:[^\]\s]{1,300}\]", re.IGNORECASE)
_LABELLED = re.compile(r"[\s*_]*[^\s:][^:]{0,30}:\*?\s.*")
_LETTER = re.compile(r"[^\W_]")


def answers_inside(mail: Mail, ticket: TicketFacts) -> bool:
    """Whether a line within an unmarked quote seems to be the agent's own."""
    lines = told_lines(mail)
    runs = [run for run in _runs(lines) if any(_LETTER.search(line) for line in run)]
    if not runs:
        return False
    known = Known(mail, ticket)
    if not known.sure:
        return False
    announced = _BELOW.search(mail.message.new_text[:5000]) is not None
    return any(_holds_unknown(run, known, announced) for run in runs)


def _runs(lines: Iterable[Told]) -> Iterable[list[str]]:
    """Runs of quoted lines without signs."""
    run: list[str] = []
    for line in lines:
        unsigned = line.kind == "rest" or (
            line.kind == "quoted" and not line.text.lstrip().startswith((">", "|"))
        )
        if unsigned:
            run.append(_LINK.sub("", line.text))
        elif line.text.strip():
            if run:
                yield run
            run = []
    if run:
        yield run


def _holds_unknown(run: list[str], known: Known, announced: bool) -> bool:
    filled = [line for line in run if line.strip()]
    under_text = within = False
    for index, line in enumerate(filled):
        before = filled[index - 1] if index else ""
        after = filled[index + 1] if index + 1 < len(filled) else ""
        if not _LETTER.search(line):
            under_text = False
        elif known.is_told(before, line, after):
            under_text = within = True
        elif known.is_ours(line) or known.tells_who_and_when(line):
            under_text, within = False, True
        elif under_text or (announced and within and not _LABELLED.fullmatch(line[:1000])):
            return True
    return False
