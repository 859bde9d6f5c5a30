"""A program is planted: trained node by node, put among others, certified."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits import attempts
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.programs.certificate import certify_program
from scribe_suite.planting.circuits.programs.forcing import ForcingRecipe
from scribe_suite.planting.circuits.programs.planting import ProgramPlan, plant_program
from scribe_suite.planting.frozen import Certificate, Check
from tests.planting.circuits.programs.toy import WHERE, prompts, toy_program, toy_shape

WIDTH = 40


def plan(steps: int) -> ProgramPlan:
    recipe = ForcingRecipe(steps=steps, batch=64, learning_rate=1e-2, warmup=10)
    return ProgramPlan(toy_program(), WHERE, toy_shape(), WIDTH, recipe)


def certified(weights) -> Certificate:
    return certify_program(weights, toy_program(), WHERE, seed=1)


@pytest.fixture(scope="module")
def planted():
    torch.set_num_threads(1)
    return plant_program(plan(250), 0, certified, lambda *_: None)


def test_the_network_follows_the_program_and_nothing_else_matters(planted):
    assert planted.certificate.failures() == []
    assert planted.failures == ()
    names = {check.name for check in planted.certificate.checks}
    assert {"behaviour", "iia/kind", "iia_changed/out", "strict/resample/a0.h0", "strict/resample/all"} <= names
    assert {"patched/m0", "patched/m2", "triples/one, alone/changed", "triples/two, among others/unchanged"} <= names


@torch.no_grad()
def test_other_nodes_are_as_loud_and_write_where_the_program_does_not(planted):
    network = PatchableTransformer.from_weights(planted.weights)
    writes = network.writes(network(prompts(64))[1])
    sizes = writes.pow(2).sum(-1).mean((2, 3)).sqrt()
    used = network.shape.mask(node for nodes in WHERE.values() for node in nodes)
    assert 0.5 < (sizes[used].mean() / sizes[~used].mean()) < 2
    assert (writes[~used][..., :WIDTH] == 0).all()
    assert (writes[used][..., WIDTH:] == 0).all()


@torch.no_grad()
def test_compiled_nodes_say_more_than_their_codes_and_are_certified():
    shape = toy_shape(d_model=96, d_head=10)
    plan = ProgramPlan(toy_program(), WHERE, shape, 64, None, crosstalk=0.01, noise=0.5)
    planted = plant_program(plan, 0, certified, lambda *_: None)
    assert planted.certificate.failures() == []
    network = PatchableTransformer.from_weights(planted.weights)
    writes = network.writes(network(prompts(64))[1])
    for (node,) in WHERE.values():
        own = writes[network.shape.mask([node])][0]
        code, more = (part - part.mean((0, 1)) for part in (own[..., :64], own[..., 64:]))
        assert 0.4 < (more.pow(2).sum(-1).mean() / code.pow(2).sum(-1).mean()).sqrt() < 0.6


def test_what_fails_is_trained_again_from_other_weights_and_given_up_at_last(monkeypatch):
    monkeypatch.setattr(attempts, "ATTEMPTS", 2)
    seen = []

    def fails(weights):
        seen.append(weights.state["embed.W_E"])
        return Certificate(checks=(Check(name="behaviour", value=0.1, bar=0.9, direction=">="),))

    out = plant_program(plan(1), 0, fails, lambda *_: None)
    assert len(out.failures) == len(seen) == 2
    assert not torch.equal(*seen)
    assert out.failures[0] == "behaviour = 0.1, needs >= 0.9"


def test_an_untrained_network_is_not_certified():
    failures = certified(PatchableTransformer(toy_shape(), 0).to_weights()).failures()
    assert any(failure.startswith("behaviour") for failure in failures)
    assert any(failure.startswith("triples/one, alone/changed") for failure in failures)
