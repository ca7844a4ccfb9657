"""One file a rule. A rule looks at a mail and says what it found, or None; `gateway/screen/table.py` says in
which order they are asked and what follows from it."""
