"""Answers of known wrongness to the tasks, for studies of metrics."""
