"""Loads the plugin in a checkout, installed or not; see scribe_suite.plugin for what it does."""

pytest_plugins = ["scribe_suite.plugin"]
