"""The fetch step: one round over one folder of one account, from the server into the spool.

A plain function: no thread, no sleep, no clock of its own. It can be killed at any point and called again.
The order is: accept (T1, durable), note how far we are, settle on the server, note that it is settled. What
was killed between two of these is found again at the next round: an accepted message has a key in the
spool and is not accepted twice, an accepted one that was not settled is settled first.

Messages are taken by UID, whatever their flags. At the first contact with a folder, messages older than
`first_take` stay (INTERNALDATE against the time of the first contact); when UIDVALIDITY changes, the whole
folder is looked at again by the same rule, and the pipeline knows the mails that it has seen. What is left
on the server, and why, stands in `FolderState.left`. A message that the server will not give, or that
breaks the connection when it is asked for, stops nobody: it is tried again later, by itself.

Raises `SourceTrouble` (connect again) and `StoreTrouble` (nothing was settled; try again).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from gateway.intake import left
from gateway.intake.buffer import FileRaw
from gateway.intake.fetch_report import FetchReport, FetchStore
from gateway.intake.trouble import SourceRefused
from gateway.ports import Clock, Listed, MailSource, Raw, SourceTrouble
from gateway.settings.model import Mailbox
from gateway.store.errors import Conflict
from gateway.store.mailboxes import FolderState, spool_key
from gateway.store.spool import Accept

log = structlog.get_logger("intake.fetch")

BATCH = 50
BATCH_OCTETS = 8_000_000
ALONE = 1_000_000
_SETTLE_LIMIT = 1000


def fetch_round(
    source: MailSource,
    mailbox: Mailbox,
    folder: str,
    store: FetchStore,
    clock: Clock,
    on_accept: Callable[[], None],
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> FetchReport:
    """Take what is new in `folder`. `on_accept` is called after each batch that brought something; `go_on`
    is asked between batches and ends the round early (shutdown, lost lease)."""
    return _Round(source, mailbox, folder, store, clock, on_accept, go_on).run()


@dataclass
class _Round:
    source: MailSource
    mailbox: Mailbox
    folder: str
    store: FetchStore
    clock: Clock
    on_accept: Callable[[], None]
    go_on: Callable[[], bool]

    def run(self) -> FetchReport:
        uidvalidity = self.source.open()
        self._log = log.bind(mailbox=self.mailbox.name, folder=self.folder)
        self._report = FetchReport(uidvalidity)
        self._state = self._known(uidvalidity)
        self._settle_what_is_left_over()
        early, late = self._due()
        if self._again(early) and self._take_new() and self._again(late):
            self._end_first_look()
            self._report.complete = True
        return self._report

    def _known(self, uidvalidity: int) -> FolderState:
        """The folder's state, made or begun anew where this UIDVALIDITY was not met before."""
        state = self.store.mailboxes.state(self.mailbox.name, self.folder)
        if state is None:
            look, first_contact_at = left.Look("first_contact", 0), self.clock.now()
        elif state.uidvalidity != uidvalidity:
            self._log.warning("uidvalidity_changed", before=state.uidvalidity, uidvalidity=uidvalidity)
            look, first_contact_at = left.Look("uidvalidity", 0), state.first_contact_at
        else:
            return replace(state, left=dict(state.left))
        state = FolderState(
            self.mailbox.name, self.folder, uidvalidity, 0, first_contact_at, {left.FIRST_LOOK: str(look)}
        )
        self.store.mailboxes.save(state)
        return state

    def _settle_what_is_left_over(self) -> None:
        while True:
            uids = self.store.mailboxes.unsettled(
                self._state.account, self.folder, self._state.uidvalidity, _SETTLE_LIMIT
            )
            if not uids or not self._settle(uids) or len(uids) < _SETTLE_LIMIT:
                return

    def _due(self) -> tuple[list[int], list[int]]:
        """UIDs in `left` to be asked for again: those once suspected together with others come before new
        mail, to keep the order; those that failed by themselves come after it."""
        now = self.clock.now()
        early: list[int] = []
        late: list[int] = []
        for uid, reason in sorted(self._state.left.items()):
            waiting = left.parse_not_given(reason)
            size = left.size_of(reason)
            if waiting is not None and waiting.tries == 1:
                early.append(uid)
            elif (waiting is not None and waiting.next_at <= now) or (
                size is not None and size <= self.mailbox.max_size
            ):
                late.append(uid)
        return early, late

    def _again(self, uids: Iterable[int]) -> bool:
        for uid in uids:
            if not self.go_on():
                return False
            self._batch([uid], self._state.last_uid)
        return True

    def _take_new(self) -> bool:
        """All that is above `last_uid`, in ascending order; False where `go_on` ended it."""
        while True:
            if not self.go_on():
                return False
            last_uid = self._state.last_uid
            listed = sorted(
                {item.uid: item for item in self.source.list_after(last_uid) if item.uid > last_uid}.values(),
                key=lambda item: item.uid,
            )
            if not listed:
                return True
            for batch, up_to in self._batches(listed):
                self._batch(batch, up_to)
                if not self.go_on():
                    return False

    def _batches(self, listed: Sequence[Listed]) -> Iterable[tuple[list[int], int]]:
        """(UIDs to take, UID up to which all is then decided)."""
        batch: list[int] = []
        octets, up_to, alone = 0, self._state.last_uid, False
        for item in listed:
            if not self._stays(item):
                full = len(batch) == BATCH or octets + item.size > BATCH_OCTETS
                if batch and (full or alone or item.size > ALONE):
                    yield batch, up_to
                    batch, octets = [], 0
                batch.append(item.uid)
                octets += item.size
                alone = item.size > ALONE
            up_to = item.uid
        yield batch, up_to

    def _stays(self, item: Listed) -> bool:
        """Whether a new message is left where it is; notes why."""
        look = left.parse_look(self._state.left.get(left.FIRST_LOOK))
        if look and item.internal_date < self._state.first_contact_at - self.mailbox.first_take:
            self._report.older += 1
            self._state.left[left.FIRST_LOOK] = str(replace(look, older=look.older + 1))
            return True
        if item.size > self.mailbox.max_size:
            self._report.too_large += 1
            self._state.left[item.uid] = left.too_large(item.size)
            self._log.warning("mail_left", uid=item.uid, size=item.size, reason="too_large")
            self._tell(
                f"{item.uid}",
                f"A mail of {item.size} octets (UID {item.uid}) is larger than max_size"
                f" ({self.mailbox.max_size}). It stays on the server and is no ticket.",
            )
            return True
        return False

    def _batch(self, uids: Sequence[int], up_to: int) -> None:
        """Take these messages; then everything up to `up_to` is decided. When the connection breaks, what
        had come is accepted, and the rest is suspected and tried one by one."""
        given: dict[int, Raw] = {}
        trouble: SourceTrouble | None = None
        try:
            try:
                if uids:
                    self._fetch_into(given, uids)
                missing = self._still_there([uid for uid in uids if uid not in given])
            except SourceTrouble as error:
                trouble = error
                missing = [uid for uid in uids if uid not in given]
            self._accept(given)
        finally:
            for raw in given.values():
                if isinstance(raw, FileRaw):
                    raw.close()
        for uid in uids:
            if uid in missing:
                self._suspect(uid)
            else:
                self._state.left.pop(uid, None)
        self._state = replace(self._state, last_uid=max(up_to, self._state.last_uid))
        self.store.mailboxes.save(self._state)
        if trouble is not None:
            raise trouble
        if given:
            self._settle(sorted(given))

    def _fetch_into(self, given: dict[int, Raw], uids: Sequence[int]) -> None:
        for uid, raw in self.source.fetch(uids):
            if uid in uids and uid not in given:
                given[uid] = raw
            elif isinstance(raw, FileRaw):
                raw.close()

    def _still_there(self, missing: list[int]) -> list[int]:
        """Those of `missing` that the server still lists: the others were removed by somebody."""
        there = [uid for uid in missing if any(item.uid == uid for item in self.source.list_after(uid - 1))]
        self._report.vanished += len(missing) - len(there)
        return there

    def _accept(self, given: dict[int, Raw]) -> None:
        if not given:
            return
        state = self._state
        mails = [
            Accept(
                key=spool_key(state.account, state.folder, state.uidvalidity, uid),
                source="imap",
                mailbox=self.mailbox.name,
                queue=self.mailbox.queue,
                raw=given[uid],
                reverse_path=None,
                forward_paths=(),
                authenticated_as=None,
                client=self.mailbox.host,
            )
            for uid in sorted(given)
        ]
        try:
            ids = self.store.spool.accept(mails)
        except Conflict:
            # Another node took one of them in this very moment; now its key is found.
            ids = self.store.spool.accept(mails)
        for mail, spool_id in zip(mails, ids, strict=True):
            if spool_id is None:
                self._report.taken_earlier += 1
                self._log.info("mail_taken_earlier", key=mail.key)
            else:
                self._report.accepted += 1
                self._log.info("mail_accepted", spool=spool_id, key=mail.key, size=mail.raw.size)
        if any(spool_id is not None for spool_id in ids):
            self.on_accept()

    def _suspect(self, uid: int) -> None:
        reason = left.not_given(self._state.left.get(uid), self.clock.now())
        self._state.left[uid] = str(reason)
        self._report.not_given += 1
        self._log.warning("mail_left", uid=uid, reason="not_given", attempt=reason.tries)
        if reason.tries == left.TELL_AFTER:
            self._tell(
                f"{uid}",
                f"The server does not give the mail with UID {uid}, {reason.tries} times now. It stays on"
                " the server and is tried again from time to time; the other mails are not held up.",
            )

    def _settle(self, uids: Sequence[int]) -> bool:
        try:
            self.source.settle(uids)
        except SourceRefused as refused:
            self._log.warning("settle_refused", count=len(uids), reason=refused.public)
            self._report.settle_refused = refused.public
            self._tell(
                "settle",
                f"Mails are taken, but the server does not let us do what `after: {self.mailbox.after}`"
                f" says: {refused.public}",
            )
            return False
        self.store.mailboxes.settled(self._state.account, self.folder, self._state.uidvalidity, uids)
        self._report.settled += len(uids)
        return True

    def _end_first_look(self) -> None:
        look = left.parse_look(self._state.left.get(left.FIRST_LOOK))
        if look is None:
            return
        self._log.info("first_look_done", reason=look.why, count=look.older)
        if look.older and look.why == "first_contact":
            self._tell(
                "first_contact",
                f"First contact: {look.older} mails that are older than first_take"
                f" ({self.mailbox.first_take}) are left alone. Newer ones are taken.",
            )
        del self._state.left[left.FIRST_LOOK]
        self.store.mailboxes.save(self._state)

    def _tell(self, what: str, text: str) -> None:
        key = f"{self.mailbox.name}/{self.folder}/{what}"
        self.store.alerts.raise_(
            "mailbox_trouble", key, f"Mailbox {self.mailbox.name}, folder {self.folder}. {text}"
        )
