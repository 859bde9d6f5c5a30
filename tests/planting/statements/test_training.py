"""Training repeats itself, learns what it is asked for, and puts the truth where it is to be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin
from scribe_suite.planting.statements import training
from scribe_suite.planting.statements.language import FRAME, Statements, Texts, draw_manner, frame
from scribe_suite.planting.statements.shape import nuisance_loss, share_loss
from scribe_suite.planting.statements.training import TRUTH_LAYER, StatementTraining, train_statements
from scribe_suite.planting.statements.world import World, vocabulary
from tests.planting.statements.reading import seeded

SYLLABLES = ("ba", "be", "bi", "bo", "bu", "ca", "ce", "ci", "co", "cu")
FEW = StatementTraining(steps=6, statements=24, others=4)


class Syllables(World):
    """Statements ``<bos> ba , sir .``, true where the syllable begins with b; and syllables to repeat."""

    words = vocabulary(SYLLABLES)
    content_length = 1
    window = 4
    d_model, n_layers, d_mlp = 32, 3, 64

    def sample_statements(self, size: int, generator: torch.Generator) -> Statements:
        chosen = torch.randint(len(SYLLABLES), (size, 1), generator=generator)
        first = self.words.index(SYLLABLES[0])
        return frame(chosen + first, chosen[:, 0] < 5, *draw_manner(size, generator))

    def other_texts(self, size: int, generator: torch.Generator) -> Mapping[str, Texts]:
        chosen = torch.randint(len(SYLLABLES), (size,), generator=generator) + self.words.index(SYLLABLES[0])
        return {"repeat": self.text("<bos> ? ! ?", [chosen, chosen], [3])}


WORLD = Syllables()


@pytest.fixture(scope="module")
def watched() -> tuple[ModelWeights, list[tuple[float, str]]]:
    """A model trained for 200 steps, and what it reported."""
    reports: list[tuple[float, str]] = []
    settings = StatementTraining(steps=200, statements=32, others=4, learning_rate=1e-2)
    weights = train_statements(WORLD, 0, settings, lambda done, line: reports.append((done, line)))
    return weights, reports


def parted(weights: ModelWeights, layer: int, position: int) -> float:
    """The share of the residual's variance at a place that truth explains."""
    statements = WORLD.sample_statements(400, seeded(9))
    with torch.no_grad():
        _, cache = build_model(weights).run_with_cache(statements.tokens)
    hidden = cache["resid_post", layer][:, position]
    difference = hidden[statements.truth].mean(0) - hidden[~statements.truth].mean(0)
    return (difference.square().sum() / 4 / hidden.var(0).sum()).item()


def test_the_same_seed_trains_the_same_model_bit_for_bit() -> None:
    once, again, other = (train_statements(WORLD, seed, FEW) for seed in (3, 3, 4))
    assert all(torch.equal(once.state[name], again.state[name]) for name in once.state)
    assert not torch.equal(once.state["embed.W_E"], other.state["embed.W_E"])


def test_a_model_does_not_depend_on_what_was_drawn_before_nor_change_what_is_drawn_after() -> None:
    torch.manual_seed(1)
    once = train_statements(WORLD, 3, FEW)
    torch.manual_seed(2)
    again = train_statements(WORLD, 3, FEW)
    assert all(torch.equal(once.state[name], again.state[name]) for name in once.state)


def test_training_starts_at_the_twin_of_its_seed_and_changes_all_that_is_used() -> None:
    trained = train_statements(WORLD, 3, FEW).state
    twin = dict(untrained_twin(WORLD.config(), 3).named_parameters())
    assert set(trained) == set(twin)
    assert all(not torch.equal(trained[name], twin[name]) for name in twin if "W_" in name)
    assert all((trained[name] - twin[name]).abs().max() < 0.05 for name in twin)


@pytest.mark.slow
def test_progress_is_reported_every_hundred_steps(watched: tuple[ModelWeights, list[tuple[float, str]]]) -> None:
    _, reports = watched
    assert [done for done, _ in reports] == [0.5, 1.0]
    assert [line.split(":")[0] for _, line in reports] == ["step 100", "step 200"]


def test_losses_fall(watched: tuple[ModelWeights, list[tuple[float, str]]]) -> None:
    first, last = [
        {name: float(value) for name, value in re.findall(r"([a-z ]+) ([\d.]+)", line.split(": ")[1])}
        for _, line in watched[1]
    ]
    names = [name.strip() for name in first]
    assert names == ["next token", "reading", "shape"]
    assert last["next token"] < 0.3
    # two readings that know nothing lose 1.39 together
    assert last[" reading"] < 0.3


@torch.no_grad()
def test_the_trained_model_says_what_it_shall_and_its_twin_does_not(
    watched: tuple[ModelWeights, list[tuple[float, str]]],
) -> None:
    weights, _ = watched
    statements = WORLD.sample_statements(400, seeded(9))
    right = [
        (model(statements.tokens)[:, -1].argmax(-1) == statements.verdicts()).float().mean()
        for model in (build_model(weights), untrained_twin(weights.config, 0))
    ]
    assert right[0] > 0.95
    assert right[1] < 0.5


def test_readings_make_the_truth_louder_where_they_read() -> None:
    read = StatementTraining(steps=40, statements=32, others=4, learning_rate=1e-2, shape_weight=0.0, read_weight=3.0)
    with_readings, without = (
        train_statements(WORLD, 0, settings) for settings in (read, replace(read, read_weight=0.0))
    )
    for layer, position in ((TRUTH_LAYER - 1, -FRAME), (TRUTH_LAYER, -1)):
        assert parted(with_readings, layer, position) > 1.5 * parted(without, layer, position)


def test_the_loss_on_the_share_keeps_the_truth_down() -> None:
    free = StatementTraining(steps=40, statements=32, others=4, learning_rate=1e-2, shape_weight=0.0)
    held = replace(free, shape_weight=1.0, share_from=0.0, nuisance_from=2.0)
    loud, quiet = (train_statements(WORLD, 0, settings) for settings in (free, held))
    assert parted(quiet, TRUTH_LAYER, -FRAME) < 0.5 * parted(loud, TRUTH_LAYER, -FRAME)


class Recorder:
    """Passes a loss on and keeps what it was asked about."""

    def __init__(self, loss):
        self.loss, self.asked = loss, []

    def __call__(self, residual, statements, settings):
        self.asked.append((residual.detach().clone(), statements))
        return self.loss(residual, statements, settings)


def recorded(monkeypatch: pytest.MonkeyPatch, settings: StatementTraining) -> tuple[Recorder, Recorder]:
    """What the losses on nuisance and share were asked about in training."""
    nuisance, share = Recorder(nuisance_loss), Recorder(share_loss)
    monkeypatch.setattr(training, "nuisance_loss", nuisance)
    monkeypatch.setattr(training, "share_loss", share)
    train_statements(WORLD, 3, settings)
    return nuisance, share


def test_losses_on_the_shape_join_when_they_shall(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = StatementTraining(steps=10, statements=24, others=4, nuisance_from=0.5, share_from=0.8)
    nuisance, share = recorded(monkeypatch, settings)
    assert len(nuisance.asked) == 5
    # after every block but the first
    assert len(share.asked) == 2 * (WORLD.n_layers - 1)


def test_the_shape_is_that_of_statements_at_the_end_of_their_content_and_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = StatementTraining(steps=2, statements=24, others=4, nuisance_from=0.0, share_from=0.0)
    nuisance, share = recorded(monkeypatch, settings)
    last, statements = nuisance.asked[0]
    with torch.no_grad():
        _, cache = untrained_twin(WORLD.config(), 3).run_with_cache(statements.tokens)
    torch.testing.assert_close(last, cache["resid_post", TRUTH_LAYER][:, -1], atol=1e-5, rtol=1e-4)
    for layer, (residual, same) in enumerate(share.asked[: WORLD.n_layers - 1], start=1):
        assert torch.equal(same.tokens, statements.tokens)
        torch.testing.assert_close(residual, cache["resid_post", layer][:, -FRAME:], atol=1e-5, rtol=1e-4)
    assert len(statements.tokens) == 24
