"""The certificate of a model with variables: each is in its planted subspace, and short cuts don't find it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

import torch
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.variables.interchange import Place, Rates, exchanged_labels, rates_of
from scribe_suite.planting.variables.network import VARIABLES_LAYER, planted_subspace
from scribe_suite.planting.variables.plans import Dial, Plan, draw_pairs, draw_prompts

#: Least interchange accuracy and isolation of the planted subspace.
PLANTED_BAR = 0.98
#: Largest mean score of random subspaces, and how far the isolation of the whole vector may be above chance.
CHANCE_BAR = 0.05
#: Largest score of the spaces where a variable is written, from which it is read, and of its effect on the logits.
SHORT_CUT_BAR = 0.75

_PROMPTS, _PAIRS, _DRAWN = 2048, 400, 4
#: The place of the variables.
PLANTED = Place(VARIABLES_LAYER, "resid_post", -1)
#: The place from which the logits are read.
LAST = Place(VARIABLES_LAYER + 1, "resid_post", -1)


def certify_variables(weights: ModelWeights, dial: Dial, plan: Plan, seed: int) -> Certificate:
    """Measure all claims about a model.

    Args:
        weights: The model that agents get.
        dial: The dial with which it was planted.
        plan: The plan that it should compute.
        seed: The seed of prompts and random subspaces.

    Returns:
        Checks ``behaviour``, the share of correct labels, and for each variable: ``planted/<n>/interchange`` and
        ``planted/<n>/isolation`` of its own dimensions; ``random/<n>/score``, the mean of random subspaces of as many
        dimensions as may be submitted; ``whole/<n>/isolation``, that of the whole vector, above chance;
        ``written/<n>/score`` of the space of its mean activations; ``read/<n>/score`` of the space of its readers;
        ``said/<n>/score`` of the space of its labels' directions, after the last layer; where few variables share
        dimensions, ``probe/<n>/score`` of the weights of a logistic regression.
    """
    return Certificate(checks=tuple(_checks(weights, dial, plan, seed)))


def _checks(weights: ModelWeights, dial: Dial, plan: Plan, seed: int) -> Iterator[Check]:
    model, generator = build_model(weights), torch.Generator().manual_seed(seed)
    prompts = draw_prompts(_PROMPTS, dial.d_vocab, generator)
    with torch.no_grad():
        right = (model(prompts)[:, -1].argmax(-1) == plan.expected(prompts)).float().mean().item()
    yield Check(name="behaviour", value=round(right, 6), bar=BEHAVIOUR_BAR, direction=">=")
    base, source = draw_pairs(plan, _PAIRS, generator)
    width = model.cfg.d_model

    def rates(directions: Float[Tensor, "d_model k"], variable: int, place: Place = PLANTED) -> Rates:
        return rates_of(exchanged_labels(model, base, source, place, directions), base, source, plan, variable)

    for variable in range(plan.n_variables):
        planted = rates(planted_subspace(dial, variable), variable)
        yield _at_least(f"planted/{variable}/interchange", planted.interchange, PLANTED_BAR)
        yield _at_least(f"planted/{variable}/isolation", planted.isolation, PLANTED_BAR)
        size = (_DRAWN, width, most_directions(dial.dimensions))
        drawn = [rates(one, variable).score for one in torch.randn(*size, generator=generator)]
        yield _at_most(f"random/{variable}/score", fmean(drawn), CHANCE_BAR)
        whole = rates(torch.eye(width), variable)
        yield _at_most(f"whole/{variable}/isolation", whole.isolation - whole.chances[1], CHANCE_BAR)
        short_cuts = {
            "written": rates(written_space(model, plan, prompts, variable), variable),
            "read": rates(read_space(model, plan, variable), variable),
            "said": rates(said_space(model, plan, variable), variable, LAST),
        }
        if dial.sharing:
            short_cuts["probe"] = rates(probe_space(model, plan, prompts, variable), variable)
        for name, found in short_cuts.items():
            yield _at_most(f"{name}/{variable}/score", found.score, SHORT_CUT_BAR)


def most_directions(dimensions: int) -> int:
    """The largest number of directions that may be submitted for a variable with this many dimensions."""
    return dimensions + 2


@torch.no_grad()
def written_space(model: HookedTransformer, plan: Plan, prompts: Tensor, variable: int) -> Float[Tensor, "d_model k"]:
    """The span of the differences between mean activations at the planted place, by the value of a variable."""
    hook = f"blocks.{PLANTED.layer}.hook_{PLANTED.site}"
    _, cache = model.run_with_cache(prompts, names_filter=lambda name: name == hook, return_type=None)
    here, values = cache[hook][:, PLANTED.position], plan.variables(prompts)[:, variable]
    means = torch.stack([here[values == value].mean(0) for value in range(plan.values)])
    return leading(means - means.mean(0), plan.values - 1)


def probe_space(model: HookedTransformer, plan: Plan, prompts: Tensor, variable: int) -> Float[Tensor, "d_model k"]:
    """The span of the weights of a logistic regression on the value of a variable, at the planted place."""
    hook = f"blocks.{PLANTED.layer}.hook_{PLANTED.site}"
    with torch.no_grad():
        _, cache = model.run_with_cache(prompts, names_filter=lambda name: name == hook, return_type=None)
    here, values = cache[hook][:, PLANTED.position].numpy(), plan.variables(prompts)[:, variable].numpy()
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(here, values)
    return leading(torch.tensor(fitted.coef_).float(), plan.values - 1)


@torch.no_grad()
def read_space(model: HookedTransformer, plan: Plan, variable: int) -> Float[Tensor, "d_model k"]:
    """The span of the differences between the input weights of label neurons, by the value of a variable."""
    layer = PLANTED.layer + 1
    says = model.W_out[layer] @ model.W_U
    # the product of a neuron's input and output weights does not depend on its scale; others write no logits
    raised, labels = says.max(1)
    neurons = raised.topk(plan.n_labels).indices
    neurons = neurons[labels[neurons].argsort()]
    readers = model.W_in[layer][:, neurons] * raised[neurons]
    return _between_groups(readers.T, plan, variable)


@torch.no_grad()
def said_space(model: HookedTransformer, plan: Plan, variable: int) -> Float[Tensor, "d_model k"]:
    """The span of the differences between the directions of labels in the last layer, by the value of a variable."""
    return _between_groups(model.W_U.T, plan, variable)


def _between_groups(rows: Float[Tensor, "label d_model"], plan: Plan, variable: int) -> Float[Tensor, "d_model k"]:
    groups = torch.tensor(plan.groups(variable))
    means = torch.stack([rows[groups == value].mean(0) for value in range(plan.values)])
    return leading(means - means.mean(0), plan.values - 1)


def leading(rows: Float[Tensor, "row d_model"], count: int) -> Float[Tensor, "d_model k"]:
    """The right singular vectors with the largest singular values, as columns."""
    _, _, right = torch.linalg.svd(rows, full_matrices=False)
    columns: Tensor = right[:count].T
    return columns


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction=">=")


def _at_most(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction="<=")
