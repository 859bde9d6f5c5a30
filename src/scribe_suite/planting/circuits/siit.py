"""Strict interchange-intervention training (SIIT): a network learns a causal model at chosen nodes and nowhere else.

Interchange-intervention training (Geiger et al. 2022, "Inducing Causal Structure for Interpretable Neural Networks",
arXiv 2112.00826) patches the nodes of a variable from a source prompt and asks for the causal model's output under the
same intervention. The strict variant (InterpBench, Gupta et al. 2024, arXiv 2407.14494, section 3) also patches nodes
outside the circuit and asks for an unchanged output, so that nothing else can matter.

Here a circuit is trained alone, in a network that has no other nodes, and every node has residual dimensions of its own
that only those read whose variables are computed from its (`planting.circuits.blocks`). Strictness then holds by
construction, training takes seconds, and the nodes can be put anywhere afterwards (`planting.circuits.assembly`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.blocks import Blocks
from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Correspondence, interchanged
from scribe_suite.planting.circuits.interchange import PatchedModel, centred, draw_pairs
from scribe_suite.planting.circuits.optimising import one_thread, optimise
from scribe_suite.planting.circuits.patchable import (
    NodeValues,
    Patch,
    PatchableTransformer,
    TransformerShape,
    concatenate,
)
from scribe_suite.progress import ProgressCallback

_WATCH_EVERY = 100
#: Share of the peak of the learning rate that is left at the end.
_LEAST_RATE = 0.02
_WATCH_PAIRS = 256


@dataclass(frozen=True)
class SiitRecipe:
    """How to train.

    Attributes:
        steps: Optimiser steps; there is no early stop, so that the learning rate always decays to its end.
        batch: Pairs per step.
        learning_rate: Peak of AdamW's rate; linear warm-up, then linear decay to 2 %.
        warmup: Steps of warm-up.
        clip: Largest norm of a gradient.
        behaviour_weight: Weight of the loss without patches.
        interchange_weight: Weight of the loss under interchange interventions.
        strict_weight: Weight of the loss with one of several redundant nodes ablated.
        match_weight: Weight of the KL divergence between that output and the unpatched one's.
        several_variables: Share of examples where a random subset of variables is interchanged instead of one (or of
            one redundant set).
        zero_ablation: Share of strict examples patched with zeros.
        mean_ablation: Share patched with the batch mean; the rest take the source's values.
    """

    steps: int
    batch: int = 64
    learning_rate: float = 2e-3
    warmup: int = 100
    clip: float = 1.0
    behaviour_weight: float = 1.0
    interchange_weight: float = 1.0
    strict_weight: float = 1.0
    match_weight: float = 0.5
    several_variables: float = 0.25
    zero_ablation: float = 0.15
    mean_ablation: float = 0.15


def train_circuit(
    causal: CausalModel,
    correspondence: Correspondence,
    shape: TransformerShape,
    blocks: Blocks,
    recipe: SiitRecipe,
    seed: int,
    progress: ProgressCallback,
) -> PatchableTransformer:
    """Train a network that implements `causal` at the nodes of `correspondence` and whose other nodes write nothing.

    Runs on one thread, where the same seed gives the same weights.

    Args:
        causal: What to implement.
        correspondence: Where.
        shape: The architecture, without LayerNorm; best no larger than the circuit needs (`planting.compact`).
        blocks: The residual dimensions that each node writes and reads.
        recipe: The recipe.
        seed: Seeds the initial weights, the prompts and all random choices.
        progress: Called every hundred steps.

    Returns:
        The network; a certificate decides whether it is good enough.

    Raises:
        ValueError: When the correspondence names other variables than the model's or nodes that do not exist, or the
            blocks do not fill the architecture.
    """
    _require_all_variables(causal, correspondence)
    masks = blocks.masks(shape)
    network = PatchableTransformer(shape, seed)
    with torch.no_grad():
        for name, mask in masks.items():
            getattr(network, name).mul_(mask)
    losses = _Losses(causal, correspondence, shape, recipe, torch.Generator().manual_seed(seed + 1))
    with one_thread(), _within(network, masks):
        _optimise(network, losses, recipe, seed + 2, progress)
    return network


def _require_all_variables(causal: CausalModel, correspondence: Correspondence) -> None:
    if set(correspondence) != set(causal.variables):
        raise ValueError(f"the correspondence covers {sorted(correspondence)}, the variables are {causal.variables}")


class _Losses:
    """Draws batches and computes their loss.

    Args:
        causal: What to implement.
        correspondence: Where.
        shape: The architecture.
        recipe: Weights and shares.
        generator: The source of all random choices.
    """

    def __init__(
        self,
        causal: CausalModel,
        correspondence: Correspondence,
        shape: TransformerShape,
        recipe: SiitRecipe,
        generator: torch.Generator,
    ) -> None:
        self.causal, self.correspondence = causal, correspondence
        self._recipe, self._generator = recipe, generator
        self._variable_masks = torch.stack([shape.mask(correspondence[name]) for name in causal.variables])
        self._redundant = shape.mask(node for group in causal.joint for name in group for node in correspondence[name])
        groups = [*((name,) for name in causal.variables), *causal.joint]
        self._units = torch.tensor([[name in group for name in causal.variables] for group in groups])
        self._labelled = list(causal.labelled)

    def __call__(self, network: PatchableTransformer) -> Float[Tensor, ""]:
        """The weighted loss of a fresh batch, with gradients."""
        recipe = self._recipe
        pairs = draw_pairs(self.causal, recipe.batch, self._generator)
        right = self.causal.run(pairs.base)
        # gradients flow into the source pass too: the circuit's nodes learn to carry what others will be patched with
        _, values = network(pairs.source)
        chosen = self._choose_variables()
        wanted = interchanged(self.causal, pairs.base, pairs.source, chosen)
        interchange = torch.einsum("bv,vls->bls", chosen.float(), self._variable_masks.float()) > 0
        masks, patches = [torch.zeros_like(interchange), interchange], [values.detach(), values]
        if self._redundant.any():  # each of them alone may be ablated in any way
            masks.append(self._one_of(self._redundant))
            patches.append(self._ablated(values.detach()))

        logits, _ = network(pairs.base.repeat(len(masks), 1), Patch(torch.cat(masks), concatenate(patches)))
        clean, exchanged, *strict = logits[:, self._labelled].chunk(len(masks))
        loss = recipe.behaviour_weight * _loss(clean, right) + recipe.interchange_weight * _loss(exchanged, wanted)
        for ablated in strict:
            loss = loss + recipe.strict_weight * _loss(ablated, right)
            loss = loss + recipe.match_weight * _divergence(ablated, clean.detach())
        return loss

    def _choose_variables(self) -> Bool[Tensor, "batch variable"]:
        batch, n_variables = self._recipe.batch, len(self.causal.variables)
        one = self._units[torch.randint(len(self._units), (batch,), generator=self._generator)]
        several = self._uniform(batch, n_variables) < 0.5
        return torch.where(self._uniform(batch, 1) < self._recipe.several_variables, several, one)

    def _one_of(self, nodes: Bool[Tensor, "layer slot"]) -> Bool[Tensor, "batch layer slot"]:
        places = nodes.flatten().nonzero()[:, 0]
        drawn = places[torch.randint(len(places), (self._recipe.batch,), generator=self._generator)]
        return functional.one_hot(drawn, nodes.numel()).bool().view(-1, *nodes.shape)

    def _ablated(self, values: NodeValues) -> NodeValues:
        draw = self._uniform(self._recipe.batch, 1, 1)
        zero = draw < self._recipe.zero_ablation
        mean = draw < self._recipe.zero_ablation + self._recipe.mean_ablation
        slots = self._redundant.shape
        return values.zeros().where(zero.expand(-1, *slots), values.mean().where(mean.expand(-1, *slots), values))

    def _uniform(self, *size: int) -> Float[Tensor, "..."]:
        return torch.rand(*size, generator=self._generator)


def _optimise(
    network: PatchableTransformer, losses: _Losses, recipe: SiitRecipe, watch_seed: int, progress: ProgressCallback
) -> None:
    watch = torch.Generator().manual_seed(watch_seed)

    def tell(step: int, loss: float) -> None:
        if step % _WATCH_EVERY == 0 or step == recipe.steps:
            state = _state_of_training(network, losses.causal, losses.correspondence, watch)
            progress(step / recipe.steps, f"step {step}: loss {loss:.3f}, {state}")

    optimise(list(network.parameters()), lambda: losses(network), recipe, _LEAST_RATE, tell)


@contextmanager
def _within(network: PatchableTransformer, masks: Mapping[str, Tensor]) -> Iterator[None]:
    """Stop gradients where a mask is zero."""
    handles = [getattr(network, name).register_hook(_masked(mask)) for name, mask in masks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _masked(mask: Float[Tensor, "..."]) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * mask


def _loss(logits: Float[Tensor, "batch labelled label"], wanted: CausalRun) -> Float[Tensor, ""]:
    if wanted.logits is not None:
        return functional.mse_loss(centred(logits), centred(wanted.logits))
    return functional.cross_entropy(logits.flatten(0, 1), wanted.labels.flatten())


def _divergence(
    logits: Float[Tensor, "batch labelled label"], clean: Float[Tensor, "batch labelled label"]
) -> Float[Tensor, ""]:
    return functional.kl_div(
        logits.log_softmax(-1).flatten(0, 1),
        clean.log_softmax(-1).flatten(0, 1),
        log_target=True,
        reduction="batchmean",
    )


def _state_of_training(
    network: PatchableTransformer, causal: CausalModel, correspondence: Correspondence, generator: torch.Generator
) -> str:
    patched = PatchedModel(network, causal, draw_pairs(causal, _WATCH_PAIRS, generator))
    accuracies = [patched.interchange([name], correspondence).accuracy for name in causal.variables]
    return f"behaviour {patched.behaviour():.3f}, interchange {min(accuracies):.3f}"
