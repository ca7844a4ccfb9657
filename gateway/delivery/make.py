"""From settings to a way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.delivery.hand_over import Unusable
from gateway.delivery.lmtp_submitter import LmtpSubmitter
from gateway.delivery.maildir_submitter import MaildirSubmitter
from gateway.delivery.sendmail_submitter import SendmailSubmitter
from gateway.delivery.smtp_submitter import SmtpSubmitter
from gateway.ports import Clock, Ids, Submitter
from gateway.settings.model import LmtpDelivery, SendmailDelivery, Settings, SmtpDelivery
from gateway.settings.secrets import SecretTrouble, read_secret


def make_submitter(
    settings: Settings, config_folder: Path, state_dir: Path, ids: Ids, clock: Clock
) -> Submitter:
    """A submitter of its own for one thread, as `settings.delivery.via` says. Nothing is connected or read
    yet. `clock` measures how long a peer takes."""
    via = settings.delivery.via
    helo = settings.desk.domain
    if isinstance(via, SmtpDelivery):
        return SmtpSubmitter(via, config_folder, helo, _password_reader(via, config_folder), clock)
    if isinstance(via, LmtpDelivery):
        return LmtpSubmitter(via, config_folder, helo, clock)
    if isinstance(via, SendmailDelivery):
        return SendmailSubmitter(via, clock)
    return MaildirSubmitter(state_dir / via.path, ids)


def _password_reader(via: SmtpDelivery, config_folder: Path) -> Callable[[], str] | None:
    secret = via.password
    if secret is None:
        return None

    def read() -> str:
        try:
            return read_secret(secret, config_folder)
        except SecretTrouble as error:
            raise Unusable(f"the password of {via.host} cannot be read: {error}") from None

    return read
