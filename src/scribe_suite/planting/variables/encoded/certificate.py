"""The certificate of a model with a coded variable: it is where it was planted, and no linear method finds it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.variables.certificate import leading
from scribe_suite.planting.variables.encoded.measuring import (
    Coded,
    EncodingRates,
    Trial,
    draw_trial,
    encoding_rates,
    planted_rates,
    read_states,
)
from scribe_suite.planting.variables.encoded.network import code_basis, embedded_points
from scribe_suite.planting.variables.encoded.plans import ASKED, EncodedDial, EncodedPlan
from scribe_suite.planting.variables.plans import draw_prompts

#: Least rates of reading and writing the code as it was planted.
ENCODED_BAR = 0.98
#: Largest score of what is no understanding, and how far the accuracy of a linear probe may be above chance.
NO_SKILL_BAR, LINEAR_BAR = 0.05, 0.12

_PROMPTS, _PAIRS = 3000, 400


def coded_model(weights: ModelWeights, dial: EncodedDial, plan: EncodedPlan, seed: int) -> Coded:
    """A frozen model with its code, in its own basis.

    Args:
        weights: The model.
        dial: The dial with which it was planted.
        plan: Its plan.
        seed: The seed from which the network was built.
    """
    return Coded(build_model(weights), plan, embedded_points(plan, dial, seed) @ code_basis(dial).T)


def certify_encoding(coded: Coded, seed: int) -> Certificate:
    """Measure all claims about a model.

    Returns:
        Checks ``behaviour``, the share of correct labels; ``planted/decoding``, ``planted/interchange`` and
        ``planted/isolation`` of the code as planted; ``linear/decoding``, the accuracy of a logistic regression above
        chance; ``linear/score`` of this probe and of exchanging the span of its weights; ``mean/score`` of exchanging
        the differences of means, and ``whole/score`` of exchanging everything, both with perfect reads;
        ``unwritten/score`` of writing nothing.
    """
    return Certificate(checks=tuple(_checks(coded, seed)))


def _checks(coded: Coded, seed: int) -> Iterator[Check]:
    generator = torch.Generator().manual_seed(seed)
    plan = coded.plan
    prompts = draw_prompts(_PROMPTS, len(plan.plan.classes), generator)
    here = coded.activations(prompts)
    right = (coded.labels(prompts, here) == plan.plan.expected(prompts)).float().mean().item()
    yield _at_least("behaviour", right, BEHAVIOUR_BAR)
    trial = draw_trial(coded, _PAIRS, generator)
    planted = planted_rates(coded, trial)
    for name in ("decoding", "interchange", "isolation"):
        yield _at_least(f"planted/{name}", getattr(planted, name), ENCODED_BAR)
    values = plan.plan.variables(prompts)[:, ASKED]
    train = _PROMPTS // 2
    fitted = LogisticRegression(max_iter=2000).fit(here[:train].numpy(), values[:train].numpy())
    accuracy = float(fitted.score(here[train:].numpy(), values[train:].numpy()))
    yield _at_most("linear/decoding", accuracy - planted.chances[0], LINEAR_BAR)
    read = torch.tensor(fitted.predict(trial.read.numpy()))
    probe = leading(torch.tensor(fitted.coef_).float(), plan.plan.values - 1)
    yield _at_most("linear/score", _exchanged(coded, trial, read, probe).score, NO_SKILL_BAR)
    perfect = read_states(coded, trial.read)
    means = torch.stack([here[values == value].mean(0) for value in range(plan.plan.values)])
    difference = leading(means - means.mean(0), plan.plan.values - 1)
    yield _at_most("mean/score", _exchanged(coded, trial, perfect, difference).score, NO_SKILL_BAR)
    yield _at_most("whole/score", _exchanged(coded, trial, perfect, torch.eye(here.shape[1])).score, NO_SKILL_BAR)
    yield _at_most("unwritten/score", encoding_rates(coded, trial, perfect, trial.before).score, NO_SKILL_BAR)


def _exchanged(
    coded: Coded, trial: Trial, read: Int[Tensor, " activation"], directions: Float[Tensor, "d_model k"]
) -> EncodingRates:
    """The rates of writing by exchanging directions with the source, and of given reads."""
    basis = torch.linalg.qr(directions.double())[0].float()
    change = (coded.activations(trial.source) - trial.before) @ basis @ basis.T
    return encoding_rates(coded, trial, read, trial.before + change)


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction=">=")


def _at_most(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction="<=")
