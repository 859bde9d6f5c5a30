"""The recipes under which a question must have the same verdict in order to be asked.

Whether a property counts as readable is a comparison of a recipe on the trained model with the same recipe on a model
that has learned nothing. The penalty of the regression, the scaling of activations and the choice of such a model are
arbitrary. So several choices are made: `BASE`, which prompts state and scores use, and every recipe that differs from
it in one respect.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from transformer_lens import HookedTransformer

from scribe_suite.models.evaluator import evaluator_model, untrained_model
from scribe_suite.scoring.probes import LinearProbe, fit_probe
from scribe_suite.scoring.real_probes import INVERSE_PENALTY

#: From activations Float[statement width] and their truth to a probe.
Fit = Callable[[Float[np.ndarray, "statement width"], Bool[np.ndarray, " statement"]], LinearProbe]


def fit_scaled_as_one(
    hidden: Float[np.ndarray, "statement width"], labels: Bool[np.ndarray, " statement"]
) -> LinearProbe:
    """Logistic regression on activations that are centred and divided by one number, so that ``C`` means the same."""
    center = hidden.mean(0)
    size = math.sqrt(float(np.square(hidden - center).mean())) + 1e-9
    fitted = LogisticRegression(C=INVERSE_PENALTY, max_iter=1_000).fit((hidden - center) / size, labels)
    return LinearProbe(weight=fitted.coef_[0] / size, bias=float(fitted.intercept_[0]), center=center)


def fit_means(hidden: Float[np.ndarray, "statement width"], labels: Bool[np.ndarray, " statement"]) -> LinearProbe:
    """The difference of the two means of standardised activations; the threshold is halfway between them."""
    spread = hidden.std(0) + 1e-9
    true, false = hidden[labels].mean(0), hidden[~labels].mean(0)
    return LinearProbe(weight=(true - false) / np.square(spread), bias=0.0, center=(true + false) / 2)


def _logistic(
    inverse_penalty: float, hidden: Float[np.ndarray, "statement width"], labels: Bool[np.ndarray, " statement"]
) -> LinearProbe:
    return fit_probe(hidden, labels, inverse_penalty)


#: By name: how a probe is fitted. The first is that of `BASE`.
FITS: dict[str, Fit] = {
    f"C={INVERSE_PENALTY:g}": partial(_logistic, INVERSE_PENALTY),
    "C=0.001": partial(_logistic, 0.001),
    "C=0.1": partial(_logistic, 0.1),
    "C=1": partial(_logistic, 1.0),
    "centred only": fit_scaled_as_one,
    "difference of means": fit_means,
}


def drawn_model(seed: int, spec: str, depth: int) -> HookedTransformer:
    """An untrained model of the shape of the trained one, without the blocks after the first `depth`."""
    return _cut(untrained_model(spec, seed), depth)


def shuffled_model(spec: str, depth: int) -> HookedTransformer:
    """As `drawn_model`, with the trained model's weights, each parameter's in a random order: sizes, no structure."""
    model = _cut(untrained_model(spec), depth)
    trained = dict(evaluator_model(spec).named_parameters())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            entries = trained[name].detach().cpu().flatten()
            order = torch.randperm(len(entries), generator=generator)
            parameter.copy_(entries[order].reshape(parameter.shape))
    return model


def _cut(model: HookedTransformer, depth: int) -> HookedTransformer:
    model.blocks = model.blocks[:depth]
    model.setup()  # it lists all parts of the model, which keeps the others in memory
    return model


#: By name: a model that has learned nothing, from the specification of the trained one and the number of its blocks.
#: The first is that of `BASE`.
CONTROLS: dict[str, Callable[[str, int], HookedTransformer]] = {
    "untrained": partial(drawn_model, 0),
    "untrained_2": partial(drawn_model, 1),
    "untrained_3": partial(drawn_model, 2),
    "shuffled": shuffled_model,
}


@lru_cache(maxsize=1)
def control_model(spec: str, name: str, depth: int) -> HookedTransformer:
    """One of `CONTROLS`; the last one is cached."""
    return CONTROLS[name](spec, depth)


@dataclass(frozen=True)
class Recipe:
    """One way to compare a model with one that has learned nothing.

    Attributes:
        fit: One of `FITS`.
        control: One of `CONTROLS`.
    """

    fit: str = next(iter(FITS))
    control: str = next(iter(CONTROLS))

    @property
    def name(self) -> str:
        """Its difference from `BASE`, or ``base``."""
        changed = [mine for mine, base in ((self.fit, BASE.fit), (self.control, BASE.control)) if mine != base]
        return ", ".join(changed) or "base"


BASE = Recipe()
#: `BASE`, then the recipes that differ from it in one respect.
RECIPES = (
    BASE,
    *(replace(BASE, fit=name) for name in FITS if name != BASE.fit),
    *(replace(BASE, control=name) for name in CONTROLS if name != BASE.control),
)
