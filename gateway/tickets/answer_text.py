"""What of an agent's mail goes to the customer as its public answer.

The agent's own text, and of quoted lines:

- those that stand in the agent's own text, before the quoted notice begins: they are the agent's own (a line
  to look for in a log);
- within the quoted notice the lines directly above a piece of the agent's own text, as far as a customer
  wrote them on this ticket: the question above its answer. At most twelve lines for each piece.

Nothing else of the notice comes along: no facts, names, addresses, notes, links or foot. What is unsure is
left out. Where a mail client has marked the quote only in HTML, the HTML is read; where nothing can be told
apart, the text is the mail's `new_text`. Raises nothing; linear in the length of the mail.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.mail.html import to_text
from gateway.mail.message import Message
from gateway.mail.quotes import Told, tell_apart
from gateway.screen.values import Mail
from gateway.tickets.guards import holds_note, without_private_addresses
from gateway.tickets.notice_lines import Known, bare
from gateway.tickets.values import TicketFacts

_MOST_CONTEXT = 12
_LONGEST_CONTEXT = 400
_CUT = "[…]"


def answer_text(mail: Mail, ticket: TicketFacts) -> str:
    """The text that goes to the customers of `ticket` for an agent's `mail`."""
    text = _with_quotes(mail, ticket)
    if holds_note(text, ticket.notes):
        text = mail.message.new_text
    return without_private_addresses(mail.directory, text, mail.directory.queue(ticket.queue).addresses[0])


def told_lines(mail: Mail) -> list[Told]:
    """The lines of an agent's mail, told apart; none where nothing is quoted or nothing can be told apart."""
    message = mail.message
    lines = _lines(message, mail.settings.parse.text_octets) if message.quoted else None
    return lines or []


@dataclass(slots=True)
class _Block:
    """Quoted lines between two pieces of other text, as indexes. `intro`: the lines that introduce them;
    `answered`: new text follows."""

    quoted: list[int]
    intro: list[int]
    answered: bool


def _with_quotes(mail: Mail, ticket: TicketFacts) -> str:
    message = mail.message
    lines = told_lines(mail)
    if not lines:
        return message.new_text
    known = Known(mail, ticket)
    wrapped = _unwrap(lines, known)
    shown = _choose(lines, known)
    if not shown and not wrapped:
        return message.new_text
    for index, line in enumerate(lines):
        if line.kind == "new":
            shown[index] = [line.text]
    return _join(lines, shown)


def _lines(message: Message, most: int) -> list[Told] | None:
    """The lines of the text from which `new_text` was made, or None where that cannot be told."""
    lines, new = tell_apart(message.text)
    if new.strip("\n") == message.new_text and new.strip():
        return lines
    if not message.html:
        return None
    lines, new = tell_apart(to_text(message.html[:most]))
    return lines if new.strip("\n") == message.new_text and new.strip() else None


def _unwrap(lines: list[Told], known: Known) -> bool:
    """Count the ends of quoted lines that a mail client has put on lines of their own, without a sign, as
    quoted; whether there are any."""
    found = False
    for index in range(1, len(lines)):
        before, line = lines[index - 1], lines[index]
        if line.kind == "new" and before.kind == "quoted" and known.continues(before.text, line.text):
            lines[index] = Told("quoted", line.text)
            found = True
    return found


def _choose(lines: list[Told], known: Known) -> dict[int, list[str]]:
    """What is shown of quoted lines and introductions, by the index of the line."""
    shown: dict[int, list[str]] = {}
    inside = False
    for block in _blocks(lines):
        quoted = [lines[index].text for index in block.quoted]
        near = zip(["", *quoted], quoted, [*quoted[1:], ""], strict=False)
        public = [known.is_public(before, line, after) for before, line, after in near]
        if not inside:
            intro = " ".join(lines[index].text for index in block.intro)
            inside = bool(intro and known.introduces_a_notice(intro)) or _of_a_notice(quoted, public, known)
        if not inside:
            shown.update({index: [lines[index].text] for index in block.intro})
            if not any(public):
                shown.update({index: [_signed(lines[index].text)] for index in block.quoted})
                continue
        if block.answered or not inside:
            shown.update(_context(block, quoted, public))
    return shown


def _blocks(lines: list[Told]) -> list[_Block]:
    """The quoted lines in blocks; blank lines alone part none."""
    blocks: list[_Block] = []
    quoted: list[int] = []
    intro: list[int] = []
    for index, line in enumerate(lines):
        if line.kind == "quoted":
            quoted.append(index)
        elif not line.text.strip():
            continue
        else:
            if quoted:
                blocks.append(_Block(quoted, intro, line.kind == "new"))
                quoted, intro = [], []
            intro = [*intro, index] if line.kind == "intro" else []
    if quoted:
        blocks.append(_Block(quoted, intro, False))
    return blocks


def _of_a_notice(quoted: list[str], public: list[bool], known: Known) -> bool:
    """Whether a block is a notice's: it holds a line of ours, or text that is hidden, or a customer's text
    beside other text."""
    others = [text for text, of_customer in zip(quoted, public, strict=True) if not of_customer]
    filled = [text for text in others if bare(text)]
    return bool(filled) and (
        any(public) or any(known.is_ours(text) or known.is_hidden(text) for text in filled)
    )


def _context(block: _Block, quoted: list[str], public: list[bool]) -> dict[int, list[str]]:
    """The customer's lines at the end of a block."""
    stop = len(quoted)
    while stop and (not bare(quoted[stop - 1]) or _names_attachments(quoted[stop - 1])):
        stop -= 1
    start = stop
    while start and (public[start - 1] or not bare(quoted[start - 1])):
        start -= 1
    while start < stop and not bare(quoted[start]):
        start += 1
    first = max(start, stop - _MOST_CONTEXT)
    shown = {block.quoted[at]: [_shortened(bare(quoted[at]))] for at in range(first, stop)}
    if first > start:
        shown[block.quoted[first]].insert(0, f"> {_CUT}")
    return shown


def _names_attachments(line: str) -> bool:
    """Whether a quoted line names the attachments of the customer's mail, which stand below its text."""
    return bare(line).startswith("Attachments: ")


def _shortened(text: str) -> str:
    if len(text) > _LONGEST_CONTEXT:
        text = f"{text[:_LONGEST_CONTEXT]} {_CUT}"
    return f"> {text}".rstrip()


def _signed(text: str) -> str:
    """A line of the agent's own quote; one that was marked in HTML gets its sign."""
    return text if ">" in text[:8] or text.lstrip().startswith("|") else f"> {text}".rstrip()


def _join(lines: list[Told], shown: dict[int, list[str]]) -> str:
    """The shown lines, with the blank lines between them; one blank line where something was left out."""
    out: list[str] = []
    blanks, left_out, last = 0, False, ""
    for index, line in enumerate(lines):
        if index not in shown:
            left_out = left_out or bool(line.text.strip())
            continue
        if not line.text.strip() and line.kind == "new":
            blanks += 1
            continue
        if out and left_out:
            out.append("")
        elif out:
            out += [""] * (blanks if last == line.kind == "new" else min(blanks, 1))
        out += shown[index]
        blanks, left_out, last = 0, False, line.kind
    return "\n".join(out).strip("\n")
