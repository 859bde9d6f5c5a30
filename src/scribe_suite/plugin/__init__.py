"""The pytest plugin: options, parametrisation, attempts, ledger, summary; one module for each.

Loaded by the root ``conftest.py``. It does nothing in a session without benchmark tests.
"""

from __future__ import annotations

import os

import pytest

from scribe_suite.paths import ROOT_VARIABLE, is_root
from scribe_suite.plugin import collection, recording
from scribe_suite.plugin.controller import RunController
from scribe_suite.plugin.options import SETTINGS, add_options, read_settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option group."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, then register what this process needs: workers measure, the controller writes."""
    if is_root(config.rootpath):
        # the checkout whose tests run is the one to take tasks from, whatever the current folder is; workers inherit it
        os.environ.setdefault(ROOT_VARIABLE, str(config.rootpath))
    for line in collection.MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[SETTINGS] = settings = read_settings(config)
    omit = getattr(config.option, "json_report_omit", None)
    if omit is not None and "log" not in omit:
        # json-report ships log records to the controller as they are, and one odd extra in one of them kills the worker
        config.option.json_report_omit = [*omit, "log"]
    config.pluginmanager.register(collection, "scribe_suite.collection")
    config.pluginmanager.register(recording, "scribe_suite.recording")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RunController(config, settings), "scribe_suite.controller")
