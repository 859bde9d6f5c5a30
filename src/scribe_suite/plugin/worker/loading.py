"""Worker side: the code of the tasks is loaded before the first attempt, not before the tests are collected.

All of it at once, although an attempt needs one task only: whoever edits a checkout while a run goes on must not change
the tasks that the run has not come to yet. With xdist, the controller looks around meanwhile.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.plugin.attempt_keys import attempt_key_of
from scribe_suite.tasks.registry import default_registry


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the tasks of the attempts that this process may make."""
    if session.config.option.collectonly:
        return
    keys = filter(None, map(attempt_key_of, session.items))
    for task_id in dict.fromkeys(key.task_id for key in keys):
        with suppress(ConfigurationError):  # its attempts will say so
            default_registry()[task_id]
