"""Methods on saes/dictionary: codes are right where they can be, and the table has a row for each method."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scribe_suite.planting.dictionaries.features import unit_rows
from scribe_suite.scoring.dictionary import match
from studies.dictionary_methods import CEILING, METHODS, REFERENCE, Known, greedy_codes, table

RNG = np.random.default_rng(0)
RIGHT = torch.tensor(unit_rows(RNG.standard_normal((30, 20))), dtype=torch.float32)


def made(count: int, active: int) -> tuple[torch.Tensor, torch.Tensor]:
    codes = torch.zeros(count, 30)
    for row in codes:
        row[torch.tensor(RNG.choice(30, active, replace=False))] = torch.tensor(RNG.uniform(0.5, 1.5, active)).float()
    return codes @ RIGHT, codes


def test_greedy_codes_of_few_features_are_the_magnitudes():
    x, codes = made(200, 2)
    found = greedy_codes(x, RIGHT, 4, 1e-6)
    right = (found - codes).abs().max(1).values < 1e-2
    assert right.float().mean() > 0.8
    assert (found >= 0).all()
    assert (found > 0).sum(1).max() <= 4


@pytest.mark.parametrize("name", ["random", "samples", "PCA", "ICA", "k-means"])
def test_methods_give_rows_of_the_width(name):
    x, _ = made(400, 3)
    rows = METHODS[name](Known(x, features=30, active=3, noise=0.0, seed=0))
    assert rows.shape in ((30, 20), (20, 20))
    assert np.isfinite(rows).all()


def test_clusters_of_samples_with_one_feature_are_the_features():
    x, _ = made(600, 1)
    known = Known(x, features=30, active=1, noise=0.0, seed=0)
    assert match(METHODS["k-means"](known), RIGHT.double().numpy()).recall > 0.7


def test_the_table_has_means_of_skill_and_correlation():
    rows = [dict.fromkeys((CEILING, *METHODS, REFERENCE), (skill, 0.5)) for skill in (0.25, 0.75)]
    lines = table({"saes/dictionary": rows}).splitlines()
    assert lines[0] == "| skill (MCC) | `dictionary` |"
    assert f"| {REFERENCE} | 0.50 (0.50) |" in lines
    assert len([line for line in lines if line.startswith("|")]) == 4 + len(METHODS)
