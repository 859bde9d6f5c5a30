"""Scores a ranking of components by the faithfulness curve of its circuits on hidden pairs.

The first k components of a ranking form a circuit C_k: they compute, all others have their outputs from the
counterfactual prompt (`scribe_suite.scoring.circuit_patching`). With m the mean over pairs of the behaviour's metric::

    f(k) = (m(C_k) - m(none)) / (m(all) - m(none))

A good ranking reaches f = 1 with few components and stays there. From MIB (Mueller et al. 2025, arXiv 2504.13151):

- **CMD**, circuit-model distance: the area between f and 1, as a function of the share of components kept (0 is best);
- **CPR**, circuit performance ratio: the area under f.

Both are sums of trapezoids between the shares of `SHARES`. Unlike there, f is limited to [0, 2] in both, so that no
circuit counts as worse than an empty one; otherwise CPR would be unbounded. Overshooting, f > 1, is as far from the
model as falling short. `closeness` = 1 - CMD is what skill is made from.

A ranking may be shorter than the model. Components it leaves out are kept only in the whole model: at sizes beyond its
end, the circuit consists of the ranked components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.scoring.circuit_patching import PatchedRuns, PromptPairs
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

#: The sizes of circuits, as shares of all components.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
#: Shares at which a score's notes give f. As metrics, single points separated better from worse rankings no more often
#: than chance (docs/reference/discriminability.md).
_TOLD = (0.02, 0.05, 0.1, 0.2)
#: The metrics of a ranking; the first one is primary.
METRICS = ("closeness", "cmd", "cpr")

#: Smallest m(all) - m(none), in its standard errors: below it, f is mostly noise of the pairs.
_SMALLEST_GAP = 3.0
_RESAMPLES = 1000
_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Curve:
    """The behaviour of a ranking's circuits on pairs.

    Attributes:
        metrics: The behaviour's metric by share of `SHARES` and pair.
    """

    metrics: Float[NDArray[np.float64], "share pair"]

    @property
    def faithfulness(self) -> Float[NDArray[np.float64], " share"]:
        """The fraction f by share; 0 at the first, 1 at the last."""
        return _faithfulness(self.metrics.mean(1))

    @property
    def cmd(self) -> float:
        """Circuit-model distance, in [0, 1]."""
        return float(_distance(self.faithfulness))

    @property
    def cpr(self) -> float:
        """Circuit performance ratio, in [0, 2]."""
        return float(np.trapezoid(np.clip(self.faithfulness, 0, 2), SHARES))

    @property
    def closeness(self) -> float:
        """1 - CMD."""
        return 1 - self.cmd

    def interval(self) -> tuple[float, float]:
        """95 % interval of `closeness`, by a bootstrap over pairs."""
        rng = np.random.default_rng(0)
        pairs = self.metrics.shape[1]
        drawn = self.metrics[:, rng.integers(pairs, size=(_RESAMPLES, pairs))].mean(-1)
        low, high = np.percentile(1 - _distance(_faithfulness(drawn)), _INTERVAL)
        return float(low), float(high)


def _faithfulness(means: NDArray[np.float64]) -> NDArray[np.float64]:
    gap = means[-1] - means[0]
    # a resample of very few pairs may have no gap; the pairs themselves have one, see CurveMeter
    fractions: NDArray[np.float64] = (means - means[0]) / np.where(np.abs(gap) < 1e-9, 1e-9, gap)
    return fractions


def _distance(faithfulness: NDArray[np.float64]) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.trapezoid(np.abs(np.clip(faithfulness, 0, 2) - 1), SHARES, axis=0)
    return distance


def circuit_sizes(components: int) -> list[int]:
    """The number of a circuit's components at each of `SHARES`."""
    return [round(share * components) for share in SHARES]


class CurveMeter:
    """Measures rankings on the same pairs; runs that do not depend on the ranking are made once.

    Args:
        model: The model.
        pairs: Hidden pairs.

    Raises:
        ValueError: When the whole model shows the behaviour no more than with nothing kept.
    """

    def __init__(self, model: HookedTransformer, pairs: PromptPairs) -> None:
        self._runs = PatchedRuns(model, pairs)
        self._known: dict[frozenset[str], Tensor] = {}
        self.nothing = self._metric(frozenset())
        """The behaviour's metric with nothing kept, per pair."""
        self.everything = self._metric(frozenset(self._runs.components))
        """The same with every component kept."""
        if self.gap <= 0:
            raise ValueError(
                f"faithfulness is undefined: the behaviour's metric is {self.everything.mean():.3f} for the whole "
                f"model and {self.nothing.mean():.3f} with every component from the counterfactual prompt"
            )

    @property
    def gap(self) -> float:
        """Mean over pairs of what the components add to the behaviour's metric."""
        return float((self.everything - self.nothing).mean())

    @property
    def gap_in_errors(self) -> float:
        """`gap` divided by its standard error."""
        added = self.everything - self.nothing
        error = float(added.std(correction=1)) / len(added) ** 0.5 if len(added) > 1 else float("inf")
        return self.gap / max(error, 1e-9)

    def measure(self, ranking: Sequence[str]) -> Curve:
        """The curve of a ranking, most important component first; see the module for incomplete rankings.

        Raises:
            ValueError: When a component does not exist or occurs twice.
        """
        if len(set(ranking)) != len(ranking):
            raise ValueError("a component occurs twice in the ranking")
        *sizes, _ = circuit_sizes(len(self._runs.components))
        rows = [self._metric(frozenset(ranking[:size])) for size in sizes]
        return Curve(torch.stack([*rows, self.everything]).double().numpy())

    def _metric(self, kept: frozenset[str]) -> Tensor:
        if kept not in self._known:
            self._known[kept] = self._runs.metric(kept)
        return self._known[kept]


def score_ranking(
    meter: CurveMeter, ranking: Sequence[str], reference: Sequence[str], blind: Mapping[str, Sequence[str]]
) -> Score:
    """Score a ranking against the reference and rankings that ignore the model, all on the same pairs.

    Args:
        meter: The meter on the hidden pairs.
        ranking: The submitted ranking.
        reference: The reference solution's ranking.
        blind: Rankings made without the model, by name; the best of them is chance.

    Raises:
        ValueError: When the reference does not beat chance on these pairs.
    """
    curve = meter.measure(ranking)
    chance = max(meter.measure(one).closeness for one in blind.values())
    best = meter.measure(reference).closeness
    weak = meter.gap_in_errors < _SMALLEST_GAP
    told = ", ".join(f"{curve.faithfulness[SHARES.index(share)]:z.2f} at {share:.0%}" for share in _TOLD)
    notes = [f"f is {told} of the components."]
    if weak:
        notes.append(f"The components add only {meter.gap:.2f} to the metric on these pairs: f is mostly noise.")
    return Score(
        metrics={"closeness": curve.closeness, "cmd": curve.cmd, "cpr": curve.cpr},
        primary=METRICS[0],
        skill=normalised_skill(curve.closeness, chance, best),
        chance=chance,
        reference=best,
        interval=curve.interval(),
        flags=("weak_behaviour",) if weak else (),
        notes=tuple(notes),
    )
