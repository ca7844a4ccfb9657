"""Which mails `explain` finds behind a path, and in which order."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.mail_files import mails

MAIL = b"From: jane@example.org\nSubject: %s\n\nhello\n"
ENVELOPE = b"From jane@example.org Mon Nov 23 09:15:00 2026\n"


def found(*paths: Path | str) -> list[tuple[str, bytes]]:
    return [(mail.name, mail.read()) for mail in mails([str(path) for path in paths])]


def write(path: Path, octets: bytes = b"Subject: x\n\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    return path


def test_files_keep_the_order_of_the_command_line_and_their_octets(tmp_path: Path) -> None:
    b, a = write(tmp_path / "b.eml", b"one\r\n"), write(tmp_path / "a", b"\0two")
    assert found(b, a, b) == [(str(b), b"one\r\n"), (str(a), b"\0two"), (str(b), b"one\r\n")]


def test_a_folder_is_read_in_name_order_through_all_folders_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", "c/d/e", ".hidden", ".git/config"):
        write(tmp_path / name)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [Path(name).relative_to(tmp_path).as_posix() for name, _ in found(tmp_path)] == [
        "a", "b/1", "b/2", "c/d/e",
    ]  # fmt: skip


def test_a_maildir_is_one_folder_and_the_servers_own_files_are_no_mails(tmp_path: Path) -> None:
    names = ("new/3", "cur/1:2,S", "cur/2:2,", "tmp/4", "dovecot.index", ".Sent/cur/5", ".Sent/new/6")
    for name in names:
        write(tmp_path / name)
    shown = [Path(name).relative_to(tmp_path).as_posix() for name, _ in found(tmp_path)]
    assert shown == ["cur/1:2,S", "cur/2:2,", "new/3", ".Sent/cur/5", ".Sent/new/6"]


class TestMbox:
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
    def test_each_mail_has_a_number_and_no_envelope_line(self, tmp_path: Path, line_end: bytes) -> None:
        octets = b"".join(ENVELOPE + MAIL % name + b"\n" for name in (b"a", b"b", b"c"))
        box = write(tmp_path / "box", octets.replace(b"\n", line_end))
        names, texts = zip(*found(box), strict=True)
        assert names == (f"{box}#1", f"{box}#2", f"{box}#3")
        assert [text.strip() for text in texts] == [
            (MAIL % name).replace(b"\n", line_end).strip() for name in (b"a", b"b", b"c")
        ]

    @given(
        st.lists(
            st.text("abc >\n", max_size=40).map(lambda text: MAIL % b"x" + text.encode() + b"\n"),
            min_size=2,
            max_size=5,
        )
    )
    def test_what_was_put_in_comes_out(self, given_: list[bytes]) -> None:
        stdin = io.TextIOWrapper(io.BytesIO(b"".join(ENVELOPE + mail + b"\n" for mail in given_)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            assert [mail.read() for mail in mails([])] == [mail + b"\n" for mail in given_]

    @pytest.mark.parametrize(
        "body",
        [
            b"From here on\nSubject: is mine\n",
            b"text\nFrom jane@example.org Mon Nov 23 09:15:00 2026\nSubject: no blank line before\n",
            b"\nFrom jane@example.org Mon Nov 23 09:15:00 2026\nand no header after it\n",
        ],
    )
    def test_a_line_that_only_looks_like_it_does_not_divide_a_mail(self, tmp_path: Path, body: bytes) -> None:
        file = write(tmp_path / "mail", ENVELOPE + MAIL % b"a" + body)
        assert found(file) == [(str(file), MAIL % b"a" + body)]

    def test_a_file_eml_is_one_mail_whatever_is_in_it(self, tmp_path: Path) -> None:
        octets = b"\n".join(ENVELOPE + MAIL % name for name in (b"a", b"b"))
        file = write(tmp_path / "mail.eml", octets)
        assert found(file) == [(str(file), octets.removeprefix(ENVELOPE))]

    def test_standard_input_may_be_one_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        octets = b"\n".join(ENVELOPE + MAIL % name for name in (b"a", b"b"))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        assert [name for name, _ in found("-")] == ["-#1", "-#2"]


def test_what_cannot_be_read_tells_so_when_it_is_its_turn(tmp_path: Path) -> None:
    there = write(tmp_path / "there")
    missing, after = mails([str(tmp_path / "missing"), str(there)])
    with pytest.raises(FileNotFoundError):
        missing.read()
    assert after.read() == there.read_bytes()


def test_a_mail_is_read_when_it_is_wanted(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1"), write(tmp_path / "2")
    order = mails([str(tmp_path)])
    assert next(order).name == str(first)
    os.unlink(second)
    write(second, b"changed")
    assert next(order).read() == b"changed"
