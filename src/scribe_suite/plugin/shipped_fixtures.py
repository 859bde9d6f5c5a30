"""The fixtures of benchmark tests, ``fixtures/attempt.py`` of the suite that comes with this package, as a plugin.

They are loaded by path: another team's repository, or the environment, may have its own package ``fixtures``.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import shipped_root

#: The plugin's name in pytest, by which a checkout's conftest file may also load it.
NAME = "fixtures.attempt"
_MODULE = "scribe_suite.plugin.attempt_fixtures"


def register_fixtures(manager: pytest.PytestPluginManager) -> None:
    """Register the fixtures, unless they are registered already.

    Args:
        manager: The session's manager.

    Raises:
        ConfigurationError: When no suite comes with this package.
    """
    if not manager.has_plugin(NAME):
        manager.register(_loaded(), NAME)


def _loaded() -> ModuleType:
    if _MODULE not in sys.modules:
        path = shipped_root() / "fixtures" / "attempt.py"
        spec = importlib.util.spec_from_file_location(_MODULE, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ConfigurationError(f"{path} is missing: install scribe-suite again.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[_MODULE] = module
        spec.loader.exec_module(module)
    return sys.modules[_MODULE]
