"""Real servers for tests, as pytest fixtures: Dovecot, Postfix, smtp-sink, PostgreSQL, and swaks as client.

Each server starts when the first test asks for it, once for a pytest process (each xdist worker has its
own), on free loopback ports, in the foreground, in a temporary folder of its own, and is ended by its pid
when the session ends. A server that is not installed skips the test and says how to get it.
"""
