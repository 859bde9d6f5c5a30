"""The verifier: rewards for what an agent did, errors for what it did not do."""

import json

import pytest

from scribe_suite.exports.harbor import grade as grading
from scribe_suite.exports.harbor.folders import export_task
from scribe_suite.exports.harbor.grade import Key, LostError, draw, grade, handed_sha256, main
from scribe_suite.exports.harbor.inside.daemon import Answers
from scribe_suite.exports.harbor.inside.frozen import read_frozen
from scribe_suite.exports.harbor.inside.state import ANSWER, STATUS, Status, write_whole
from scribe_suite.tasks.registry import default_registry

TASK = "circuits/mlp_only"
SEED = 5


@pytest.fixture(scope="module")
def instance():
    return default_registry()[TASK].instance(SEED)


@pytest.fixture(scope="module")
def key(instance):
    return Key(id="one", task=TASK, version=instance.task.version, seed=SEED, sha256=handed_sha256(instance))


def left(folder, answer=None, **changes):
    """What a notebook leaves."""
    status = Status(**{"instance": "one", "pid": 7, "accepted": 0 if answer is None else 1, **changes})
    (folder / STATUS).write_text(status.model_dump_json())
    if answer is not None:
        (folder / ANSWER).write_text(answer if isinstance(answer, str) else json.dumps(answer))
    return folder


def test_the_right_answer_has_all_of_the_reward(tmp_path, instance, key):
    found, details = grade(key, left(tmp_path, instance.task.oracle_answer(instance)))
    assert (found["reward"], found["skill"], found["solved"], found["f1"]) == (1.0, 1.0, 1.0, 1.0)
    assert details["outcome"] == "solved"


def test_a_worse_answer_has_less_and_never_less_than_nothing(tmp_path, instance, key):
    wrong = {**instance.task.oracle_answer(instance), "components": ["a0.h0"]}
    found, details = grade(key, left(tmp_path, wrong))
    assert found["reward"] == max(0.0, found["skill"]) < 0.5
    assert (found["solved"], details["outcome"]) == (0.0, "unsolved")


def test_no_answer_is_a_reward_of_0(tmp_path, key):
    assert grade(key, left(tmp_path)) == (
        {"reward": 0.0, "answered": 0.0},
        {"outcome": "no_answer", "reason": ""},
    )


def test_an_answer_that_was_not_accepted_like_that_is_invalid(tmp_path, key):
    found, details = grade(key, left(tmp_path, "{}"))
    assert (found["reward"], details["outcome"]) == (0.0, "invalid_answer")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"failure": "The disk is full."}, "The notebook failed: The disk is full"),
        ({"pid": 0}, "did not begin"),
        ({"accepted": 1}, "its file is missing"),
        ({"instance": "two"}, "not of one"),
    ],
)
def test_a_lost_environment_is_an_error_and_not_a_reward_of_0(tmp_path, key, changes, said):
    with pytest.raises(LostError, match=said):
        grade(key, left(tmp_path, **changes))


def test_an_answer_counts_whatever_failed_after_it(tmp_path, instance, key):
    state = left(tmp_path, instance.task.oracle_answer(instance), failure="The disk is full.")
    assert grade(key, state)[0]["reward"] == 1.0


def test_another_instance_than_the_exported_one_is_an_error(tmp_path, instance, key):
    state = left(tmp_path, instance.task.oracle_answer(instance))
    for changes, said in (({"sha256": "0" * 64}, "not the one"), ({"version": 99}, "version")):
        with pytest.raises(LostError, match=said):
            grade(key.model_copy(update=changes), state)


def run_main(monkeypatch, tmp_path, key):
    (tmp_path / "key.json").write_text(key.model_dump_json())
    monkeypatch.setattr("sys.argv", ["grade", *(str(tmp_path / name) for name in ("key.json", "state", "out"))])
    return main()


def test_the_program_writes_numbers_only_and_nothing_on_an_error(tmp_path, monkeypatch, capsys, instance, key):
    (tmp_path / "state").mkdir()
    assert run_main(monkeypatch, tmp_path, key) == 1
    assert "No reward: There is no status" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    left(tmp_path / "state", instance.task.oracle_answer(instance))
    assert run_main(monkeypatch, tmp_path, key) == 0
    rewards = json.loads((tmp_path / "out" / "reward.json").read_text())
    assert rewards["reward"] == 1.0
    assert all(type(value) is float for value in rewards.values())


def test_a_scorer_that_fails_gives_no_reward(tmp_path, monkeypatch, instance, key):
    def broken(*_):
        raise ValueError("a defect")

    monkeypatch.setattr(grading, "draw", broken)
    (tmp_path / "state").mkdir()
    left(tmp_path / "state", instance.task.oracle_answer(instance))
    assert run_main(monkeypatch, tmp_path, key) == 1
    assert not (tmp_path / "out").exists()


def test_a_link_in_the_place_of_the_answer_is_not_followed(tmp_path, key):
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    state = left(tmp_path, accepted=1)
    (state / ANSWER).symlink_to(elsewhere)
    with pytest.raises(OSError, match=ANSWER):
        grade(key, state)


def test_a_task_without_base_models_and_with_an_array_is_exported_and_graded(tmp_path):
    output, state = tmp_path / "out", tmp_path / "state"
    output.mkdir()
    state.mkdir()
    (folder,) = export_task("saes/dictionary", 5, 1, output, organisation="ours", agent_timeout_s=600)
    key = Key.model_validate_json((folder / "tests" / "key.json").read_bytes())
    instance = draw(key)
    answers = Answers(read_frozen(folder / "environment" / "instance"), state)
    assert answers.submit(json.dumps(instance.task.oracle_answer(instance))).accepted
    write_whole(state, STATUS, Status(instance=key.id, pid=1, accepted=1).model_dump_json())
    reward, _ = grade(key, state)
    assert reward["reward"] == 1.0
