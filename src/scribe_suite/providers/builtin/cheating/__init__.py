"""An agent that tries to get a score without solving the task; its attempts are tests."""
