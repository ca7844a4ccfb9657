"""May it come in, may it be answered, how far is its sender trusted."""
