"""Notices to admins."""

from __future__ import annotations

from gateway.mail.message import Address
from gateway.notices.desk import Desk
from gateway.notices.values import Notice


def alert(desk: Desk, kind: str, text: str, recipient: str) -> Notice:
    """To an admin: what the daemon needs help with."""
    to = Address("", recipient)
    return Notice(
        kind="alert",
        audience="admin",
        role="x",
        recipient=to,
        shown_to=(to,),
        shown_cc=(),
        from_name=f"{desk.settings.desk.name} daemon",
        subject=f"{kind.replace('_', ' ')}: {text.splitlines()[0][:120]}",
        ticket=None,
        variables={
            "kind": kind.replace("_", " "),
            "text": text,
            "desk": {"name": desk.settings.desk.name},
        },
        auto_submitted="auto-generated",
        null_reverse_path=True,
        base=desk.settings.desk.address,
        why="admins are told of trouble",
    )
