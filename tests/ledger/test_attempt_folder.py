import json
from datetime import UTC, datetime

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger import attempt_folder
from scribe_suite.ledger.attempt_folder import SUBMISSIONS, AttemptFolder
from tests.ledger.factories import record

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_tree_is_the_original_suites(tmp_path):
    folder = AttemptFolder.create(tmp_path, "toy", "codex:gpt-5.2/x", NOW)
    assert folder.path.name == "toy_codex-gpt-5.2-x_20260102-030405"
    assert sorted(path.name for path in folder.path.iterdir()) == ["notebooks", "outputs", "results"]


def test_attempts_of_the_same_second_do_not_share_a_folder(tmp_path):
    names = [AttemptFolder.create(tmp_path, "toy", "null", NOW).path.name for _ in range(3)]
    assert names == ["toy_null_20260102-030405", "toy_null_20260102-030405-2", "toy_null_20260102-030405-3"]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("circuits/toy", "circuit_evaluation_results.json"),
        ("neurons/toy", "neuron_evaluation_results.json"),
        ("probes/toy", "probe_evaluation_results.json"),
        ("steering/toy", "steering_evaluation_results.json"),
    ],
)
def test_results_are_keyed_by_task_in_the_familys_file(tmp_path, task, name):
    folder = AttemptFolder.create(tmp_path, "toy", "null", NOW)
    folder.write_results(record(task=task))
    content = json.loads((folder.results / name).read_text())
    assert content["toy"]["metrics"] == {"f1": 1.0}
    assert folder.artifacts() == (f"results/{name}",)


def test_what_an_agent_puts_in_the_place_of_a_file_is_replaced(tmp_path):
    folder = AttemptFolder.create(tmp_path, "toy", "null", NOW)
    folder.write_prompt("a prompt")
    secret = tmp_path / "secret"
    secret.write_text("mine")
    (folder.outputs / "answer.json").symlink_to(secret)
    (folder.results / "circuit_evaluation_results.json").hardlink_to(secret)
    folder.write_answer({"a": 1})
    folder.write_results(record(task="circuits/toy"))
    (folder.outputs / "link").symlink_to(secret)
    assert secret.read_text() == "mine"
    assert json.loads((folder.outputs / "answer.json").read_text()) == {"a": 1}
    names = ("outputs/answer.json", "outputs/prompt.md", "results/circuit_evaluation_results.json")
    assert folder.artifacts() == names
    folder.close()


def submitted(folder):
    return (folder.path / SUBMISSIONS).read_bytes()


def test_submissions_are_appended_until_the_file_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt_folder, "MAX_SUBMISSIONS_BYTES", 10)
    folder = AttemptFolder.create(tmp_path, "toy", "null", NOW)
    for line in (b"1111\n", b"2222\n"):
        folder.add_submission(line, lambda: pytest.fail("there is room"))
    assert submitted(folder) == b"1111\n2222\n"
    folder.add_submission(b"3333\n", lambda: [b"1111\n", b"3333\n"])
    assert submitted(folder) == b"1111\n3333\n"
    folder.add_submission(b"4444\n", lambda: [b"1111\n", b"3333\n", b"4444\n"])
    assert submitted(folder) == b"1111\n3333\n4444\n"


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_a_link_in_the_place_of_the_submissions_is_not_written_to(tmp_path, kind):
    folder = AttemptFolder.create(tmp_path, "toy", "null", NOW)
    secret = tmp_path / "secret"
    secret.write_text("mine")
    getattr(folder.path / SUBMISSIONS, f"{kind}_to")(secret)
    with pytest.raises(OSError, match="submissions"):
        folder.add_submission(b"1\n", list)
    assert secret.read_text() == "mine"


def test_a_folder_that_can_not_be_made_is_infrastructure(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="can't be made") as caught:
        AttemptFolder.create(tmp_path / "file", "toy", "null", NOW)
    assert caught.value.cause == "results_folder"


def test_an_array_is_written_once_and_goes_when_no_kept_submission_has_it(tmp_path):
    folder = AttemptFolder.create(tmp_path, "toy", "null", NOW)
    arrays = folder.outputs / "arrays"
    for number in range(3):
        name, content = f"arrays/{number}.npy", bytes([number])
        folder.write_answer({"a": {"npy_file": name}}, {name: content})
        folder.add_submission(b"1\n", list, {name: content}, lambda name=name: {"arrays/0.npy", name})
        assert sorted(path.name for path in arrays.iterdir()) == sorted({"0.npy", f"{number}.npy"})
    before = (arrays / "2.npy").stat().st_mtime_ns
    folder.add_submission(b"2\n", list, {"arrays/2.npy": b"\2"}, lambda: {"arrays/0.npy", "arrays/2.npy"})
    assert (arrays / "2.npy").stat().st_mtime_ns == before
    assert "outputs/arrays/0.npy" in folder.artifacts()


def test_a_link_in_the_place_of_the_arrays_is_not_followed(tmp_path):
    folder = AttemptFolder.create(tmp_path, "toy", "null", NOW)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.npy").write_text("mine")
    (folder.outputs / "arrays").symlink_to(other)
    with pytest.raises(OSError, match="link"):
        folder.add_submission(b"1\n", list, {"arrays/1.npy": b"1"}, tuple)
    assert [path.name for path in other.iterdir()] == ["mine.npy"]
