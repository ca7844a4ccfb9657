"""Loading a right config: what the values become, how files are laid over each other, what is expanded."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.resources import config_folder
from gateway.settings.load import load
from gateway.settings.mistakes import ConfigMistakes
from gateway.settings.model import MaildirDelivery, SmtpDelivery
from tests.settings.folders import RIGHT, folder_with, in_folder, loaded, mistakes


def test_the_shipped_example_is_right_and_says_nothing_odd() -> None:
    shipped = load(config_folder())
    assert shipped.warnings == ()
    assert [path.name for path in shipped.files] == ["gateway.yaml", "agents.yaml"]
    settings = shipped.settings
    assert settings.queues[0].addresses == ("support@example.com",)
    assert [agent.name for agent in settings.agents] == ["petra", "pavel"]
    assert [(entry.protocol, entry.listen) for entry in settings.listeners] == [
        ("smtp", "127.0.0.1:2525"),
        ("lmtp", "127.0.0.1:2424"),
    ]
    assert settings.delivery.via == MaildirDelivery(type="maildir", path="mail")


def test_a_text_stays_as_it_is_written(tmp_path: Path) -> None:
    agents = "agents:\n"
    written = ["NO", "12:30", "1.10", "0x1F", "2026-12-24", "1e3", "yes", "007"]
    for at, name in enumerate(written):
        agents += f"  - {{name: a{at}, display_name: {name}, address: a{at}@example.com}}\n"
    settings = loaded(tmp_path, {"agents.yaml": agents}).settings
    assert [agent.display_name for agent in settings.agents] == written


@pytest.mark.parametrize(
    ("written", "value"), [("true", True), ("false", False), ("yes", True), ("No", False), ("off", False)]
)
def test_yes_and_no_are_truths_where_a_truth_is_wanted(tmp_path: Path, written: str, value: bool) -> None:
    config = RIGHT.replace("    addresses:", f"    acknowledge: {written}\n    addresses:")
    assert loaded(tmp_path, {"gateway.yaml": config}).settings.queues[0].acknowledge is value


def test_numbers_durations_and_sizes(tmp_path: Path) -> None:
    config = (
        RIGHT + "daemon: {workers: 3, lease: 1h 30m, tick: 500ms}\nparse: {text_octets: 2 MiB, headers: 99}\n"
    )
    settings = loaded(tmp_path, {"gateway.yaml": config}).settings
    assert (settings.daemon.workers, settings.daemon.lease) == (3, timedelta(minutes=90))
    assert settings.daemon.tick == timedelta(milliseconds=500)
    assert (settings.parse.text_octets, settings.parse.headers) == (2 * 1024**2, 99)


def test_an_empty_value_means_the_default(tmp_path: Path) -> None:
    config = RIGHT + "mailboxes:\n  # all commented out\nlisteners: ~\ndatabase:\n  url:\n"
    settings = loaded(tmp_path, {"gateway.yaml": config}).settings
    assert (settings.mailboxes, settings.listeners) == ((), ())
    assert settings.database.url == "sqlite:ticketgate.db"


def test_additions_are_laid_over_in_the_order_of_names(tmp_path: Path) -> None:
    files = {
        "conf.d/20-late.yaml": "desk: {name: Late}\nqueues:\n  - {name: support, signature: Late}\n",
        "conf.d/10-early.yaml": "desk: {name: Early, timezone: Europe/Prague}\n"
        "queues:\n  - {name: support, signature: Early, addresses: [help@example.com]}\n"
        "  - {name: sales, addresses: [sales@example.com]}\n",
    }
    result = loaded(tmp_path, files)
    desk = result.settings.desk
    assert (desk.name, desk.timezone, desk.address) == ("Late", "Europe/Prague", "desk@example.com")
    support, sales = result.settings.queues
    assert (support.signature, support.addresses) == ("Late", ("help@example.com",))
    assert sales.name == "sales"
    names = [path.relative_to(tmp_path).as_posix() for path in result.files]
    assert names == ["gateway.yaml", "agents.yaml", "conf.d/10-early.yaml", "conf.d/20-late.yaml"]


def test_another_kind_of_section_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    config = RIGHT.replace(
        "via: {type: maildir}", "via: {type: smtp, host: a, user: u, password: {env: EARLY}}"
    )
    addition = "delivery: {via: {type: maildir, path: out}}\n"
    assert loaded(tmp_path, {"gateway.yaml": config, "conf.d/a.yaml": addition}).settings.delivery.via == (
        MaildirDelivery(type="maildir", path="out")
    )
    addition = "delivery: {via: {password: {file: late}}}\n"
    via = loaded(tmp_path, {"gateway.yaml": config, "conf.d/a.yaml": addition}).settings.delivery.via
    assert isinstance(via, SmtpDelivery)
    assert via.password is not None
    assert (via.password.env, via.password.file) == (None, "late")


def test_a_mistake_in_an_addition_is_told_at_its_place_there(tmp_path: Path) -> None:
    additions = {"conf.d/a.yaml": "queues:\n  - name: support\n    acknowledge: perhaps\n"}
    assert mistakes(tmp_path, additions) == [
        "conf.d/a.yaml:3:18: queues.0.acknowledge: is the text 'perhaps', must be true or false"
    ]


def test_variables_are_expanded_in_values_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHO", "Anna: [x] ${HOME}")
    config = RIGHT.replace("desk:\n", 'desk:\n  name: The "${WHO}"\n')
    config = config.replace(
        "    addresses:", "    signature: '${WHO}'\n    display_name: \"${WHO}!\"\n    addresses:"
    )
    settings = loaded(tmp_path, {"gateway.yaml": config}).settings
    assert settings.desk.name == 'The "Anna: [x] ${HOME}"'
    assert settings.queues[0].display_name == "Anna: [x] ${HOME}!"
    assert settings.queues[0].signature == "${WHO}"


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    config = RIGHT + (
        "mailboxes:\n"
        "  - &base {name: one, host: h, user: u, password: {env: P}, tls: {mode: starttls}}\n"
        "  - {<<: *base, name: two, idle: false}\n"
    )
    one, two = loaded(tmp_path, {"gateway.yaml": config}).settings.mailboxes
    assert (one.tls, one.idle, two.tls, two.idle, two.name) == (two.tls, True, one.tls, False, "two")


def test_files_of_later_versions_and_strangers_are_told_and_left_alone(tmp_path: Path) -> None:
    told = loaded(
        tmp_path, {"sla.yaml": "policies: [", "agent.yaml": "agents: []", "conf.d/x.yml": ""}
    ).warnings
    assert [in_folder(tmp_path, warning) for warning in told] == [
        "agent.yaml:1:1: the file is not read, did you mean agents.yaml?",
        "conf.d/x.yml:1:1: the file is not read, additions stand in conf.d/*.yaml",
        "sla.yaml:1:1: this version does not read the file yet",
    ]


def test_a_later_mistake_can_be_told_at_its_place(tmp_path: Path) -> None:
    result = loaded(tmp_path)
    told = result.mistake(("delivery", "via", "path"), "cannot be written")
    assert str(told) == f"{tmp_path}/gateway.yaml:9:3: delivery.via.path: cannot be written"
    bounces = str(result.mistake(("desk", "address"), "bounces"))
    assert bounces == f"{tmp_path}/gateway.yaml:2:12: desk.address: bounces"


def test_a_mistake_names_the_file_as_the_folder_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_with(tmp_path / "config", {"gateway.yaml": RIGHT, "conf.d/a.yaml": "dask: 1\n"})
    for given in ("config", "./config", "../" + tmp_path.name + "/config", str(tmp_path / "config")):
        with pytest.raises(ConfigMistakes) as told:
            load(Path(given))
        name = str(told.value).partition(":")[0]
        assert name == f"{given.removeprefix('./')}/conf.d/a.yaml"
        assert Path(name).is_file()
    with pytest.raises(ConfigMistakes, match=r"^nowhere/gateway\.yaml:1:1: there is no folder"):
        load(Path("nowhere"))


def test_an_anchor_may_be_given_anew(tmp_path: Path) -> None:
    addition = "desk: {name: &a One}\nqueues: [{name: support, display_name: &a Two, signature: *a}]\n"
    settings = loaded(tmp_path, {"conf.d/a.yaml": addition}).settings
    assert (settings.desk.name, settings.queues[0].signature) == ("One", "Two")


def bomb(levels: int, width: int) -> str:
    """A list of lists of lists, each of aliases of the one before."""
    text = "laughs:\n  - &a0 [x]\n"
    for level in range(1, levels):
        text += f"  - &a{level} [{', '.join([f'*a{level - 1}'] * width)}]\n"
    return text


def test_aliases_that_grow_without_bound_are_a_mistake(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, {"conf.d/a.yaml": bomb(8, 9)})
    assert told.startswith("conf.d/a.yaml:")
    assert "more than 50000 values" in told


def test_many_agents_are_no_bomb(tmp_path: Path) -> None:
    agents = "".join(
        f"  - {{name: a{at}, display_name: A, address: a{at}@example.com}}\n" for at in range(1500)
    )
    assert len(loaded(tmp_path, {"agents.yaml": "agents:\n" + agents}).settings.agents) == 1500


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    folder_with(tmp_path, {"conf.d/b.yaml": ""})
    os.mkfifo(tmp_path / "conf.d" / "a.yaml")
    with pytest.raises(ConfigMistakes, match=r"conf\.d/a\.yaml:1:1: this is no file"):
        load(tmp_path)
