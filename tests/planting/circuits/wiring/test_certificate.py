"""The certificate holds for what was planted, and fails where an edge is missing or one too many matters."""

from __future__ import annotations

import random
from functools import cache

import torch

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.wiring.certificate import EDGE_BAR, OTHER_BAR, certify_moves, certify_wiring
from scribe_suite.planting.circuits.wiring.moving import WiredNetwork
from scribe_suite.planting.circuits.wiring.placing import spread
from scribe_suite.planting.hooked import ModelWeights
from tests.planting.circuits.wiring.wired import PROGRAM, RECIPE, WHERE, WIRING, network


@cache
def untrained() -> ModelWeights:
    return network().to_weights()


def test_every_edge_of_the_key_has_a_check_and_all_others_have_two():
    certificate = certify_wiring(untrained(), PROGRAM, WHERE, 0)
    edges = {check.name: check for check in certificate.checks if check.name.startswith("edge/")}
    assert set(edges) == {f"edge/{name}" for name in WIRING}
    assert all(check.bar == EDGE_BAR and check.direction == ">=" for check in edges.values())
    others = {check.name: check for check in certificate.checks if check.name.startswith("other/")}
    assert set(others) == {"other/largest", "other/all"}
    assert all(check.bar == OTHER_BAR and check.direction == "<=" and check.passed for check in others.values())
    # it was never trained
    assert not certificate.passed
    assert any(failure.startswith("behaviour") for failure in certificate.failures())


def test_a_matter_of_another_edge_fails():
    broken = PatchableTransformer.from_weights(untrained())
    with torch.no_grad():
        # the unembedding reads what the first MLP writes
        broken.W_U += 3 * torch.randn(broken.W_U.shape, generator=torch.Generator().manual_seed(0))
    certificate = certify_wiring(broken.to_weights(), PROGRAM, WHERE, 0)
    assert {"other/largest", "other/all"} <= {check.name for check in certificate.checks if not check.passed}


def test_every_placement_has_its_checks_and_a_matter_of_another_edge_fails_there_too():
    places = [spread(PROGRAM, 4, 2, random.Random(seed)) for seed in range(2)]
    certificate = certify_moves(WiredNetwork(untrained(), PROGRAM, WHERE, RECIPE), places, 0)
    kinds = {"behaviour", "strict/resample/all", "edges", "other/all"}
    assert {check.name for check in certificate.checks} == {f"moved/{i}/{kind}" for i in range(2) for kind in kinds}
    assert not certificate.passed  # it was never trained
    assert all(check.passed for check in certificate.checks if check.name.endswith("other/all"))
    broken = PatchableTransformer.from_weights(untrained())
    with torch.no_grad():
        broken.W_U += 3 * torch.randn(broken.W_U.shape, generator=torch.Generator().manual_seed(0))
    again = certify_moves(WiredNetwork(broken.to_weights(), PROGRAM, WHERE, RECIPE), places, 0)
    assert not any(check.passed for check in again.checks if check.name.endswith("other/all"))
