"""Agent CLIs as providers: one module each, and what they share."""
