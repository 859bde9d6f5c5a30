"""What neurons do to the logits of tokens, from the weights alone: the measurement ``neurons/logit_effects``.

A neuron that is active by 1 writes its output weights into the residual stream, and through the unembedding they raise
and lower logits: its *logit effects*, one for every token (Gurnee et al. 2024, arXiv 2401.12181, section 5). For a
class of tokens the statistic is the variance of these effects over the vocabulary that the class explains, negative
where the neuron lowers the class.

The control is stricter than an untrained model, to whose unembedding no two tokens have anything in common: the output
weights of the untrained twin, read by the *trained* unembedding. Classes of tokens that it sets apart are favoured a
little by any direction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformer_lens import HookedTransformer

from ground_truth.neurons.real.classes import CLASSES
from ground_truth.neurons.real.measurement import PLACES
from ground_truth.neurons.real.tokens import vocabulary
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.planting.frozen import Check
from scribe_suite.scoring.neuron_regret import top_mean

SMALLEST_LEAD = 0.03
"""RVE by which the best neurons of a class must be above the control's, for it to be asked for."""
KURTOSIS_BAR = 10.0
"""Kurtosis of a neuron's logit effects from which Gurnee et al. call it a prediction neuron."""

_FEWEST_CLASSES = 25
_NEURONS_AT_ONCE = 256
_EVERY = 8
"""One neuron in so many is enough to see how many have logit effects of high kurtosis."""


class LogitEffects(Measurement):
    """See the module."""

    id = "neurons/logit_effects"
    version = 2
    summary = "Variance of all MLP neurons' logit effects explained by classes of tokens, from the weights."
    cost = "1 CPU minute"

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: the classes."""
        return hashlib.sha256("\n".join(one.description for one in CLASSES).encode()).hexdigest()

    def steps(self) -> Sequence[Step]:
        """See `Measurement.steps`."""
        return [
            Step("trained", "logit effects of the model's neurons", lambda context: _measure(context, context.model)),
            Step("untrained", "logit effects of random weights", lambda context: _measure(context, context.twin)),
        ]

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """What the task needs, and what the certificate says about all neurons.

        Returns:
            ``classes``: Names of those that can be asked for, [class].
            ``reference`` and ``untrained``: for 1, 2, ... places, the mean of the best neurons of the model and of the
            control, [class places].
            ``kurtosis`` and ``skew``: of the logit effects of one neuron in eight, [neuron].
        """
        asked = _asked(results)
        trained = results["trained"]
        return {
            "classes": np.asarray([CLASSES[number].name for number in asked]),
            "reference": trained["best"][asked].astype(np.float32),
            "untrained": results["untrained"]["best"][asked].astype(np.float32),
            "kurtosis": trained["kurtosis"].astype(np.float16),
            "skew": trained["skew"].astype(np.float16),
        }

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """See `Measurement.checks`: enough classes, well above the control, and neurons that single out few tokens."""
        asked, trained, control = _asked(results), results["trained"], results["untrained"]
        lead = (trained["best"][asked] - control["best"][asked]).min() if asked else 0.0
        return [
            Check(name="classes", value=len(asked), bar=_FEWEST_CLASSES, direction=">="),
            Check(name="lead_min", value=float(lead), bar=SMALLEST_LEAD, direction=">="),
            Check(
                name="kurtosis/neurons_above_10",
                value=float((trained["kurtosis"] > KURTOSIS_BAR).mean()),
                bar=0.005,
                direction=">=",
            ),
            Check(
                name="kurtosis/untrained_above_10",
                value=float((control["kurtosis"] > KURTOSIS_BAR).mean()),
                bar=0.0,
                direction="<=",
            ),
        ]


def class_rve(
    out: Float[Tensor, "neuron d_model"],
    unembed: Float[Tensor, "d_model token"],
    members: Bool[Tensor, "class token"],
) -> Float[np.ndarray, "class neuron"]:
    """Variance of neurons' logit effects explained by classes of tokens, -1 to 1.

    The effects of all neurons on all tokens are never needed at once: with the unembedding U centred over tokens, a
    neuron with output weights w has the variance w U Uᵀ wᵀ / tokens and the covariance w U f / tokens with a class f.

    Args:
        out: What each neuron writes into the residual stream.
        unembed: From the residual stream to logits.
        members: Which tokens belong to each class.
    """
    out, unembed = out.double(), unembed.double()
    unembed = unembed - unembed.mean(1, keepdim=True)
    features = members.to(unembed.device).double()
    features = features - features.mean(1, keepdim=True)
    tokens = unembed.shape[1]
    variance = ((out @ (unembed @ unembed.T / tokens)) * out).sum(1)
    covariance = (out @ (unembed @ features.T / tokens)).T
    scale = variance[None] * features.square().mean(1, keepdim=True)
    explained = torch.where(scale > 0, covariance * covariance.abs() / scale.clamp_min(1e-30), 0.0)
    result: Float[np.ndarray, "class neuron"] = explained.clamp(-1, 1).cpu().numpy()
    return result


def moments(
    out: Float[Tensor, "neuron d_model"],
    unembed: Float[Tensor, "d_model token"],
    progress: Callable[[float], None] = lambda done: None,  # noqa: ARG005
) -> tuple[Float[np.ndarray, " neuron"], Float[np.ndarray, " neuron"]]:
    """Kurtosis (3 for a normal distribution) and skew of neurons' logit effects over the vocabulary.

    Args:
        out: What each neuron writes into the residual stream.
        unembed: From the residual stream to logits.
        progress: Called with the fraction that is done.
    """
    unembed = unembed - unembed.mean(1, keepdim=True)
    kurtosis, skew = [], []
    for start in range(0, len(out), _NEURONS_AT_ONCE):
        effects = out[start : start + _NEURONS_AT_ONCE] @ unembed
        squares = effects.square()
        variance = squares.mean(1)
        skew.append((squares * effects).mean(1) / variance.pow(1.5))
        kurtosis.append(squares.square().mean(1) / variance.square())
        progress(min(1.0, (start + _NEURONS_AT_ONCE) / len(out)))
    return torch.cat(kurtosis).cpu().numpy(), torch.cat(skew).cpu().numpy()


def output_weights(model: HookedTransformer) -> Float[Tensor, "neuron d_model"]:
    """What each neuron of a model writes, layer by layer."""
    out: Float[Tensor, "neuron d_model"] = model.W_out.detach().flatten(0, 1)
    return out


def _measure(context: Context, writing: HookedTransformer) -> Arrays:
    out, unembed = output_weights(writing), context.model.W_U.detach()
    strings = vocabulary(context.spec)
    members = torch.stack([one.members(strings) for one in CLASSES])
    explained = class_rve(out, unembed, members)
    kurtosis, skew = moments(out[::_EVERY], unembed, lambda done: context.progress(done, "kurtosis of logit effects"))
    best = [[top_mean(row, places) for places in PLACES] for row in explained]
    return {"best": np.asarray(best), "kurtosis": kurtosis, "skew": skew}


def _asked(results: Mapping[str, Arrays]) -> list[int]:
    lead = (results["trained"]["best"] - results["untrained"]["best"]).min(1)  # over the numbers of places
    return [number for number in range(len(CLASSES)) if lead[number] >= SMALLEST_LEAD]


LOGIT_EFFECTS = LogitEffects()
