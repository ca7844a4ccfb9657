"""Mail that a list distributed (RFC 2369, RFC 2919)."""

from gateway.screen.values import Mail, Signal

_FIELDS = (
    "List-Id", "List-Post", "List-Help", "List-Subscribe", "List-Owner", "List-Archive", "List-Unsubscribe",
    "Mailing-List", "X-Mailing-List", "X-BeenThere", "X-Mailman-Version",
)  # fmt: skip


def mailing_list(mail: Mail) -> Signal | None:
    """A List-* field, an older list manager's, or Precedence: list."""
    for name in _FIELDS:
        value = mail.message.headers.get(name)
        if value is not None:
            return Signal("mailing_list", f"{name}: {value}"[:200])
    for value in mail.message.headers.get_all("Precedence"):
        if value.strip().lower() == "list":
            return Signal("mailing_list", "Precedence: list")
    return None
