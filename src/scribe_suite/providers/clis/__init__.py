"""Agent CLIs as providers: one module each, and their shared code."""
