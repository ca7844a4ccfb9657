"""The daemon: its steps, their threads, signals and reload."""
