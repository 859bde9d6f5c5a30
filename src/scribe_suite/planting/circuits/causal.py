"""High-level causal models: what a planted circuit computes, as a few named variables.

A causal model is a deterministic program over tokens whose intermediate results have names. Setting a variable to the
value it takes on another input is an interchange intervention (Geiger et al. 2021, "Causal Abstractions of Neural
Networks", arXiv 2106.02997); a network implements the program when patching the corresponding nodes has the same
effect on its output. This module knows nothing about networks; `Correspondence` only names their nodes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scribe_suite.planting.symmetries import Symmetry

#: Variable -> the components (``a0.h1``, ``m2``) that carry it and nothing else.
Correspondence = Mapping[str, tuple[str, ...]]

#: Token ids by what they are.
Groups = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Intervention:
    """Set one variable on some examples.

    Attributes:
        where: The examples it is set on.
        values: Its new value for every example; ignored where `where` is false. Same shape as the variable.
    """

    where: Bool[Tensor, " batch"]
    values: Int[Tensor, "batch ..."]


@dataclass(frozen=True)
class CausalRun:
    """The result of running a causal model.

    Attributes:
        values: Every variable's value after the interventions.
        labels: The right label at every labelled position.
        logits: What the output is meant to be, up to a constant per position, for models that prescribe more than its
            largest entry; else None.
    """

    values: Mapping[str, Int[Tensor, "batch ..."]]
    labels: Int[Tensor, "batch labelled"]
    logits: Float[Tensor, "batch labelled label"] | None = None


class CausalModel(ABC):
    """A program with named variables; the truth a circuit task plants.

    Attributes:
        variables: Names, in the order of computation.
        edges: Which variable is computed from which; ``input`` and ``output`` are the prompt and the label.
        joint: Sets of variables of which each alone can be replaced without any effect on the label (redundancy): only
            interchanging the whole set shows.
        d_vocab: Number of tokens.
        n_labels: Number of output labels.
        n_ctx: Length of every prompt.
        labelled: The positions at which the output counts.
        groups: Token ids by what they are (``names``, ``places``, ...); every prompt is made of them.
        sample_prompts: Draws prompts; a static method ``(n, generator, groups) -> Int[Tensor, "n ctx"]``. Agents are
            given its source, so it needs nothing but torch and says nothing about how labels follow from prompts.
        match_sources: Turns independent prompts into such that values may be taken from for the base prompts; a public
            static method ``(base, prompts, groups) -> Int[Tensor, "n ctx"]``. None where any prompt will do.
    """

    variables: tuple[str, ...]
    edges: tuple[tuple[str, str], ...] = ()
    joint: tuple[tuple[str, ...], ...] = ()
    d_vocab: int
    n_labels: int
    n_ctx: int
    labelled: tuple[int, ...]
    groups: Groups
    sample_prompts: Callable[[int, torch.Generator, Groups], Int[Tensor, "n ctx"]]
    match_sources: Callable[[Tensor, Tensor, Groups], Int[Tensor, "n ctx"]] | None = None

    def sample(self, n: int, generator: torch.Generator) -> Int[Tensor, "n ctx"]:
        """Draw prompts."""
        return self.sample_prompts(n, generator, self.groups)

    def sample_pairs(self, n: int, generator: torch.Generator) -> tuple[Int[Tensor, "n ctx"], Int[Tensor, "n ctx"]]:
        """Draw prompts to run, and one to take values from for each."""
        base, others = self.sample(n, generator), self.sample(n, generator)
        return base, others if self.match_sources is None else self.match_sources(base, others, self.groups)

    @abstractmethod
    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """Compute every variable and the labels, under interventions where given."""


def intervened(
    name: str, value: Int[Tensor, "batch ..."], interventions: Mapping[str, Intervention] | None
) -> Int[Tensor, "batch ..."]:
    """The value of variable `name` after the interventions; models call it once per variable."""
    if not interventions or name not in interventions:
        return value
    chosen = interventions[name]
    return torch.where(chosen.where.view(-1, *[1] * (value.dim() - 1)), chosen.values, value)


def interchanged(
    model: CausalModel,
    base: Int[Tensor, "batch ctx"],
    source: Int[Tensor, "batch ctx"],
    chosen: Bool[Tensor, "batch variable"],
) -> CausalRun:
    """Run `base` with the chosen variables taking their values from `source`.

    Args:
        model: The causal model.
        base: Prompts that are run.
        source: Prompts that values are taken from, one per base prompt.
        chosen: Per example, which of ``model.variables`` are interchanged.
    """
    values = model.run(source).values
    interventions = {name: Intervention(chosen[:, i], values[name]) for i, name in enumerate(model.variables)}
    return model.run(base, interventions)


class RenamedModel(CausalModel):
    """A causal model in the tokens and labels of a symmetry; its variables keep their values."""

    def __init__(self, original: CausalModel, symmetry: Symmetry) -> None:
        self.variables = original.variables
        self.d_vocab, self.n_labels, self.n_ctx = original.d_vocab, original.n_labels, original.n_ctx
        self.labelled, self.edges, self.joint = original.labelled, original.edges, original.joint
        self.sample_prompts, self.match_sources = original.sample_prompts, original.match_sources
        # sorted: the old order would tell which old token each new one is
        self.groups = {
            name: sorted(symmetry.token_map[token] for token in ids) for name, ids in original.groups.items()
        }
        self._original = original
        self._symmetry = symmetry
        self._old_token = torch.tensor(symmetry.token_map).argsort()
        self._old_label = torch.tensor(symmetry.label_map).argsort()

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """Run the original on the old tokens; only the labels get their new names."""
        result = self._original.run(self._old_token[tokens], interventions)
        logits = None if result.logits is None else result.logits[..., self._old_label]
        return CausalRun(result.values, self._symmetry.labels(result.labels), logits)


def circuit_of(correspondence: Correspondence) -> frozenset[str]:
    """All components that carry a variable."""
    return frozenset(name for names in correspondence.values() for name in names)


def renamed_correspondence(correspondence: Correspondence, symmetry: Symmetry) -> dict[str, tuple[str, ...]]:
    """The correspondence of the model after `symmetry`."""
    return {name: tuple(symmetry.component(part) for part in parts) for name, parts in correspondence.items()}


def balanced_table(size: int, values: int, generator: torch.Generator) -> Int[Tensor, " size"]:
    """A random table of `size` entries in which each of `values` values occurs equally often (within one)."""
    return (torch.arange(size) % values)[torch.randperm(size, generator=generator)]


def placements(n_layers: int, count: int) -> Sequence[tuple[int, ...]]:
    """All ways to choose `count` increasing layers, in lexicographic order."""
    return [tuple(row) for row in torch.combinations(torch.arange(n_layers), count).tolist()]
