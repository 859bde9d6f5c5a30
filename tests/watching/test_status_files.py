"""Status files: what they hold, who is believed, and that nothing fails for them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scribe_suite.watching.status_files import (
    GONE_S,
    MAX_TOOL,
    RunningAttempt,
    RunProcess,
    clear_running,
    controller_alive,
    make_running_folder,
    read_running,
    remove_status,
    running_folder,
    tool_name,
    write_controller,
    write_status,
)
from scribe_suite.watching.view import LiveRun, Progress, clock, rendered

NOW = time.time()


def attempt(task="circuits/ioi", **fields):
    values = {"provider": "claude", "trial": 0, "phase": "working", "began": NOW - 190, "limit_s": 1800.0, "turn": 12,
              "calls": 9, "tool": "edit_cell", "in_tool": True, "process": RunProcess.this()}  # fmt: skip
    return RunningAttempt(task=task, **{**values, **fields})


def test_what_is_written_is_read_with_the_longest_running_first(tmp_path):
    late, early = attempt("circuits/late", began=NOW - 5), attempt("circuits/early", began=NOW - 50)
    waiting = attempt("circuits/waiting", phase="waiting for a slot", began=NOW - 500)
    for number, status in enumerate((late, waiting, early)):
        assert write_status(tmp_path / f"{number}.json", status)
    assert read_running(tmp_path, NOW) == [early, late, waiting]
    assert not list(tmp_path.glob(".*"))


def test_a_worker_that_was_killed_is_not_shown(tmp_path):
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    started = psutil.Process(worker.pid).create_time()
    process = RunProcess.this().model_copy(update={"pid": worker.pid, "process_started": started})
    write_status(tmp_path / "1.json", attempt(process=process))
    assert len(read_running(tmp_path, NOW)) == 1
    worker.kill()
    while psutil.Process(worker.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert read_running(tmp_path, NOW) == []  # also before anybody has waited for it
    worker.wait()
    assert read_running(tmp_path, NOW) == []


def test_another_process_with_the_number_of_a_dead_worker_is_not_it(tmp_path):
    write_status(tmp_path / "1.json", attempt(process=RunProcess.this().model_copy(update={"process_started": 5.0})))
    assert read_running(tmp_path, NOW) == []


def test_on_another_machine_the_last_sign_of_life_counts(tmp_path):
    process = RunProcess.this().model_copy(update={"place": "elsewhere", "pid": 1, "updated": NOW})
    write_status(tmp_path / "1.json", attempt(process=process))
    assert len(read_running(tmp_path, NOW + GONE_S - 1)) == 1
    assert read_running(tmp_path, NOW + GONE_S + 1) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"task": 1}', "\x00" * 10, "{" * 100_000])
def test_what_is_no_status_is_passed_over(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "folder.json").mkdir()
    write_status(tmp_path / "1.json", attempt())
    assert len(read_running(tmp_path, NOW)) == 1


def test_a_later_version_may_say_more(tmp_path):
    values = json.loads(attempt().model_dump_json())
    (tmp_path / "1.json").write_text(json.dumps({**values, "news": 1}))
    assert len(read_running(tmp_path, NOW)) == 1


def test_nothing_is_raised_where_nothing_can_be_written_or_read(tmp_path):
    assert not write_status(tmp_path / "gone" / "1.json", attempt())
    assert not write_controller(tmp_path / "gone")
    assert read_running(tmp_path / "gone", NOW) == []
    assert controller_alive(tmp_path / "gone", NOW) is None
    clear_running(tmp_path / "gone")


def test_a_full_disk_leaves_the_last_status_as_it_was(tmp_path, monkeypatch):
    def full(*_arguments, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_status(tmp_path / "1.json", attempt(turn=1))
    monkeypatch.setattr("scribe_suite.untrusted_files.os.replace", full)
    assert not write_status(tmp_path / "1.json", attempt(turn=2))
    assert [status.turn for status in read_running(tmp_path, NOW)] == [1]
    assert not list(tmp_path.glob(".*"))


def test_the_controller_is_no_attempt_and_is_known_to_live(tmp_path):
    assert write_controller(tmp_path)
    assert read_running(tmp_path, NOW) == []
    assert controller_alive(tmp_path, NOW) is True


def test_the_folder_of_a_run_goes_with_it_unless_others_use_it(tmp_path):
    folder = running_folder(tmp_path, "a")
    folder.mkdir(parents=True)
    write_controller(folder)
    (folder.parent / "claude.0.lock").touch()
    clear_running(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["claude.0.lock"]


def test_what_others_left_in_a_results_folder_is_not_followed_read_or_removed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.json").write_text(attempt().model_dump_json())
    folder = running_folder(tmp_path / "runs", "a")
    for place in (folder, folder.parent, folder.parent.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside)
        assert not write_controller(folder)
        assert read_running(folder, NOW) == []
        with pytest.raises(OSError, match="not opened"):
            make_running_folder(folder)
        clear_running(folder)
        remove_status(folder / "mine.json")
        place.unlink()
        shutil.rmtree(tmp_path / "runs")
    assert [path.name for path in outside.iterdir()] == ["mine.json"]
    make_running_folder(folder)
    os.mkfifo(folder / "1.json")
    os.mkfifo(folder / "controller.json")
    assert read_running(folder, NOW) == []
    assert controller_alive(folder, NOW) is None


def test_a_status_holds_these_fields_and_no_others():
    assert set(RunningAttempt.model_fields) == {
        "task", "provider", "trial", "worker", "process", "phase", "began", "limit_s", "turn", "calls", "tool",
        "in_tool",
    }  # fmt: skip
    assert set(RunProcess.model_fields) == {"place", "pid", "process_started", "updated"}


@given(st.text())
def test_a_tool_name_is_short_and_plain(text):
    name = tool_name(text)
    assert name is None or (0 < len(name) <= MAX_TOOL and name.isascii() and name.isprintable())


def test_the_line_of_a_log_tells_all_of_it():
    view = LiveRun(Progress(40, 5, 3, 1), [attempt(), attempt("probes/cities", phase="scoring", limit_s=None)], NOW)
    assert view.line() == (
        "2 running, 5 of 40 done, 3 solved, 1 failed by infrastructure: circuits/ioi claude t0 turn 12 edit_cell "
        "03:10/30:00; probes/cities claude t0 (scoring) 03:10"
    )


def test_without_turns_the_calls_are_told():
    line = LiveRun(Progress(1, 0, 0, 0), [attempt(turn=None, in_tool=False)], NOW).line()
    assert line.endswith("circuits/ioi claude t0 9 calls after edit_cell 03:10/30:00")


@pytest.mark.parametrize("width", [20, 60, 100, 200])
def test_no_line_of_the_table_is_wider_than_it_may_be(width):
    long = attempt("circuits/" + "x" * 100, provider="command:[red]" + "y" * 300, tool="z" * MAX_TOOL)
    lines = rendered(LiveRun(Progress(9, 0, 0, 0), [long] * 9, NOW), width, 4, color=False)
    assert max(map(len, lines)) <= width
    assert len(lines) == 1 + 1 + 4 + 1
    assert lines[-1] == "and 5 more"


def test_the_table_has_a_row_for_each_attempt():
    view = LiveRun(Progress(40, 5, 3, 0), [attempt(), attempt("probes/cities", turn=None, in_tool=False)], NOW)
    assert [" ".join(line.split()) for line in rendered(view, 100, 9, color=False)] == [
        "2 running, 5 of 40 done, 3 solved",
        "Task Trial Provider Turn Calls Last tool Elapsed Limit",
        "circuits/ioi t0 claude 12 9 edit_cell 03:10 30:00",
        "probes/cities t0 claude - 9 after edit_cell 03:10 30:00",
    ]


def test_names_are_no_markup():
    text = "\n".join(rendered(LiveRun(Progress(1, 0, 0, 0), [attempt(provider="x[red]y[/red]")], NOW), 100, 9, False))
    assert "x[red]y[/red]" in text


def test_progress_counts_outcomes():
    outcomes = ["solved", "unsolved", "infrastructure:slots", "solved", "no_answer"]
    assert Progress.of(9, outcomes) == Progress(9, 5, 2, 1)


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (190.9, "03:10"), (3599, "59:59"), (3661, "1:01:01")])
def test_clock(seconds, text):
    assert clock(seconds) == text
