"""The agent CLIs that the suite is tested with: their versions, places and installation."""
