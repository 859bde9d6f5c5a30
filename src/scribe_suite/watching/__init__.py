"""Watching a run: the status of its workers, and how a terminal shows it."""
