"""What must never reach a customer, and what must never reach a stranger: by property."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tickets.values import Said
from tests.pipeline_world import NOW, agent_address, all_text, envelope, facts, mail, run, ticket

PRIVATE = ("petra@private.example", "petra@phone.example", "pavel@private.example")
AS_PETRA = envelope(authenticated_as="petra")
SECRET = "zwieback"
WORDS = st.lists(
    st.sampled_from(
        [*PRIVATE, PRIVATE[0].upper(), agent_address(), agent_address("n"), "hello", "world", "\n", "> "]
    ),
    max_size=30,
).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_no_address_of_an_agent_stands_in_a_mail_to_a_customer(words: str) -> None:
    known = facts(ticket(history=(Said("note", "agent", "Petra", NOW, f"{SECRET} {PRIVATE[1]}"),)))
    raw = mail(
        f"Answer: {words}\n\n-- \nPetra, {PRIVATE[1]}\n",
        sender=f"Petra <{PRIVATE[0]}>",
        to=agent_address(),
        Reply_To=PRIVATE[1],
        Received="from laptop.private.example by mx",
        X_Originating_IP="[192.0.2.7]",
        Disposition_Notification_To=PRIVATE[0],
    )
    shown = all_text(run(raw, known, AS_PETRA), "customer").replace("=\r\n", "").lower()
    assert "answer:" in shown
    for secret in (*PRIVATE, SECRET, agent_address().split("@")[0], agent_address("n").split("@")[0],
                   "laptop", "192.0.2.7", "disposition-notification"):  # fmt: skip
        assert secret not in shown


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60), st.booleans())
def test_nothing_of_a_note_goes_to_a_customer(text: str, subject: str, by_address: bool) -> None:
    clean_subject = " ".join(subject.encode("ascii", "ignore").decode().split())
    clean_subject = "".join(one for one in clean_subject if one.isprintable())
    raw = mail(
        f"{'' if by_address else '#note '}{SECRET} {text}\n",
        sender=f"Petra <{PRIVATE[0]}>",
        to=f"{agent_address('n' if by_address else 'a')}, jana@customer.example",
        subject=clean_subject,
        Bcc="otto@customer.example",
    )
    work = run(raw, facts(ticket()), AS_PETRA)
    assert work.decision is not None
    assert work.decision.entry is not None
    assert work.decision.entry.kind == "note"
    assert {one.audience for one in work.outgoing} <= {"agent"}
    assert {one.forward_path for one in work.outgoing} == {"pavel@private.example"}


def test_a_later_answer_does_not_carry_an_earlier_note() -> None:
    history = (Said("note", "agent", "Petra", NOW, SECRET), Said("public", "customer", "Jana", NOW, "burns"))
    work = run(
        mail("Here it is.\n", sender=PRIVATE[0], to=agent_address()), facts(ticket(history=history)), AS_PETRA
    )
    assert SECRET not in all_text(work, "customer")
    assert SECRET in all_text(work, "agent"), "agents see it"


def test_an_answer_that_still_holds_a_note_is_held() -> None:
    """A client that quotes the notice without any mark."""
    note = "she set it on fire herself, I think"
    raw = mail(f"Hello Jana,\n\nPavel noted {note}\n", sender=PRIVATE[0], to=agent_address())
    work = run(raw, facts(ticket(notes=(f"Well:\n{note}",))), AS_PETRA)
    assert work.decision is not None
    assert work.decision.action == "hold"
    assert all_text(work, "customer") == ""


def test_an_acknowledgement_shows_the_subject_at_most() -> None:
    work = run(mail("Buy pills at http://spam.example\n", subject="Hello"))
    told = all_text(work, "customer")
    assert "pills" not in told
    assert "spam.example" not in told


def test_mail_is_data_and_never_a_template() -> None:
    work = run(
        mail(
            "{{ 7*7 }} <script>alert(1)</script>\n",
            subject="{% raw %}{{ 7*7 }}",
            sender="<b>x</b> <j@x.example>",
        )
    )
    for one in work.outgoing:
        assert "49" not in one.text
        assert "<script" not in one.html
        assert "<b>x" not in one.html
    assert "{{ 7*7 }}" in all_text(work, "agent")
