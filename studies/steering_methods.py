"""Effects of well-known steering vectors on `steering/shift`.

    python -m studies.steering_methods                        # levels 1 and 2, four fresh instances each
    python -m studies.steering_methods --instances 8 --write  # and into docs/truth/steering.md

All methods are given the layer after which the gate is kept, and the public prompts. Instances in which no vector has
an effect are left out. Random vectors are 64 for each instance (Braun et al. 2025, arXiv 2505.22637, compare such
baselines); the difference of means is contrastive activation addition (Rimsky et al. 2024, arXiv 2312.06681).
Directions without a sign are judged with the better one. The search follows the gradient of the task's own measure.
Level 3 has the base models of level 2, and is not measured apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors.torch import load
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.paths import suite_root
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.steering.added import Prompts
from scribe_suite.planting.steering.certificate import searched
from scribe_suite.planting.steering.network import KEPT_LAYER
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from scribe_suite.text import with_table
from studies.instances import instance_options, measured_instances

FIRST_SEED = 7000
DOCUMENT = "docs/truth/steering.md"
MARKERS = ("<!-- tables: written by studies/steering_methods.py -->", "<!-- end of tables -->")
#: Number of random vectors of an instance.
N_RANDOM = 64
_RIDGE = 1e-2
_PLANTED, _RANDOM, _BEST_RANDOM = "planted", "random, mean of 64", "random, best of 64"

Direction = Float[Tensor, " d_model"]


@dataclass(frozen=True)
class Known:
    """The information given to methods.

    Attributes:
        model: The instance's model.
        on: Activations of public prompts with the second way, after the layer.
        off: The same with the first way.
        neutral: Those of neutral prompts.
        prompts: The public prompts of the first way and neutral ones, on which a search may judge vectors.
        partner: The partner of each label, or -1.
        labels: The labels of neutral prompts.
        seed: Seed of all random choices.
    """

    model: HookedTransformer
    on: Float[Tensor, "prompt d_model"]
    off: Float[Tensor, "prompt d_model"]
    neutral: Float[Tensor, "prompt d_model"]
    prompts: Prompts
    partner: Int[Tensor, " label"]
    labels: Int[Tensor, " prompt"]
    seed: int

    @property
    def pairs(self) -> Float[Tensor, "prompt d_model"]:
        """Activations of all contrast prompts."""
        return torch.cat([self.on, self.off])

    @property
    def gate(self) -> Int[Tensor, " prompt"]:
        """Which way each of them is answered."""
        return torch.cat([torch.ones(len(self.on)), torch.zeros(len(self.off))]).long()


#: Directions, of which the best counts.
Method = Callable[[Known], Sequence[Direction]]


def means(known: Known) -> list[Direction]:
    """The difference of means."""
    return [known.on.mean(0) - known.off.mean(0)]


def whitened(known: Known) -> list[Direction]:
    """The difference of means, whitened by the covariance within both kinds (linear discriminant analysis)."""
    centred = torch.cat([known.on - known.on.mean(0), known.off - known.off.mean(0)]).double()
    covariance = centred.T @ centred / len(centred)
    ridge = _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
    return [torch.linalg.solve(covariance + ridge, means(known)[0].double()).float()]


def principal(known: Known) -> list[Direction]:
    """The first principal component of contrast prompts, with both signs."""
    first = torch.linalg.svd(known.pairs - known.pairs.mean(0), full_matrices=False)[2][0]
    return [first, -first]


def probe(known: Known) -> list[Direction]:
    """The weights of a logistic regression on the two ways."""
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(known.pairs.numpy(), known.gate.numpy())
    return [torch.tensor(fitted.coef_[0]).float()]


def label_logits(known: Known) -> list[Direction]:
    """What raises the logits of the second way, and lowers those of the first."""
    return [
        torch.stack(
            [
                known.model.W_U[:, on] - known.model.W_U[:, off]
                for off, on in enumerate(known.partner.tolist())
                if on >= 0
            ]
        ).sum(0)
    ]


def without_neutral(known: Known) -> list[Direction]:
    """The difference of means at equal answers of a probe for neutral labels, which say what else differs."""
    fitted = LogisticRegression(C=10.0, max_iter=2000).fit(known.neutral.numpy(), known.labels.numpy())
    kind = torch.tensor(fitted.predict(known.pairs.numpy()))
    columns = [known.gate, *(kind == one for one in sorted({*kind.tolist()}))]
    design = torch.stack([column.double() for column in columns], 1)
    return [torch.linalg.lstsq(design, known.pairs.double(), driver="gelsd").solution[0].float()]


def search(known: Known) -> list[Direction]:
    """A search by gradients from the difference of means and random starts, on public prompts; the best on these."""
    found = searched(known.prompts, KEPT_LAYER, means(known)[0], torch.Generator().manual_seed(known.seed))
    return [max(found, key=lambda one: known.prompts.effect(KEPT_LAYER, one).effect)]


METHODS: Mapping[str, Method] = {
    "difference of means": means,
    "difference of means, whitened": whitened,
    "first principal component": principal,
    "probe": probe,
    "difference of the labels' logits": label_logits,
    "difference of means without what neutral labels tell": without_neutral,
    "search by gradients": search,
}


def known_of(instance: TaskInstance) -> Known:
    """What methods know of an instance: its public files, and the model."""
    model = build_model(instance.hidden.weights).requires_grad_(requires_grad=False)
    data = load(instance.public.files["data.safetensors"])
    name = f"blocks.{KEPT_LAYER}.hook_resid_post"

    def here(prompts: Tensor) -> Tensor:
        read: Tensor = model.run_with_cache(prompts, names_filter=name, return_type=None)[1][name][:, -1]
        return read

    labels = {kind: model(data[kind])[:, -1].argmax(-1) for kind in ("off", "neutral")}
    prompts = Prompts(model, data["off"], data["partner"][labels["off"]], data["neutral"], [KEPT_LAYER])
    return Known(
        model=model,
        on=here(data["on"]),
        off=here(data["off"]),
        neutral=here(data["neutral"]),
        prompts=prompts,
        partner=data["partner"],
        labels=labels["neutral"],
        seed=instance.seed,
    )


def measure_instance(task_id: str, seed: int) -> dict[str, float]:
    """The effect of every method's vector on the hidden prompts of one fresh instance."""
    instance = default_registry()[task_id].instance(seed)
    hidden: Any = instance.hidden
    known = known_of(instance)
    generator = torch.Generator().manual_seed(seed)
    width = known.on.shape[1]

    def effect(vector: Direction) -> float:
        reached: float = hidden.judged.effect(KEPT_LAYER, vector).effect
        return reached

    drawn = [effect(torch.randn(width, generator=generator)) for _ in range(N_RANDOM)]
    found = {_PLANTED: hidden.reference.effect, _RANDOM: mean(drawn), _BEST_RANDOM: max(drawn)}
    return found | {name: max(map(effect, method(known))) for name, method in METHODS.items()}


def seeds_with_effect(task_id: str, count: int) -> Iterator[int]:
    """The first seeds whose instances have a vector with an effect."""
    task: Any = default_registry()[task_id]
    seed = FIRST_SEED
    while count:
        if task.choose(seed).plan.read:
            count -= 1
            yield seed
        seed += 1


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """A row per method: the mean effect over instances, and the least and largest."""
    tasks = list(found)
    heading = ["effect: mean (least to largest)", *(f"`{task.partition('/')[2]}`" for task in tasks)]
    lines = ["| " + " | ".join(heading) + " |", "|---" + "|--:" * len(tasks) + "|"]
    for method in found[tasks[0]][0]:
        cells = [_cell([row[method] for row in found[task]]) for task in tasks]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    counts = ", ".join(str(len(rows)) for rows in found.values())
    return "\n".join([*lines, "", f"Fresh instances in which a vector has an effect: {counts}."])


def _cell(values: Sequence[float]) -> str:
    return f"{mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Measure, print, and write where asked."""
    parser = instance_options(__doc__, "levels 1 and 2", 4)
    parser.add_argument("--write", action="store_true", help=f"write the table in {DOCUMENT}")
    options = parser.parse_args()
    tasks = options.tasks or ["steering/shift", "steering/shift_2"]
    seeds = {task_id: [*seeds_with_effect(task_id, options.instances)] for task_id in tasks}
    text = table(dict(measured_instances(measure_instance, seeds, options.jobs)))
    print(text)
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
