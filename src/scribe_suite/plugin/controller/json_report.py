"""What a run adds to pytest-json-report: its name, the lock, and how much of it was scored."""

from __future__ import annotations

import math
from typing import Any

import pytest

from scribe_suite.analysis.summary import coverage
from scribe_suite.ledger.lock import without_seeds
from scribe_suite.plugin.controller.run_ledger import RunLedger
from scribe_suite.plugin.settings import Settings

_DEFAULT_NAME = ".report.json"


def name_report(config: pytest.Config, settings: Settings, name: str) -> None:
    """Write the report to the results folder; by default the plugin uses a hidden file that every run overwrites.

    Args:
        config: The session's config.
        settings: The run's settings.
        name: The file's name, unless the user named one.
    """
    option = config.option
    if getattr(option, "json_report", False) and option.json_report_file == _DEFAULT_NAME:
        option.json_report_file = str(settings.results_dir / name)


class JsonReport:
    """Registered by the process that writes the ledger."""

    def __init__(self, settings: Settings, ledger: RunLedger) -> None:
        self._settings = settings
        self._ledger = ledger

    @pytest.hookimpl(optionalhook=True)
    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        """Add the run; the plugin's own environment block is always empty with pytest-metadata 3."""
        ledger, surroundings = self._ledger, self._ledger.surroundings
        if surroundings is None:
            return
        _replace_non_finite(json_report)
        counts = coverage(ledger.records, len(ledger.planned))
        json_report["environment"] = without_seeds(surroundings.lock)
        json_report["scribe_suite"] = {
            "run": self._settings.run,
            "ledger": str(ledger.path),
            "isolation": surroundings.tier.name,
            "planned": counts.planned,
            "counted": counts.counted,
            "solved": counts.solved,
            "infrastructure": counts.infrastructure,
        }


def _replace_non_finite(value: Any) -> Any:
    """Replace NaN and infinities in a report by None, in place: tests may record them, but JSON lacks them."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        value.update({key: _replace_non_finite(item) for key, item in value.items()})
    elif isinstance(value, list):
        value[:] = [_replace_non_finite(item) for item in value]
    return value
