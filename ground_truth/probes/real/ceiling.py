"""How well a recipe reads a property on entities it was not fitted on, and whether controls do as well.

Five blocks of statements share no entity. A split fits on three and tests on two, and all ten splits are made. Where to
read is chosen inside the three, by fitting on two and testing on the third, so no accuracy here was helped by the
statements it is measured on (no winner's curse). This module knows no model: it turns activations into numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from ground_truth.probes.real.statements import N_BLOCKS, N_PUBLIC_BLOCKS
from scribe_suite.scoring.probes import LinearProbe, project
from scribe_suite.scoring.real_probes import BAR

#: The public blocks of every split.
SPLITS = tuple(combinations(range(N_BLOCKS), N_PUBLIC_BLOCKS))
#: The value, among the hits of a split, of a statement that is public in it.
NOT_HIDDEN = -1

#: The blocks that are fitted on where a third one chooses the place.
_INNER = tuple(combinations(range(N_BLOCKS), N_PUBLIC_BLOCKS - 1))
#: The number of splits in which a given statement is hidden.
_TIMES_HIDDEN = sum(0 not in public for public in SPLITS)
#: Standard errors of a 95 % interval to either side.
_NORMAL = 1.96

Verdict = Literal["readable", "null", "open"]


@dataclass(frozen=True)
class Ceiling:
    """What the recipe reads, from the splits of one question.

    Attributes:
        hits: Int8[split statement]; 1 right, 0 wrong at the place chosen for the split, `NOT_HIDDEN` elsewhere.
        chosen: Int[split 2]; indices of layer and position.
        curve: Float[layer position]; accuracy on hidden blocks, mean over splits, at every place.
        inner: Float[layer position]; accuracy on the left-out third block, mean over all choices of two.
    """

    hits: Int[np.ndarray, "split statement"]
    chosen: Int[np.ndarray, "split 2"]
    curve: Float[np.ndarray, "layer position"]
    inner: Float[np.ndarray, "layer position"]

    @property
    def right(self) -> Int[np.ndarray, " statement"]:
        """In how many of the splits that hide it every statement was read right, int8."""
        counts: Int[np.ndarray, " statement"] = (self.hits == 1).sum(0).astype(np.int8)
        return counts


def ceiling_of(
    read: Float[np.ndarray, "layer position statement width"],
    labels: Bool[np.ndarray, " statement"],
    blocks: Int[np.ndarray, " statement"],
    fit: Callable[[Float[np.ndarray, "statement width"], Bool[np.ndarray, " statement"]], LinearProbe],
) -> Ceiling:
    """Fit and test on all splits and at all places.

    Args:
        read: Activations, or other features.
        labels: The truth.
        blocks: The block of each statement.
        fit: How a probe is fitted.
    """
    shape = read.shape[:2]
    outer = np.zeros((*shape, len(SPLITS), len(labels)), dtype=bool)
    inner = np.zeros((*shape, len(_INNER), len(labels)), dtype=bool)
    for place in np.ndindex(shape):
        values = read[place].astype(np.float64)
        for number, public in enumerate(SPLITS):
            outer[place][number] = _right(fit, values, labels, np.isin(blocks, public))
        for number, public in enumerate(_INNER):
            inner[place][number] = _right(fit, values, labels, np.isin(blocks, public))
    hits = np.full((len(SPLITS), len(labels)), NOT_HIDDEN, dtype=np.int8)
    chosen = np.zeros((len(SPLITS), 2), dtype=np.int64)
    for number, public in enumerate(SPLITS):
        place = _best_place(_inner_accuracies(inner, blocks, public))
        hidden = ~np.isin(blocks, public)
        chosen[number], hits[number, hidden] = place, outer[place][number, hidden]
    curve = np.mean([outer[:, :, n][..., ~np.isin(blocks, public)].mean(-1) for n, public in enumerate(SPLITS)], axis=0)
    left_out = [inner[:, :, n][..., ~np.isin(blocks, public)].mean(-1) for n, public in enumerate(_INNER)]
    return Ceiling(hits, chosen, curve, np.mean(left_out, axis=0))


def best_place(ceiling: Ceiling) -> tuple[int, int]:
    """Indices of the layer and position where the recipe reads best when fitted on two blocks."""
    return _best_place(ceiling.inner)


@dataclass(frozen=True)
class Judgement:
    """The judgement on one question; intervals are 95 %.

    Attributes:
        ceiling: Accuracy of the recipe on hidden statements, over all splits.
        interval: The ceiling's interval.
        twin: The same accuracy on an untrained model.
        words: The same accuracy from counts of tokens.
        gain: Ceiling minus the best of a coin, twin and words.
        gain_interval: The gain's interval.
        verdict: ``readable`` when the gain is significantly above the bar, ``null`` when significantly below, else
            ``open``.
    """

    ceiling: float
    interval: tuple[float, float]
    twin: float
    words: float
    gain: float
    gain_interval: tuple[float, float]
    verdict: Verdict


def judge(
    model: Int[np.ndarray, " statement"],
    twin: Int[np.ndarray, " statement"],
    words: Int[np.ndarray, " statement"],
    entities: Sequence[tuple[str, ...]],
) -> Judgement:
    """Compare how often a recipe is right on the model, on an untrained one, and on words alone.

    Args:
        model: `Ceiling.right` of the recipe on the model.
        twin: On an untrained one.
        words: On counts of tokens.
        entities: The entities of each statement; statements that share one are not independent.
    """
    shares = np.stack([right / _TIMES_HIDDEN for right in (model, twin, words)])
    controls = np.stack([np.full(shares.shape[1], 0.5), shares[1], shares[2]])
    strongest = int(controls.mean(1).argmax())
    gains = shares[0] - controls[strongest]
    low, high = _interval(gains, entities)
    verdict: Verdict = "readable" if low > BAR else "null" if high < BAR else "open"
    found, of_twin, of_words = (float(value) for value in shares.mean(1))
    gain = float(gains.mean())
    return Judgement(found, _interval(shares[0], entities), of_twin, of_words, gain, (low, high), verdict)


@dataclass(frozen=True)
class Judgements:
    """The judgements on one question under every recipe.

    Attributes:
        by_recipe: Name of the recipe -> judgement; the first is that of the recipe that prompts state.
    """

    by_recipe: Mapping[str, Judgement]

    @property
    def base(self) -> Judgement:
        """By the recipe that prompts state."""
        return next(iter(self.by_recipe.values()))

    @property
    def agreeing(self) -> int:
        """How many recipes give the verdict of `base`."""
        return sum(one.verdict == self.base.verdict for one in self.by_recipe.values())

    @property
    def verdict(self) -> Verdict:
        """The verdict of all recipes; ``open`` where they differ."""
        return self.base.verdict if self.agreeing == len(self.by_recipe) else "open"


def _right(
    fit: Callable[[Float[np.ndarray, "statement width"], Bool[np.ndarray, " statement"]], LinearProbe],
    values: Float[np.ndarray, "statement width"],
    labels: Bool[np.ndarray, " statement"],
    fitted_on: Bool[np.ndarray, " statement"],
) -> Bool[np.ndarray, " statement"]:
    probe = fit(values[fitted_on], labels[fitted_on])
    projections, threshold = project(probe, values)
    right: Bool[np.ndarray, " statement"] = (projections > threshold) == labels
    return right


def _inner_accuracies(
    inner: Bool[np.ndarray, "layer position choice statement"],
    blocks: Int[np.ndarray, " statement"],
    public: Sequence[int],
) -> Float[np.ndarray, "layer position"]:
    """Accuracy on each public block of what was fitted on the two others."""
    accuracies = []
    for left_out in public:
        choice = _INNER.index(tuple(block for block in public if block != left_out))
        accuracies.append(inner[:, :, choice][..., blocks == left_out].mean(-1))
    mean: Float[np.ndarray, "layer position"] = np.mean(accuracies, axis=0)
    return mean


def _best_place(accuracies: Float[np.ndarray, "layer position"]) -> tuple[int, int]:
    layer, position = np.unravel_index(int(accuracies.argmax()), accuracies.shape)
    return int(layer), int(position)


def _interval(values: Float[np.ndarray, " statement"], entities: Sequence[tuple[str, ...]]) -> tuple[float, float]:
    """95 % interval of a mean over statements, of which those that share an entity are not independent.

    The cluster-robust variance for overlapping clusters: the products of the deviations of all statements that share
    any entity, summed (Aronow, Samii & Assenova 2015, "Cluster-Robust Variance Estimation for Dyadic Data", Political
    Analysis 23). It can be too small by chance, so that of statements about exactly the same entities is a lower bound.
    """
    column = {name: number for number, name in enumerate(sorted({name for several in entities for name in several}))}
    about = np.zeros((len(entities), len(column)))
    for row, several in enumerate(entities):
        about[row, [column[name] for name in several]] = 1.0
    shared = about @ about.T
    deviations = values - values.mean()
    sums = [float(deviations @ together @ deviations) for together in (shared > 0, shared == about.sum(1)[:, None])]
    reach = _NORMAL * np.sqrt(max(*sums, 0.0)) / len(values)
    return float(values.mean() - reach), float(values.mean() + reach)
