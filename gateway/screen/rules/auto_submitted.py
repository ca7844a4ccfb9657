"""Auto-Submitted other than "no" (RFC 3834 section 5)."""

from gateway.screen.values import Mail, Signal


def keyword(mail: Mail) -> str | None:
    """The field's keyword in lower case, or None where the field is missing or empty."""
    value = mail.message.headers.get("Auto-Submitted")
    word = (value or "").split(";", 1)[0].split("(", 1)[0].strip().lower()
    return word or None


def auto_submitted(mail: Mail) -> Signal | None:
    """auto-generated, auto-replied, auto-notified and whatever else comes."""
    word = keyword(mail)
    return None if word in (None, "no") else Signal("auto_submitted", f"Auto-Submitted: {word}"[:200])
