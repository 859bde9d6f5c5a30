"""The pytest plugin: options, parametrisation, attempts, ledger, summary; one module for each.

Loaded by its entry point wherever the package is installed, and by the root ``conftest.py`` of a checkout. It does
nothing in a session without benchmark tests.
"""

from __future__ import annotations

import os

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.measurements.selection import select_model
from scribe_suite.models.device import choose_device
from scribe_suite.paths import ROOT_VARIABLE, is_root, suite_root
from scribe_suite.plugin import collection
from scribe_suite.plugin.controller.controller import RunController
from scribe_suite.plugin.controller.json_report import JsonReport
from scribe_suite.plugin.controller.live import LiveView
from scribe_suite.plugin.option.compare import comparing
from scribe_suite.plugin.option.options import add_options
from scribe_suite.plugin.option.reading import read_settings
from scribe_suite.plugin.settings import SETTINGS, Settings
from scribe_suite.plugin.shipped_fixtures import register_fixtures
from scribe_suite.plugin.worker import attempt_records, laboratories, loading, status_writer

#: Read by torch and BLAS when they are loaded, which is later. Scoring one answer took 0.9 s with one thread and 15 to
#: 21 s with two on a shared machine with 2 cores; concurrency comes from workers. Values that the user has set are
#: kept.
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option group."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, then register what this process needs: workers measure, the controller writes."""
    if is_root(config.rootpath):
        # tasks come from the suite whose tests run, whatever the current folder is; workers inherit this
        os.environ.setdefault(ROOT_VARIABLE, str(config.rootpath))
    if ROOT_VARIABLE in os.environ:  # tests of others, in whose environment this package is, keep their threads
        try:
            suite_root()
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from error
        for variable in ONE_THREAD:
            os.environ.setdefault(variable, "1")
    settings = read_settings(config)
    _choose_real_model(settings, looks=not config.option.collectonly)
    for line in collection.MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[SETTINGS] = settings
    register_fixtures(config.pluginmanager)
    omit = getattr(config.option, "json_report_omit", None)
    if omit is not None and "log" not in omit:
        # json-report sends log records to the controller unchanged, and one unusual extra in one of them kills the
        # worker
        config.option.json_report_omit = [*omit, "log"]
    config.pluginmanager.register(collection, "scribe_suite.collection")
    config.pluginmanager.register(attempt_records, "scribe_suite.recording")
    config.pluginmanager.register(status_writer, "scribe_suite.status")
    config.pluginmanager.register(laboratories, "scribe_suite.laboratories")
    if not hasattr(config, "workerinput"):
        controller = RunController(config, settings)
        config.pluginmanager.register(controller, "scribe_suite.controller")
        config.pluginmanager.register(JsonReport(settings, controller.ledger), "scribe_suite.json_report")
        config.pluginmanager.register(LiveView(config, settings, controller), "scribe_suite.live")
        if (comparison := comparing(config)) is not None:
            # after the controller, so that its verdict is known before the controller records the exit code
            config.pluginmanager.register(comparison, "scribe_suite.comparing")
    # after the controller, which first announces what it waits for and refuses what can't be run
    config.pluginmanager.register(loading, "scribe_suite.loading")


def _choose_real_model(settings: Settings, *, looks: bool) -> None:
    """Choose the real language model of measured tasks, and the device it runs on; in workers too.

    Args:
        settings: The run's settings.
        looks: Whether to look for a device.
    """
    try:
        select_model(settings.model)
        # looking for a device imports torch, so runs without such models don't do it
        if looks and (settings.model_source != "planted" or settings.device == "cuda"):
            choose_device(settings.device)
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from error
