"""Graded answers and methods of known order for tasks that ask for the latents on which an output depends most."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import DRAWS, Content, GradedContent, Material

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.saes.influences.hidden import Hidden


def written_latents(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answers lack some of the best latents, or have others that nothing reads in their place."""
    hidden = cast("Hidden", instance.hidden)
    best, _ = hidden.best
    read = {member for group in hidden.model.plan.groups for member in group.members}
    unread = [latent for latent in range(hidden.model.sae.n_latents) if latent not in read]
    graded = []
    for _ in range(DRAWS):
        order, others = rng.sample(best, len(best)), rng.sample(unread, len(best))
        for count in range(len(best) + 1):
            kept = sorted(order[count:])
            graded.append(GradedContent("dropped", count, {"latents": kept}))
            graded.append(GradedContent("swapped", count, {"latents": sorted([*kept, *others[:count]])}))
    alone = sorted(range(hidden.model.sae.n_latents), key=lambda one: -hidden.effects.effect([one]))
    loudest = hidden.ablations.latents.mean(0).argsort(descending=True).tolist()
    methods: dict[str, list[Content]] = {
        "best set": [{"latents": best}],
        "zeroed alone": [{"latents": sorted(alone[: hidden.chosen])}],
        "activation": [{"latents": sorted(loudest[: hidden.chosen])}],
    }
    return Material(instance, graded, methods, None)
