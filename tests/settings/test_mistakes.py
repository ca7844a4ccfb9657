"""What an admin is told: file, line, column, key, what is wrong, what would be right; all at once."""
# ruff: noqa: E501 — a table of messages reads best with one a line

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.mail.signed import TOKEN_OCTETS
from gateway.settings import cross
from gateway.settings.load import load
from gateway.settings.mistakes import ConfigMistakes
from tests.settings.folders import AGENTS, RIGHT, folder_with, mistakes

MAILBOX = "mailboxes:\n  - {name: m, host: h, user: u, password: {env: P}, "
LISTENER = "listeners:\n  - {name: l, listen: 127.0.0.1:2525, "

YAML = [
    ("desk: {address: x", "1:18: a bracket is never closed, close it"),
    ("desk:\n\taddress: x", "2:1: a tab stands where spaces belong, indent with spaces"),
    ('desk: "x', "1:9: a quote is never closed, close it"),
    (
        "desk: a: b",
        "1:8: a colon stands where no key can be, check the indentation, or quote a value that holds ': '",
    ),
    ("desk: *who", "1:7: an alias (*) names no anchor, quote a value that begins with *"),
    ("a: 1\n---\nb: 2", "2:1: a second document begins, remove the ---"),
    ("a: 1\nb: \x01", "2:4: a control character stands here, remove it"),
    ("- a\n- b", "1:1: the file holds no keys, write key: value, one a line"),
    ("desk: " + "[" * 3000, "1:56: lists and sections are nested too deeply, close the brackets"),
    ("just text", "1:1: the file holds no keys, write key: value, one a line"),
]


@pytest.mark.parametrize(("text", "told"), YAML)
def test_what_is_no_yaml(tmp_path: Path, text: str, told: str) -> None:
    assert f"gateway.yaml:{told}" in mistakes(tmp_path, {"gateway.yaml": text})


SCHEMA = [
    ("desk:\n", "desk:\n  nmae: X\n", "2:3: desk.nmae: the key is not known here, did you mean name?"),
    ("delivery:", "zzz: 1\ndelivery:", "8:1: zzz: the key is not known here, known keys: state_dir, desk, signing,"),
    ("  address: desk@example.com", "  name: X", "1:1: desk.address: is missing, must be a mail address"),
    ("  address: desk@example.com", "  address:", "2:3: desk.address: is missing, must be a mail address"),
    ("  address: desk@", "  address: desk at ", "2:12: desk.address: 'desk at example.com' does not fit, must be a mail"),
    ("  address: desk@example.com", "  address: [a@b]", "2:3: desk.address: is a list, must be a mail address"),
    ("[support@example.com]", "[]", "5:5: queues.0.addresses: is an empty list, must be a list: each item a mail"),
    ("[support@example.com]", "s@example.com", "5:16: queues.0.addresses: is the text 's@example.com', must be a list"),
    ("[support@example.com]", "[a@b, c]", "5:22: queues.0.addresses.1: 'c' does not fit, must be a mail address"),
    ("[support@example.com]", "[a@b, ]\n    acknowledge: maybe", "6:18: queues.0.acknowledge: is the text 'maybe', must"),
    ("name: support", "name: Support Desk", "4:11: queues.0.name: 'Support Desk' does not fit, must be a short name"),
    ("queues:\n", "queues: none\nx:\n", "3:9: queues: is the text 'none', must be a list: each item a section with"),
    ("  agent_trust: signed", "  agent_trust: sign", "7:16: security.agent_trust: 'sign' does not fit, must be one of"),
    ("{type: maildir}", "{type: maildi}", "9:15: delivery.via.type: 'maildi' is not known, must be one of smtp, lmtp"),
    ("{type: maildir}", "{path: x}", "9:3: delivery.via.type: is missing, must be one of smtp, lmtp, sendmail, maildir"),
    ("{type: maildir}", "maildir", "9:8: delivery.via: is the text 'maildir', must be a section whose type is one of"),
    ("{type: maildir}", "{type: maildir, pth: x}", "9:24: delivery.via.pth: the key is not known here, did you mean"),
    ("{type: maildir}", "{type: smtp, host: h, port: 70000}", "9:36: delivery.via.port: '70000' does not fit, must be"),
    ("delivery:", "daemon: {lease: 60}\ndelivery:", "8:17: daemon.lease: '60' does not fit, must be a number with its"),
    ("delivery:", "daemon: {lease: 0}\ndelivery:", "8:17: daemon.lease: '0' does not fit, must be a number with its"),
    ("delivery:", "daemon: {workers: many}\ndelivery:", "8:19: daemon.workers: is the text 'many', must be a whole"),
    ("delivery:", "parse: {text_octets: 1 XB}\ndelivery:", "8:22: parse.text_octets: '1 XB' does not fit, must be"),
    ("delivery:", "parse: {text_octets: -1}\ndelivery:", "8:22: parse.text_octets: '-1' does not fit, must be a number"),
    ("delivery:", "desk: {}\ndelivery:", "8:1: desk: the key stands twice (first in line 1), keep one of them"),
    ("delivery:", "agents: []\ndelivery:", "8:1: agents: agents do not stand here, write them into agents.yaml"),
    ("support@", "!x support@", "5:17: queues.0.addresses.0: the tag !x is not known, quote a value that begins with !"),
    ("desk:\n", "desk:\n  name: ${NO_SUCH}\n", "2:9: desk.name: the environment variable NO_SUCH is not set, set it"),
    ("delivery:", "? [a]\n: b\ndelivery:", "8:3: a list or section stands where a key belongs"),
    ("desk:\n", "desk: &d\n  <<: *d\n", "1:7: desk: an alias (*) holds itself, write the values out"),
]  # fmt: skip


@pytest.mark.parametrize(("there", "instead", "told"), SCHEMA)
def test_what_does_not_fit_the_schema(tmp_path: Path, there: str, instead: str, told: str) -> None:
    assert there in RIGHT
    lines = mistakes(tmp_path, {"gateway.yaml": RIGHT.replace(there, instead, 1)})
    assert any(line.startswith(f"gateway.yaml:{told}") for line in lines), lines


ACROSS = [
    ("queues: [{name: support, agents: [pera]}]", "queues.0.agents.0: there is no agent pera, did you mean petra?"),
    ("queues: [{name: support, agents: [x]}]", "queues.0.agents.0: there is no agent x, known: petra"),
    (MAILBOX + "queue: suport}", "mailboxes.0.queue: there is no queue suport, did you mean support?"),
    ("queues: [{name: b, addresses: [SUPPORT@example.com]}]",
     "queues.1.addresses.0: SUPPORT@example.com is an address of the queue support already, must stand in one"),
    ("desk: {control_address: support@example.com}",
     "desk.control_address: support@example.com is an address of the queue support, must be one of its own"),
    ("desk: {admins: [support@example.com]}",
     "desk.admins.0: support@example.com is an address of the queue support, must be a person's own"),
    ("desk: {admins: [desk@example.com]}", "desk.admins.0: desk@example.com is the desk's address, must be a person"),
    ("agents: [{name: petra, address: Support@Example.com}]",
     "agents.0.address: Support@Example.com is an address of the queue support, must be a person's own"),
    ("agents: [{name: petra, aliases: [desk@example.com]}]",
     "agents.0.aliases.0: desk@example.com is the desk's address, must be a person's own"),
    ("agents: [{name: p2, display_name: P, address: petra@example.com}]",
     "agents.1.address: petra@example.com is an address of the agent petra too, must be one agent's"),
    ("desk: {timezone: Europe/Pragu}", "desk.timezone: 'Europe/Pragu' is no time zone, did you mean Europe/Prague?"),
    ("desk: {timezone: ../etc}", "desk.timezone: '../etc' is no time zone"),
    ("security: {agent_trust: signed_and_authenticated}",
     "security.agent_trust: agents' mails must be authenticated, and there is no way to do it"),
    (LISTENER + "auth: true, auth_without_tls: true}", "listeners.0.auth: AUTH is offered and no agent has a password_hash"),
    (LISTENER + "auth: true}", "listeners.0.auth: AUTH is offered only under TLS, and there is none, give tls"),
    (LISTENER + "auth_required: true}", "listeners.0.auth_required: AUTH is required and not offered"),
    (LISTENER + "}\n  - {name: l2, listen: 127.0.0.1:2525}",
     "listeners.1.listen: 127.0.0.1:2525 is taken by the listener l"),
    ("listeners: [{name: l, listen: 127.0.0.1:0}]", "listeners.0.listen: there is no such port"),
    ("listeners: [{name: l, listen: 127.0.0.1:65536}]", "listeners.0.listen: there is no such port"),
    (MAILBOX + "auth: xoauth2}", "mailboxes.0.oauth: is missing, auth: xoauth2 needs it"),
    ("mailboxes: [{name: m, host: h, user: u}]", "mailboxes.0.password: is missing, auth: login needs it"),
    (MAILBOX + "oauth: {token_url: https://t, client_id: c, refresh_token_file: f}}",
     "mailboxes.0.oauth: auth: login does not use it"),
    (MAILBOX + "auth: xoauth2, oauth: {token_url: http://t, client_id: c, refresh_token_file: f}}",
     "mailboxes.0.oauth.token_url: tokens would cross the network in the clear, must begin with https://"),
    (MAILBOX + "after: 'move:INBOX'}", "mailboxes.0.after: mails would come back into a folder that is read"),
    (MAILBOX + "}\n  - {name: m, host: h}", "mailboxes.1.name: the name m stands twice, must be unique"),
    ("delivery: {via: {type: smtp, host: h, user: u}}", "delivery.via.password: is missing, user needs it"),
    ("delivery: {via: {type: lmtp}}", "delivery.via.host: one way must be given, must be host or socket, not both"),
    (LISTENER + "}\ndelivery: {via: {type: smtp, host: 127.0.0.1, port: 2525}}",
     "delivery.via: mail would go to our own listener l, must be another server"),
    ("delivery: {retry: {first: 2h, longest: 1h}}", "delivery.retry.longest: is shorter than first"),
    ("delivery: {retry: {first: 2h, expiry: 1h}}", "delivery.retry.expiry: ends before the first retry"),
    ("database: {url: 'mysql://x'}", "database.url: is no database that we know, must be sqlite:FILE or"),
    ("database: {url: 'postgresql://u:hush@h/d'}", "database.url: a password stands in the address, give it by"),
    ("database: {url: 'postgresql://u@h/d'}", "signing.keys: with PostgreSQL several nodes may sign"),
    ("signing: {keys: [{id: a, secret: {env: A}}]}\nqueues: [{name: x, addresses: [" + "x" * 26 + "@a]}]",
     "queues.1.addresses.0: " + "x" * 26 + "@a is too long to be signed, must have at most 25 octets before the @"),
    ("signing: {keys: [{id: a, secret: {}}]}", "signing.keys.0.secret: give just one of file, env, credential"),
    ("signing: {keys: [{id: a, secret: {env: A, file: b}}]}", "signing.keys.0.secret: give just one of file, env"),
]  # fmt: skip


@pytest.mark.parametrize(("addition", "told"), ACROSS)
def test_what_does_not_fit_together(tmp_path: Path, addition: str, told: str) -> None:
    lines = mistakes(tmp_path, {"conf.d/a.yaml": addition + "\n"})
    assert any(line.partition(": ")[2].startswith(told) for line in lines), lines


def test_a_name_twice_in_one_file_is_told(tmp_path: Path) -> None:
    twice = AGENTS + "  - {name: petra, display_name: P, address: p@example.com}\n"
    assert mistakes(tmp_path, {"agents.yaml": twice}) == [
        "agents.yaml:5:12: agents.1.name: the name petra stands twice, must be unique"
    ]


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    files = {
        "gateway.yaml": RIGHT.replace(
            "[support@example.com]", "[a@example.com, b]\n    agents: [pavel]"
        ).replace("desk@example.com", "x\n  timezone: Nowhere/At_All"),
        "agents.yaml": "agents:\n  - {name: pavl, display_name: P, address: a@example.com}\n  - {name: q}\n",
        "conf.d/a.yaml": "dask: {}\n",
    }
    lines = mistakes(tmp_path, files)
    assert [line.partition(": ")[0] for line in lines] == [
        "gateway.yaml:2:12",  # no mail address
        "gateway.yaml:3:13",  # no time zone
        "gateway.yaml:6:32",  # no mail address
        "gateway.yaml:7:14",  # no such agent, told although its queue has another mistake
        "agents.yaml:2:44",  # the queue's address
        "agents.yaml:3:5",  # no display name
        "agents.yaml:3:5",  # no address
        "conf.d/a.yaml:1:1",  # no such section
    ]


def test_one_broken_file_does_not_hide_the_mistakes_of_the_others(tmp_path: Path) -> None:
    lines = mistakes(
        tmp_path,
        {
            "gateway.yaml": RIGHT.replace("    addresses", "    agents: [petra]\n    ads"),
            "agents.yaml": "agents: [",
        },
    )
    assert [line.split(",")[0] for line in lines] == [
        "gateway.yaml:4:5: queues.0.addresses: is missing",
        "gateway.yaml:6:5: queues.0.ads: the key is not known here",
        "agents.yaml:1:10: a bracket is never closed",
    ]


def test_a_mistake_has_no_follow_ups(tmp_path: Path) -> None:
    broken = RIGHT + "mailboxes:\n  - {name: m, host: h, user: u, password: hunter2}\n"
    assert mistakes(tmp_path, {"gateway.yaml": broken}) == [
        "gateway.yaml:11:43: mailboxes.0.password: is text, must be a section with the keys file, env, credential"
    ]


def test_a_folder_without_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigMistakes, match=r"gateway\.yaml:1:1: the file is missing, give the config folder"
    ):
        load(tmp_path)
    with pytest.raises(ConfigMistakes, match="there is no folder"):
        load(tmp_path / "nowhere")


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    folder_with(tmp_path)
    (tmp_path / "agents.yaml").write_bytes("agents: # Jiří".encode("iso-8859-2"))
    with pytest.raises(ConfigMistakes, match=r"/agents\.yaml:1:1: the file is not UTF-8, save it as UTF-8$"):
        load(tmp_path)


def test_passwords_in_the_clear_are_warned_of(tmp_path: Path) -> None:
    config = RIGHT + (
        "mailboxes: [{name: m, host: imap.example.com, user: u, password: {env: P}, tls: {mode: none}}]\n"
        "listeners: [{name: l, listen: '0.0.0.0:25', auth: true, auth_without_tls: true}]\n"
    )
    agents = AGENTS + "    password_hash: scrypt$14$8$1$c2FsdA==$a2V5\n"
    warnings = load(folder_with(tmp_path, {"gateway.yaml": config, "agents.yaml": agents})).warnings
    assert [warning.key for warning in warnings] == ["listeners.0.auth_without_tls", "mailboxes.0.tls"]


def test_the_room_that_a_signature_takes_is_the_signers() -> None:
    assert cross.SIGNED_OCTETS == TOKEN_OCTETS
