"""The way out: outbox rows to a smarthost, an LMTP server, sendmail or a Maildir, and when to try again."""
