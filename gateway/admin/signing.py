"""The desk's signing keys for commands that must not write: those that can be read, else one for this call.

With a key of this call, addresses and Message-IDs that the daemon signed are not recognised.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.mail.signed import Signer
    from gateway.ports import Ids
    from gateway.settings.load import Loaded

KEY_FILE = "signing.key"
"""Where the daemon keeps its own key, in the state folder (see `gateway.daemon.house`)."""


def readable_signer(loaded: Loaded, ids: Ids) -> Signer:
    """A signer that needs no writable state folder. Keys that are there and cannot be read are told on
    standard error, as what is judged without them can be wrong."""
    from gateway.mail.signed import Signer

    keys = _keys(loaded) or {"a": ids.token(52).encode("ascii")}
    return Signer(keys, next(iter(keys)), loaded.settings.signing.delimiter)


def own_signer(loaded: Loaded) -> Signer | None:
    """The daemon's own signer, or None where its keys cannot be read."""
    from gateway.mail.signed import Signer

    keys = _keys(loaded)
    return Signer(keys, next(iter(keys)), loaded.settings.signing.delimiter) if keys else None


def _keys(loaded: Loaded) -> dict[str, bytes]:
    from gateway.settings.secrets import SecretTrouble, read_secret

    settings = loaded.settings
    try:
        if settings.signing.keys:
            return {
                key.id: read_secret(key.secret, loaded.folder).encode("utf-8")
                for key in settings.signing.keys
            }
        secret = (Path(settings.state_dir).absolute() / KEY_FILE).read_bytes().strip()
    except FileNotFoundError:
        return {}
    except (SecretTrouble, OSError) as trouble:
        print(f"warning: our own signatures are not recognised: {trouble}", file=sys.stderr)
        return {}
    return {"a": secret} if secret else {}
