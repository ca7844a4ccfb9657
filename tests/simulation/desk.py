"""The desk that is simulated: its config, its people's private addresses."""

from __future__ import annotations

from gateway.mail.signed import Signer
from gateway.pipeline import Policy
from gateway.settings.model import Settings

SUPPORT, SALES = "support@desk.test", "sales@desk.test"
BORDER = "mx.desk.test"
AGENTS = {
    "petra": ("petra.private@corp.test", "petra@phone.test"),
    "pavel": ("pavel.private@corp.test",),
    "sam": ("sam.seller@corp.test",),
}
AGENT_ADDRESSES = tuple(address for addresses in AGENTS.values() for address in addresses)
ADMIN = "admin@corp.test"


def settings() -> Settings:
    """Two queues, two IMAP accounts, a listener, three agents."""
    return Settings.model_validate(
        {
            "desk": {
                "name": "ACME Support",
                "domain": "desk.test",
                "address": "desk@desk.test",
                "ticket_prefix": "ACME",
                "admins": [ADMIN],
            },
            "queues": [
                {
                    "name": "support",
                    "addresses": [SUPPORT],
                    "display_name": "ACME Support",
                    "agents": ["petra", "pavel"],
                },
                {"name": "sales", "addresses": [SALES], "display_name": "ACME Sales", "agents": ["sam"]},
            ],
            "agents": [
                {
                    "name": name,
                    "display_name": name.capitalize(),
                    "address": addresses[0],
                    "aliases": addresses[1:],
                }
                for name, addresses in AGENTS.items()
            ],
            "security": {"agent_trust": "signed_and_authenticated", "authserv_ids": [BORDER]},
            "mailboxes": [
                {
                    "name": name,
                    "host": "imap.desk.test",
                    "user": name,
                    "password": {"env": "UNUSED"},
                    "queue": name,
                    "after": after,
                    "poll": "5m",
                }
                for name, after in (("support", "seen"), ("sales", "delete"))
            ],
            "listeners": [{"name": "smtp", "listen": "127.0.0.1:2525"}],
            "delivery": {"via": {"type": "smtp", "host": "mx.test", "tls": {"mode": "none"}}},
            "daemon": {"lease": "5m"},
        }
    )


def policy() -> Policy:
    return Policy(settings(), Signer({"k": b"a key for simulations, no secret"}, "k"), None)
