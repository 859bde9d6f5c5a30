"""The options of a run, and what the larger ones do."""
