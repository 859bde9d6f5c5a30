"""Methods on saes/influential: those that act one by one find single latents, and no one is right where others act."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from scribe_suite.tasks.registry import default_registry
from studies.black_box import skill_of
from studies.influence_methods import CHOICES, RANKINGS, REFERENCE, Known, table


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@cache
def known():
    instance = default_registry()["saes/influential"].instance(11)
    return instance, Known(instance.hidden.model, instance.hidden.chosen, 11)


def skill_by(name: str) -> float:
    instance, given = known()
    chosen = CHOICES[name](given) if name in CHOICES else RANKINGS[name](given).argsort(descending=True)[: given.chosen]
    return skill_of(instance, {"latents": [int(latent) for latent in chosen]})


@pytest.mark.parametrize(
    "name",
    [
        "zeroed alone",
        pytest.param("integrated gradients", marks=pytest.mark.slow),
        "greedy, zeroed one after another",
    ],
)
def test_where_latents_act_one_by_one_zeroing_them_finds_the_best_set(name):
    assert skill_by(name) > 0.97


@pytest.mark.parametrize("name", ["activation", "gradient x activation"])
def test_loud_latents_and_steep_readers_mislead(name):
    assert skill_by(name) < 0.5


def test_gradients_are_those_of_finite_differences():
    _, given = known()
    sae, latent = given.model.sae, int(given.latents.mean(0).argmax())
    found = given.gradients()[:, :, latent]
    change, step = [], 1e-2
    for sign in (1, -1):
        stream = given.stream.clone()
        stream[:, -1] += sign * step * sae.W_dec[latent]
        change.append(given.network(stream, start_at_layer=1)[:, -1].detach())
    difference = ((change[0] - change[1]) / (2 * step)).T
    assert (found - difference).abs().quantile(0.95) < 1e-2


def test_the_table_has_a_row_for_each_method():
    rows = [dict.fromkeys((*RANKINGS, *CHOICES, REFERENCE), skill) for skill in (0.25, 0.75)]
    lines = table({"saes/influential": rows}).splitlines()
    assert lines[0] == "| skill | `influential` |"
    assert f"| {REFERENCE} | 0.50 (0.25 to 0.75) |" in lines
