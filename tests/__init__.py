"""The tests, one folder a room; `tests.peers` starts the real servers that they talk to."""
