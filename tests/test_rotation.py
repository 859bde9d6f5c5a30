"""What rotates: ten commits in a row run every test, and what was changed runs at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rotation import PARTS, WATCHED, Turn, part_of, turn_of

Commit = Callable[..., None]


@pytest.fixture
def commit(tmp_path: Path) -> Commit:
    """Commits files of a checkout of its own, some days after the first one."""

    def git(*arguments: str, **environment: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True, env=environment)

    def make(*paths: str, day: int = 1) -> None:
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            with (tmp_path / path).open("a") as file:
                file.write("changed\n")
        git("add", "-A")
        who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        when = {f"GIT_{role}_DATE": f"2026-01-{day:02}T12:00:00Z" for role in ("AUTHOR", "COMMITTER")}
        git("commit", "--allow-empty", "-m", "x", **who, **when)

    git("init", "-q", "-b", "main")
    return make


def test_ten_commits_run_everything_once():
    ids = [f"tests/test_x.py::test_{number}[{case}]" for number in range(300) for case in "ab"]
    ran = [
        nodeid for part in range(PARTS) for nodeid in ids if Turn(part, frozenset()).runs(nodeid, slow=True, core=False)
    ]
    assert sorted(ran) == sorted(ids)
    assert all(15 < sum(part_of(nodeid) == part for nodeid in ids) / 2 < 50 for part in range(PARTS))


def test_cases_of_one_test_run_together():
    assert len({part_of(f"tests/test_x.py::test_it[{case}]") for case in range(100)}) == 1


def test_what_is_core_or_belongs_to_the_library_always_runs():
    for part in range(PARTS):
        turn = Turn(part, frozenset())
        assert turn.runs("tests/test_x.py::test_it", slow=True, core=True)
        assert turn.runs("tests/test_x.py::test_it", slow=False, core=False)


@pytest.mark.parametrize("folder", WATCHED)
def test_tests_of_tools_run_when_the_tool_was_changed_and_else_in_turn(folder):
    nodeid = f"{folder}/test_x.py::test_it"
    calm = [
        Turn(part, frozenset(["src/scribe_suite/text.py"])).runs(nodeid, slow=False, core=False)
        for part in range(PARTS)
    ]
    assert sum(calm) == 1
    for path in (*WATCHED[folder], folder):
        assert all(
            Turn(part, frozenset([f"{path}/x.py"])).runs(nodeid, slow=False, core=False) for part in range(PARTS)
        )


def test_what_is_watched_is_there():
    root = Path(__file__).parents[1]
    assert [path for folder, paths in WATCHED.items() for path in (folder, *paths) if not (root / path).is_dir()] == []


def test_the_turn_goes_on_with_every_commit(tmp_path, commit):
    parts = []
    for _ in range(PARTS):
        commit()
        turn = turn_of(tmp_path)
        assert turn is not None
        parts.append(turn.part)
    assert sorted(parts) == list(range(PARTS))


def test_a_merge_of_many_commits_is_one_turn(tmp_path, commit):
    def git(*arguments: str) -> None:
        who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True, env=who)

    commit("a")
    before = turn_of(tmp_path)
    git("checkout", "-q", "-b", "side")
    for number in range(14):
        commit(f"side/{number}", day=1)
    git("checkout", "-q", "main")
    git("merge", "-q", "--no-ff", "-m", "x", "side")
    after = turn_of(tmp_path)
    assert before is not None
    assert after is not None
    assert after.part == (before.part + 1) % PARTS
    assert {f"side/{number}" for number in range(14)} <= after.changed


def test_a_slow_test_whose_module_was_changed_runs():
    turns = [Turn(part, edited=frozenset(["tests/test_x.py"])) for part in range(PARTS)]
    assert all(turn.runs("tests/test_x.py::test_it[a]", slow=True, core=False) for turn in turns)


def test_changes_of_the_last_days_and_the_last_commits_count_and_those_not_committed(tmp_path, commit):
    commit("old/x", day=1)
    for number in range(20):
        commit(f"days/{number}", day=20)
    (tmp_path / "new").mkdir()
    (tmp_path / "new/x").write_text("x")
    turn = turn_of(tmp_path)
    assert turn is not None
    assert {path.partition("/")[0] for path in turn.changed} == {"days", "new"}
    assert len(turn.changed) == 21
    assert turn.edited == {"days/19", "new/x"}


def test_without_a_history_there_is_no_turn(tmp_path, commit):
    assert turn_of(tmp_path) is None
    commit("a")
    commit("b")
    shallow = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{tmp_path}", shallow], check=True, capture_output=True
    )
    assert turn_of(shallow) is None
