"""Our own mail that came back: by a Message-ID that we signed, or by our signed loop field on a mail from the
desk's own address. Nobody else can make one; and a person's mail that copied the field is still heard."""

from gateway.screen.values import Mail, Signal

LOOP_FIELD = "X-Ticketgate-Loop"


def own_mail(mail: Mail) -> Signal | None:
    """RFC 5321 section 6.3 asks mailers to see loops; this is ours."""
    author = mail.message.author
    marks = [mail.message.message_id or ""]
    if author is not None and mail.directory.is_ours(author.address):
        # a relay gave our mail another id; a person's mail never comes from the desk's own address
        marks += mail.message.headers.get_all(LOOP_FIELD)
    for mark in marks:
        if mail.signer.verify_message_id(mark) is not None:
            return Signal("own_mail", mark.strip()[:200])
    return None
