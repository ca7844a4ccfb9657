"""Measurements of ticketgate beside the bare libraries it stands on: `python -m benchmarks`."""
