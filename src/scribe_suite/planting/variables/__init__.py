"""Models that compute several variables of a prompt and keep them at one place, in subspaces that overlap."""
