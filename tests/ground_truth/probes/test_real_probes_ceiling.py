"""How the ceiling of a question is measured, on activations made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.real.ceiling import (  # noqa: E402
    NOT_HIDDEN,
    SPLITS,
    Judgements,
    best_place,
    ceiling_of,
    judge,
)
from ground_truth.probes.real.recipes import BASE, FITS  # noqa: E402

PAIRS, WIDTH = 30, 20
BLOCKS = np.repeat(np.arange(5), 2 * PAIRS)
LABELS = np.tile([True, False], 5 * PAIRS)
ENTITIES = tuple((f"e{number // 2}",) for number in range(len(LABELS)))


def noise(layers=3, positions=2, seed=0):
    return np.random.default_rng(seed).normal(size=(layers, positions, len(LABELS), WIDTH))


def with_truth_at(layer, position, strength=3.0):
    read = noise()
    read[layer, position, :, 0] += np.where(LABELS, strength, -strength)
    return read


@pytest.fixture(scope="module")
def nothing():
    return ceiling_of(noise(), LABELS, BLOCKS, FITS[BASE.fit])


@pytest.fixture(scope="module")
def found():
    return ceiling_of(with_truth_at(1, 1), LABELS, BLOCKS, FITS[BASE.fit])


def share(hits):
    return hits[hits != NOT_HIDDEN].mean()


def right_of(accuracy, seed=0):
    """As of a recipe that reads a fixed share of entities right, in all four splits that hide them."""
    right = np.random.default_rng(seed).permutation(len(LABELS) // 2) < accuracy * len(LABELS) // 2
    return np.repeat(right, 2) * np.int8(4)


def test_there_are_ten_splits_and_every_statement_is_hidden_in_four(found):
    assert len(SPLITS) == 10
    assert ((found.hits != NOT_HIDDEN).sum(0) == 4).all()
    for number, public in enumerate(SPLITS):
        assert (found.hits[number, np.isin(BLOCKS, public)] == NOT_HIDDEN).all()
    assert found.right.mean() / 4 == share(found.hits)


def test_the_place_of_the_truth_is_found_on_every_split(found):
    assert (found.chosen == (1, 1)).all()
    assert best_place(found) == (1, 1)
    assert share(found.hits) > 0.98
    assert found.curve.argmax() == found.inner.argmax() == 3


def test_the_choice_among_many_places_does_not_raise_what_noise_gives(nothing):
    assert abs(share(nothing.hits) - 0.5) < 0.05
    assert nothing.curve.max() > share(nothing.hits)  # what a winner would have claimed


def test_a_truth_that_one_block_contradicts_is_not_read_there():
    read = with_truth_at(0, 0)
    read[0, 0, BLOCKS == 4, 0] *= -1
    hits = ceiling_of(read, LABELS, BLOCKS, FITS[BASE.fit]).hits
    of_block = [share(hits[:, block == BLOCKS]) for block in range(5)]
    assert of_block[4] < 0.2
    assert min(of_block[:4]) > of_block[4] + 0.3


@pytest.mark.parametrize(
    ("model", "twin", "words", "verdict"),
    [
        (0.8, 0.5, 0.5, "readable"),
        (0.52, 0.5, 0.5, "null"),
        (0.45, 0.5, 0.5, "null"),
        (0.8, 0.78, 0.5, "null"),
        (0.8, 0.5, 0.78, "null"),
        (0.58, 0.5, 0.5, "open"),
        (0.05, 0.05, 0.05, "null"),
    ],
)
def test_the_verdict_is_about_what_is_above_the_best_control(model, twin, words, verdict):
    judged = judge(right_of(model), right_of(twin), right_of(words), ENTITIES)
    assert judged.verdict == verdict
    assert judged.ceiling == pytest.approx(model, abs=0.01)
    assert judged.gain == pytest.approx(model - max(0.5, twin, words), abs=0.02)
    assert judged.interval[0] <= judged.ceiling <= judged.interval[1]


def test_statements_that_share_entities_widen_the_interval():
    few = tuple((f"e{number // 20}",) for number in range(len(LABELS)))
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(len(LABELS) // 20) < 0.7, 20) * 4
    (low, high), (wide_low, wide_high) = (
        judge(right, right_of(0.5), right_of(0.5), entities).interval for entities in (ENTITIES, few)
    )
    assert wide_high - wide_low > 1.5 * (high - low)


def test_the_judgement_of_the_same_numbers_is_the_same():
    rights = [right_of(value, seed) for seed, value in enumerate((0.7, 0.5, 0.5))]
    assert judge(*rights, ENTITIES) == judge(*rights, ENTITIES)


def test_a_question_has_a_verdict_only_where_all_recipes_agree():
    found, unclear, nothing = (
        judge(right_of(share), right_of(0.5), right_of(0.5), ENTITIES) for share in (0.8, 0.6, 0.5)
    )
    agreed = Judgements({"base": found, "other": found})
    assert (agreed.verdict, agreed.agreeing, agreed.base) == ("readable", 2, found)
    for other in (unclear, nothing):
        assert Judgements({"base": found, "other": other}).verdict == "open"
    assert Judgements({"base": nothing, "other": nothing}).verdict == "null"
