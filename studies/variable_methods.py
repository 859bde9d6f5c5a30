"""Scores of well-known methods on `variables/subspace`, with both components of the score.

    python -m studies.variable_methods                       # all levels, six fresh instances each
    python -m studies.variable_methods --instances 12 --write     # and into docs/truth/variables.md

All methods are given the layer, the site, the position and the values of all variables in separate prompts; agents
have to find these out. DAS (distributed alignment search, Geiger et al. 2024, arXiv 2303.02536) learns orthonormal
directions by gradient descent, so that the label after an exchange is the expected one. Boundless DAS (Wu et al. 2023,
arXiv 2305.08809) learns a rotation of all dimensions and a mask of them, with which it also chooses how many are
exchanged. DBM (desiderata-based masks: Davies et al. 2023, arXiv 2307.03637; as a baseline of MIB, Mueller et al. 2025,
arXiv 2504.13151) learns such a mask in a basis that is given: the axes, or the principal components. No limit on the
number of directions applies to masks here. At each level both components of the score are measured, and how many
directions were exchanged. Levels that differ only in their laboratory share base models, and are measured once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.paths import suite_root
from scribe_suite.planting.variables.certificate import PLANTED, leading, read_space, written_space
from scribe_suite.planting.variables.interchange import Rates
from scribe_suite.planting.variables.plans import Plan, draw_prompts
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies.instances import instance_options, measured_instances

FIRST_SEED = 7000
DOCUMENT = "docs/truth/variables.md"
MARKERS = ("<!-- tables: written by studies/variable_methods.py -->", "<!-- end of tables -->")
_PROMPTS = 2000
#: The row of what was planted.
_TRUTH = "planted"
#: Settings of DAS.
_STEPS, _BATCH, _RATE = 300, 256, 0.02
#: The same of masks; boundless DAS has a rotation of all dimensions to learn besides.
_MORE_STEPS, _HIGHER_RATE = 400, 0.05
#: First and last temperature of masks, as in MIB.
_HOT, _COLD = 1.0, 0.01


@dataclass(frozen=True)
class Known:
    """The information given to methods.

    Attributes:
        model: The instance's model.
        plan: The plan that it implements.
        variable: The variable in question.
        most: Maximum number of directions of an answer.
        prompts: The study's own prompts.
        here: Their activations at the planted place.
        seed: Seed of all random choices.
    """

    model: HookedTransformer
    plan: Plan
    variable: int
    most: int
    prompts: Int[Tensor, "prompt position"]
    here: Float[Tensor, "prompt d_model"]
    seed: int

    @property
    def values(self) -> Int[Tensor, " prompt"]:
        """Values of the variable."""
        return self.plan.variables(self.prompts)[:, self.variable]


#: Directions, as columns.
Method = Callable[[Known], Float[Tensor, "d_model k"]]


def whole(known: Known) -> Float[Tensor, "d_model k"]:
    """The whole space, which is not a valid answer."""
    return torch.eye(known.here.shape[1])


def drawn(known: Known) -> Float[Tensor, "d_model k"]:
    """As many random directions as are allowed."""
    generator = torch.Generator().manual_seed(known.seed)
    return torch.randn(known.here.shape[1], known.most, generator=generator)


def principal(known: Known) -> Float[Tensor, "d_model k"]:
    """The largest principal components of activations, as many as are allowed."""
    return leading(known.here - known.here.mean(0), known.most)


def mean_difference(known: Known) -> Float[Tensor, "d_model k"]:
    """Differences between mean activations, by the value of the variable."""
    return written_space(known.model, known.plan, known.prompts, known.variable)


def probe(known: Known) -> Float[Tensor, "d_model k"]:
    """The span of the weights of a logistic regression on the value of the variable."""
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(known.here.numpy(), known.values.numpy())
    return leading(torch.tensor(fitted.coef_).float(), known.plan.values - 1)


def readers(known: Known) -> Float[Tensor, "d_model k"]:
    """The input directions of the neurons that encode the variable, to which gradients of logits point."""
    return read_space(known.model, known.plan, known.variable)


def das(known: Known) -> Float[Tensor, "d_model k"]:
    """Distributed alignment search; the target is the expected label after an exchange of the variable."""
    generator = torch.Generator().manual_seed(known.seed)
    free = torch.randn(known.here.shape[1], known.plan.values - 1, generator=generator).requires_grad_()

    def projection(_: float) -> Tensor:
        basis: Tensor = torch.linalg.qr(free)[0]
        return basis @ basis.T

    _search(known, [free], projection, generator, _STEPS, _RATE)
    learned: Tensor = torch.linalg.qr(free.detach())[0]
    return learned


def boundless(known: Known) -> Float[Tensor, "d_model k"]:
    """Boundless DAS: a rotation, and a mask that ends as the set of rotated dimensions that are exchanged."""
    generator = torch.Generator().manual_seed(known.seed)
    width = known.here.shape[1]
    free = torch.randn(width, width, generator=generator).requires_grad_()
    mask = torch.zeros(width).requires_grad_()

    def projection(share: float) -> Tensor:
        return masked(torch.linalg.qr(free)[0], mask, share)

    _search(known, [free, mask], projection, generator, _MORE_STEPS, _HIGHER_RATE)
    rotated: Tensor = torch.linalg.qr(free.detach())[0]
    return rotated[:, mask.detach() > 0]


def axes_mask(known: Known) -> Float[Tensor, "d_model k"]:
    """DBM on the axes of the residual stream, which say nothing in a random basis."""
    return _mask_of(known, torch.eye(known.here.shape[1]))


def components_mask(known: Known) -> Float[Tensor, "d_model k"]:
    """DBM on the principal components of activations, all of them."""
    centred = known.here - known.here.mean(0)
    return _mask_of(known, leading(centred, centred.shape[1]))


def _mask_of(known: Known, basis: Float[Tensor, "d_model feature"]) -> Float[Tensor, "d_model k"]:
    """The features of an orthonormal basis that a learned mask keeps."""
    mask = torch.zeros(basis.shape[1]).requires_grad_()
    generator = torch.Generator().manual_seed(known.seed)
    _search(known, [mask], lambda share: masked(basis, mask, share), generator, _MORE_STEPS, _HIGHER_RATE)
    return basis[:, mask.detach() > 0]


def masked(
    basis: Float[Tensor, "d_model feature"], mask: Float[Tensor, " feature"], share: float
) -> Float[Tensor, "d_model d_model"]:
    """The projection of a soft mask on features of a basis; the mask is the harder, the more of the search is over."""
    temperature = _HOT + share * (_COLD - _HOT)
    return (basis * torch.sigmoid(mask / temperature)) @ basis.T


def _search(
    known: Known,
    free: Sequence[Tensor],
    projection: Callable[[float], Tensor],
    generator: torch.Generator,
    steps: int,
    rate: float,
) -> None:
    """Learn parameters of a projection so that exchanges give the expected labels.

    Args:
        known: The information given to methods.
        free: The parameters, which are changed.
        projection: The projection by the share of the search that is over.
        generator: Draws pairs.
        steps: How many batches.
        rate: The learning rate.
    """
    variables, after = known.plan.variables(known.prompts), known.model
    label_of = {combination: label for label, combination in enumerate(known.plan.combinations)}
    later = after.blocks[PLANTED.layer + 1 :]
    optimiser = torch.optim.Adam([*free], lr=rate)
    with torch.no_grad():
        name = f"blocks.{PLANTED.layer}.hook_{PLANTED.site}"
        streams = after.run_with_cache(known.prompts, names_filter=name, return_type=None)[1][name]
    for step in range(steps):
        base, source = torch.randint(len(known.prompts), (2, _BATCH), generator=generator)
        wanted = variables[base].clone()
        wanted[:, known.variable] = variables[source, known.variable]
        labels = torch.tensor([label_of[tuple(row)] for row in wanted.tolist()])
        change = (known.here[source] - known.here[base]) @ projection(step / steps)
        stream = torch.cat([streams[base][:, :-1], (known.here[base] + change)[:, None]], 1)
        for block in later:
            stream = block(stream)
        loss = torch.nn.functional.cross_entropy(after.unembed(stream)[:, -1], labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


METHODS: Mapping[str, Method] = {
    "full vector": whole,
    "random": drawn,
    "PCA": principal,
    "mean difference": mean_difference,
    "probe": probe,
    "readers": readers,
    "DAS": das,
    "boundless DAS": boundless,
    "DBM, axes": axes_mask,
    "DBM, principal components": components_mask,
}


@dataclass(frozen=True)
class Found:
    """What one method reached on one instance.

    Attributes:
        rates: Interchange accuracy and isolation on the hidden pairs.
        dimensions: The number of directions that were exchanged.
    """

    rates: Rates
    dimensions: int


def measure_instance(task_id: str, seed: int) -> dict[str, Found]:
    """What every method reaches on the hidden pairs of one fresh instance, and the planted subspace."""
    instance = default_registry()[task_id].instance(seed)
    hidden: Any = instance.hidden
    prompts = draw_prompts(_PROMPTS, len(hidden.plan.classes), torch.Generator().manual_seed(seed))
    name = f"blocks.{PLANTED.layer}.hook_{PLANTED.site}"
    model = hidden.model.requires_grad_(requires_grad=False)
    with torch.no_grad():
        here = model.run_with_cache(prompts, names_filter=name, return_type=None)[1][name][:, PLANTED.position]
    most = instance.public.facts["max_directions"]
    known = Known(model, hidden.plan, hidden.variable, most, prompts, here, seed)
    found = {_TRUTH: Found(hidden.reference, hidden.planted.shape[1])}
    for method, directions in ((method, find(known)) for method, find in METHODS.items()):
        found[method] = Found(hidden.rates(PLANTED, directions.T.tolist()), directions.shape[1])
    return found


def table(found: Mapping[str, Sequence[Mapping[str, Found]]]) -> str:
    """A row per method: for each task, means over instances of both components, the score and the dimensions."""
    tasks = list(found)
    heading = ["method", *(f"`{task.partition('/')[2]}`: interchange, isolation, score (dimensions)" for task in tasks)]
    lines = ["| " + " | ".join(heading) + " |", "|---" * len(heading) + "|"]
    for method in (_TRUTH, *METHODS):
        cells = [_cell([row[method] for row in found[task]]) for task in tasks]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    count = len(found[tasks[0]])
    return "\n".join([*lines, "", f"Means over {count} fresh instances of each level."])


def _cell(several: Sequence[Found]) -> str:
    parts = [
        mean(one.rates.interchange for one in several),
        mean(one.rates.isolation for one in several),
        mean(one.rates.score for one in several),
    ]
    return ", ".join(f"{part:.2f}" for part in parts) + f" ({mean(one.dimensions for one in several):.0f})"


def measured_levels() -> list[str]:
    """The levels of the task, without those that have the base models of another one."""
    every = [facts.id for facts in default_registry().facts.values() if facts.name == "subspace"]
    first: dict[str, str] = {}
    for task_id in every:
        first.setdefault(default_registry().planted(task_id).models_id, task_id)
    return list(first.values())


def main() -> None:
    """Measure, print, and write where asked."""
    parser = instance_options(__doc__, "all levels of variables/subspace with base models of their own", 6)
    parser.add_argument("--write", action="store_true", help=f"write the table in {DOCUMENT}")
    options = parser.parse_args()
    seeds = dict.fromkeys(options.tasks or measured_levels(), range(FIRST_SEED, FIRST_SEED + options.instances))
    text = table(dict(measured_instances(measure_instance, seeds, options.jobs)))
    print(text)
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
