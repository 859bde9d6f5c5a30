"""A frozen model loads unchanged, or not at all: every kind of damage is one clear sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from scribe_suite import paths
from scribe_suite.errors import ConfigurationError, FrozenModelError
from scribe_suite.paths import ROOT_VARIABLE
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    frozen_folder,
    frozen_models,
    list_frozen,
    load_all_frozen,
    load_frozen,
    round_to_half,
    save_frozen,
)
from tests.planting.circuits.small_circuit import small_shape
from tests.tasks.idle_task import IdleTask


class SomeTask(IdleTask):
    name = "some"


class NextVersion(SomeTask):
    models_version = 2


class OtherTask(SomeTask):
    name = "other"


class FirstSharing(SomeTask):
    name, models = "first", "shared"


class SecondSharing(SomeTask):
    name, models = "second", "shared"


class NextVersionSharing(SecondSharing):
    models_version = 2


TASK = SomeTask()
PASSING = Certificate(checks=(Check(name="behaviour", value=0.995, bar=0.99, direction=">="),))
FAILING = Certificate(
    checks=(*PASSING.checks, Check(name="probe/untrained", value=0.7, bar=0.6, direction="<=")),
)
WEIGHTS = PatchableTransformer(small_shape(), 0).to_weights()


def freeze(folder, seed=0, certificate=PASSING):
    return save_frozen(folder, TASK, seed, WEIGHTS, {"u": ["m0"]}, certificate, {"steps": 10})


def edit(path, **changes):
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **changes}))


def refusal(path, task=TASK) -> str:
    """The message of the refused load: one sentence that names the file and says what to do."""
    with pytest.raises(FrozenModelError) as caught:
        load_frozen(path, task)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.parent) in message or path.name in message
    assert f"restore it with git, or make it again with `scribe-suite plant {task.id} --seeds 0 --force`." in message
    return message


def test_a_frozen_model_comes_back_as_it_was_rounded(tmp_path):
    model = load_frozen(freeze(tmp_path), TASK)
    expected = round_to_half(WEIGHTS)
    assert set(model.weights.state) == set(expected.state)
    assert all(torch.equal(model.weights.state[name], value) for name, value in expected.state.items())
    assert model.weights.config == WEIGHTS.config
    assert model.name == "circuits/some/seed0"
    assert model.record.key == {"u": ["m0"]}
    assert model.record.certificate == PASSING


class TestAModelThatDiffersFromAnotherInFewWeights:
    @pytest.fixture
    def base(self, tmp_path):
        return load_frozen(freeze(tmp_path / "some"), TASK)

    @pytest.fixture
    def path(self, tmp_path, base):
        state = {**base.weights.state, "unembed.W_U": round_to_half(WEIGHTS).state["unembed.W_U"].flip(0)}
        weights = dataclasses.replace(base.weights, state=state)
        return save_frozen(tmp_path / "other", OtherTask(), 0, weights, {}, PASSING, {}, base)

    def test_it_keeps_those_alone_and_comes_back_whole(self, base, path):
        assert set(load_file(path.with_suffix(".safetensors"))) == {"unembed.W_U"}
        state = load_frozen(path, OtherTask()).weights.state
        assert {name for name in state if not state[name].equal(base.weights.state[name])} == {"unembed.W_U"}
        assert state["unembed.W_U"].equal(base.weights.state["unembed.W_U"].flip(0))

    def test_it_does_not_load_beside_another_base(self, tmp_path, base, path):
        weights = tmp_path / "some/seed0.safetensors"
        weights.write_bytes(save({name: 2 * value.half() for name, value in base.weights.state.items()}))
        assert "seed0.safetensors, which are others by now" in refusal(path, OtherTask())
        weights.unlink()
        assert "seed0.safetensors, which can't be read (No such file or directory)" in refusal(path, OtherTask())

    def test_whose_weights_it_has_can_t_be_changed(self, path):
        edit(path, base={"name": "third/seed0", "sha256": "0" * 64})
        with pytest.raises(FrozenModelError):
            load_frozen(path, OtherTask())


def test_rounding_is_idempotent_and_stays_close():
    once = round_to_half(WEIGHTS)
    assert all(torch.equal(value, round_to_half(once).state[name]) for name, value in once.state.items())
    assert all(torch.allclose(value, WEIGHTS.state[name], rtol=1e-3, atol=1e-6) for name, value in once.state.items())


def test_freezing_is_deterministic(tmp_path):
    first, second = freeze(tmp_path / "a"), freeze(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".safetensors").read_bytes() == second.with_suffix(".safetensors").read_bytes()


def test_all_models_come_in_the_order_of_their_seeds(tmp_path):
    for seed in (10, 2, 0):
        freeze(tmp_path, seed)
    assert [path.stem for path in list_frozen(tmp_path)] == ["seed0", "seed2", "seed10"]
    assert [model.record.seed for model in load_all_frozen(TASK, tmp_path)] == [0, 2, 10]


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [(FAILING, "probe/untrained = 0.7, needs <= 0.6"), (Certificate(checks=()), "it has no checks")],
    ids=["a failing check", "no checks"],
)
def test_a_model_without_a_valid_certificate_is_not_written(tmp_path, certificate, reason):
    with pytest.raises(FrozenModelError) as caught:
        freeze(tmp_path / "new", certificate=certificate)
    assert reason in str(caught.value)
    assert "circuits/some, seed 0, is not frozen" in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_missing_weights_file_is_refused(tmp_path):
    path = freeze(tmp_path)
    path.with_suffix(".safetensors").unlink()
    message = refusal(path)
    assert "seed0.safetensors can't be read (No such file or directory)" in message


def test_a_missing_key_is_refused(tmp_path):
    path = freeze(tmp_path)
    path.unlink()
    assert "seed0.json can't be read" in refusal(path)


def test_truncated_weights_are_refused(tmp_path):
    path = freeze(tmp_path)
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    assert "is not a readable safetensors file" in refusal(path)


def test_a_key_made_for_other_weights_is_refused(tmp_path):
    path = freeze(tmp_path)
    state = {name: value.half() for name, value in WEIGHTS.state.items()}
    state["unembed.b_U"] = state["unembed.b_U"] + 1
    path.with_suffix(".safetensors").write_bytes(save(state))
    assert "The key seed0.json was made for weights with sha256" in refusal(path)


def test_one_flipped_bit_is_noticed(tmp_path):
    path = freeze(tmp_path)
    weights = path.with_suffix(".safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    assert "was made for weights with sha256" in refusal(path)


@pytest.mark.parametrize(
    ("text", "where"),
    [("{", "Invalid JSON"), ("{}", "task: Field required"), ("[]", "the whole: Input should be an object")],
)
def test_a_key_file_that_is_not_a_record_is_refused(tmp_path, text, where):
    path = freeze(tmp_path)
    path.write_text(text)
    message = refusal(path)
    assert "seed0.json is not a valid key file" in message
    assert where in message


def test_a_key_with_an_unknown_field_is_refused(tmp_path):
    path = freeze(tmp_path)
    edit(path, answer="m1")
    assert "answer: Extra inputs are not permitted" in refusal(path)


@pytest.mark.parametrize("task", [OtherTask(), NextVersion()], ids=["another task", "another version"])
def test_a_model_of_another_task_or_version_is_refused(tmp_path, task):
    message = refusal(freeze(tmp_path), task)
    assert f"belongs to circuits/some version 1, not {task.id} version {task.models_version}" in message


def test_a_model_that_two_tasks_share_is_frozen_with_one_and_loaded_with_the_other(tmp_path):
    path = save_frozen(tmp_path, FirstSharing(), 0, WEIGHTS, {"u": ["m0"]}, PASSING, {})
    model = load_frozen(path, SecondSharing())
    assert model.name == "circuits/shared/seed0"
    assert model.record.task == "circuits/shared"
    assert model.record == load_frozen(path, FirstSharing()).record
    assert [found.name for found in load_all_frozen(SecondSharing(), tmp_path)] == ["circuits/shared/seed0"]


def test_a_shared_model_of_another_version_or_of_a_task_that_does_not_share_it_is_refused(tmp_path):
    path = save_frozen(tmp_path, FirstSharing(), 0, WEIGHTS, {"u": ["m0"]}, PASSING, {})
    message = refusal(path, NextVersionSharing())
    assert "belongs to circuits/shared version 1, not circuits/shared version 2" in message
    assert "not circuits/some version 1" in refusal(path, TASK)


def test_tasks_that_share_models_have_one_folder(tmp_path, monkeypatch):
    (tmp_path / "ground_truth").mkdir()
    (tmp_path / "prompts").mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert frozen_folder(FirstSharing()) == frozen_folder(SecondSharing())
    assert frozen_folder(FirstSharing()).name == "shared"


def test_a_certificate_that_was_edited_to_fail_is_refused(tmp_path):
    path = freeze(tmp_path)
    edit(path, certificate=FAILING.model_dump(mode="json"))
    assert "fails (probe/untrained = 0.7, needs <= 0.6)" in refusal(path)
    edit(path, certificate={"checks": []})
    assert "fails (no checks)" in refusal(path)


def test_a_number_that_is_not_finite_is_no_check():
    with pytest.raises(ValueError, match="finite"):
        Check(name="behaviour", value=float("nan"), bar=0.99, direction=">=")


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(FrozenModelError, match=r"no frozen base model.*scribe-suite plant circuits/some --seeds 0"):
        load_all_frozen(TASK, tmp_path)


def test_frozen_models_lie_in_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "ground_truth").mkdir()
    (tmp_path / "prompts").mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert frozen_folder(TASK) == tmp_path.resolve() / "ground_truth" / "frozen" / "circuits" / "some"
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="point it at a checkout"):
        frozen_folder(TASK)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty one, in which models are looked for."""
    (tmp_path / "ground_truth").mkdir()
    (tmp_path / "prompts").mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_suite_of_ones_own_uses_the_models_of_the_package_and_does_not_change_them(checkout, tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "scribe_suite"
    (package / paths.SHIPPED / "prompts").mkdir(parents=True)
    monkeypatch.setattr(paths, "_PACKAGE", package)
    shipped = package / paths.SHIPPED / "ground_truth" / "frozen" / "circuits" / "some"
    monkeypatch.setenv(ROOT_VARIABLE, str(package / paths.SHIPPED))
    shipped.mkdir(parents=True)
    freeze(shipped, 0)
    monkeypatch.setenv(ROOT_VARIABLE, str(checkout))
    assert list(frozen_models(TASK)) == ["circuits/some/seed0"]
    with pytest.raises(FrozenModelError, match="is part of the suite that comes with scribe-suite and is not changed"):
        freeze(frozen_folder(TASK), 1)
    assert [path.name for path in list_frozen(shipped)] == ["seed0.json"]


def test_the_models_of_a_task_come_by_name_and_are_read_once(checkout):
    freeze(frozen_folder(TASK), 10)
    freeze(frozen_folder(TASK), 9)
    found = frozen_models(TASK)
    assert list(found) == ["circuits/some/seed9", "circuits/some/seed10"]
    assert frozen_models(SomeTask()) is found


def test_models_that_were_frozen_meanwhile_are_found(checkout):
    freeze(frozen_folder(TASK), 0)
    assert list(frozen_models(TASK)) == ["circuits/some/seed0"]
    freeze(frozen_folder(TASK), 1)
    assert list(frozen_models(TASK)) == ["circuits/some/seed0", "circuits/some/seed1"]


def test_models_of_another_version_or_checkout_are_not_taken_for_those_read_before(checkout, tmp_path, monkeypatch):
    freeze(frozen_folder(TASK))
    assert frozen_models(TASK)
    with pytest.raises(FrozenModelError, match="version 1, not circuits/some version 2"):
        frozen_models(NextVersion())
    other = tmp_path / "other"
    for folder in ("ground_truth", "prompts"):
        (other / folder).mkdir(parents=True)
    monkeypatch.setenv(ROOT_VARIABLE, str(other))
    with pytest.raises(FrozenModelError, match="has no frozen base model"):
        frozen_models(TASK)


def test_tasks_that_share_models_share_what_was_read(checkout):
    first, second = FirstSharing(), SecondSharing()
    save_frozen(frozen_folder(first), first, 0, WEIGHTS, {}, PASSING, {})
    assert frozen_models(first) is frozen_models(second)


def test_checks_and_their_failures_read_well():
    assert FAILING.failures() == ["probe/untrained = 0.7, needs <= 0.6"]
    assert PASSING.passed
    assert not FAILING.passed
    assert FAILING.value("behaviour") == 0.995


def test_a_key_that_was_changed_by_hand_is_refused(tmp_path):
    path = freeze(tmp_path)
    edit(path, key={"u": ["a0.h0"]})
    assert "was changed after it was made" in refusal(path)


def test_a_measured_number_that_was_improved_by_hand_is_refused(tmp_path):
    path = freeze(tmp_path)
    content = json.loads(path.read_text())
    content["certificate"]["checks"][0]["value"] = 1.0
    path.write_text(json.dumps(content))
    assert "was changed after it was made" in refusal(path)


def test_other_files_beside_base_models_are_not_taken_for_one(tmp_path):
    path = freeze(tmp_path)
    (tmp_path / "seed0-old.json").write_text("{}")
    (tmp_path / "seedx.json").mkdir()
    assert list_frozen(tmp_path) == [path]


@pytest.mark.parametrize("step", ["write_bytes", "write_text"])
def test_an_interruption_while_a_model_is_written_keeps_the_one_before(tmp_path, monkeypatch, step):
    path = freeze(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    write = getattr(Path, step)

    def interrupted(self, content):
        write(self, content[:10])
        raise KeyboardInterrupt

    other = PatchableTransformer(small_shape(), 1).to_weights()
    monkeypatch.setattr(Path, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_frozen(tmp_path, TASK, 0, other, {"u": ["m1"]}, PASSING, {})
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    save_frozen(tmp_path, TASK, 0, other, {"u": ["m1"]}, PASSING, {})
    assert load_frozen(path, TASK).record.key == {"u": ["m1"]}
    assert len(list(tmp_path.iterdir())) == 2
