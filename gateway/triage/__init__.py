"""Impact, urgency, priority, category, owner: with reasons."""
