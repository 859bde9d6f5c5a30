"""Models as data: what goes in comes out, and what does not fit is named."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import (
    SETUP_CODE,
    ModelWeights,
    build_model,
    public_files,
    untrained_twin,
    weights_of,
)
from tests.planting.circuits.small_circuit import small_shape

WEIGHTS = PatchableTransformer(small_shape(), 3).to_weights()
PROMPTS = torch.tensor([[0, 1, 2], [5, 4, 3]])


def test_weights_survive_a_trip_through_transformer_lens():
    again = weights_of(build_model(WEIGHTS), WEIGHTS.config)
    assert set(again.state) == set(WEIGHTS.state)
    assert all(torch.equal(value, WEIGHTS.state[name]) for name, value in again.state.items())
    assert again.config == WEIGHTS.config


def test_extracted_weights_do_not_follow_the_model():
    model = build_model(WEIGHTS)
    taken = weights_of(model, WEIGHTS.config)
    with torch.no_grad():
        model.embed.W_E.zero_()
    assert taken.state["embed.W_E"].abs().sum() > 0
    assert not taken.state["embed.W_E"].requires_grad


def test_a_built_model_does_not_train():
    assert not build_model(WEIGHTS).training
    assert not untrained_twin(WEIGHTS.config, 0).training


def without(name):
    return {key: value for key, value in WEIGHTS.state.items() if key != name}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (without("pos_embed.W_pos"), r"missing \['pos_embed\.W_pos'\], unknown \[\]"),
        ({**WEIGHTS.state, "extra": torch.zeros(1)}, r"missing \[\], unknown \['extra'\]"),
        ({**WEIGHTS.state, "unembed.b_U": torch.zeros(4)}, r"unembed\.b_U"),
    ],
    ids=["missing", "unknown", "another shape"],
)
def test_a_state_that_does_not_fit_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        build_model(ModelWeights(WEIGHTS.config, state))


def test_twins_have_the_shape_and_only_the_seed_decides_their_weights():
    first, again, other = (untrained_twin(WEIGHTS.config, seed) for seed in (1, 1, 2))
    trained = build_model(WEIGHTS)
    assert {name: value.shape for name, value in first.named_parameters()} == {
        name: value.shape for name, value in trained.named_parameters()
    }
    assert torch.equal(first.W_Q, again.W_Q)
    assert not torch.equal(first.W_Q, other.W_Q)
    assert not torch.equal(first.W_Q, trained.W_Q)


def test_making_a_twin_leaves_the_global_random_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    untrained_twin(WEIGHTS.config, 5)
    assert torch.equal(torch.rand(3), expected)


def test_the_public_files_hold_the_model_and_nothing_else():
    files = public_files(WEIGHTS)
    assert set(files) == {"config.json", "model.safetensors"}
    assert json.loads(files["config.json"]) == dict(WEIGHTS.config)
    state = load(files["model.safetensors"])
    assert set(state) == set(WEIGHTS.state)
    assert files == public_files(WEIGHTS)


def test_the_set_up_code_rebuilds_the_model_from_its_files(tmp_path, monkeypatch):
    for name, content in public_files(WEIGHTS).items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    space: dict = {}
    exec(SETUP_CODE, space)
    torch.set_num_threads(threads)
    with torch.no_grad():
        assert torch.equal(space["model"](PROMPTS), build_model(WEIGHTS)(PROMPTS))
    assert not space["model"].training
