"""Static statistics of planted variables: what they see in models whose truth is known, and the table made of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scribe_suite.planting.frozen import frozen_models
from scribe_suite.tasks.registry import default_registry
from studies.exchangeability import Separation
from studies.variable_signatures import SAMPLES, table, used_sample


def first_model(task_id: str):
    task = default_registry().planted(task_id)
    return next(model for model in frozen_models(task).values() if model.record.key["used"])


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@pytest.mark.slow
def test_only_what_reaches_the_logits_tells_a_property_that_is_read():
    sample = used_sample("variables/used", first_model("variables/used"))
    values, truth = sample.tables["property"], sample.truth("property")
    assert 0 < truth.sum() < len(truth)
    column = values.statistics.index("what regression leaves it, through the next MLP, to its own logits")
    told = values.values[:, column]
    assert told[truth].min() > 2 * told[~truth].max()
    size = values.values[:, values.statistics.index("size of what regression leaves it")]
    assert np.ptp(size) < 0.2 * size.mean()


@pytest.mark.slow
def test_every_variable_has_a_row_of_finite_numbers():
    sample = used_sample("variables/used_2", first_model("variables/used_2"))
    values = sample.tables["property"]
    assert values.values.shape == (5, len(values.statistics))
    assert np.isfinite(values.values).all()
    assert set(values.groups) == {"activations", "composition", "unembedding"}


def test_a_table_has_a_row_for_each_level_and_group_and_names_the_farthest_statistic():
    rows = [
        Separation("variables/used", "property", "activations", "a", 0.4, 0.9),
        Separation("variables/used", "property", "activations", "b", 0.7, 0.5),
        Separation("variables/used", "property", "unembedding", "c", 1.0, 0.001),
        Separation("all", "property", "unembedding", "c", 0.9, 0.2),
    ]
    lines = table({"used": rows}).splitlines()[2:]
    assert lines == [
        "| `used` | activations | 2 | 0.40 to 0.70 | b (0.70) | no |",
        "| `used` | unembedding | 1 | 1.00 to 1.00 | c (1.00) | yes |",
        "| `used`, all levels | unembedding | 1 | 0.90 to 0.90 | c (0.90) | no |",
    ]


def test_tasks_with_two_samples_are_known():
    named = {facts.name for facts in default_registry().facts.values() if facts.family == "variables"}
    assert set(SAMPLES) <= named
