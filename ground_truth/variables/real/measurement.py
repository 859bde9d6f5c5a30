"""The measurements on a behaviour: that the model shows it, what methods reach in every window, and what controls do.

Methods are fitted on prompts of the public frames, with far more of them than an agent needs, and measured on prompts
of the hidden ones. Scores do not use the measured numbers: the best subspace is exchanged again on an instance's own
hidden prompts. What is frozen is which subspace that is, and in which windows there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ground_truth.variables.real.behaviour import Behaviour
from ground_truth.variables.real.fitting import (
    MOST_DIRECTIONS,
    aligned,
    components,
    difference_components,
    mean_difference,
)
from ground_truth.variables.real.windows import Window
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.models.description import tokenizer_of
from scribe_suite.planting.frozen import Check
from scribe_suite.scoring.crossed_prompts import Exchanges, Site, Spot
from scribe_suite.scoring.real_subspace import FOUND_BAR, NULL_BAR, log_odds, measured_parts
from scribe_suite.seeds import derive_seed

#: Pairs of contexts that methods are fitted on; each has eight prompts.
FITTED_PAIRS = 12
#: Pairs of contexts of one fresh set of hidden prompts, and how many sets.
HIDDEN_PAIRS, DRAWS = 8, 2
#: What is measured in a window, in this order.
METHODS = ("mean difference", "principal components", "components of differences", "DAS")
CONTROLS = ("everything", "random", "DAS on the control task")

#: By how much the best score must exceed that of the control task.
MARGIN_BAR = 0.2
_ACCURACY_BAR, _RANDOM_BAR = 0.75, 0.05

Verdict = Literal["found", "null", "open"]


class SubspaceMeasurement(Measurement):
    """Whether a model shows a behaviour, and in which windows which subspace moves one property alone.

    Args:
        name: The task's name.
        behaviour: The behaviour.
        windows: The questions.
        cost: As `Measurement.cost`.
    """

    summary = "subspaces that move one property of a prompt, by several methods, with controls"

    def __init__(self, name: str, behaviour: Behaviour, windows: Sequence[Window], *, cost: str) -> None:
        self.id = f"variables/{name}"
        self.behaviour, self.windows, self.cost = behaviour, tuple(windows), cost

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: templates, words, how they are drawn, and the windows."""
        return self.behaviour.sha256(*map(repr, self.windows))

    def steps(self) -> Sequence[Step]:
        """See `Measurement.steps`."""
        return [Step("behaviour", "does the model do it on fresh prompts", self._behaviour)] + [
            Step(f"window_{at}", f"subspaces: {window.name}", self._window(window))
            for at, window in enumerate(self.windows)
        ]

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """See `Measurement.checks`."""
        rows: list[tuple[str, float, float, Literal[">=", "<="]]] = [
            (f"behaviour/{one.name}", float(share), _ACCURACY_BAR, ">=")
            for one, share in zip(self.behaviour.properties, results["behaviour"]["right"], strict=True)
        ]
        for at, window in enumerate(self.windows):
            parts = results[f"window_{at}"]["parts"]
            best, control = best_score(parts), _control_score(parts)
            drawn = float(parts[:, len(METHODS) + CONTROLS.index("random"), 0].max())
            rows.append((f"{window.name}/random", drawn, _RANDOM_BAR, "<="))
            if self.verdict(parts) == "null":
                rows.append((f"{window.name}/best", best, NULL_BAR, "<="))
            else:
                rows.append((f"{window.name}/best", best, FOUND_BAR, ">="))
                rows.append((f"{window.name}/above_control", best - control, MARGIN_BAR, ">="))
        return [
            Check(name=name, value=round(value, 4), bar=bar, direction=direction)
            for name, value, bar, direction in rows
        ]

    @staticmethod
    def verdict(parts: NDArray[np.floating]) -> Verdict:
        """Whether there is something to find, from the scores of methods and controls in a window."""
        best, control = best_score(parts), _control_score(parts)
        if best >= FOUND_BAR and best - control >= MARGIN_BAR:
            return "found"
        return "null" if best <= NULL_BAR else "open"

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """See `Measurement.kept`: by window the best subspace, where it is, and the parts of all scores."""
        arrays = {"right": results["behaviour"]["right"]}
        for at in range(len(self.windows)):
            arrays |= {f"{at}/{name}": value for name, value in results[f"window_{at}"].items()}
        return arrays

    def _behaviour(self, context: Context) -> Arrays:
        exchanges = self._exchanges(context, "behaviour", -1, [context.model.cfg.n_layers - 1])
        odds = torch.stack([log_odds(exchanges.before, asked)[:, 0] for asked in (0, 1)], -1)
        rows = torch.arange(len(odds))
        values = torch.stack([rows // 2 % 2, rows % 2], -1)
        return {"right": ((odds > 0) == (values > 0)).double().mean(0).numpy()}

    def _window(self, window: Window) -> Callable[[Context], Arrays]:
        def compute(context: Context) -> Arrays:
            layers = window.tried
            fit = self._exchanges(context, "methods", window.position, layers, window.sites[-1:])
            # where to exchange is chosen on prompts that are public as well
            by_layer = {layer: _simple(fit, window.asked, _at(window, layer)) for layer in layers}
            tried = [(layer, name) for layer, found in by_layer.items() for name in found]
            scores = {
                (layer, name): measured_parts(fit, window.asked, _at(window, layer), by_layer[layer][name]).score
                for layer, name in tried
            }
            context.progress(0.3, window.name)
            start = max(scores, key=lambda one: scores[one])
            layer = start[0]
            spot, simple = _at(window, layer), by_layer[layer]
            wide = simple["components of differences"]
            report = lambda done: context.progress(0.3 + 0.3 * done, window.name)  # noqa: E731
            candidates = {
                **simple,
                "DAS": aligned(fit, window.asked, spot, wide, report),
                "everything": None,
                "random": _random(len(wide)),
                "DAS on the control task": aligned(fit, window.asked, spot, wide, report, shuffled=True),
            }
            parts = []
            for draw in range(DRAWS):
                hidden = self._exchanges(context, f"draw {draw}", window.position, [layer], window.sites[-1:])
                parts.append(
                    [
                        _row(measured_parts(hidden, window.asked, spot, candidates[name]))
                        for name in (*METHODS, *CONTROLS)
                    ]
                )
                context.progress(0.9 + 0.05 * draw, window.name)
            measured = np.array(parts)
            best = METHODS[int(measured[:, : len(METHODS), 0].mean(0).argmax())]
            chosen = candidates[best]
            assert chosen is not None  # only a control exchanges everything
            return {
                "layer": np.array([layer]),
                "parts": measured,
                "directions": chosen.T.numpy().astype(np.float32),
                "by_layer": np.array([[scores[layer, name] for name in simple] for layer in layers]),
            }

        return compute

    def _exchanges(
        self, context: Context, purpose: str, position: int, layers: Sequence[int], sites: Sequence[Site] = ()
    ) -> Exchanges:
        """Prompts for one step: of public frames for methods, as an agent has them, else of hidden ones."""
        methods = purpose == "methods"
        prompts = self.behaviour.prompts(
            self.behaviour.public if methods else self.behaviour.hidden,
            FITTED_PAIRS if methods else HIDDEN_PAIRS,
            derive_seed(0, self.id, purpose),
            tokenizer_of(context.spec),
        )
        return Exchanges(context.model, prompts, position, layers, sites)


def _simple(exchanges: Exchanges, asked: int, spot: Spot) -> dict[str, Float[Tensor, "d_model k"]]:
    """The subspaces of the methods that need no gradient."""
    values = exchanges.activations(spot)
    return {
        "mean difference": mean_difference(values, asked),
        "principal components": components(values),
        "components of differences": difference_components(values, asked),
    }


def _at(window: Window, layer: int) -> Spot:
    return Spot(layer, window.sites[-1], window.position)


def _random(width: int) -> Float[Tensor, "d_model k"]:
    return torch.randn(width, MOST_DIRECTIONS, generator=torch.Generator().manual_seed(0))


def _row(parts: object) -> list[float]:
    return [float(getattr(parts, name)) for name in ("score", "effect", "flips", "isolation", "selectivity")]


def best_score(parts: NDArray[np.floating]) -> float:
    """The mean score over draws of the best method in a window."""
    return float(parts[:, : len(METHODS), 0].mean(0).max())


def _control_score(parts: NDArray[np.floating]) -> float:
    """The same of the search on the control task."""
    return float(parts[:, len(METHODS) + CONTROLS.index("DAS on the control task"), 0].mean())
