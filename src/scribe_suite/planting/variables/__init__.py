"""Models that compute several variables of a prompt and store them at one place, in overlapping subspaces."""
