"""From a config folder to a house: keys, templates, database."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.daemon.house import HouseTrouble, open_house
from gateway.runtime import SystemClock, SystemIds
from gateway.settings.load import load
from gateway.settings.mistakes import ConfigMistakes
from gateway.store.models import Ticket
from tests.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKETGATE_TEST_KEY", "a-key-for-tests-only-0123456789")
    return Desk(tmp_path)


def opened(desk: Desk):  # type: ignore[no-untyped-def]
    house = open_house(load(desk.write_config()), SystemClock(), SystemIds())
    house.store.close()
    return house


def test_the_first_start_makes_a_key_that_stays_and_that_only_we_can_read(desk: Desk) -> None:
    del desk.settings["signing"]
    first = opened(desk).policy.signer.address("support@example.test", 1, "c", "a@b")
    assert opened(desk).policy.signer.address("support@example.test", 1, "c", "a@b") == first
    mode = stat.S_IMODE((desk.folder / "var" / "signing.key").stat().st_mode)
    assert mode == 0o600


def test_nodes_that_share_a_database_must_be_given_a_key(desk: Desk) -> None:
    del desk.settings["signing"]
    desk.settings["database"] = {"url": "postgresql://nobody@127.0.0.1:1/none"}
    with pytest.raises(ConfigMistakes, match=r"signing\.keys"):
        opened(desk)


def test_a_database_that_cannot_be_reached_is_told_in_a_line(desk: Desk) -> None:
    desk.settings["database"] = {"url": "postgresql://nobody@127.0.0.1:1/none"}
    with pytest.raises(HouseTrouble, match=r"database\.url.*[Cc]onnection refused") as raised:
        opened(desk)
    assert raised.value.exit_code == os.EX_UNAVAILABLE, "systemd tries again"
    assert "\n" not in str(raised.value)
    assert "nobody@" not in str(raised.value)


def test_a_state_folder_that_cannot_be_made_may_come_back(desk: Desk) -> None:
    (desk.folder / "var").write_text("a file where the disk will be mounted")
    with pytest.raises(HouseTrouble, match="state_dir") as raised:
        opened(desk)
    assert raised.value.exit_code == os.EX_UNAVAILABLE
    del desk.settings["signing"]
    with pytest.raises(HouseTrouble, match="var") as raised:
        opened(desk)
    assert raised.value.exit_code == os.EX_UNAVAILABLE


def test_a_lost_key_is_not_replaced_where_tickets_exist(desk: Desk) -> None:
    del desk.settings["signing"]
    house = opened(desk)
    key = desk.folder / "var" / "signing.key"
    key.rename(desk.folder / "backup")
    opened(desk)
    with house.store.database.write():
        texts = ("queue", "state", "subject", "requester_name", "requester_address", "requester_key")
        house.store.database.insert(
            Ticket,
            **dict.fromkeys(texts, "x"),
            priority="normal",
            created_at=SystemClock().now(),
            updated_at=SystemClock().now(),
        )
    house.store.close()
    key.unlink()
    with pytest.raises(HouseTrouble, match="restore the key from the backup") as raised:
        opened(desk)
    assert raised.value.exit_code == os.EX_CONFIG
    assert not key.exists()
    (desk.folder / "backup").rename(key)
    address = house.policy.signer.address("support@example.test", 1, "c", "a@b")
    assert opened(desk).policy.signer.address("support@example.test", 1, "c", "a@b") == address


def test_a_key_that_others_can_read_is_refused(desk: Desk) -> None:
    del desk.settings["signing"]
    opened(desk)
    (desk.folder / "var" / "signing.key").chmod(0o644)
    with pytest.raises(HouseTrouble, match="open to everybody") as raised:
        opened(desk)
    assert raised.value.exit_code == os.EX_CONFIG


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_state_folder_that_cannot_be_written_is_told(desk: Desk) -> None:
    (desk.folder / "var").mkdir(mode=0o500)
    with pytest.raises(HouseTrouble):
        opened(desk)


def test_a_template_of_the_admin_that_is_broken_is_told_with_its_line(desk: Desk) -> None:
    folder = desk.write_config() / "templates"
    folder.mkdir()
    (folder / "answer.txt.j2").write_text("Hello\n{{ text \n")
    with pytest.raises(HouseTrouble, match=r"answer\.txt\.j2:\d+"):
        opened(desk)


def test_a_template_of_the_admin_goes_before_the_shipped_one(desk: Desk) -> None:
    from gateway.notices.render import Renderer

    folder = desk.write_config() / "templates"
    folder.mkdir()
    (folder / "alert.txt.j2").write_text("Our own: {{ text }}\n")
    renderer = Renderer(folder, "UTC")
    text, html = renderer.render("alert", {"desk": {"name": "x"}, "kind": "k", "text": "boo"})
    assert text == "Our own: boo\n"
    assert "boo" in html
