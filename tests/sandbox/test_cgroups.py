"""Control groups: for real where this machine lets us make one, and the search for a place on made-up trees."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scribe_suite.sandbox import cgroups
from scribe_suite.sandbox.cgroups import Cgroup, CgroupUnavailable, Place, find_places

CONTROLLERS, REASON = cgroups.probe()
needs_memory = pytest.mark.skipif("memory" not in CONTROLLERS, reason=f"no memory limit here: {REASON}")
needs_pids = pytest.mark.skipif("pids" not in CONTROLLERS, reason=f"no limit on processes here: {REASON}")


def waiting(code: str) -> subprocess.Popen[str]:
    """Python that does something when it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", f"input()\n{code}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@needs_memory
def test_a_group_that_uses_too_much_memory_is_ended_and_says_so():
    group = Cgroup.create(f"scribe-test-{os.getpid()}", 64 << 20, 20)
    try:
        process = waiting("x = [b'x' * (1 << 20) for _ in range(200)]")
        group.add(process.pid)
        assert group.processes() == [process.pid]
        process.communicate("\n", timeout=60)
        assert process.returncode == -9
        assert group.out_of_memory()
    finally:
        group.remove()


@needs_pids
def test_processes_are_counted_and_a_removed_group_leaves_none():
    group = Cgroup.create(f"scribe-test-{os.getpid()}", 1 << 30, 5)
    code = """
import os, time
count = 0
try:
    while count < 50:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        count += 1
except OSError:
    pass
print(count, flush=True); time.sleep(60)
"""
    process = waiting(code)
    assert process.stdin is not None
    assert process.stdout is not None
    group.add(process.pid)
    process.stdin.write("\n")
    process.stdin.flush()
    assert int(process.stdout.readline()) == 4
    pids = group.processes()
    assert len(pids) == 5
    assert not group.out_of_memory()
    group.remove()
    assert group.processes() == []
    process.wait(10)
    assert not any(Path(f"/proc/{pid}/cgroup").exists() and _alive(pid) for pid in pids)
    group.remove()


def _alive(pid: int) -> bool:
    time.sleep(0.1)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_is_gone_can_be_added_and_costs_nothing(tmp_path):
    group = Cgroup({tmp_path / "missing": Place(tmp_path, 2, ("memory",))})
    assert not group.add(1)
    assert group.processes() == []
    assert not group.out_of_memory()
    group.remove()


def test_a_process_out_of_sight_is_not_taken_for_our_own_group(tmp_path):
    (tmp_path / "cgroup.procs").write_text("0\n12\n")
    assert Cgroup({tmp_path: Place(tmp_path, 1, ("pids",))}).processes() == [12]


V1_GROUPS = "9:name=systemd:/x\n5:pids:/a/b\n4:memory:/m\n0::/\n"
V1_MOUNTS = (
    "30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "31 20 0:27 /a /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "32 20 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
)


def test_version_1_has_a_place_for_each_controller(tmp_path):
    for folder in ("memory/m", "pids/b"):
        (tmp_path / "sys/fs/cgroup" / folder).mkdir(parents=True)
    places, reason = find_places(V1_GROUPS, V1_MOUNTS, tmp_path)
    root = tmp_path / "sys/fs/cgroup"
    assert sorted(places, key=str) == sorted(
        [Place(root / "memory/m", 1, ("memory",)), Place(root / "pids/b", 1, ("pids",))], key=str
    )
    assert reason == ""


V2_GROUPS = "0::/user.slice/app.scope\n"
V2_MOUNTS = "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def v2_tree(root: Path, controllers: str, enabled: str) -> tuple[Path, Path]:
    own = root / "sys/fs/cgroup/user.slice/app.scope"
    own.mkdir(parents=True)
    for folder in (own, own.parent):
        (folder / "cgroup.controllers").write_text(controllers)
        (folder / "cgroup.subtree_control").write_text(enabled)
        (folder / "cgroup.procs").write_text("")
    return own, own.parent


def test_version_2_makes_groups_below_the_own_one_when_that_may_have_any(tmp_path):
    own, _parent = v2_tree(tmp_path, "cpu memory pids", "")
    assert find_places(V2_GROUPS, V2_MOUNTS, tmp_path) == ([Place(own, 2, ("memory", "pids"))], "")
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_version_2_makes_groups_beside_the_own_one_when_processes_are_in_the_way(tmp_path):
    own, parent = v2_tree(tmp_path, "memory pids", "memory pids")
    (own / "cgroup.subtree_control").unlink()
    (own / "cgroup.subtree_control").mkdir()  # can't be written, as when the group has processes
    assert find_places(V2_GROUPS, V2_MOUNTS, tmp_path)[0] == [Place(parent, 2, ("memory", "pids"))]


def test_a_controller_that_is_not_there_is_named(tmp_path):
    own, _parent = v2_tree(tmp_path, "cpu pids", "")
    places, reason = find_places(V2_GROUPS, V2_MOUNTS, tmp_path)
    assert places == [Place(own, 2, ("pids",))]
    assert reason
    assert "memory" in reason


def test_without_any_place_creating_says_why():
    places, reason = find_places("0::/\n", "", Path("/"))
    assert (places, reason) == ([], "no control group here has memory or pids")
    with pytest.raises(CgroupUnavailable):
        Cgroup.create("x", 1, 1, places=[])


def test_limits_of_version_2_are_written_to_its_files(tmp_path):
    group = Cgroup.create("g", 1 << 20, 7, places=[Place(tmp_path, 2, ("memory", "pids"))])
    assert (tmp_path / "g" / "memory.max").read_text() == str(1 << 20)
    assert (tmp_path / "g" / "pids.max").read_text() == "7"
    assert group.controllers == ("memory", "pids")
    (tmp_path / "g" / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    assert group.out_of_memory()


def test_a_place_that_cannot_be_written_is_no_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CgroupUnavailable, match="Not a directory"):
        Cgroup.create("g", 1, 1, places=[Place(tmp_path / "file", 1, ("pids",))])


def test_what_killed_harnesses_left_is_removed_when_it_is_old_and_nobody_s(tmp_path):
    names = {"scribe-999999999-a": True, f"scribe-{os.getpid()}-b": False, "scribe-x-c": False, "other-1-d": False}
    for name in (*names, "scribe-999999998-new", "scribe-999999997-full"):
        (tmp_path / name).mkdir()
        if "new" not in name:
            os.utime(tmp_path / name, (0, 0))
    (tmp_path / "scribe-999999997-full" / "process").mkdir()
    os.utime(tmp_path / "scribe-999999997-full", (0, 0))
    cgroups.remove_stale([Place(tmp_path, 1, ("pids",))])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {name for name, removed in names.items() if not removed} | {
        "scribe-999999998-new",
        "scribe-999999997-full",
    }
