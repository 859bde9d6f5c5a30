"""Facts that are kept are used for exactly the files they were made from, and never a reason to fail."""

from __future__ import annotations

import json
import os

import pytest

from scribe_suite.tasks import facts_cache
from scribe_suite.tasks.facts import MeasuredTruth, TaskFacts
from scribe_suite.tasks.facts_cache import forget_facts, keep_facts, read_facts, sources_key

PLANTED = TaskFacts(
    family="circuits", name="toy", level=2, label="toy_2", source="planted", version=3, summary="a toy",
    metrics=("iou", "recall"), pass_mark=0.75, is_default=False, models_id="circuits/toys",
)  # fmt: skip
REAL = PLANTED.model_copy(
    update={
        "source": "real",
        "models_id": None,
        "truth": MeasuredTruth(id="circuits/toy", version=1, inputs_sha256="0" * 64),
    }
)


OF_TASKS = ("circuits/toy.py", "circuits/real/words.json")
OTHERS = ("solutions/circuits/toy.py", "frozen/circuits/seed0.json")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(tmp_path / "cache"))
    for name in (*OF_TASKS, *OTHERS):
        path = tmp_path / "checkout" / "ground_truth" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    return tmp_path / "checkout"


def kept_files(root):
    return list((root.parent / "cache" / "tasks").iterdir())


def test_facts_come_back_as_they_were(root):
    key = sources_key(root)
    assert read_facts(root, key) is None
    keep_facts(root, key, [PLANTED, REAL])
    assert read_facts(root, key) == [PLANTED, REAL]
    assert PLANTED.id == "circuits/toy_2"


@pytest.mark.parametrize("name", OF_TASKS)
def test_a_change_of_content_makes_them_stale_even_when_size_and_time_are_the_same(root, name):
    key = sources_key(root)
    keep_facts(root, key, [PLANTED])
    path = root / "ground_truth" / name
    before = path.stat()
    path.write_text("2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sources_key(root) != key
    assert read_facts(root, sources_key(root)) is None


def test_a_file_that_comes_goes_or_is_renamed_makes_them_stale(root):
    keys = [sources_key(root)]
    new = root / "ground_truth" / "circuits" / "new.py"
    new.write_text("1\n")
    keys.append(sources_key(root))
    keys.append((new.rename(new.with_name("newer.py")), sources_key(root))[1])
    assert len(set(keys)) == 3
    (root / "ground_truth" / "circuits" / "newer.py").unlink()
    assert sources_key(root) == keys[0]


def test_what_holds_no_code_of_tasks_does_not_count(root):
    key = sources_key(root)
    for name in (*OTHERS, "circuits/__pycache__/toy.pyc"):
        path = root / "ground_truth" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("other\n")
    assert sources_key(root) == key


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\xff",
        b"[]",
        b'{"key": "x"}',
        lambda kept: json.dumps(kept | {"more": 1}).encode(),
        lambda kept: json.dumps(kept | {"tasks": [kept["tasks"][0] | {"metrics": "iou"}]}).encode(),
        lambda kept: json.dumps(kept | {"tasks": [kept["tasks"][0] | {"version": "3"}]}).encode(),
        lambda kept: json.dumps(kept | {"tasks": [{"family": "circuits"}]}).encode(),
        lambda kept: json.dumps(kept).encode()[:-1],
    ],
    ids=["empty", "no text", "a list", "a part", "more", "text for names", "text for a number", "no facts", "cut off"],
)
def test_a_damaged_or_foreign_file_is_left_aside_and_replaced(root, content):
    key = sources_key(root)
    keep_facts(root, key, [PLANTED])
    (path,) = kept_files(root)
    path.write_bytes(content(json.loads(path.read_text())) if callable(content) else content)
    assert read_facts(root, key) is None
    keep_facts(root, key, [PLANTED])
    assert read_facts(root, key) == [PLANTED]


def test_a_folder_in_its_place_and_a_cache_that_is_a_file_are_no_errors(root, monkeypatch):
    key = sources_key(root)
    keep_facts(root, key, [PLANTED])
    (path,) = kept_files(root)
    path.unlink()
    path.mkdir()
    assert read_facts(root, key) is None
    keep_facts(root, key, [PLANTED])
    forget_facts(root)
    assert [found for found in kept_files(root) if found.suffix == ".part"] == []
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(root / "ground_truth" / "circuits" / "toy.py"))
    keep_facts(root, key, [PLANTED])
    assert read_facts(root, key) is None


def test_checkouts_do_not_share_and_the_oldest_are_forgotten(root, monkeypatch):
    monkeypatch.setattr(facts_cache, "_LARGEST_NUMBER", 2)
    others = [root.with_name(f"other{number}") for number in range(3)]
    for number, one in enumerate(others):
        keep_facts(one, "key", [PLANTED.model_copy(update={"version": number})])
        for path in kept_files(root):
            os.utime(path, (path.stat().st_atime - 10, path.stat().st_mtime - 10))
    assert read_facts(others[0], "key") is None
    assert [read_facts(one, "key")[0].version for one in others[1:]] == [1, 2]
    forget_facts(others[2])
    assert read_facts(others[2], "key") is None
    assert read_facts(others[1], "key") is not None
