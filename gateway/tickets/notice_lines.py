"""Which quoted lines belong to one of our notices, and which are text that the customer wrote.

A line is known by its words: quote signs, blanks and case are of no matter. What a mail client has wrapped
anew is known by runs of three words. Unsure is hidden.

`Known` reads a ticket once; each question takes time linear in the length of the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.mail.headerblocks import DATE
from gateway.mail.phrases import WROTE
from gateway.mail.quotes import MARKER
from gateway.screen.values import Mail
from gateway.tickets.guards import holds_private_address
from gateway.tickets.notice_facts import fact_lines
from gateway.tickets.values import Said, TicketFacts

_SIGNS = re.compile(r"(?:[>|\s\xa0]|[A-Za-z]{1,4}>)*+")
_RUN = 3
_MOST_INDEXED = 1_000_000
"""Characters of hidden text that are known also by parts of lines."""
_LONGEST_SHAPE = 1000
_SHORTEST_NAME = 3

_WHEN = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d [A-Z][a-z]{2} \d{4}, \d\d:\d\d"
_OURS = re.compile(
    r"(?:Priority|State|Queue|Assigned to|Requester|Also on it|Opened|Attachments|Internal note): .*|"
    r"\d{1,6} more address(?:es)? in Cc w.*|.* got it directly from .*|"
    r".*(?:\bwrote|answered the customer|noted, for agents only):|"
    rf".*, {_WHEN}\b.*|"
    r"(?:Reply to answer the customer|Begin your reply with #note|Write to the note address|"
    r"A machine seems to have sent this|This mail is encrypted|Open it with your own key|It also names|"
    r"It is too large to come along|Its encrypted text|May belong to|Before this).*"
)
_UNMISTAKABLE = re.compile(
    rf"--- .*, {_WHEN}\b.*|.*(?:\(note, internal\)|\(automatic\)), {_WHEN}\b.*|Internal note: \S+@\S+|"
    r".* noted, for agents only:|.* answered the customer:|Reply to answer the customer\..*|"
    rf"State:\s+\w+, in queue .*|Opened:\s+{_WHEN}\b.*|Also on it:\s.*|Priority:\s+\w+ \(came to .*|"
    r"Begin your reply with #note to leave an internal note\."
)


def bare(line: str) -> str:
    """A line without quote signs."""
    return line[_SIGNS.match(line).end() :].rstrip()  # type: ignore[union-attr]


def words_of(line: str) -> list[str]:
    """The words by which a line is known."""
    return bare(line).casefold().split()


class _Texts:
    """Lines and runs of words of some texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.lines: set[str] = set()
        self.words: set[str] = set()
        self._runs: set[str] = set()
        self.cut = False
        """Whether parts of some lines are not known."""
        room = _MOST_INDEXED
        for text in texts:
            flow: list[str] = []
            for line in text.splitlines():
                words = words_of(line)
                self.lines.add(" ".join(words))
                if room > 0:
                    room -= len(line)
                    flow += words
                else:
                    self.cut = True
            self.words.update(flow)
            self._runs.update(" ".join(flow[at : at + _RUN]) for at in range(len(flow) - _RUN + 1))
        self.lines.discard("")

    def hold(self, words: list[str]) -> bool:
        """Whether the line is one of theirs."""
        return " ".join(words) in self.lines

    def hold_piece(self, words: list[str]) -> bool:
        """Whether the line can be a part of theirs."""
        runs = len(words) - _RUN + 1
        return runs > 0 and all(" ".join(words[at : at + _RUN]) in self._runs for at in range(runs))


class Known:
    """What is known of the text that the agents of `ticket` were shown."""

    def __init__(self, mail: Mail, ticket: TicketFacts) -> None:
        self._directory = mail.directory
        self._label = f"{mail.settings.desk.ticket_prefix}-{ticket.number}".casefold()
        shown = ticket.shown
        public = [said.text for said in ticket.history if _by_customer(said)]
        answers = [said.text for said in ticket.history if _answer(said)]
        hidden = [said.text for said in ticket.history if not is_public(said)]
        self._public = _Texts(dict.fromkeys((*shown.public, *public)))
        self._answers = _Texts(dict.fromkeys((*shown.answers, *answers)))
        self._hidden = _Texts(dict.fromkeys((*shown.hidden, *hidden, *reversed(ticket.notes))))
        self._facts = _Texts(fact_lines(mail, ticket))
        self.sure = shown.complete and not self._hidden.cut
        """Whether all is known that may stand in a notice. Where not, what is unknown counts as hidden."""
        names = [mail.settings.desk.name, *(queue.display_name or "" for queue in mail.settings.queues)]
        names += [agent.display_name for agent in mail.settings.agents]
        people = [ticket.requester, *(one.address for one in ticket.participants)]
        names += [name for one in people for name in (one.name, one.address)]
        names += [said.name for said in ticket.history]
        self._names = tuple({name.casefold() for name in names if len(name) >= _SHORTEST_NAME})
        desks = {queue.display_name or mail.settings.desk.name for queue in mail.settings.queues}
        self._vias = tuple(f" via {name.casefold()}" for name in desks)

    def is_public(self, before: str, line: str, after: str) -> bool:
        """Whether a quoted line is text that a customer wrote on the ticket, and of no note. `before` and
        `after` are the quoted lines next to it, for the short ends of wrapped lines."""
        words = words_of(line)
        if not words or not self.sure or self._hidden.hold(words):
            return False
        public = self._public
        if public.hold(words) or public.hold_piece(words):
            return True
        return len(words) < _RUN and (
            public.hold_piece(words_of(before)[-2:] + words) or public.hold_piece(words + words_of(after)[:2])
        )

    def is_hidden(self, line: str) -> bool:
        """Whether a quoted line, which is no public one, is or may be text that no customer may see."""
        words = words_of(line)
        hidden = self._hidden
        if not words:
            return False
        if not self.sure or hidden.hold(words) or hidden.hold_piece(words):
            return True
        return len(words) < _RUN and all(word in hidden.words for word in words)

    def continues(self, before: str, line: str) -> bool:
        """Whether an unquoted line goes on where the quoted one before it was wrapped."""
        first, words = words_of(before), words_of(line)
        if len(words) == 1 and "@" in line and holds_private_address(self._directory, line):
            return True
        joined = first[-2:] + words
        return bool(first and words) and any(
            one.hold_piece(joined) for one in (self._public, self._hidden, self._facts)
        )

    def is_told(self, before: str, line: str, after: str) -> bool:
        """Whether a line of a notice without quote signs is of a text of the ticket, or a piece of one."""
        words = words_of(line)
        texts = (self._public, self._answers, self._hidden)
        if any(one.hold(words) or one.hold_piece(words) for one in texts):
            return True
        if len(words) >= _RUN:
            return False
        near = (words_of(before)[-2:] + words, words + words_of(after)[:2])
        return any(one.hold_piece(joined) for one in texts for joined in near)

    def is_ours(self, line: str) -> bool:
        """Whether a quoted line stands in a notice beside people's text: facts, names, links, foot."""
        shape = bare(line)
        if MARKER in shape or holds_private_address(self._directory, shape):
            return True
        folded = shape.casefold()
        plain = shape[:_LONGEST_SHAPE].strip("*_ ")
        return (
            folded.lstrip("*_ -").startswith(self._label)
            or any(via in folded for via in self._vias)
            or _OURS.fullmatch(plain) is not None
            or is_unmistakable(plain)
            or self._facts.hold_piece(words_of(line))
        )

    def introduces_a_notice(self, text: str) -> bool:
        """Whether the line above a quote tells who wrote a mail and when; one that an agent has written by
        hand ("You wrote:") has neither names nor both date and verb."""
        folded = text.casefold()
        if "@" in folded or "mailto:" in folded or any(name in folded for name in self._names):
            return True
        wrote = any(word.strip(":") in WROTE for word in folded.split())
        return wrote and DATE.search(text) is not None

    def tells_who_and_when(self, line: str) -> bool:
        """Whether a line names somebody and a date, as stands above each text of a notice, also of one that
        an admin has worded."""
        folded = line[:_LONGEST_SHAPE].casefold()
        return any(name in folded for name in self._names) and DATE.search(line[:_LONGEST_SHAPE]) is not None


def is_unmistakable(line: str) -> bool:
    """Whether a line can be nothing but a line of a notice, also where no quote sign is before it."""
    return _UNMISTAKABLE.fullmatch(line[:_LONGEST_SHAPE].strip()) is not None


def is_public(said: Said) -> bool:
    """Whether customers have seen a contribution."""
    return _by_customer(said) or _answer(said)


def _by_customer(said: Said) -> bool:
    return said.kind == "public" and said.author == "customer"


def _answer(said: Said) -> bool:
    return said.kind == "public" and said.author == "agent"
