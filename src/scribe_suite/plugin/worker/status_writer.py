"""Worker side of watching: a running attempt updates a status file, which is removed at its end.

A thread checks the attempt's state twice a second and writes changes, so that the attempt never waits for a disk. If
writing fails, the status is not updated; the attempt is not affected.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from scribe_suite.plugin.settings import SETTINGS
from scribe_suite.plugin.worker.attempt_state import ATTEMPT_STATE, AttemptState
from scribe_suite.watching.status_files import (
    HEARTBEAT_S,
    WORKING,
    RunningAttempt,
    RunProcess,
    make_running_folder,
    remove_status,
    running_folder,
    tool_name,
    write_status,
)

logger = logging.getLogger(__name__)

#: Seconds between two checks of an attempt, and therefore between two writes.
LOOK_S = 0.5
#: Seconds that the last check may take; a hanging disk must not hold up the attempt.
JOIN_S = 2.0
#: Phase, by its name in `AttemptState.timed` -> its name in views.
PHASES = {
    "setup_s": "setting up",
    "queue_s": "waiting for a slot",
    "agent_s": WORKING,
    "scoring_s": "scoring",
    "teardown_s": "ending",
}
_STARTING = "setting up"


class StatusKeeper:
    """Keeps the status file of one attempt.

    Args:
        state: The attempt.
        folder: See `running_folder`; created if it is missing.
        wall_s: The agent's time in seconds.
    """

    def __init__(self, state: AttemptState, folder: Path, wall_s: float) -> None:
        self._state = state
        self._path = folder / f"{os.getpid()}.json"  # a process makes one attempt at a time
        self._wall_s = wall_s
        self._began = time.time()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="attempt-status", daemon=True)

    def start(self) -> None:
        """Begin, if possible."""
        with suppress(OSError, RuntimeError):  # no folder, or no thread to be had
            make_running_folder(self._path.parent)
            self._thread.start()

    def stop(self) -> None:
        """Remove the file."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)
        remove_status(self._path)

    def _keep(self) -> None:
        try:
            written, at = None, 0.0
            while not self._over.is_set():
                status, now = self._look(), time.monotonic()
                content = status.model_dump(exclude={"process"})
                if (content != written or now > at + HEARTBEAT_S) and write_status(self._path, status):
                    written, at = content, now
                self._over.wait(LOOK_S)
        except Exception:  # a run continues although it can't be watched
            logger.exception("the status of an attempt is not kept any more")

    def _look(self) -> RunningAttempt:
        state = self._state
        phase, began = state.phase or ("", self._began)
        shown = PHASES.get(phase, _STARTING)
        notebook = None if state.notebook_status is None else state.notebook_status()
        own = state.activity.own_tool
        return RunningAttempt(
            task=state.task.id,
            provider=str(state.key.provider),
            trial=state.key.trial,
            worker=os.environ.get("PYTEST_XDIST_WORKER"),
            process=RunProcess.this(),
            phase=shown,
            began=began,
            limit_s=self._wall_s if shown == WORKING else None,
            turn=state.activity.turn,
            calls=0 if notebook is None else notebook.tool_calls,
            tool=tool_name(own or (None if notebook is None else notebook.tool)),
            in_tool=notebook is not None and notebook.calls_open > 0,
        )


KEEPER = pytest.StashKey[StatusKeeper]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start the status, after `attempt_records` opened the attempt's state and before its fixtures are made."""
    state = item.stash.get(ATTEMPT_STATE, None)
    if state is not None:
        settings = item.config.stash[SETTINGS]
        folder = running_folder(settings.results_dir, settings.run)
        item.stash[KEEPER] = keeper = StatusKeeper(state, folder, settings.limits.wall_s)
        keeper.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remove the status, however the attempt ended."""
    try:
        return (yield)
    finally:
        keeper = item.stash.get(KEEPER, None)
        if keeper is not None:
            keeper.stop()
