"""Models with a planted truth: shared tools here, a folder for each kind."""
