"""Worker side: loads the tasks' code after the tests are collected and before the first attempt.

All tasks are loaded at once, although an attempt needs only one: editing a checkout during a run must not change tasks
that the run has not reached yet. With xdist, the controller makes its checks at the same time.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.plugin.attempt_keys import attempt_key_of
from scribe_suite.tasks.registry import default_registry


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the tasks of all attempts that this process may make."""
    if session.config.option.collectonly:
        return
    keys = filter(None, map(attempt_key_of, session.items))
    for task_id in dict.fromkeys(key.task_id for key in keys):
        with suppress(ConfigurationError):  # its attempts will say so
            default_registry()[task_id]
