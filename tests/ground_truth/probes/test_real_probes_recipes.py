"""The recipes under which a question must have one verdict."""

from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.scoring.probes import probe_accuracy
from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.real import recipes  # noqa: E402
from ground_truth.probes.real.recipes import BASE, CONTROLS, FITS, RECIPES, Recipe  # noqa: E402

CONFIG = {
    "n_layers": 3, "n_heads": 1, "d_model": 6, "d_head": 2, "d_mlp": 4, "n_ctx": 8, "d_vocab": 30, "act_fn": "gelu",
    "normalization_type": "LN", "device": "cpu",
}  # fmt: skip


def separable(scales=(1.0, 1.0, 1.0), seed=0):
    """Statements whose truth is in the first dimension, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.tile([True, False], 60)
    hidden = rng.normal(size=(120, 3))
    hidden[:, 0] += np.where(labels, 3.0, -3.0)
    return hidden * np.array(scales) + 5.0, labels


def test_every_recipe_differs_from_the_base_in_one_respect():
    assert RECIPES[0] == BASE == Recipe()
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES) == len(FITS) + len(CONTROLS) - 1
    for recipe in RECIPES[1:]:
        assert (recipe.fit == BASE.fit) != (recipe.control == BASE.control)


@pytest.mark.parametrize("name", FITS)
def test_what_is_plain_is_read_by_every_fit(name):
    hidden, labels = separable()
    fresh, truth = separable(seed=1)
    assert probe_accuracy(FITS[name](hidden, labels), fresh, truth) > 0.95


def test_scale_matters_only_where_nothing_is_standardised():
    scaled = (0.001, 1.0, 100.0)
    hidden, labels = separable(scaled)
    fresh, truth = separable(scaled, seed=1)
    accuracy = {name: probe_accuracy(fit(hidden, labels), fresh, truth) for name, fit in FITS.items()}
    assert accuracy.pop("centred only") < 0.8
    assert min(accuracy.values()) > 0.95


def test_shuffled_weights_are_the_trained_ones_in_another_order(monkeypatch):
    trained, blank = untrained_twin(CONFIG, seed=0), untrained_twin(CONFIG, seed=1)
    monkeypatch.setattr(recipes, "evaluator_model", lambda _: trained)
    monkeypatch.setattr(recipes, "untrained_model", lambda _: blank)
    shuffled = recipes.shuffled_model("any", 3).W_E
    assert not np.array_equal(shuffled.detach(), trained.W_E.detach())
    np.testing.assert_array_equal(np.sort(shuffled.detach().flatten()), np.sort(trained.W_E.detach().flatten()))


def test_a_control_is_cut_off_after_what_is_read(monkeypatch):
    monkeypatch.setattr(recipes, "untrained_model", lambda _, seed: untrained_twin(CONFIG, seed=seed))
    model = recipes.control_model("any", "untrained_2", 2)
    assert len(model.blocks) == 2
    assert not any(".2." in name for name in model.mod_dict)
