"""The measurements on a behaviour: that the model shows it, the reference ranking, and the closeness of blind ones.

Scores do not use these numbers directly: the curves of an answer, the reference and the blind rankings are all measured
again on an instance's own hidden pairs. What is frozen is which rankings those are, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ground_truth.circuits.real.behaviour import Behaviour
from ground_truth.circuits.real.rankings import METHODS, blind_rankings, ranking_of
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.models.description import tokenizer_of
from scribe_suite.planting.frozen import Check
from scribe_suite.scoring.circuit_curve import Curve, CurveMeter
from scribe_suite.scoring.circuit_patching import PatchedRuns, PromptPairs, component_names
from scribe_suite.seeds import derive_seed

#: The method of the reference ranking, as in the reference solution; components by the size of their effect.
REFERENCE = "eap_ig"
#: How many blind rankings are measured again for every score.
CHANCE_RANKINGS = 2

_BEHAVIOUR_PAIRS = 72
_BATCH = 24
_METHOD_PAIRS = {"attribution": 48, "single_ablation": 6}
#: Pairs in each half of the data that the reference is made from.
_HALF = 30
#: Methods, and whether components are ranked by the size of their effect or by the effect itself.
_COMPARED = (
    ("eap_ig", True),
    ("eap_ig", False),
    ("attribution", True),
    ("attribution", False),
    ("single_ablation", True),
)
#: Prefix of the titles of blind rankings.
BLIND = "blind: "
#: Fresh sets of hidden pairs on which all rankings are compared.
_DRAWS = 3

_GAP_BAR = 8.0
_MARGIN_BAR = 0.1
_OVERLAP_BAR = 0.6
_OVERLAP_OF = 30


class CircuitMeasurement(Measurement):
    """Whether a model shows a behaviour, rankings of its components by several methods, and their curves.

    Args:
        name: The task's name.
        behaviour: The behaviour.
        cost: As `Measurement.cost`.
        accuracy_bar: How often the model must be right on fresh hidden prompts.
    """

    summary = "rankings of components, and the curves of their circuits"

    def __init__(self, name: str, behaviour: Behaviour, *, cost: str, accuracy_bar: float = 0.8) -> None:
        self.id = f"circuits/{name}"
        self.behaviour, self.cost, self.accuracy_bar = behaviour, cost, accuracy_bar

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: templates, words and how they are drawn."""
        return self.behaviour.sha256()

    def steps(self) -> Sequence[Step]:
        """See `Measurement.steps`."""
        return (
            Step("behaviour", "does the model do it on fresh prompts", self._behaviour),
            *(Step(name, f"effects of components: {name}", self._effects(name)) for name in _METHOD_PAIRS),
            Step(REFERENCE, f"effects of components: {REFERENCE}, in two halves", self._reference),
            *(
                Step(
                    f"curves_{draw}", f"curves of all rankings, fresh pairs {draw + 1} of {_DRAWS}", self._curves(draw)
                )
                for draw in range(_DRAWS)
            ),
        )

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """See `Measurement.checks`."""
        behaviour, halves = results["behaviour"], results[REFERENCE]["effects"]
        closeness = _closeness(results)
        reference = closeness[f"{REFERENCE} by size"]
        chance = np.max([closeness[name] for name in _blind_names(closeness)], axis=0)
        values = (
            ("behaviour/accuracy", behaviour["correct"].mean(), self.accuracy_bar),
            ("behaviour/gap_in_errors", _in_errors(behaviour["clean"] - behaviour["nothing"]), _GAP_BAR),
            ("reference/halves_share_of_first_30", _overlap(halves[0], halves[1]), _OVERLAP_BAR),
            ("reference/above_best_blind_mean", (reference - chance).mean(), _MARGIN_BAR),
            ("reference/above_best_blind_least", (reference - chance).min(), _MARGIN_BAR / 2),
        )
        return [Check(name=name, value=round(float(value), 4), bar=bar, direction=">=") for name, value, bar in values]

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """See `Measurement.kept`: effects, curves, and the rankings that scores use."""
        closeness = _closeness(results)
        blind = sorted(_blind_names(closeness), key=lambda name: -closeness[name].mean())
        n_components = results[REFERENCE]["effects"].shape[-1]
        components = [*map(str, results["behaviour"]["components"])]
        assert len(components) == n_components
        return {
            "reference": np.array(ranking_of(_mean_effects(results, REFERENCE), components, by_size=True)),
            "chance": np.array(blind[:CHANCE_RANKINGS]),
            "titles": results["curves_0"]["titles"],
            "curves": np.stack([results[f"curves_{draw}"]["metrics"] for draw in range(_DRAWS)]).astype(np.float32),
            "accuracy": results["behaviour"]["correct"].mean(keepdims=True),
            **{f"effects/{name}": _mean_effects(results, name) for name in (*_METHOD_PAIRS, REFERENCE)},
        }

    def pairs(self, context: Context, purpose: str, n: int) -> PromptPairs:
        """Pairs for one step: of public frames for methods, as an agent has them, else of hidden ones."""
        frames = self.behaviour.public if purpose.startswith("method") else self.behaviour.hidden
        return self.behaviour.pairs(frames, n, derive_seed(0, self.id, purpose), tokenizer_of(context.spec))

    def _behaviour(self, context: Context) -> Arrays:
        pairs = self.pairs(context, "behaviour", _BEHAVIOUR_PAIRS)
        found: dict[str, list[NDArray[np.float64]]] = {"clean": [], "nothing": [], "correct": []}
        for start in range(0, len(pairs), _BATCH):
            part = pairs.part(slice(start, start + _BATCH))
            runs = PatchedRuns(context.model, part)
            logits = runs.logits(runs.components)
            found["clean"].append(part.metric(logits).double().cpu().numpy())
            found["nothing"].append(runs.metric(()).double().numpy())
            found["correct"].append(part.correct(logits).double().cpu().numpy())
            context.progress(start / len(pairs), "behaviour")
        cfg = context.model.cfg
        components = np.array(component_names(cfg.n_layers, cfg.n_heads))
        return {"components": components, **{name: np.concatenate(values) for name, values in found.items()}}

    def _effects(self, name: str) -> Callable[[Context], Arrays]:
        def compute(context: Context) -> Arrays:
            pairs = self.pairs(context, f"method {name}", _METHOD_PAIRS[name])
            effects = METHODS[name](context.model, pairs, lambda done: context.progress(done, name))
            return {"effects": effects[None]}

        return compute

    def _reference(self, context: Context) -> Arrays:
        pairs = self.pairs(context, f"method {REFERENCE}", 2 * _HALF)
        halves = []
        for start in (0, _HALF):
            part = pairs.part(slice(start, start + _HALF))
            halves.append(METHODS[REFERENCE](context.model, part, lambda done: context.progress(done, REFERENCE)))
        return {"effects": np.stack(halves)}

    def _curves(self, draw: int) -> Callable[[Context], Arrays]:
        def compute(context: Context) -> Arrays:
            cfg = context.model.cfg
            components = component_names(cfg.n_layers, cfg.n_heads)
            blind = blind_rankings(cfg.n_layers, cfg.n_heads)
            rankings = {
                f"{name} by {'size' if by_size else 'sign'}": ranking_of(
                    _mean_effects(context.results, name), components, by_size=by_size
                )
                for name, by_size in _COMPARED
            } | {f"{BLIND}{name}": ranking for name, ranking in blind.items()}
            pairs = self.pairs(context, f"curves {draw}", self.behaviour.hidden_pairs)
            meter = CurveMeter(context.model, pairs)
            metrics = []
            for done, ranking in enumerate(rankings.values(), start=1):
                metrics.append(meter.measure(ranking).metrics)
                context.progress(done / len(rankings), "curves")
            return {"titles": np.array(list(rankings)), "metrics": np.stack(metrics)}

        return compute


def _mean_effects(results: Mapping[str, Arrays], name: str) -> NDArray[np.float64]:
    effects: NDArray[np.float64] = results[name]["effects"].mean(0)
    return effects


def _closeness(results: Mapping[str, Arrays]) -> dict[str, NDArray[np.float64]]:
    """By title, `Curve.closeness` on each draw."""
    draws = [results[f"curves_{draw}"] for draw in range(_DRAWS)]
    return {
        str(title): np.array([Curve(draw["metrics"][at]).closeness for draw in draws])
        for at, title in enumerate(draws[0]["titles"])
    }


def _blind_names(closeness: Mapping[str, NDArray[np.float64]]) -> list[str]:
    return [title for title in closeness if title.startswith(BLIND)]


def _in_errors(values: NDArray[np.float64]) -> float:
    return float(values.mean() / (values.std(ddof=1) / len(values) ** 0.5))


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Share of one method's largest effects that are among the other's largest."""
    first, second = (set(np.argsort(-np.abs(effects))[:_OVERLAP_OF].tolist()) for effects in (one, other))
    return len(first & second) / _OVERLAP_OF
