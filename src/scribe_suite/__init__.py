"""Scribe Task Suite: a pytest-native benchmark of how well AI agents do interpretability research."""

__version__ = "0.1.0"
