"""Watching a run: the status of its workers, and its display in a terminal."""
