"""The whole desk in one thread: seeded chance, virtual time, sick neighbours, dying nodes, and people who
write and answer. See `simulation.py`; `python -m tests.simulation --help` runs it by hand."""
