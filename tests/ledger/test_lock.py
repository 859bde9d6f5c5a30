import json
import shutil
import subprocess

import pytest

from scribe_suite.ledger.code import task_sources
from scribe_suite.ledger.lock import lock, without_seeds
from scribe_suite.ledger.lock_differences import lock_differences
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry


def test_the_lock_names_everything_that_can_change_a_number():
    tasks = [facts for facts in default_registry().facts.values() if facts.source == "planted"]
    locked = lock(
        suite_root(),
        tasks,
        seeds={"circuits/ioi": {0: 123456, 2: 789}},
        providers={"claude:opus": {"model": "opus", "program": None}},
        isolation="landlock",
        limits={"agent_timeout_s": 5.0},
    )
    assert locked["packages"]["torch"].startswith("2.13.0")
    assert set(locked["tasks"]) == {task.id for task in tasks}
    for task in tasks:
        entry = locked["tasks"][task.id]
        hashes = [entry[name] for name in ("code_sha256", "prompt_sha256", "solution_sha256")]
        assert [len(value) for value in hashes] == [64, 64, 64]
        # instances without base models are made by the code that is hashed
        assert bool(entry["base_models"]) == (task.models_id is not None)
    seeds = locked["tasks"]["circuits/ioi"]["instance_seeds"]
    assert [(trial, len(value)) for trial, value in seeds.items()] == [("0", 64), ("2", 64)]
    assert locked["providers"] == {"claude:opus": {"model": "opus", "program": None}}
    assert (locked["isolation"], locked["limits"]) == ("landlock", {"agent_timeout_s": 5.0})
    assert set(locked["machine"]) == {"platform", "cpu", "cores", "memory_bytes"}
    assert locked["machine"]["memory_bytes"] > 1 << 28
    text = json.dumps(locked, allow_nan=False)
    assert "123456" not in text


def test_what_may_be_shown_has_no_trace_of_seeds():
    task = default_registry().facts["circuits/ioi"]
    locked = lock(suite_root(), [task], seeds={task.id: {0: 1}})
    shown = without_seeds(locked)
    assert "instance_seeds" not in json.dumps(shown)
    assert shown["tasks"][task.id]["prompt_sha256"]
    assert locked["tasks"][task.id]["instance_seeds"], "the lock itself is left alone"


@pytest.fixture
def copied(tmp_path):
    root = tmp_path / "checkout"
    shutil.copytree(suite_root() / "prompts", root / "prompts")
    for name in ("circuits", "solutions", "frozen/circuits/mlp_only"):
        shutil.copytree(suite_root() / "ground_truth" / name, root / "ground_truth" / name)
    return root


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("prompts/preamble.md", "prompt"),
        ("ground_truth/solutions/circuits/mlp_only.py", "reference solution"),
        ("ground_truth/circuits/mlp_only.py", "code"),
        ("ground_truth/circuits/planted/task.py", "code"),
        ("ground_truth/frozen/circuits/mlp_only/seed0.json", "base_models seed0.json"),
        ("ground_truth/circuits/ioi.py", None),
    ],
)
def test_a_change_of_what_a_task_is_made_of_changes_the_lock(copied, name, difference):
    task = default_registry().facts["circuits/mlp_only"]
    before = lock(copied, [task])
    assert before["git"] == {"commit": None, "dirty": None, "diff_sha256": None}
    path = copied / name
    path.write_text(path.read_text() + "\n")
    after = lock(copied, [task])
    assert after["machine"] == before["machine"]
    lines = lock_differences([("a", before), ("b", after)])
    assert [line.partition(" (")[0] for line in lines] == ([f"circuits/mlp_only: {difference}"] if difference else [])


def test_git_commit_and_dirty_flag_and_two_dirty_states_differ(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "first")
    clean = lock(tmp_path, [])["git"]
    assert len(clean["commit"]) == 40
    assert (clean["dirty"], clean["diff_sha256"]) == (False, None)
    states = []
    for text in ("2", "3"):
        (tmp_path / "file").write_text(text)
        states.append(lock(tmp_path, [])["git"])
    git("add", "file")
    assert lock(tmp_path, [])["git"] == states[1], "staged or not makes no difference"
    assert [state["dirty"] for state in states] == [True, True]
    assert len({state["diff_sha256"] for state in states}) == 2
    (tmp_path / "file").write_text("1")
    assert lock(tmp_path, [])["git"] == clean


def test_the_code_of_a_task_is_its_module_and_what_it_imports(tmp_path):
    class Toy:
        family, name = "circuits", "toy"

    def write(name, text):
        path = tmp_path / "ground_truth" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("circuits/toy.py", "import json\nfrom ground_truth.circuits._a import x\nfrom . import _b\n")
    write("circuits/_a.py", "import ground_truth.neurons._c\nfrom ground_truth.circuits import toy\n")
    write("circuits/_b.py", "from ..neurons import _d as d\n")
    for name in ("_c", "_d", "_e"):
        write(f"neurons/{name}.py", "")
    names = {path.relative_to(tmp_path / "ground_truth").as_posix() for path in task_sources(tmp_path, Toy)}
    assert names == {"circuits/toy.py", "circuits/_a.py", "circuits/_b.py", "neurons/_c.py", "neurons/_d.py"}


def test_instances_are_compared_where_both_have_them_and_told_without_hashes():
    def locked(**seeds):
        return {"tasks": {"circuits/x": {"instance_seeds": seeds}, "probes/y": {"instance_seeds": seeds}}}

    one = locked(t0="a" * 64, t1="b" * 64)
    assert lock_differences([("a", one), ("b", locked(t1="b" * 64, t2="c" * 64))]) == []
    assert lock_differences([("a", one), ("b", locked(t0="d" * 64, t1="e" * 64))]) == [
        "instances (seeds that are not the same: 4)"
    ]


def test_providers_are_compared_where_both_have_them():
    old, new = ({"providers": {"claude": {"program": version}}} for version in ("1.0", None))
    assert lock_differences([("a", old), ("b", {"providers": {"codex": {"program": "3"}}})]) == []
    assert lock_differences([("a", old), ("b", new)]) == ["claude: program (a: 1.0, b: nothing)"]
