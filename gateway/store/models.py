"""The tables, as peewee models. They are bound to no database: each query is bound where it is run
(`Store.run`), so that several stores live in one process.

Instants are integers, milliseconds since 1970 UTC: aware datetimes would sort as text. Structured values
are JSON text. Raw mail stands once in `RawMail` (and `RawChunk` for what is beyond the first MiB).
The schema is made by the numbered migrations in `migrations/`; a test holds the two against each other.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from peewee import (
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(at: datetime) -> int:
    """An aware instant as milliseconds since 1970 UTC."""
    return (at - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """The aware UTC instant of `to_ms`."""
    return _EPOCH + timedelta(milliseconds=ms)


class InstantField(BigIntegerField):
    """An aware datetime, stored as milliseconds since 1970 UTC."""

    def db_value(self, value: datetime | None) -> int | None:
        return None if value is None else to_ms(value)

    def python_value(self, value: int | None) -> datetime | None:
        return None if value is None else from_ms(value)


class JsonField(TextField):
    """Any JSON value, stored as compact text."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)


class RawMail(Model):
    id = BigAutoField()
    sha256 = BlobField(unique=True)
    size = BigIntegerField()
    head = BlobField()
    created_at = InstantField()

    class Meta:
        table_name = "raw_mail"


class RawChunk(Model):
    raw_mail = ForeignKeyField(RawMail, on_delete="CASCADE", index=False)
    seq = IntegerField()
    data = BlobField()

    class Meta:
        table_name = "raw_chunk"
        primary_key = CompositeKey("raw_mail", "seq")


class Ticket(Model):
    """`state`: new, open, pending, on_hold, resolved, closed, merged, spam."""

    id = BigAutoField()
    queue = TextField()
    state = TextField()
    subject = TextField()
    requester_name = TextField()
    requester_address = TextField()
    requester_key = TextField(index=True)
    assignee = TextField(null=True)
    priority = TextField()
    category = TextField(null=True)
    language = TextField(null=True)
    merged_into = ForeignKeyField("self", null=True, index=False)
    continues = ForeignKeyField("self", null=True, index=False)
    created_at = InstantField()
    updated_at = InstantField(index=True)

    class Meta:
        table_name = "ticket"
        indexes = ((("state", "updated_at"), False),)


class Entry(Model):
    """One contribution to a ticket. `kind`: public, note, silent. `author`: customer, agent, third_party,
    machine. `dedup_key` with `queue` makes a wire mail unique."""

    id = BigAutoField()
    ticket = ForeignKeyField(Ticket, backref="entries")
    kind = TextField()
    author = TextField()
    agent = TextField(null=True)
    from_name = TextField()
    from_address = TextField()
    raw_mail = ForeignKeyField(RawMail, null=True, index=False)
    queue = TextField()
    dedup_key = TextField()
    message_id = TextField(null=True, index=True)
    subject = TextField()
    text = TextField()
    new_text = TextField()
    quoted = TextField()
    signature = TextField()
    html = BooleanField()
    attachments = JsonField()
    evidence = JsonField()
    screening = JsonField()
    created_at = InstantField()

    class Meta:
        table_name = "entry"
        indexes = ((("queue", "dedup_key"), True),)


class Spool(Model):
    """One mail to be worked on. `state`: received, deferred, hold, quarantined, done."""

    id = BigAutoField()
    key = TextField(unique=True)
    source = TextField()
    mailbox = TextField()
    queue = TextField(null=True)
    raw_mail = ForeignKeyField(RawMail)
    reverse_path = TextField(null=True)
    forward_paths = JsonField()
    authenticated_as = TextField(null=True)
    client = TextField()
    state = TextField()
    attempts = IntegerField(default=0)
    received_at = InstantField()
    next_try_at = InstantField()
    lease_owner = TextField(null=True)
    lease_until = InstantField(null=True)
    settled = BooleanField()
    outcome = TextField(null=True)
    error = TextField(null=True)
    ticket = ForeignKeyField(Ticket, null=True, index=False)
    entry = ForeignKeyField(Entry, null=True, index=False)
    done_at = InstantField(null=True)

    class Meta:
        table_name = "spool"


class Person(Model):
    id = BigAutoField()
    name = TextField()
    language = TextField(null=True)
    created_at = InstantField()

    class Meta:
        table_name = "person"


class PersonAddress(Model):
    """`key` is the address folded for comparison."""

    key = TextField(primary_key=True)
    address = TextField()
    person = ForeignKeyField(Person, backref="addresses", on_delete="CASCADE")
    created_at = InstantField()

    class Meta:
        table_name = "person_address"


class Participant(Model):
    """Who gets a ticket's public mail. `role`: requester, cc."""

    ticket = ForeignKeyField(Ticket, backref="participants", on_delete="CASCADE", index=False)
    key = TextField()
    name = TextField()
    address = TextField()
    role = TextField()
    added_at = InstantField()

    class Meta:
        table_name = "participant"
        primary_key = CompositeKey("ticket", "key")


class Event(Model):
    """What happened to a ticket: the trail that reports, clocks and audits read. `actor`: customer,
    agent:<name>, system, admin."""

    id = BigAutoField()
    ticket = ForeignKeyField(Ticket, backref="events")
    entry = ForeignKeyField(Entry, null=True, index=False)
    kind = TextField()
    actor = TextField()
    at = InstantField()
    data = JsonField()

    class Meta:
        table_name = "event"


class Outbox(Model):
    """The envelope of one mail to one recipient and what becomes of it. `state`: queued, sent, failed,
    dropped."""

    id = BigAutoField()
    ticket = ForeignKeyField(Ticket, null=True, backref="outbox", index=False)
    entry = ForeignKeyField(Entry, null=True, index=False)
    kind = TextField()
    audience = TextField()
    reverse_path = TextField()
    forward_path = TextField()
    recipient_key = TextField()
    message_id = TextField(index=True)
    subject = TextField()
    size = BigIntegerField()
    state = TextField()
    attempts = IntegerField(default=0)
    uncertain = BooleanField(default=False)
    created_at = InstantField()
    next_try_at = InstantField()
    expire_at = InstantField()
    lease_owner = TextField(null=True)
    lease_until = InstantField(null=True)
    reply = TextField(null=True)
    enhanced_status = TextField(null=True)
    done_at = InstantField(null=True)

    class Meta:
        table_name = "outbox"
        indexes = (
            (("ticket", "recipient_key"), False),
            (("recipient_key", "created_at"), False),
        )


class OutboxMail(Model):
    """The octets of an outgoing mail, apart from its row, which SQLite writes anew as a whole at each change.
    `skeleton` is all but the attachments; `attachments` is {"parts": [[head, raw_id, start, stop, encoding],
    …], "tail"} or null."""

    outbox = ForeignKeyField(Outbox, primary_key=True)
    skeleton = BlobField()
    attachments = JsonField(null=True)

    class Meta:
        table_name = "outbox_mail"


class Lease(Model):
    name = TextField(primary_key=True)
    owner = TextField()
    until = InstantField()

    class Meta:
        table_name = "lease"


class Folder(Model):
    """How far a folder of an IMAP account has been read."""

    account = TextField()
    folder = TextField()
    uidvalidity = BigIntegerField()
    last_uid = BigIntegerField()
    first_contact_at = InstantField()
    left_there = JsonField()

    class Meta:
        table_name = "folder"
        primary_key = CompositeKey("account", "folder")


class Alert(Model):
    """What admins have been told, so that it is told once a day."""

    key = TextField(primary_key=True)
    last_at = InstantField()

    class Meta:
        table_name = "alert"


class Counter(Model):
    """The last number given, where the database has no sequences (SQLite)."""

    name = TextField(primary_key=True)
    value = BigIntegerField()

    class Meta:
        table_name = "counter"


TABLES: tuple[type[Model], ...] = (
    RawMail, RawChunk, Ticket, Entry, Spool, Person, PersonAddress, Participant, Event, Outbox, OutboxMail,
    Lease, Folder, Alert, Counter,
)  # fmt: skip
