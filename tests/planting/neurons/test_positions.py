"""Questions about places in the text: ramps, bands, and position 1 alone."""

from __future__ import annotations

import random

import pytest
import torch

from scribe_suite.planting.english import TaggedText, sample_text
from scribe_suite.planting.neurons.plan import Question
from scribe_suite.planting.neurons.positions import (
    FIRST_POSITION,
    SHAPES,
    band_feature,
    band_question,
    draw_band,
    first_position_feature,
    first_position_question,
    ramp_feature,
    ramp_question,
)
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.targets import expected_statistic
from tests.planting.neurons.checking import check_question, keys, near_misses

LINE = TaggedText(torch.zeros(1, CONTEXT, dtype=torch.long), torch.zeros(1, CONTEXT, dtype=torch.long))


def test_the_ramp_goes_from_nought_to_one() -> None:
    values = ramp_feature().values(LINE)[0]
    assert (values[0], values[-1]) == (0.0, 1.0)
    assert torch.allclose(values, torch.linspace(0, 1, CONTEXT), atol=1e-3)


def test_a_band_holds_from_its_start_up_to_its_stop() -> None:
    assert band_feature(4, 7).values(LINE)[0].nonzero().flatten().tolist() == [4, 5, 6]
    assert band_feature(4, 7).name == "band 4-6"


def test_the_first_position_is_the_one_after_the_document_mark() -> None:
    assert first_position_feature().values(LINE)[0].nonzero().flatten().tolist() == [1]


@pytest.mark.parametrize(("name", "direction"), [("rising", "rises"), ("falling", "falls")])
def test_rising_and_falling_ask_for_the_same_ramp_in_two_directions(name: str, direction: str) -> None:
    asked = SHAPES.ask(name)
    assert (asked.id, asked.feature, asked.direction) == (f"position/{name}", ramp_feature(), direction)
    assert not asked.targets


def test_a_band_is_asked_for_by_its_first_and_last_position() -> None:
    assert SHAPES.ask("band 4-6") == Question("position", "band 4-6", band_feature(4, 7), "rises", 0.65)


@pytest.mark.parametrize("name", ["", "up", "band", "band 4", "band 4-", "Rising", "band 4-6 ", "band -4-6"])
def test_what_is_no_shape_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="no shape over positions"):
        SHAPES.ask(name)


@pytest.mark.parametrize(("name", "direction"), [("active", "rises"), ("silent", "falls")])
def test_position_one_is_asked_for_in_two_directions(name: str, direction: str) -> None:
    asked = FIRST_POSITION.ask(name)
    assert (asked.kind, asked.name, asked.direction) == ("position_1", name, direction)
    assert asked.feature == first_position_feature()


@pytest.mark.parametrize("name", ["", "rising", "Active", "position 1"])
def test_nothing_else_can_be_asked_of_position_one(name: str) -> None:
    with pytest.raises(ValueError, match="nothing that a neuron does at position 1"):
        FIRST_POSITION.ask(name)


@pytest.mark.parametrize("early", [True, False])
def test_bands_lie_in_one_half_and_not_at_an_end(early: bool) -> None:
    rng = random.Random(0)
    bands = {draw_band(early=early, rng=rng) for _ in range(300)}
    half = CONTEXT // 2
    assert len(bands) > 20
    for start, stop in bands:
        assert 8 <= stop - start <= 14
        assert (start >= 4 and stop <= half) if early else (start >= half and stop <= CONTEXT - 2)


@pytest.mark.parametrize("rising", [True, False], ids=["rising", "falling"])
def test_a_ramp_has_active_key_neurons_and_near_misses_of_other_shapes(rising: bool) -> None:
    question = ramp_question(rising=rising, rng=random.Random(0))
    assert question.name == ("rising" if rising else "falling")
    assert 2 <= len(keys(question)) <= 3
    assert not any(target.response.silent for target in question.targets)
    assert {"first half only", "levels off"} <= set(near_misses(question))
    for target in keys(question):
        assert expected_statistic(target.response, question) >= 0.75
    for kind, target in near_misses(question).items():
        assert expected_statistic(target.response, question) <= 0.8 * question.bar, kind
    opposite = SHAPES.ask("falling" if rising else "rising")
    for target in keys(question):
        assert expected_statistic(target.response, opposite) < 0


@pytest.mark.parametrize("rising", [True, False], ids=["rising", "falling"])
def test_the_neuron_of_the_first_half_goes_the_asked_way_there(rising: bool) -> None:
    question = ramp_question(rising=rising, rng=random.Random(0))
    values = near_misses(question)["first half only"].response.on(LINE)[0]
    steps = values[: CONTEXT // 2].diff()
    assert bool((steps > 0).all() if rising else (steps < 0).all())
    assert len(values[CONTEXT // 2 :].unique()) == 1


@pytest.mark.parametrize("band", [(5, 15), (35, 47), (40, 48)])
def test_a_band_has_key_neurons_and_near_misses(band: tuple[int, int]) -> None:
    question = band_question(*band, random.Random(0))
    assert question.name == f"band {band[0]}-{band[1] - 1}"
    assert question.feature == SHAPES.ask(question.name).feature
    assert 2 <= len(keys(question)) <= 3
    check_question(question, {"other band", "some categories"})
    assert set(near_misses(question)) == {"other band", "some categories"}
    ((other, _),) = near_misses(question)["other band"].response.parts
    assert other.profile not in (None, question.feature.profile)


@pytest.mark.parametrize("active", [True, False], ids=["active", "silent"])
def test_position_one_has_key_neurons_and_near_misses_that_are_active_or_silent_as_asked(active: bool) -> None:
    question = first_position_question(active=active, rng=random.Random(0))
    assert 2 <= len(keys(question)) <= 3
    assert all(target.response.silent != active for target in question.targets)
    assert {"position 2", "line start"} <= set(near_misses(question))
    check_question(question, {"first positions", "some words"})


def test_the_neuron_of_line_starts_sees_position_one_and_the_start_of_every_other_line() -> None:
    question = first_position_question(active=True, rng=random.Random(0))
    text = sample_text(3, 50, CONTEXT)
    values = near_misses(question)["line start"].response.on(text)
    assert (values[:, 1] == 1).all()
    assert values[:, 2:].sum() > 50
