"""The IMAP source against a server whose manners the test chooses: each trap of the library, each flavour."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.intake import imap_source
from gateway.intake.buffer import FileRaw
from gateway.intake.imap_folders import candidates
from gateway.intake.imap_login import Credentials
from gateway.intake.imap_source import ImapSource, connect
from gateway.intake.trouble import SourceRefused
from gateway.ports import SourceTrouble
from gateway.runtime import SystemClock
from gateway.store.errors import StoreTrouble
from tests.intake.imap_server import ImapServer, Session, Stored
from tests.intake.imap_tools import Memory, a_mail, a_mailbox, a_round

PASSWORD = Credentials(password=lambda: "secret")


@contextlib.contextmanager
def source_on(
    server: ImapServer, *, interrupted: Any = lambda: False, **settings: Any
) -> Iterator[ImapSource]:
    settings = {"timeout": "5s", **settings}
    mailbox = a_mailbox(host="127.0.0.1", port=server.port, tls={"mode": "none"}, **settings)
    sources = connect(mailbox, PASSWORD, config_dir=Path("/"), clock=SystemClock(), interrupted=interrupted)
    source = next(iter(sources.values()))
    try:
        yield source
    finally:
        source.close()


def take(server: ImapServer, store: Memory | None = None, **settings: Any) -> Memory:
    """One round against the server by a connection of its own."""
    store = store or Memory()
    settings = {"timeout": "5s", **settings}
    mailbox = a_mailbox(host="127.0.0.1", port=server.port, tls={"mode": "none"}, **settings)
    with source_on(server, **settings) as source:
        a_round(source, store, mailbox=mailbox)
    return store


def test_listing_and_fetching_do_not_set_seen() -> None:
    with ImapServer() as server:
        server.add(a_mail(1), a_mail(2))
        with source_on(server) as source:
            assert source.open() == 1
            listed = source.list_after(0)
            assert [item.uid for item in listed] == [1, 2]
            assert listed[0].size == len(a_mail(1))
            assert listed[0].internal_date.isoformat() == "2026-03-02T08:00:00+00:00"
            assert [b"".join(raw.chunks()) for _uid, raw in source.fetch([1, 2])] == [a_mail(1), a_mail(2)]
        assert server.folders["INBOX"][1].flags == set()
        assert not any("BODY[]" in line for line in server.lines)


def test_the_newest_message_that_star_always_names_is_not_listed_again() -> None:
    with ImapServer() as server, source_on(server) as source:
        server.add(a_mail(1))
        source.open()
        assert source.list_after(1) == []


def test_a_large_folder_is_listed_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_source, "_WINDOW", 10)
    with ImapServer() as server:
        server.folders["INBOX"] = {
            uid: Stored(a_mail(uid)) for uid in (*range(5, 25), 4000, 4001, *range(9000, 9030))
        }
        store = take(server)
        assert store.uids() == sorted(server.folders["INBOX"])
        listings = [line for line in server.commands("UID FETCH") if "RFC822.SIZE" in line]
        assert max(len(line) for line in listings) < 60
        assert "1:10 " in listings[0]
        assert len(listings) < 30


@pytest.mark.parametrize("junk", ["* 7 FETCH (UID -1 RFC822.SIZE 3)", "* 7 FETCH (UID 0 RFC822.SIZE 3)"])
def test_nonsense_uids_are_passed_over(junk: str) -> None:
    def unsolicited(session: Session, _tag: str, _arguments: str) -> bool:
        session.say(
            junk, r"* 1 FETCH (FLAGS (\Seen))", "* 12 EXISTS", "* OK [ALERT] quota", "* NO disk is slow"
        )
        return False

    with ImapServer() as server:
        server.on["UID FETCH"] = unsolicited
        server.add(a_mail(1), a_mail(2))
        assert take(server).uids() == [1, 2]


@pytest.mark.parametrize("uidvalidity", ["", "* OK [UIDVALIDITY -1] fine"])
def test_a_folder_without_uidvalidity_is_refused_and_said_so(uidvalidity: str) -> None:
    def select(session: Session, tag: str, _arguments: str) -> bool:
        session.folder = "INBOX"
        session.say("* 1 EXISTS", *([uidvalidity] if uidvalidity else []), f"{tag} OK [READ-WRITE] done")
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["SELECT"] = select
        with pytest.raises(SourceTrouble, match="UIDVALIDITY"):
            source.open()


def test_an_answer_that_is_no_imap_is_trouble_and_no_crash() -> None:
    def select(session: Session, tag: str, _arguments: str) -> bool:
        session.say("* x EXISTS", "* OK [UIDVALIDITY many] fine", f"{tag} OK done")
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["SELECT"] = select
        with pytest.raises(SourceTrouble):
            source.open()


def test_an_internaldate_that_cannot_be_read_counts_as_new() -> None:
    with ImapServer() as server:
        server.add(a_mail(1))
        server.folders["INBOX"][1].date = "yesterday"
        assert take(server).uids() == [1]


def test_a_mail_of_25_mb_comes_in_pieces_and_stays_out_of_memory() -> None:
    import tracemalloc

    large = a_mail(1, "x" * 76 + "\r\n") + b"0123456789abcdef\r\n" * 1_400_000
    with ImapServer() as server:
        server.add(large, a_mail(2))
        with source_on(server) as source:
            source.open()
            source.list_after(0)
            tracemalloc.start()
            got = dict(source.fetch([1, 2]))
            _now, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        raw = got[1]
        assert isinstance(raw, FileRaw)
        assert raw.size == len(large)
        assert b"".join(raw.chunks()) == large
        raw.close()
        assert peak < 8_000_000
        assert sum("<" in line for line in server.commands("UID FETCH")) >= 25


@pytest.mark.parametrize("octets", [2 * 1024 * 1024, 2 * 1024 * 1024 + 1, 2 * 1024 * 1024 - 1])
def test_pieces_end_where_the_mail_does(octets: int) -> None:
    mail = a_mail(1).ljust(octets, b"z")
    with ImapServer() as server:
        server.add(mail)
        assert list(take(server).bodies.values()) == [mail]


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_a_server_that_only_estimates_sizes_gives_whole_mails(factor: float) -> None:
    mail = a_mail(1).ljust(3_000_000, b"z")
    with ImapServer() as server:
        server.told_size = lambda size: int(size * factor)
        server.add(mail, a_mail(2))
        assert list(take(server).bodies.values()) == [mail, a_mail(2)]


def test_a_server_that_gives_more_than_the_piece_asked_for() -> None:
    mail = a_mail(1).ljust(1_500_000, b"z")

    def whole(session: Session, tag: str, arguments: str) -> bool:
        if "<0." not in arguments:
            return False
        session.raw(f"* 1 FETCH (UID 1 BODY[] {{{len(mail)}}}\r\n".encode() + mail + b")\r\n")
        session.say(f"{tag} OK done")
        return True

    with ImapServer() as server:
        server.on["UID FETCH"] = whole
        server.add(mail)
        assert list(take(server).bodies.values()) == [mail]


def test_a_mail_that_grows_over_the_limit_while_it_comes_is_left() -> None:
    with ImapServer() as server:
        server.told_size = lambda size: 1_100_000
        server.add(b"y" * 5_000_000, a_mail(2))
        store = take(server, max_size="2MB")
        assert store.uids() == [2]
        assert "not_given" in store.states["desk", "INBOX"].left[1]


@pytest.mark.parametrize("body", ["BODY[] NIL", 'BODY[] ""', "FLAGS ()"])
def test_a_mail_that_the_server_answers_without_its_body_is_tried_again(body: str) -> None:
    ill = {"yes": True}

    def empty(session: Session, tag: str, arguments: str) -> bool:
        if "BODY.PEEK" not in arguments or not ill["yes"]:
            return False
        session.say(f"* 1 FETCH (UID 1 {body})", f"{tag} OK done")
        return True

    with ImapServer() as server:
        server.on["UID FETCH"] = empty
        server.add(a_mail(1))
        store = take(server)
        assert store.taken == {}
        ill["yes"] = False
        assert take(server, store).uids() == [1]


def test_a_server_error_for_one_message_does_not_block_the_others() -> None:
    def refuse(session: Session, tag: str, arguments: str) -> bool:
        chosen, items = arguments.split(" ", 1)
        if "BODY.PEEK" in items and 2 in session.chosen(chosen):
            session.say(f"{tag} NO [SERVERBUG] internal error")
            return True
        return False

    with ImapServer() as server:
        server.on["UID FETCH"] = refuse
        server.add(*(a_mail(number) for number in range(1, 6)))
        store = take(server)
        assert store.uids() == [1, 3, 4, 5]
        assert "not_given tries=1" in store.states["desk", "INBOX"].left[2]


def test_a_full_disk_is_our_trouble_and_not_the_servers(tmp_path: Path) -> None:
    with ImapServer() as server:
        server.add(b"z" * 2_000_000)
        mailbox = a_mailbox(host="127.0.0.1", port=server.port, tls={"mode": "none"})
        sources = connect(
            mailbox, PASSWORD, config_dir=tmp_path, clock=SystemClock(), temp_dir=tmp_path / "gone"
        )
        store = Memory()
        with pytest.raises(StoreTrouble, match="no room"):
            a_round(sources["INBOX"], store)
        sources["INBOX"].close()
        assert store.states["desk", "INBOX"].last_uid == 0


FLAVOURS = {
    "plain": "IMAP4rev1",
    "gmail": "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 ENABLE CONDSTORE ESEARCH",
    "exchange": "IMAP4 IMAP4rev1 AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT IDLE NAMESPACE LITERAL+",
    "courier": "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=REFERENCES SORT QUOTA IDLE",
    "dovecot": "IMAP4rev1 SASL-IR LITERAL+ ENABLE IDLE SORT MULTIAPPEND UNSELECT NAMESPACE UIDPLUS MOVE",
}


@pytest.mark.parametrize("after", ["seen", "leave", "delete", "move:Done/2026"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavours(flavour: str, after: str) -> None:
    def chatty(session: Session, _tag: str, _arguments: str) -> bool:
        session.say("* 3 EXISTS", "* 0 RECENT", r"* 2 FETCH (FLAGS (\Seen) MODSEQ (5))", "* OK [UNSEEN 2] x")
        return False

    with ImapServer(capabilities=FLAVOURS[flavour]) as server:
        if flavour == "courier":
            server.prefix, server.delimiter = "INBOX.", "."
        if flavour == "exchange":
            server.told_size = lambda size: size + 300
            server.on = dict.fromkeys(("UID FETCH", "UID STORE", "UID MOVE", "NOOP", "LIST"), chatty)
        server.add(a_mail(1), a_mail(2).ljust(1_200_000, b"z"), a_mail(3))
        store = take(server, after=after)
        assert [len(body) for body in store.bodies.values()] == [113, 1_200_000, 113]
        assert store.settled_keys == set(store.taken)
        inbox = server.folders["INBOX"]
        removed = "UIDPLUS" in server.capabilities or (after[:4] == "move" and "MOVE" in server.capabilities)
        if after in ("seen", "leave"):
            assert [mail.flags for mail in inbox.values()] == [{r"\Seen"} if after == "seen" else set()] * 3
        elif removed:
            assert inbox == {}
        else:
            assert [mail.flags for mail in inbox.values()] == [{r"\Deleted"}] * 3
        if after[:4] == "move":
            (target,) = (mails for name, mails in server.folders.items() if "Done" in name)
            assert len(target) == 3
        assert server.bare_expunges == 0
        assert take(server, store, after=after).uids() == [1, 2, 3]


def test_an_empty_mail_is_a_mail() -> None:
    with ImapServer() as server:
        server.add(b"")
        assert list(take(server).bodies.values()) == [b""]


def test_seen_and_deleted_mail_is_taken_like_any_other() -> None:
    with ImapServer() as server:
        server.add(a_mail(1))
        server.folders["INBOX"][1].flags.add(r"\Seen")
        assert take(server).uids() == [1]


def test_after_seen() -> None:
    with ImapServer() as server:
        server.add(a_mail(1))
        take(server)
        assert server.folders["INBOX"][1].flags == {r"\Seen"}
        assert server.commands("UID STORE") == [r"1 +FLAGS.SILENT (\Seen)"]


def test_after_leave_changes_nothing_and_opens_the_folder_for_reading_only() -> None:
    with ImapServer() as server:
        server.add(a_mail(1))
        store = take(server, after="leave")
        assert server.commands("UID STORE") == []
        assert server.commands("SELECT") == []
        assert store.settled_keys == set(store.taken)


def test_after_delete_removes_these_mails_and_not_what_a_person_flagged() -> None:
    with ImapServer() as server, source_on(server, after="delete") as source:
        server.add(a_mail(1), a_mail(2), a_mail(3))
        server.folders["INBOX"][3].flags.add(r"\Deleted")
        source.open()
        source.settle([1, 2])
        assert set(server.folders["INBOX"]) == {3}
        assert server.bare_expunges == 0


def test_without_uidplus_a_mail_is_flagged_deleted_and_nothing_is_expunged() -> None:
    with ImapServer(capabilities="IMAP4rev1") as server:
        server.add(a_mail(1))
        take(server, after="delete")
        assert server.folders["INBOX"][1].flags == {r"\Deleted"}
        assert server.bare_expunges == 0
        assert not any("EXPUNGE" in line or "CLOSE" in line for line in server.lines)


def test_after_move_with_move() -> None:
    with ImapServer() as server:
        server.add(a_mail(1), a_mail(2))
        take(server, after="move:Done")
        assert server.folders["INBOX"] == {}
        assert [mail.octets for mail in server.folders["Done"].values()] == [a_mail(1), a_mail(2)]


def test_after_move_without_move_copies_flags_and_expunges_just_these() -> None:
    with ImapServer(capabilities="IMAP4rev1 UIDPLUS") as server:
        server.add(a_mail(1))
        take(server, after="move:Done")
        assert server.folders["INBOX"] == {}
        assert len(server.folders["Done"]) == 1
        assert server.bare_expunges == 0


def test_a_move_by_copy_that_is_repeated_does_not_copy_twice() -> None:
    with ImapServer(capabilities="IMAP4rev1") as server, source_on(server, after="move:Done") as source:
        server.add(a_mail(1))
        source.open()
        source.settle([1])
        source.settle([1])
        source.settle([1, 77])
        assert len(server.folders["Done"]) == 1
        assert server.folders["INBOX"][1].flags == {r"\Deleted"}


def test_the_target_folder_is_made_under_the_prefix_and_with_the_delimiter_of_the_server() -> None:
    with ImapServer() as server:
        server.prefix, server.delimiter = "INBOX.", "."
        server.add(a_mail(1))
        take(server, after="move:Done/2026")
        assert len(server.folders["INBOX.Done.2026"]) == 1


def test_a_target_that_is_there_is_not_made_again() -> None:
    with ImapServer() as server:
        server.folders["Erledigt &APw-"] = {}
        server.add(a_mail(1))
        take(server, after="move:Erledigt ü")
        assert len(server.folders["Erledigt &APw-"]) == 1
        assert server.commands("CREATE") == []


def test_moving_into_the_folder_itself_does_nothing() -> None:
    with ImapServer() as server:
        server.add(a_mail(1))
        take(server, after="move:INBOX")
        assert set(server.folders["INBOX"]) == {1}


def test_a_target_that_cannot_be_made_is_told_and_mail_is_taken() -> None:
    def refuse(session: Session, tag: str, _arguments: str) -> bool:
        session.say(f"{tag} NO [CANNOT] not here")
        return True

    with ImapServer() as server:
        server.on["CREATE"] = refuse
        server.add(a_mail(1))
        store = take(server, after="move:Done")
        assert store.uids() == [1]
        assert [key for _kind, key, _text in store.alerts_raised] == ["desk/INBOX/settle"]


def test_a_read_only_folder_is_read_and_not_marked() -> None:
    with ImapServer() as server:
        server.read_only = True
        server.add(a_mail(1))
        store = take(server)
        assert store.uids() == [1]
        assert "read-only" in store.alerts_raised[0][2]
        assert server.commands("UID STORE") == []


def test_a_non_ascii_folder_is_read_under_its_modified_utf7_name() -> None:
    with ImapServer() as server:
        server.folders["K&APY-ln &- more"] = {}
        server.add(a_mail(1), folder="K&APY-ln &- more")
        with source_on(server, folders=["Köln & more"]) as source:
            source.open()
            assert [item.uid for item in source.list_after(0)] == [1]


def test_a_nested_folder_is_found_under_the_servers_own_name() -> None:
    with ImapServer() as server:
        server.prefix, server.delimiter = "INBOX.", "."
        server.folders["INBOX.Support.New"] = {}
        with source_on(server, folders=["Support/New"]) as source:
            assert source.open() == 1


def test_a_missing_folder_is_refused_and_the_connection_lives() -> None:
    with ImapServer() as server, source_on(server, folders=["Nowhere", "INBOX"]) as source:
        with pytest.raises(SourceRefused, match="Nowhere"):
            source.open()
        assert server.commands("LOGOUT") == []
    assert any("LOGOUT" in line for line in server.lines)


@pytest.mark.parametrize(
    ("written", "delimiter", "prefix", "expected"),
    [
        ("Done", "/", "", ["Done"]),
        ("Done/2026", ".", "", ["Done/2026", "Done.2026"]),
        ("Done/2026", ".", "INBOX.", ["Done/2026", "Done.2026", "INBOX.Done.2026"]),
        ("INBOX.Done", ".", "INBOX.", ["INBOX.Done"]),
        ("inbox", ".", "INBOX.", ["INBOX"]),
        ("Done", "", "", ["Done"]),
    ],
)
def test_names_that_a_folder_may_have(written: str, delimiter: str, prefix: str, expected: list[str]) -> None:
    assert candidates(written, delimiter, prefix) == expected


def test_a_server_that_hangs_in_fetch_is_left_within_its_bound() -> None:
    with ImapServer() as server, source_on(server, timeout="300ms") as source:
        server.on["UID FETCH"] = server.hold
        source.open()
        started = SystemClock().monotonic()
        with pytest.raises(SourceTrouble, match="no answer in time"):
            source.list_after(0)
        assert SystemClock().monotonic() - started < 3


def test_a_connection_can_be_cut_by_another_thread() -> None:
    with ImapServer() as server, source_on(server, timeout="60s") as source:
        asked = threading.Event()

        def hang(session: Session, tag: str, arguments: str) -> bool:
            asked.set()
            return server.hold(session, tag, arguments)

        server.on["UID FETCH"] = hang
        source.open()
        threading.Thread(target=lambda: asked.wait(10) and source.cut(), daemon=True).start()
        with pytest.raises(SourceTrouble):
            source.list_after(0)


def test_a_bye_in_the_middle_is_a_lost_connection() -> None:
    def bye(session: Session, _tag: str, _arguments: str) -> bool:
        session.say("* BYE shutting down")
        session.hang_up()
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["SELECT"] = bye
        with pytest.raises(SourceTrouble, match="connection is lost") as caught:
            source.open()
        assert not isinstance(caught.value, SourceRefused)


def idle_says(server: ImapServer, *first: str, later: str = "") -> None:
    def idle(session: Session, tag: str, _arguments: str) -> bool:
        session.say(*first)
        if later:
            session.say(later)
        if session.line().upper() == "DONE":
            session.say(f"{tag} OK done")
        return True

    server.on["IDLE"] = idle


def test_idle_hints_at_new_mail() -> None:
    with ImapServer() as server, source_on(server) as source:
        idle_says(server, "+ idling", later="* 3 EXISTS")
        source.open()
        assert source.wait(20) is True


def test_a_hint_in_the_same_packet_as_the_continuation_is_not_overslept() -> None:
    with ImapServer() as server, source_on(server) as source:
        idle_says(server, "+ idling", "* 3 EXISTS")
        source.open()
        assert source.wait(20) is True


def test_a_hint_before_the_continuation_is_a_hint() -> None:
    with ImapServer() as server, source_on(server) as source:
        idle_says(server, "* 3 EXISTS", "+ idling")
        source.open()
        assert source.wait(20) is True
        assert source.open() == 1, "the connection is in step"


def test_a_server_that_refuses_idle_is_no_lost_connection() -> None:
    def refuse(session: Session, tag: str, _arguments: str) -> bool:
        session.say(f"{tag} NO not now")
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["IDLE"] = refuse
        source.open()
        with pytest.raises(SourceRefused):
            source.wait(20)
        assert source.open() == 1


def test_a_peer_that_dies_in_idle_is_trouble_at_once_and_no_busy_loop() -> None:
    def die(session: Session, _tag: str, _arguments: str) -> bool:
        session.say("+ idling")
        session.hang_up()
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["IDLE"] = die
        source.open()
        with pytest.raises(SourceTrouble):
            source.wait(60)
        assert len(server.commands("IDLE")) <= 1


def test_keepalives_are_no_news_and_cannot_spin_us() -> None:
    with ImapServer() as server, source_on(server) as source:
        idle_says(server, "+ idling", "* OK still here", r"* 1 FETCH (FLAGS (\Seen))", "* 2 EXPUNGE")
        source.open()
        assert source.wait(60) is False
        assert sum(line.endswith(" IDLE") for line in server.lines) == 20


def test_keepalives_now_and_then_do_not_end_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_source, "_HASTY_S", 0.0)
    sent = itertools.count(1)

    def idle(session: Session, tag: str, _arguments: str) -> bool:
        session.say("+ idling", "* OK still here" if next(sent) < 40 else "* 7 EXISTS")
        assert session.line() == "DONE"
        session.say(f"{tag} OK done")
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["IDLE"] = idle
        source.open()
        assert source.wait(60) is True


def test_half_a_line_in_idle_is_waited_for() -> None:
    def halves(session: Session, tag: str, _arguments: str) -> bool:
        session.raw(b"+ idling\r\n* 3 EXI")
        assert session.line() == "DONE"
        session.raw(b"STS\r\n")
        session.say(f"{tag} OK done")
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["IDLE"] = halves
        source.open()
        assert source.wait(20) is True


def test_idle_is_renewed_before_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert imap_source._RENEW_IDLE_S < 600
    monkeypatch.setattr(imap_source, "_RENEW_IDLE_S", 0.05)
    with ImapServer() as server, source_on(server) as source:
        source.open()
        assert source.wait(0.3) is False
        assert sum(line.endswith(" IDLE") for line in server.lines) >= 3


def test_waiting_ends_when_it_is_interrupted() -> None:
    stop = threading.Event()
    with ImapServer() as server, source_on(server, interrupted=stop.is_set) as source:
        source.open()
        threading.Thread(target=lambda: server.idling.wait(10) and stop.set(), daemon=True).start()
        started = SystemClock().monotonic()
        assert source.wait(60) is False
        assert SystemClock().monotonic() - started < 10


def test_a_server_without_idle_is_not_asked_to() -> None:
    with ImapServer(capabilities="IMAP4rev1") as server, source_on(server) as source:
        source.open()
        assert source.wait(60) is False
        assert not any(line.endswith(" IDLE") for line in server.lines)


def test_a_line_beyond_imaplibs_bound_ends_the_connection() -> None:
    def endless(session: Session, tag: str, _arguments: str) -> bool:
        session.raw(b"* 1 FETCH (UID 1 X " + b"9" * 1_100_000 + b")\r\n")
        session.say(f"{tag} OK done")
        return True

    with ImapServer() as server, source_on(server) as source:
        server.on["UID FETCH"] = endless
        source.open()
        with pytest.raises(SourceTrouble) as caught:
            source.list_after(0)
        assert not isinstance(caught.value, SourceRefused)


def test_a_server_that_tells_neither_delimiter_nor_namespace_gets_the_name_as_written() -> None:
    def refuse(session: Session, tag: str, _arguments: str) -> bool:
        session.say(f"{tag} BAD what")
        return True

    with ImapServer() as server, source_on(server, folders=["Gone/Away"]) as source:
        server.on = {"LIST": refuse, "NAMESPACE": refuse}
        with pytest.raises(SourceRefused, match="Gone/Away"):
            source.open()
