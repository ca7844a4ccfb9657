"""The database: the only queue, the only memory. `store.open_store` opens it."""

from gateway.store import _peewee as _peewee  # before anything of the room imports peewee with its drivers
