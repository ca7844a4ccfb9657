"""From the config of an IMAP account to the thread that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.intake.imap_login import Credentials
from gateway.intake.imap_source import ImapSource, connect
from gateway.intake.mailbox_thread import MailboxThread
from gateway.intake.oauth import AccessTokens
from gateway.intake.trouble import AccessRevoked
from gateway.ports import Clock, Jitter
from gateway.settings.model import Mailbox, Secret
from gateway.settings.secrets import SecretTrouble, read_secret
from gateway.store.store import Store


def credentials(mailbox: Mailbox, config_folder: Path, clock: Clock) -> Credentials:
    """How to log in. Secrets are read when they are used, so that a changed file needs no restart."""

    def reader(secret: Secret) -> Callable[[], str]:
        def read() -> str:
            try:
                return read_secret(secret, config_folder)
            except SecretTrouble as trouble:
                raise AccessRevoked(str(trouble)) from trouble

        return read

    password = reader(mailbox.password) if mailbox.password else None
    tokens = None
    if mailbox.oauth is not None:
        secret = mailbox.oauth.client_secret
        tokens = AccessTokens(
            mailbox.oauth,
            config_folder / mailbox.oauth.refresh_token_file,
            reader(secret) if secret else None,
            clock,
            timeout_s=mailbox.timeout.total_seconds(),
        )
    return Credentials(password, tokens)


def mailbox_thread(
    mailbox: Mailbox,
    config_folder: Path,
    state_dir: Path,
    store: Store,
    clock: Clock,
    jitter: Jitter,
    owner: str,
    on_accept: Callable[[], None],
) -> MailboxThread:
    """The thread of one account, not yet started. Among nodes on one database it reads under a lease."""
    known = credentials(mailbox, config_folder, clock)

    def log_in(interrupted: Callable[[], bool]) -> dict[str, ImapSource]:
        return connect(
            mailbox,
            known,
            config_dir=config_folder,
            clock=clock,
            interrupted=interrupted,
            temp_dir=state_dir,
        )

    return MailboxThread(
        mailbox,
        log_in,
        store=store,
        clock=clock,
        jitter=jitter,
        on_accept=on_accept,
        leases=store.leases,
        owner=owner,
        lease=store.policy.settings.daemon.lease,
        at_end=store.close,
    )
