"""The first schema. A frozen copy: later changes are later files."""

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
    SqliteDatabase,
    TextField,
)


class RawMail(Model):
    id = BigAutoField()
    sha256 = BlobField(unique=True)
    size = BigIntegerField()
    head = BlobField()
    created_at = BigIntegerField()

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
    created_at = BigIntegerField()
    updated_at = BigIntegerField(index=True)

    class Meta:
        table_name = "ticket"
        indexes = ((("state", "updated_at"), False),)


class Entry(Model):
    id = BigAutoField()
    ticket = ForeignKeyField(Ticket)
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
    attachments = TextField()
    evidence = TextField()
    screening = TextField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "entry"
        indexes = ((("queue", "dedup_key"), True),)


class Spool(Model):
    id = BigAutoField()
    key = TextField(unique=True)
    source = TextField()
    mailbox = TextField()
    queue = TextField(null=True)
    raw_mail = ForeignKeyField(RawMail)
    reverse_path = TextField(null=True)
    forward_paths = TextField()
    authenticated_as = TextField(null=True)
    client = TextField()
    state = TextField()
    attempts = IntegerField(default=0)
    received_at = BigIntegerField()
    next_try_at = BigIntegerField()
    lease_owner = TextField(null=True)
    lease_until = BigIntegerField(null=True)
    settled = BooleanField()
    outcome = TextField(null=True)
    error = TextField(null=True)
    ticket = ForeignKeyField(Ticket, null=True, index=False)
    entry = ForeignKeyField(Entry, null=True, index=False)
    done_at = BigIntegerField(null=True)

    class Meta:
        table_name = "spool"


class Person(Model):
    id = BigAutoField()
    name = TextField()
    language = TextField(null=True)
    created_at = BigIntegerField()

    class Meta:
        table_name = "person"


class PersonAddress(Model):
    key = TextField(primary_key=True)
    address = TextField()
    person = ForeignKeyField(Person, on_delete="CASCADE")
    created_at = BigIntegerField()

    class Meta:
        table_name = "person_address"


class Participant(Model):
    ticket = ForeignKeyField(Ticket, on_delete="CASCADE", index=False)
    key = TextField()
    name = TextField()
    address = TextField()
    role = TextField()
    added_at = BigIntegerField()

    class Meta:
        table_name = "participant"
        primary_key = CompositeKey("ticket", "key")


class Event(Model):
    id = BigAutoField()
    ticket = ForeignKeyField(Ticket)
    entry = ForeignKeyField(Entry, null=True, index=False)
    kind = TextField()
    actor = TextField()
    at = BigIntegerField()
    data = TextField()

    class Meta:
        table_name = "event"


class Outbox(Model):
    id = BigAutoField()
    ticket = ForeignKeyField(Ticket, null=True, index=False)
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
    created_at = BigIntegerField()
    next_try_at = BigIntegerField()
    expire_at = BigIntegerField()
    lease_owner = TextField(null=True)
    lease_until = BigIntegerField(null=True)
    reply = TextField(null=True)
    enhanced_status = TextField(null=True)
    done_at = BigIntegerField(null=True)

    class Meta:
        table_name = "outbox"
        indexes = (
            (("ticket", "recipient_key"), False),
            (("recipient_key", "created_at"), False),
        )


class OutboxMail(Model):
    outbox = ForeignKeyField(Outbox, primary_key=True)
    skeleton = BlobField()
    attachments = TextField(null=True)

    class Meta:
        table_name = "outbox_mail"


class Lease(Model):
    name = TextField(primary_key=True)
    owner = TextField()
    until = BigIntegerField()

    class Meta:
        table_name = "lease"


class Folder(Model):
    account = TextField()
    folder = TextField()
    uidvalidity = BigIntegerField()
    last_uid = BigIntegerField()
    first_contact_at = BigIntegerField()
    left_there = TextField()

    class Meta:
        table_name = "folder"
        primary_key = CompositeKey("account", "folder")


class Alert(Model):
    key = TextField(primary_key=True)
    last_at = BigIntegerField()

    class Meta:
        table_name = "alert"


class Counter(Model):
    name = TextField(primary_key=True)
    value = BigIntegerField()

    class Meta:
        table_name = "counter"


TABLES = (
    RawMail, RawChunk, Ticket, Entry, Spool, Person, PersonAddress, Participant, Event, Outbox, OutboxMail,
    Lease, Folder, Alert, Counter,
)  # fmt: skip


# What waits is few among what is done, and is asked for in the order of ids.
PARTIAL_INDEXES = (
    "CREATE INDEX spool_waiting ON spool (id) WHERE state IN ('received', 'deferred')",
    "CREATE INDEX spool_stopped ON spool (id) WHERE state IN ('hold', 'quarantined')",
    "CREATE INDEX spool_unsettled ON spool (id) WHERE NOT settled",
    "CREATE INDEX outbox_waiting ON outbox (id) WHERE state = 'queued'",
    "CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'failed'",
)


def up(migrator: Any, db: Any) -> None:
    with db.bind_ctx(TABLES):
        db.create_tables(TABLES, safe=False)
    for statement in PARTIAL_INDEXES:
        db.execute_sql(statement)
    sqlite = isinstance(db, SqliteDatabase)
    if sqlite:
        db.execute_sql("INSERT INTO counter (name, value) VALUES ('ticket', 1000)")
    else:
        db.execute_sql("ALTER SEQUENCE ticket_id_seq RESTART WITH 1001")
