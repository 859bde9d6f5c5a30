"""Runs as data, as the model process receives them. They are checked by `inside` and the desk, not here.

A run is a `Recipe`. If it patches from other runs, their recipes are sent as well, and the process recomputes them. So
the process has no state, and no run is lost when it dies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from safetensors.numpy import save

from scribe_suite.laboratory.terms import Returns


@dataclass(frozen=True)
class Recipe:
    """The computation of a run.

    Attributes:
        name: Its name in the ``run`` field of later recipes.
        tokens: Token ids; prompts of different lengths are padded on the right.
        lengths: The lengths of the prompts without padding, or None where there is no padding.
        patches: ``kind``, ``site`` and further fields of the kind: ``run`` (of an earlier recipe), ``prompt`` (an
            index, a list of one index per prompt, or None for prompt by prompt), ``vector`` or ``Q`` (keys of
            `vectors`), ``to``.
        vectors: Float tensors that patches name.
    """

    name: str
    tokens: Int[np.ndarray, "prompt position"]
    lengths: Int[np.ndarray, " prompt"] | None = None
    patches: Sequence[Mapping[str, Any]] = ()
    vectors: Mapping[str, Float[np.ndarray, "..."]] = field(default_factory=dict)


@dataclass(frozen=True)
class Gradient:
    """Gradients of a difference of logits at the last position, for each prompt of its own.

    Attributes:
        labels: One id for each prompt.
        at: The sites.
        minus: Ids whose logit is subtracted, or None.
    """

    labels: Sequence[int]
    at: Sequence[str]
    minus: Sequence[int] | None = None


@dataclass(frozen=True)
class Wanted:
    """The wanted results of a run.

    Attributes:
        read: The sites to read.
        outputs: The positions whose outputs are returned: the last, all, or some; negative from the end.
        labels: The only ids that count, or None for all: logits and log-probabilities are returned for these, labels
            and samples are among them.
        grad: The gradients, or None.
        returns: The kind of output: ``logits``; ``log_probs`` over the whole vocabulary; ``labels``, the most probable
            ids; ``samples``, ids drawn from the softmax; ``nothing``, an empty row.
        temperature: The temperature of samples; 0 returns the most probable id.
        decimals: The number of decimals of floats, or None.
        read_noise: Standard deviation of Gaussian noise on sites and gradients, as a share of the root mean square
            there; see `terms.Terms`.
        seed: Text from which noise and samples are drawn: the same one gives the same values.
    """

    read: Sequence[str] = ()
    outputs: Literal["last", "all"] | Sequence[int] = "last"
    labels: Sequence[int] | None = None
    grad: Gradient | None = None
    returns: Returns = "logits"
    temperature: float = 1.0
    decimals: int | None = None
    read_noise: float = 0.0
    seed: str = ""


def run_message(model: str, recipes: Sequence[Recipe], wanted: Wanted) -> tuple[dict[str, Any], bytes]:
    """Header and tensors of the frame that requests the last of the recipes."""
    header = {
        "op": "run",
        "model": model,
        "recipes": [{"name": recipe.name, "patches": [dict(patch) for patch in recipe.patches]} for recipe in recipes],
        "wanted": {
            "read": list(wanted.read),
            "outputs": wanted.outputs if isinstance(wanted.outputs, str) else list(wanted.outputs),
            "labels": None if wanted.labels is None else list(wanted.labels),
            "grad": None
            if wanted.grad is None
            else {
                "labels": list(wanted.grad.labels),
                "minus": None if wanted.grad.minus is None else list(wanted.grad.minus),
                "at": list(wanted.grad.at),
            },
            "returns": wanted.returns,
            "temperature": wanted.temperature,
            "decimals": wanted.decimals,
            "read_noise": wanted.read_noise,
            "seed": wanted.seed,
        },
    }
    tensors = {}
    for number, recipe in enumerate(recipes):
        tensors[f"{number}/tokens"] = np.ascontiguousarray(recipe.tokens)
        if recipe.lengths is not None:
            tensors[f"{number}/lengths"] = np.ascontiguousarray(recipe.lengths)
        tensors |= {f"{number}/vectors/{name}": np.ascontiguousarray(value) for name, value in recipe.vectors.items()}
    return header, bytes(save(tensors))
