"""A delivery report, abuse report or disposition notification (RFC 3464, RFC 5965, RFC 8098)."""

from gateway.screen.values import Mail, Signal


def delivery_report(mail: Mail) -> Signal | None:
    """What the parser recognised as a report by its structure."""
    report = mail.message.report
    if report is None:
        return None
    told = ", ".join(f"{one.action} {one.status} {one.address}".strip() for one in report.recipients[:5])
    return Signal("delivery_report", f"{report.kind}: {told}" if told else report.kind)
