"""SMTP and LMTP dialogues as they stand in `dialogues/*.txt`.

`C:` is a line of the client, `S:` a pattern for one line of a reply; `@` gives keys of the listener. After
the last line the server must have closed the connection, and each dialogue must be one that the server
cannot answer with anything that was not expected.
"""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.intake.smtp_tools import serving

DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda path: path.stem)
def test_the_dialogue_goes_as_written(dialogue: Path, tmp_path: Path) -> None:
    lines = dialogue.read_text().splitlines()
    listener = json.loads(next((line[2:] for line in lines if line.startswith("@ ")), "{}"))
    with (
        serving(tmp_path, listener) as served,
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as sock,
        sock.makefile("rb") as replies,
    ):
        for number, line in enumerate(lines, 1):
            if line.startswith("C:"):
                sock.sendall(line[3:].encode() + b"\r\n")
            elif line.startswith("S:"):
                reply = replies.readline().decode().removesuffix("\r\n")
                assert re.fullmatch(line[3:], reply), f"{dialogue.name}:{number}: {reply!r}"
        assert replies.readline() == b"", "the server has more to say"


def test_there_are_dialogues() -> None:
    assert len(DIALOGUES) >= 9
