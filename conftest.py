"""Fixtures, options and reports of the suite; see scribe_suite.plugin for what each does."""

pytest_plugins = ["scribe_suite.plugin", "fixtures.attempt"]
