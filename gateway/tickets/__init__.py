"""The ticket: states, matching evidence, decisions."""
