"""Skills of well-known methods on `saes/influential`.

    python -m studies.influence_methods                        # levels 1 and 2, six fresh instances each
    python -m studies.influence_methods --tasks saes/influential --instances 2
    python -m studies.influence_methods --write                # and into docs/truth/saes.md

All methods are given model, autoencoder and prompts, and rank latents; the greedy ones choose a set. Level 3 has models
of the same kind as level 2. Attributions are of all logits together: the score of a latent is the mean over prompts of
the squared change that they predict for the output. *GradSAE* (arXiv 2505.08080) is that of one logit, the largest:
the mean of what is positive in activation times gradient of its probability. *Integrated gradients* (Sundararajan et
al. 2017, arXiv 1703.01365) go from all latents zeroed to none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.paths import suite_root
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.saes.ablation import HOOK, ablations_of
from scribe_suite.planting.saes.best import GroupEffects, measure_groups
from scribe_suite.planting.saes.network import SITE_LAYER, SparseModel
from scribe_suite.planting.saes.prompts import balanced_prompts
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies.black_box import skill_of
from studies.instances import instance_options, measured_instances

FIRST_SEED = 7000
DOCUMENT = "docs/truth/saes.md"
MARKERS = ("<!-- tables: written by studies/influence_methods.py -->", "<!-- end of influence tables -->")
TASKS = ("saes/influential", "saes/influential_2")
REFERENCE = "reference solution"
_PROMPTS = 480
#: Steps of integrated gradients.
_STEPS = 16
#: Seconds that the reference solution may take.
_PATIENCE_S = 3000.0

Scores = Float[Tensor, " latent"]


@dataclass(frozen=True)
class Known:
    """The information given to methods.

    Attributes:
        model: The model and its autoencoder.
        chosen: How many latents are asked for.
        seed: Seed of prompts and random choices.
    """

    model: SparseModel
    chosen: int
    seed: int

    @cached_property
    def network(self) -> HookedTransformer:
        """The model."""
        return build_model(self.model.weights)

    @cached_property
    def stream(self) -> Float[Tensor, "prompt position d_model"]:
        """The residual stream at the autoencoder, on the study's own prompts."""
        d_vocab = len(self.model.plan.classes)
        tokens = balanced_prompts(_PROMPTS, d_vocab, torch.Generator().manual_seed(self.seed))
        with torch.no_grad():
            _, cache = self.network.run_with_cache(tokens, names_filter=lambda name: name == HOOK)
        stream: Tensor = cache[HOOK]
        return stream

    @cached_property
    def latents(self) -> Float[Tensor, "prompt latent"]:
        """The latents."""
        return self.model.sae.encode(self.stream[:, -1])

    @cached_property
    def sets(self) -> GroupEffects:
        """The effect of every set of latents on the study's own prompts.

        Greedy searches zero one set after another; that effects add up over groups saves them the time, not the choice.
        """
        d_vocab = len(self.model.plan.classes)
        tokens = balanced_prompts(_PROMPTS, d_vocab, torch.Generator().manual_seed(self.seed))
        return measure_groups(self.model, ablations_of(self.model, tokens), tokens)

    def gradients(self, kept: float = 1.0) -> Float[Tensor, "logit prompt latent"]:
        """Gradients of all logits with respect to all latents, where all are multiplied by a number."""
        sae = self.model.sae
        latents = (kept * self.latents).requires_grad_()
        rest = self.stream[:, -1] - self.latents @ sae.W_dec
        stream = torch.cat([self.stream[:, :-1], (rest + latents @ sae.W_dec)[:, None]], 1)
        logits = self.network(stream, start_at_layer=SITE_LAYER + 1)[:, -1]
        each = [torch.autograd.grad(logits[:, n].sum(), latents, retain_graph=True)[0] for n in range(logits.shape[1])]
        return torch.stack(each)


def _squared(changes: Float[Tensor, "logit prompt latent"]) -> Scores:
    scores: Scores = changes.square().sum(0).mean(0)
    return scores


def activation(known: Known) -> Scores:
    """The mean activation."""
    return known.latents.mean(0)


def frequency(known: Known) -> Scores:
    """The share of prompts in which a latent is active."""
    return (known.latents > 0).float().mean(0)


def gradient_times_activation(known: Known) -> Scores:
    """The squared change that gradients predict."""
    return _squared(known.gradients() * known.latents)


def mean_gradient(known: Known) -> Scores:
    """The squared mean change that gradients predict: signs cancel."""
    return (known.gradients() * known.latents).mean(1).square().sum(0)


def grad_sae(known: Known) -> Scores:
    """GradSAE: the mean of positive activation times gradient of the largest probability."""
    sae = known.model.sae
    latents = known.latents.clone().requires_grad_()
    rest = known.stream[:, -1] - known.latents @ sae.W_dec
    stream = torch.cat([known.stream[:, :-1], (rest + latents @ sae.W_dec)[:, None]], 1)
    logits = known.network(stream, start_at_layer=SITE_LAYER + 1)[:, -1]
    (found,) = torch.autograd.grad(logits.softmax(-1).max(-1).values.sum(), latents)
    return (known.latents * found).clamp(min=0).mean(0)


def integrated_gradients(known: Known) -> Scores:
    """The squared change that integrated gradients attribute."""
    path = [(step + 0.5) / _STEPS for step in range(_STEPS)]
    total = sum((known.gradients(kept) for kept in path[1:]), known.gradients(path[0]))
    return _squared(total / _STEPS * known.latents)


def single_ablation(known: Known) -> Scores:
    """The effect of zeroing a latent alone."""
    return torch.tensor([known.sets.effect([latent]) for latent in range(known.model.sae.n_latents)])


def last_left(known: Known) -> Scores:
    """The effect of zeroing a latent when all others have been zeroed."""
    every = set(range(known.model.sae.n_latents))
    whole = known.sets.effect(every)
    return torch.tensor([abs(whole - known.sets.effect(every - {latent})) for latent in sorted(every)])


def greedy_forwards(known: Known) -> list[int]:
    """Zero the latent that adds most, one after another."""
    chosen: list[int] = []
    candidates = _read(known)
    while len(chosen) < known.chosen:
        chosen.append(max(candidates - {*chosen}, key=lambda one: known.sets.effect([*chosen, one])))
    return chosen


def greedy_backwards(known: Known) -> list[int]:
    """Begin with all latents zeroed, and bring back the one that is missed least, one after another."""
    chosen = _read(known)
    while len(chosen) > known.chosen:
        chosen.remove(max(sorted(chosen), key=lambda one: known.sets.effect(chosen - {one})))
    return sorted(chosen)


def _read(known: Known) -> set[int]:
    """Latents with any effect in any set: a greedy search leaves all others out by itself."""
    return {member for group in known.model.plan.groups for member in group.members}


#: Methods that rank latents, and those that choose a set.
RANKINGS: Mapping[str, Callable[[Known], Scores]] = {
    "activation": activation,
    "how often active": frequency,
    "gradient x activation": gradient_times_activation,
    "gradient x activation, mean": mean_gradient,
    "GradSAE": grad_sae,
    "integrated gradients": integrated_gradients,
    "zeroed alone": single_ablation,
    "last one left": last_left,
}
CHOICES: Mapping[str, Callable[[Known], Collection[int]]] = {
    "greedy, zeroed one after another": greedy_forwards,
    "greedy, brought back one after another": greedy_backwards,
}


def measure_instance(task_id: str, seed: int) -> dict[str, float]:
    """Method -> skill on one fresh instance."""
    instance = default_registry()[task_id].instance(seed)
    hidden: Any = instance.hidden
    known = Known(hidden.model, hidden.chosen, seed)
    chosen: dict[str, Collection[int]] = {
        name: rank(known).sort(descending=True, stable=True).indices[: hidden.chosen].tolist()
        for name, rank in RANKINGS.items()
    }
    chosen |= {name: choose(known) for name, choose in CHOICES.items()}
    answer: Any = reference_answer(suite_root(), instance, _PATIENCE_S)
    chosen[REFERENCE] = answer.latents
    skills = {name: skill_of(instance, {"latents": sorted(some)}) for name, some in chosen.items()}
    return {name: skill for name, skill in skills.items() if skill is not None}


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """A row per method: the mean skill over instances, with the least and the largest."""
    heading = ["skill", *(f"`{task.partition('/')[2]}`" for task in found)]
    lines = ["| " + " | ".join(heading) + " |", "|---" + "|--:" * len(found) + "|"]
    for method in (*RANKINGS, *CHOICES, REFERENCE):
        skills = [[row[method] for row in rows] for rows in found.values()]
        cells = [f"{mean(each):z.2f} ({min(each):z.2f} to {max(each):z.2f})" for each in skills]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    counts = ", ".join(str(len(rows)) for rows in found.values())
    return "\n".join([*lines, "", f"Means over fresh instances: {counts}; with the least and the largest."])


def main() -> None:
    """Measure, print, and write where asked."""
    parser = instance_options(__doc__, "levels 1 and 2", 6)
    parser.add_argument("--write", action="store_true", help=f"write the table in {DOCUMENT}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = dict.fromkeys(options.tasks or TASKS, range(FIRST_SEED, FIRST_SEED + options.instances))
    text = table(dict(measured_instances(measure_instance, seeds, options.jobs)))
    print(text)
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
