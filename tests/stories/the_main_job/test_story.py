"""Jana writes to support; Petra answers from her mail client; Jana's answer finds her ticket.

On real servers: Postfix carries every mail, Dovecot keeps every mailbox, the daemon reads one of them by IMAP
IDLE, or is handed the mails by LMTP; on SQLite and on PostgreSQL; alone, and as two nodes of which one dies.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.desk import AGENT_PASSWORD, Desk
from tests.peers.dovecot import Dovecot, UserBox
from tests.peers.postfix import Postfix
from tests.peers.process import wait_until
from tests.stories.clients import answer, new_mail, parsed, send, text_of

SECRETS = (
    "petra.private",
    "petra.phone",
    "pavel.private",
    "petras-laptop",
    "192.0.2.77",
    "Petra's own company",
)


class Town:
    """The people and their mailboxes on the real servers."""

    def __init__(self, dovecot: Dovecot, postfix: Postfix, domain: str) -> None:
        self.domain = domain
        self.postfix = postfix
        self.jana, self.otto = (dovecot.user(name, domain) for name in ("jana", "otto"))
        self.petra, self.pavel = (dovecot.user(f"{name}.private", domain) for name in ("petra", "pavel"))
        self.support = dovecot.user("support", domain)
        self.admin = dovecot.user("admin", domain)


def by_imap(desk: Desk, town: Town, dovecot: Dovecot) -> None:
    """The daemon reads support's mailbox, with IDLE, and polls so seldom that only IDLE can be quick."""
    desk.settings["mailboxes"] = [
        {
            "name": "support",
            "host": dovecot.host,
            "port": dovecot.imap_port,
            "tls": {"mode": "none"},
            "user": town.support.user,
            "password": {"env": "IMAP_PASSWORD"},
            "poll": "10m",
            "after": "move:Taken",
        }
    ]
    desk.environ = {"IMAP_PASSWORD": town.support.password}


def by_lmtp(desk: Desk, town: Town, dovecot: Dovecot) -> None:
    """Postfix hands the daemon its mails."""
    port = desk.listener("lmtp", "lmtp")
    town.postfix.route(f"support@{town.domain}", f"lmtp:inet:127.0.0.1:{port}")


@pytest.fixture
def town(dovecot: Dovecot, postfix: Postfix, request: pytest.FixtureRequest) -> Iterator[Town]:
    domain = f"t{abs(hash(request.node.name)) % 100000}.example.test"
    one = Town(dovecot, postfix, domain)
    yield one
    postfix.route(f"support@{domain}", None)


@pytest.fixture
def our_desk(desk: Desk, town: Town) -> Desk:
    from tests.desk import agents, base_settings

    desk.settings = base_settings(town.domain)
    desk.agents = agents(town.domain)
    desk.settings["delivery"]["via"] = {
        "type": "smtp",
        "host": "127.0.0.1",
        "port": town.postfix.smtp_port,
        "tls": {"mode": "none"},
    }
    return desk


def only(box: UserBox, count: int = 1) -> bytes:
    """The newest mail of the box, when there are `count`, and no more of them."""
    mails = box.wait_for_mails(count)
    assert len(mails) == count
    return mails[-1]


def nothing_private_in(raw: bytes) -> None:
    shown = raw.decode()
    # the envelope's trace fields are the servers' own
    for secret in SECRETS:
        assert secret not in shown, f"{secret!r} reached a customer"


def play(desk: Desk, town: Town, crash: bool = False) -> None:
    port = town.postfix.smtp_port

    question = new_mail(
        f"Jana Nováková <{town.jana.address}>",
        f"support@{town.domain}",
        "The printer is on fire",
        "Hello,\n\nthe printer on the second floor is on fire. Please help.\n\nJana\n",
        f"<question@{town.domain}>",
    )
    question["Cc"] = town.otto.address
    send(question, port, f"support@{town.domain}")

    acknowledgement = only(town.jana)
    told = parsed(acknowledgement)
    assert told["Return-Path"] == "<>"
    assert told["Auto-Submitted"] == "auto-replied"
    assert told["In-Reply-To"] == f"<question@{town.domain}>"
    assert "ACME-1001" in text_of(told)
    assert "The printer is on fire" in text_of(told)
    assert "ACME-1001" in str(told.get_body(("html",)).get_content())

    notice = only(town.petra)
    only(town.pavel)
    told = parsed(notice)
    assert "Jana Nováková via ACME Support" in told["From"]
    assert "second floor" in text_of(told)
    assert told["Auto-Submitted"] == "auto-generated"

    if crash:
        desk.kill("one")

    reply = answer(
        notice,
        f"Petra P. <{town.petra.address}>",
        "Dear Jana,\n\nplease pull the plug. We are on our way.",
        f"<answer@{town.domain}>",
        signature=f"Petra's own company\n{town.petra.address}",
    )
    reply.add_attachment(b"%PDF-1.4 how to", maintype="application", subtype="pdf", filename="plug.pdf")
    send(reply, port)

    for box, count in ((town.jana, 2), (town.otto, 1)):
        got = only(box, count)
        seen = parsed(got)
        assert "please pull the plug" in text_of(seen)
        assert "second floor" not in text_of(seen), "the quoted notice was passed on"
        assert "Petra (ACME Support)" in seen["From"]
        assert f"support@{town.domain}" in seen["From"]
        assert seen["Auto-Submitted"] is None
        (attached,) = seen.iter_attachments()
        assert attached.get_content() == b"%PDF-1.4 how to"
        nothing_private_in(got)
    assert "Petra answered the customer" in text_of(parsed(only(town.pavel, 2)))

    thanks = answer(
        town.jana.mails()[-1],
        f"Jana Nováková <{town.jana.address}>",
        "It is out now, but it smells.",
        f"<thanks@{town.domain}>",
    )
    send(thanks, port)
    news = parsed(only(town.petra, 2))
    assert "It is out now" in text_of(news)
    assert "ACME-1001" in news["Subject"]

    note_address = next(
        line.split()[-1] for line in text_of(news).splitlines() if line.startswith("Internal note:")
    )
    note = answer(
        town.petra.mails()[-1],
        f"Petra P. <{town.petra.address}>",
        "Between us: she set it on fire herself.",
        f"<note@{town.domain}>",
        to=note_address,
    )
    send(note, port)
    assert "she set it on fire herself" in text_of(parsed(only(town.pavel, 4)))

    town.postfix.wait_until_empty()
    for box in (town.jana, town.otto):
        for raw in box.mails():
            assert b"she set it on fire" not in raw
            nothing_private_in(raw)

    (ticket,) = desk.json("tickets", "list")["tickets"]
    assert ticket["number"] == 1001
    shown = desk.json("tickets", "show", "1001")
    assert [(entry["kind"], entry["author"]) for entry in shown["entries"]] == [
        ("public", "customer"),
        ("public", "agent"),
        ("public", "customer"),
        ("note", "agent"),
    ]


@pytest.mark.parametrize("intake", [by_imap, by_lmtp])
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_question_is_answered(
    intake: object,
    database: str,
    our_desk: Desk,
    town: Town,
    dovecot: Dovecot,
    request: pytest.FixtureRequest,
) -> None:
    if database == "postgres":
        our_desk.settings["database"] = {"url": request.getfixturevalue("postgres_database")}
    intake(our_desk, town, dovecot)  # type: ignore[operator]
    our_desk.start()
    play(our_desk, town)
    assert our_desk.stop() == 0


def test_two_nodes_share_the_work_and_one_of_them_dies(
    our_desk: Desk, town: Town, dovecot: Dovecot, postgres_database: str
) -> None:
    our_desk.settings["database"] = {"url": postgres_database}
    by_imap(our_desk, town, dovecot)
    our_desk.start("one")
    our_desk.start("two")
    play(our_desk, town, crash=True)


def test_an_agent_logs_in_at_our_own_submission_port(our_desk: Desk, town: Town, dovecot: Dovecot) -> None:
    """Where the agent's mail must be proven, SMTP AUTH at our listener proves it; without, it is held."""
    our_desk.settings["security"] = {"agent_trust": "signed_and_authenticated"}
    by_lmtp(our_desk, town, dovecot)
    submission = our_desk.listener("submission", auth=True, auth_without_tls=True, auth_required=True)
    our_desk.start()
    question = new_mail(
        town.jana.address, f"support@{town.domain}", "Help", "Please help.", f"<q@{town.domain}>"
    )
    send(question, town.postfix.smtp_port)
    notice = only(town.petra)
    only(town.jana)

    unproven = answer(notice, town.petra.address, "Not proven.", f"<forged@{town.domain}>")
    send(unproven, town.postfix.smtp_port)
    held = parsed(only(town.petra, 2))
    assert "was not sent to anybody" in text_of(held)

    proven = answer(notice, town.petra.address, "Proven.", f"<real@{town.domain}>")
    send(proven, submission, login=("petra", AGENT_PASSWORD))
    assert "Proven." in text_of(parsed(only(town.jana, 2)))
    assert all(b"Not proven" not in raw for raw in town.jana.mails())


def test_sigterm_ends_it_and_nothing_is_left_behind(our_desk: Desk, town: Town, dovecot: Dovecot) -> None:
    by_imap(our_desk, town, dovecot)
    our_desk.start()
    assert our_desk.stop() == 0
    assert "stopped" in our_desk.log()


def test_a_new_config_is_taken_whole_or_not_at_all(our_desk: Desk, town: Town, dovecot: Dovecot) -> None:
    by_lmtp(our_desk, town, dovecot)
    our_desk.start()
    our_desk.settings["queues"][0]["agents"] = ["nobody-of-this-name"]
    our_desk.reload()
    our_desk.wait_for_log("config_not_taken")
    alert = parsed(only(town.admin))
    assert "nobody-of-this-name" in text_of(alert)

    our_desk.settings["queues"][0]["agents"] = ["pavel"]
    our_desk.reload()
    our_desk.wait_for_log("config_reloaded")
    question = new_mail(town.jana.address, f"support@{town.domain}", "Hi", "Hi.", f"<hi@{town.domain}>")
    send(question, town.postfix.smtp_port)
    only(town.pavel)
    only(town.jana)
    assert town.petra.mails() == []


def test_a_mail_that_was_read_elsewhere_is_taken_all_the_same(
    our_desk: Desk, town: Town, dovecot: Dovecot
) -> None:
    town.support.append(
        new_mail(
            town.jana.address, f"support@{town.domain}", "Seen", "I was opened.", f"<seen@{town.domain}>"
        ).as_bytes(),
        flags="\\Seen",
    )
    by_imap(our_desk, town, dovecot)
    our_desk.start()
    only(town.jana)
    wait_until("the mail to be moved", lambda: len(town.support.mails("Taken")) == 1)
    assert town.support.mails() == []
