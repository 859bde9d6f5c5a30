"""The options of a run, and the code behind the larger ones."""
