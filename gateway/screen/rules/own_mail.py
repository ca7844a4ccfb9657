"""Our own mail that came back: by a Message-ID or a loop field that we signed. Nobody else can make one, so
nobody can have a mail thrown away by copying it."""

from gateway.screen.values import Mail, Signal

LOOP_FIELD = "X-Ticketgate-Loop"


def own_mail(mail: Mail) -> Signal | None:
    """RFC 5321 section 6.3 asks mailers to see loops; this is ours."""
    marks = [mail.message.message_id or "", *mail.message.headers.get_all(LOOP_FIELD)]
    for mark in marks:
        if mail.signer.verify_message_id(mark) is not None:
            return Signal("own_mail", mark.strip()[:200])
    return None
