"""Graded answers and methods of known order for tasks that ask for sums and the heads that carry them."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import Content, GradedContent, Material

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.variables.algorithms.hidden import Hidden


def planted_sums(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answers have fewer and fewer of the right pairs, with wrong heads in their place."""
    hidden = cast("Hidden", instance.hidden)
    pairs = [(of, head) for of, heads in hidden.truth.items() for head in heads]
    rng.shuffle(pairs)
    n_heads = instance.public.facts["n_heads"]
    graded = []
    for wrong in range(len(pairs) + 1):
        kept = [*pairs[wrong:], *((of, _another(of, hidden.truth[of], n_heads, rng)) for of, _ in pairs[:wrong])]
        graded.append(GradedContent("wrong heads", wrong, _content(kept)))
    plan = hidden.plan
    computed = [(plan.positions(of), head) for of in plan.parts if of != plan.total for head in plan.heads(of)]
    methods: dict[str, list[Content]] = {
        "truth": [graded[0].content],
        "all that is computed": [_content(computed)],
        "without an effect": [_content([pair for pair in computed if pair not in pairs])],
    }
    return Material(instance, graded, methods, lambda number: _resampled(instance, number))


def _another(of: tuple[int, ...], right: Collection[str], n_heads: int, rng: random.Random) -> str:
    layer = len(of) - 1
    return rng.choice([name for head in range(n_heads) if (name := f"a{layer}.h{head}") not in right])


def _content(pairs: Collection[tuple[tuple[int, ...], str]]) -> dict[str, Any]:
    by_sum: Mapping[tuple[int, ...], list[str]] = {of: [] for of, _ in pairs}
    for of, head in pairs:
        by_sum[of].append(head)
    return {"carriers": [{"positions": list(of), "heads": sorted(heads)} for of, heads in by_sum.items()]}


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden pairs."""
    hidden = cast("Hidden", instance.hidden)
    return replace(instance, hidden=replace(hidden, seed=derive_seed(hidden.seed, "hidden sample", number)))
