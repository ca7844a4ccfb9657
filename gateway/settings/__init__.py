"""The config files: their schema, loading with precise mistakes, secrets, passwords."""
