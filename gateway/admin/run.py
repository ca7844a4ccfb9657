"""`ticketgate run`: the daemon, in the foreground."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from gateway.admin.options import ConfigOption, load_or_exit

if TYPE_CHECKING:
    from gateway.daemon.supervisor import Supervisor


def run(config: ConfigOption = None) -> int:
    """Start the daemon.

    It runs in the foreground and writes one log line an outcome to standard error. SIGTERM ends it within ten
    seconds, SIGHUP takes a new config (whole or not at all). Exit codes: 0; 69 the database, the state folder
    or a port cannot be used now; 78 the config, a secret or a template is wrong.

    Example: ticketgate run --config /etc/ticketgate
    """
    from gateway.daemon.daemon import Daemon, install_signals
    from gateway.daemon.house import HouseTrouble
    from gateway.daemon.logs import configure
    from gateway.daemon.supervisor import StartTrouble
    from gateway.runtime import SystemClock, SystemIds, SystemJitter

    loaded = load_or_exit(config)
    settings = loaded.settings.daemon
    configure(settings.log_format, settings.log_level)
    daemon = Daemon(loaded, SystemClock(), SystemIds(), SystemJitter(), dict(os.environ), os.getpid())
    install_signals(daemon)
    try:
        ended = daemon.run(_greet)
    except (HouseTrouble, StartTrouble) as trouble:
        print(f"ticketgate: {trouble}", file=sys.stderr)
        return trouble.exit_code if isinstance(trouble, HouseTrouble) else os.EX_UNAVAILABLE
    if not ended:
        # a thread that waits for the database would hold the interpreter's own end up
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(os.EX_OK)
    return os.EX_OK


def _greet(supervisor: Supervisor) -> None:
    from shlex import quote

    from gateway.admin.main import program

    house = supervisor.house
    settings = house.settings
    address = settings.queues[0].addresses[0]
    lines = [f"ticketgate takes mail for {address}."]
    places = supervisor.addresses()
    smtp = next((one for one in settings.listeners if one.protocol == "smtp"), None)
    if smtp is not None and places.get(smtp.name):
        where = places[smtp.name][0]
        server = where if isinstance(where, str) else f"{where[0]}:{where[1]}"
        lines += [
            "",
            "Send it a mail (swaks is in the package swaks):",
            f"  swaks --server {server} --from you@example.org --to {address}"
            " --header 'Subject: Hello' --body 'My printer is on fire.'",
        ]
    via = settings.delivery.via
    if via.type == "maildir":
        box = house.state_dir / via.path
        lines += [
            "",
            f"Its mails lie in the Maildir {box}:",
            f"  ls {box}/new      or      mutt -f {box}",
        ]
    again = f"{program()} tickets list --config {quote(str(house.config_folder))}"
    lines += ["", f"Look at the tickets:  {again}", ""]
    print("\n".join(lines), flush=True)
