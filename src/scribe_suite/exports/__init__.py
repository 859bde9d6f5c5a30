"""Runs and tasks in the formats of other tools: Inspect's logs, ATIF, Docent's agent runs, Harbor's task folders."""
