"""An answer without any text of its own."""

from __future__ import annotations

from tests.pipeline_world import agent_address, envelope, facts, run, ticket

HEAD = (
    "From: petra@private.example\r\nTo: {to}\r\nSubject: Re: Printer\r\nMessage-ID: <e@private.example>\r\n"
    "MIME-Version: 1.0\r\n"
)


def test_an_empty_named_body_is_no_answer() -> None:
    """A part that is the mail's own text is not sent on, so nothing would be left of the answer."""
    raw = HEAD.format(to=agent_address()) + 'Content-Type: text/plain; name="body.txt"\r\n\r\n\r\n'
    work = run(raw.encode(), facts(ticket()), envelope(authenticated_as="petra"))
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert "no text of its own" in work.decision.outcome


def test_a_file_alone_is_an_answer() -> None:
    raw = (
        HEAD.format(to=agent_address())
        + 'Content-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment\r\n\r\n%PDF\r\n'
    )
    work = run(raw.encode(), facts(ticket()), envelope(authenticated_as="petra"))
    assert work.decision is not None
    assert work.decision.outcome == "answer"
