import json
import subprocess

from scribe_suite.paths import suite_root
from scribe_suite.results.lock import lock
from scribe_suite.tasks.registry import default_registry


def test_the_lock_names_everything_that_can_change_a_number():
    tasks = list(default_registry().values())
    locked = lock(suite_root(), tasks)
    assert locked["packages"]["torch"].startswith("2.13.0")
    assert set(locked["tasks"]) == {task.id for task in tasks}
    for entry in locked["tasks"].values():
        assert len(entry["prompt_sha256"]) == len(entry["solution_sha256"]) == 64
        assert entry["base_models"]
    json.dumps(locked, allow_nan=False)


def test_a_change_of_a_prompt_or_a_base_model_changes_the_lock(tmp_path):
    task = default_registry()["circuits/mlp_only"]
    root = suite_root()
    copied = tmp_path / "checkout"
    for name in ("prompts", "ground_truth/solutions", "ground_truth/frozen/circuits"):
        (copied / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", str(root / name), str(copied / name)], check=True)
    before = lock(copied, [task])
    assert before["git"] == {"commit": None, "dirty": None}
    for path, key in (
        (copied / "prompts/preamble.md", "prompt_sha256"),
        (copied / "ground_truth/solutions/circuits/mlp_only.py", "solution_sha256"),
        (next((copied / "ground_truth/frozen/circuits/mlp_only").glob("*.json")), "base_models"),
    ):
        path.write_text(path.read_text() + "\n")
        after = lock(copied, [task])
        assert after["tasks"][task.id][key] != before["tasks"][task.id][key]


def test_git_commit_and_dirty_flag(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "first")
    clean = lock(tmp_path, [])["git"]
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "file").write_text("2")
    assert lock(tmp_path, [])["git"] == {**clean, "dirty": True}
