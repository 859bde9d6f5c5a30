"""The agent CLIs that the suite is tested with: which versions, where they are, how they are installed."""
