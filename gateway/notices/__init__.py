"""Which mail goes to whom and why, and what it looks like."""
