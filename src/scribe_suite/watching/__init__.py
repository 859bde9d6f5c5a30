"""Watching a run: what its workers say, and how a terminal shows it."""
