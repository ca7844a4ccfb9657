"""The database: the only queue, the only memory. `open_store` opens it."""
