"""The null reverse path: sent by a machine that wants no answer (RFC 5321 section 4.5.5, RFC 3834 section
2)."""

from gateway.screen.values import Mail, Signal


def null_reverse_path(mail: Mail) -> Signal | None:
    """The envelope's, or where it is unknown what the last server wrote into Return-Path."""
    if mail.envelope.reverse_path == "":
        return Signal("null_reverse_path", "MAIL FROM:<>")
    if mail.envelope.reverse_path is None:
        return_path = mail.message.headers.get("Return-Path")
        if return_path is not None and return_path.strip() == "<>":
            return Signal("null_reverse_path", "Return-Path: <>")
    return None
