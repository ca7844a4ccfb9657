"""Senders that nobody reads: no-reply addresses, MAILER-DAEMON."""

import re

from gateway.screen.values import Mail, Signal

NOBODY = re.compile(
    r"(?:.*[._+-])?(?:no-?_?reply|do-?_?not-?_?reply|mailer-daemon|bounces?)(?:[._+-].*)?", re.ASCII
)


def machine_sender(mail: Mail) -> Signal | None:
    """The local part of From, Sender or the reverse path is one of these words."""
    message = mail.message
    addresses = [*message.from_, *((message.sender,) if message.sender else ())]
    for address in [a.key for a in addresses]:
        if NOBODY.fullmatch(address.rpartition("@")[0][:64]):
            return Signal("machine_sender", address[:200])
    return None
