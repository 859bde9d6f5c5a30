"""The status file of a running attempt: kept up to date, gone at the end, never in the way."""

from __future__ import annotations

import shutil
import time
from types import SimpleNamespace

import pytest

from scribe_suite.notebook.counters import Counters
from scribe_suite.plugin.settings import Settings
from scribe_suite.plugin.worker import status_writer
from scribe_suite.plugin.worker.status_writer import StatusKeeper
from scribe_suite.providers.base import Activity
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.watching.status_files import read_running, running_folder


@pytest.fixture
def state():
    """As much of an `AttemptState` as is looked at."""
    return SimpleNamespace(
        task=SimpleNamespace(id="circuits/ioi"),
        key=SimpleNamespace(provider="claude:opus", trial=2),
        phase=None,
        activity=Activity(),
        notebook_status=None,
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "shared" / "running"


@pytest.fixture
def keeper(state, folder, monkeypatch):
    monkeypatch.setattr(status_writer, "LOOK_S", 0.02)
    made = StatusKeeper(state, folder, 1800.0)
    yield made
    made.stop()


def until(look, seen):
    """The status, once it is as it should be."""
    deadline = time.monotonic() + 10
    while not seen(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def test_an_attempt_is_followed_through_its_phases(state, folder, keeper):
    def look():
        return read_running(folder, time.time())

    keeper.start()
    (first,) = until(look, bool)
    assert (first.task, first.provider, first.trial) == ("circuits/ioi", "claude:opus", 2)
    assert (first.phase, first.limit_s, first.turn, first.tool) == ("setting up", None, None, None)
    counters = Counters(IsolationTier("none"))
    state.phase, state.notebook_status, state.activity.turn = ("agent_s", time.time()), counters.snapshot, 3
    with counters.answering("execute_code"):
        (working,) = until(look, lambda found: found[0].in_tool and found[0].phase == "working")
    assert (working.limit_s, working.turn, working.calls, working.tool) == (1800.0, 3, 1, "execute_code")
    until(look, lambda found: not found[0].in_tool)
    state.activity.own_tool = "Web\x1b[31mFetch"
    until(look, lambda found: found[0].tool == "Web_31mFetch")
    state.phase = ("scoring_s", time.time())
    (scoring,) = until(look, lambda found: found[0].phase == "scoring")
    assert scoring.limit_s is None
    keeper.stop()
    assert list(folder.iterdir()) == []


def test_a_status_that_does_not_change_is_written_now_and_then(state, folder, keeper, monkeypatch):
    monkeypatch.setattr(status_writer, "HEARTBEAT_S", 0.3)
    keeper.start()
    (first,) = until(lambda: read_running(folder, time.time()), bool)
    time.sleep(0.1)
    assert read_running(folder, time.time()) == [first]
    until(lambda: read_running(folder, time.time()), lambda found: found[0].process.updated > first.process.updated)


def test_a_folder_that_is_removed_is_not_missed(folder, keeper):
    keeper.start()
    until(lambda: read_running(folder, time.time()), bool)
    shutil.rmtree(folder.parent)
    time.sleep(0.1)
    keeper.stop()
    assert not folder.exists()


def test_an_attempt_goes_on_when_its_status_can_not_be_told(state, folder, keeper, caplog):
    state.notebook_status = lambda: 1 / 0
    keeper.start()
    until(lambda: caplog.text, lambda text: "not kept any more" in text)
    keeper.stop()


def test_status_files_are_where_workers_share_things(tmp_path):
    settings = Settings.__new__(Settings)
    object.__setattr__(settings, "results_dir", tmp_path)
    object.__setattr__(settings, "run", "r1")
    assert running_folder(tmp_path, "r1").parent == settings.shared_dir
