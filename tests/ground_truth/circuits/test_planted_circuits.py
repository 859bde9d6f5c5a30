"""What planting does for every task with a planted circuit, on a task small enough to be planted within a test."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch

from ground_truth.circuits.planted.base import Base
from ground_truth.circuits.planted.hidden import Hidden
from ground_truth.circuits.planted.task import REFERENCE_CHECK, PlantedCircuitTask
from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import ROOT_VARIABLE, suite_root
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import Check, load_frozen
from scribe_suite.tasks.task import Score
from tests.planting.circuits.small_circuit import CORRESPONDENCE, HalfThenLabel, small_plan
from tests.scoring.hand_made import LastToken, Wire, different_pairs, wired


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


class SmallTask(PlantedCircuitTask):
    name = "small"
    summary = "For tests."

    def plan(self, seed):
        return small_plan()


class BarelyTrainedTask(SmallTask):
    def plan(self, seed):
        return small_plan(recipe={"steps": 2})


class SilentTask(SmallTask):
    """Agents get neither labels nor pairs."""

    public_pairs = False


@pytest.fixture
def empty_checkout(tmp_path, monkeypatch):
    solutions = tmp_path / "ground_truth" / "solutions" / "circuits"
    originals = suite_root() / "ground_truth" / "solutions" / "circuits"
    shutil.copytree(originals / "cells", solutions / "cells")
    shutil.copy(originals / "mlp_only.py", solutions / "small.py")
    (tmp_path / "prompts").mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return tmp_path


def frozen_file(checkout, seed):
    return checkout / "ground_truth" / "frozen" / "circuits" / "small" / f"seed{seed}.json"


def test_a_model_that_fails_its_certificate_is_never_shipped(empty_checkout):
    with pytest.raises(FrozenModelError, match=r"circuits/small, seed 3, is not frozen.*behaviour = "):
        BarelyTrainedTask().plant(3, lambda *_: None)
    assert not (empty_checkout / "ground_truth" / "frozen").exists()
    with pytest.raises(FrozenModelError, match="scribe-suite plant circuits/small"):
        BarelyTrainedTask().instance(0)


@pytest.mark.slow
def test_a_model_that_its_own_reference_does_not_solve_is_never_shipped(empty_checkout):
    solution = empty_checkout / "ground_truth" / "solutions" / "circuits" / "small.py"
    solution.write_text(
        '"""Reference solution of circuits/small: a wrong one."""\n\n# %%\n'
        'answer = {"components": ["a1.h0"], "confidence": 0.5, "summary": "Wrong."}\n'
    )
    with pytest.raises(FrozenModelError, match=rf"{REFERENCE_CHECK} = 0, needs >= 0\.9"):
        SmallTask().plant(0, lambda *_: None)
    assert not frozen_file(empty_checkout, 0).exists()


@pytest.mark.core
@pytest.mark.slow
def test_planting_freezes_a_certified_model_with_its_reference(empty_checkout):
    task, states = SmallTask(), []
    task.plant(0, lambda done, _: states.append(done))
    model = load_frozen(frozen_file(empty_checkout, 0), task)
    assert model.record.certificate.value(REFERENCE_CHECK) == 1.0
    assert model.record.key == {
        "variables": {name: list(nodes) for name, nodes in CORRESPONDENCE.items()},
        "edges": [list(edge) for edge in HalfThenLabel.edges],
    }
    assert model.record.training["failed_attempts"] == []
    assert states == sorted(states)
    assert states[-1] <= 1.0

    instance = task.instance(11)
    assert instance.base_model == "circuits/small/seed0"
    assert task.oracle_answer(instance)["components"] == ["m0", "m2"]
    assert task.blind.chance == 1.0  # there is one base model and MLPs do not move: a guesser knows the answer

    class Elsewhere(SmallTask):
        def plan(self, seed):
            return dataclasses.replace(small_plan(), correspondence={"half": ("m0",), "out": ("a2.h0",)})

    with pytest.raises(FrozenModelError, match="circuits/small/seed0 is not the circuit that its seed stands for"):
        Elsewhere().instance(0)

    class OtherEdges(SmallTask):
        def plan(self, seed):
            planned = small_plan()
            planned.causal.edges = (("input", "out"),)
            return planned

    with pytest.raises(FrozenModelError, match="is not the circuit that its seed stands for"):
        OtherEdges().instance(0)


class ClaimsMore(SmallTask):
    """Has a check of its own, which never passes."""

    def further_checks(self, seed, weights):
        return [Check(name="further/claim", value=0.1, bar=0.5, direction=">=")]


def test_what_a_task_claims_besides_is_part_of_the_certificate(empty_checkout, monkeypatch):
    task = ClaimsMore()
    weights = PatchableTransformer(task.plan(0).shape, 0).to_weights()
    assert task.certify(0, weights).value("further/claim") == 0.1
    monkeypatch.setattr(SmallTask, "plan", lambda *_: small_plan(recipe={"steps": 2}))
    with pytest.raises(FrozenModelError, match=r"further/claim = 0\.1, needs >= 0\.5"):
        task.plant(0, lambda *_: None)


class SharedTask(SmallTask):
    voices = (2,)


def test_shared_models_are_made_from_those_of_level_1_alone(empty_checkout):
    with pytest.raises(
        FrozenModelError, match=r"circuits/small/seed0\.json can't be read.*plant circuits/small --seeds 0"
    ):
        SharedTask(3).plant(0, lambda *_: None)
    assert not (empty_checkout / "ground_truth" / "frozen").exists()


class HalfOfThePrompts(SmallTask):
    """Measures faithfulness on prompts that begin with one of the lower tokens."""

    def hidden_pairs(self, causal, n, generator):
        base, source = causal.sample_pairs(4 * n, generator)
        low = causal.run(base).values["half"][:, 0] == 0
        return Pairs(base[low][:n], source[low][:n])


def test_a_task_may_choose_the_prompts_its_answers_are_measured_on():
    task = HalfOfThePrompts()
    weights = PatchableTransformer(task.plan(0).shape, 0).to_weights()
    hidden = task.instance_of(Base("circuits/small/seed0", 0, weights, CORRESPONDENCE), 4).hidden
    assert (hidden.causal.run(hidden.held_out.base).values["half"][:, 0] == 0).all()


def test_without_public_pairs_agents_get_prompts_only():
    task = SilentTask()
    weights = PatchableTransformer(task.plan(0).shape, 0).to_weights()
    instance = task.instance_of(Base("circuits/small/seed0", 0, weights, CORRESPONDENCE), 4)
    for hidden in ("labels =", "base", "source", "generate_pairs", "match_sources"):
        assert hidden not in instance.public.setup_code
    assert 'prompts = data["prompts"]' in instance.public.setup_code
    assert "def generate(" in instance.public.setup_code


def test_what_the_nodes_do_to_the_behaviour_is_the_last_note_and_changes_nothing_else():
    network = wired(Wire(layer=0, reads=0, writes=1), Wire(layer=2, reads=1, writes=2))
    hidden = Hidden(LastToken(), {"last": ("m0", "m2")}, network.to_weights(), different_pairs())
    score = Score({"f1": 0.5}, "f1", 0.2, 0.4, 1.0, flags=("late",), notes=("It was late.",))
    noted = hidden.with_note(score, ["m0"])
    assert noted.notes[0] == "It was late."
    assert "keep 0% by themselves, and 0% is left without them" in noted.notes[1]
    assert dataclasses.replace(noted, notes=score.notes) == score
