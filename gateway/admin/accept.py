"""`ticketgate accept`: one mail from standard input into the spool, for aliases, pipes and procmail.

The exit code says what an MTA has to do (sysexits.h): 0 the mail is durably stored; 65 it is empty or too
large; 67 nobody here has the address; 75 try again later. Every trouble of ours is 75, a mistake in the
config or in the options too, because an MTA bounces the mail on any other code.

An MTA sends what a command prints on to the sender of the mail, so one plain line is printed, never the
text of an exception; that goes to the system log (facility mail), as does a line for each mail that is taken.
"""

from __future__ import annotations

import os
import sys
import syslog
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from gateway.admin.options import ConfigOption, config_folder

if TYPE_CHECKING:
    from gateway.intake.buffer import FileRaw
    from gateway.ports import Ids
    from gateway.settings.load import Loaded
    from gateway.settings.model import Settings
    from gateway.store.database import Database

_BLOCK = 64 * 1024


class Refused(Exception):
    """The mail is not taken: `code` for the MTA, `reason` for whoever wrote the mail."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def accept(
    queue: Annotated[str | None, typer.Option("--queue", help="The queue that the mail is for.")] = None,
    sender: Annotated[
        str | None, typer.Option("--sender", help='The envelope sender; "" or "<>" for the null sender.')
    ] = None,
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", help="An envelope recipient; may be repeated.")
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Take one mail from standard input.

    Examples:

        support: "|/usr/bin/ticketgate accept --queue support"

        ticketgate accept --sender "$SENDER" --recipient "$RECIPIENT" < mail.eml
    """
    try:
        spool_ids = take(sys.stdin.buffer, config_folder(config), queue, sender, recipient or ())
    except Refused as refused:
        print(f"ticketgate: {refused.reason}", file=sys.stderr)
        return refused.code
    except Exception:  # noqa: BLE001 - whatever it is, the mail must come again and the sender learns nothing
        _tell_admin(traceback.format_exc())
        print("ticketgate: temporary trouble, try again later", file=sys.stderr)
        return os.EX_TEMPFAIL
    print("accepted as", ", ".join(str(spool_id) for spool_id in spool_ids))
    return os.EX_OK


def take(
    stream: BinaryIO, folder: Path, queue: str | None, sender: str | None, recipients: Sequence[str]
) -> list[int | None]:
    """Store the mail on `stream` with the config in `folder`; returns its spool ids, one for each queue.

    Raises Refused, and whatever else goes wrong as it comes (OSError, StoreTrouble).
    """
    from gateway.intake.buffer import FileRaw
    from gateway.runtime import SystemClock, SystemIds
    from gateway.settings.load import load
    from gateway.settings.mistakes import ConfigMistakes
    from gateway.store.spool import Accept, Spool

    try:
        loaded = load(folder)
    except ConfigMistakes as mistakes:
        _tell_admin(str(mistakes))
        raise Refused(os.EX_TEMPFAIL, "temporary trouble, try again later") from mistakes
    settings = loaded.settings
    state_dir = Path(settings.state_dir).absolute()
    _at_home(settings, state_dir)
    ids = SystemIds()
    reverse_path = None if sender is None else _address(sender, os.EX_DATAERR)
    by_queue = routes(
        settings,
        queue,
        [_address(text, os.EX_NOUSER) for text in recipients],
        _verifier(loaded, state_dir, ids),
    )
    state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    with FileRaw(state_dir) as raw:
        read_mail(stream, raw, _largest(settings))
        token = ids.token()
        database = _database(loaded, state_dir)
        try:
            spool_ids = Spool(database, SystemClock()).accept(
                [
                    Accept(
                        key=f"pipe/{token}/{name or '-'}",
                        source="pipe",
                        mailbox="accept",
                        queue=name,
                        raw=raw,
                        reverse_path=reverse_path,
                        forward_paths=tuple(dict.fromkeys(forward_paths)),
                        authenticated_as=None,
                        client="local",
                    )
                    for name, forward_paths in by_queue.items()
                ]
            )
        finally:
            database.disconnect()
        for spool_id, forward_paths in zip(spool_ids, by_queue.values(), strict=True):
            # the words of the daemon's own line
            _log(
                syslog.LOG_INFO,
                f"event='mail_accepted' spool={spool_id} reverse_path={reverse_path!r}"
                f" forward_paths={forward_paths!r} size={raw.size}",
            )
    return spool_ids


def routes(
    settings: Settings,
    queue: str | None,
    recipients: Sequence[str],
    verify_signed: Callable[[str], str | None],
) -> dict[str | None, list[str]]:
    """Envelope recipients by queue. A queue that is named takes them all. Raises Refused."""
    from gateway.intake.recipients import Recipients

    if queue is not None:
        if queue not in {known.name for known in settings.queues}:
            _tell_admin(f"accept: there is no queue {queue}")
            raise Refused(os.EX_TEMPFAIL, "temporary trouble, try again later")
        return {queue: list(recipients)}
    if not recipients:
        return {None: []}
    ours = Recipients(settings, verify_signed)
    by_queue: dict[str | None, list[str]] = {}
    for recipient in recipients:
        route = ours.route(recipient)
        if route is None:
            raise Refused(os.EX_NOUSER, "5.1.1 no such recipient here")
        by_queue.setdefault(route.queue, []).append(route.forward_path)
    return by_queue


def read_mail(stream: BinaryIO, raw: FileRaw, largest: int) -> None:
    """Read a mail into `raw`, with the line ends of the wire and without a "From " line of mbox before it.

    A mail whose first line ends in a bare LF is one of the local system's, so each of its LF becomes CR LF.
    Raises Refused where it is empty or larger than `largest` octets.
    """
    first = stream.readline(_BLOCK)
    while first.startswith((b"From ", b">From ")):
        first = stream.readline(_BLOCK)
    local = first.endswith(b"\n") and not first.endswith(b"\r\n")
    block, held = first, b""
    while block:
        octets = held + block
        held = b""
        if local:
            if octets.endswith(b"\r"):
                octets, held = octets[:-1], b"\r"
            octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if raw.size + len(octets) > largest:
            raise Refused(os.EX_DATAERR, "5.3.4 the message is too large")
        raw.write(octets)
        block = stream.read(_BLOCK)
    if held:
        raw.write(held)
    if raw.size == 0:
        raise Refused(os.EX_DATAERR, "5.6.0 the message is empty")


def _address(text: str, code: int) -> str:
    from gateway.intake.paths import BadPath, parse_path

    if text.strip() in {"", "<>"}:
        return ""
    try:
        path = parse_path(text)
    except BadPath as bad:
        raise Refused(code, "5.1.3 bad address syntax") from bad
    if path.parameters:
        raise Refused(code, "5.1.3 bad address syntax")
    return path.address


def _largest(settings: Settings) -> int:
    from gateway.settings.model import ListenerLimits

    sizes = [listener.limits.message_size for listener in settings.listeners]
    return max(sizes, default=ListenerLimits().message_size)


def _verifier(loaded: Loaded, state_dir: Path, ids: Ids) -> Callable[[str], str | None]:
    """Tells the queue of a signed reply address. Loads the keys only when it is asked."""

    def verify_signed(address: str) -> str | None:
        from gateway.daemon.house import signing_keys
        from gateway.mail.signed import Signer
        from gateway.screen.directory import Directory

        settings = loaded.settings
        keys = signing_keys(settings, loaded.folder, state_dir, ids)
        signed = Signer(keys, next(iter(keys)), settings.signing.delimiter).verify_address(address)
        found = Directory(settings).queue_by_address(signed.base) if signed is not None else None
        return found.name if found is not None else None

    return verify_signed


def _database(loaded: Loaded, state_dir: Path) -> Database:
    from gateway.settings.secrets import read_secret
    from gateway.store.database import Database
    from gateway.store.location import database_url

    settings = loaded.settings.database
    url = database_url(settings.url, state_dir)
    database = Database(url, read_secret(settings.password, loaded.folder) if settings.password else None)
    if database.path is not None and not database.path.exists():
        database.migrate()
    return database


def _at_home(settings: Settings, state_dir: Path) -> None:
    """A relative state folder is the daemon's only in the daemon's working folder, and an MTA calls us in
    some home folder: a database made there would be read by nobody."""
    from gateway.store.location import database_url

    url = database_url(settings.database.url, state_dir)
    if not url.startswith("sqlite:") or Path(settings.state_dir).is_absolute():
        return
    path = Path(url.removeprefix("sqlite:"))
    if path.exists() and state_dir.is_dir():
        return
    _tell_admin(f"accept: state_dir is relative, and there is no desk in {state_dir} ({path})")
    raise Refused(
        os.EX_TEMPFAIL,
        "no desk has run in this folder: start the daemon here once, or make state_dir absolute",
    )


def _tell_admin(text: str) -> None:
    for line in text.replace("\0", "").splitlines():
        _log(syslog.LOG_ERR, line)


def _log(level: int, line: str) -> None:
    syslog.openlog("ticketgate", 0, syslog.LOG_MAIL)
    syslog.syslog(level, line)
