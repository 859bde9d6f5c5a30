"""Strict interchange-intervention training (SIIT): a network learns a causal model at chosen nodes and nowhere else.

Interchange-intervention training (Geiger et al. 2022, "Inducing Causal Structure for Interpretable Neural Networks",
arXiv 2112.00826) patches the nodes of a variable from a source prompt and asks for the causal model's label under the
same intervention. The strict variant (InterpBench, Gupta et al. 2024, arXiv 2407.14494, section 3) also patches nodes
outside the circuit and asks for an unchanged label, so that nothing else can matter. One step is one pass over three
copies of the batch, one per loss.

Training alone leaves the nodes outside the circuit quiet, and a scan of norms would find the answer. Here they start
loud (`SiitRecipe.bystander_scale`) and are not told to be quiet until the circuit has learned not to listen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.causal import CausalModel, Correspondence, circuit_of, interchange_labels
from scribe_suite.planting.interchange import PatchedModel, draw_pairs
from scribe_suite.planting.patchable import NodeValues, Patch, PatchableTransformer, TransformerShape, concatenate
from scribe_suite.tasks.task import ProgressCallback

_WATCH_EVERY = 100
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
        behaviour_weight: Of the cross-entropy without patches.
        interchange_weight: Of the cross-entropy under interchange interventions.
        strict_weight: Of the cross-entropy with patched bystanders.
        match_weight: Of the KL divergence between a strict copy's output and the unpatched one's.
        several_variables: Share of examples where a random subset of variables is interchanged instead of one.
        all_bystanders: Share of strict examples where every bystander is patched.
        one_bystander: Share where exactly one is; the rest patch a random subset.
        zero_ablation: Share of strict examples patched with zeros.
        mean_ablation: Share patched with the batch mean; the rest take the source's values.
        bystander_scale: Initial output weights of a head and of an MLP outside the circuit are this many times the
            usual size, times a factor drawn uniformly from 0.5 to 1.5 per node.
        bystanders_yield: Share of the steps after which bystanders learn from the strict loss too. Before, only the
            circuit does: it learns not to listen, and they stay loud. What noise it can't escape, they then give up.
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
    all_bystanders: float = 0.4
    one_bystander: float = 0.3
    zero_ablation: float = 0.15
    mean_ablation: float = 0.15
    bystander_scale: tuple[float, float] = (1.0, 1.0)
    bystanders_yield: float = 0.7


@dataclass(frozen=True)
class Trained:
    """A trained network and what it took."""

    network: PatchableTransformer
    cpu_seconds: float


def train_siit(
    causal: CausalModel,
    correspondence: Correspondence,
    shape: TransformerShape,
    recipe: SiitRecipe,
    seed: int,
    progress: ProgressCallback,
) -> Trained:
    """Train a network that implements `causal` at the nodes of `correspondence`.

    Runs on one thread, where the same seed gives the same weights.

    Args:
        causal: What to implement.
        correspondence: Where.
        shape: The architecture.
        recipe: How.
        seed: Of initial weights, prompts and all random choices.
        progress: Called every hundred steps.

    Returns:
        The network; whether it is good enough is for a certificate to say.

    Raises:
        ValueError: When the correspondence names other variables than the model's or nodes that do not exist.
    """
    if set(correspondence) != set(causal.variables):
        raise ValueError(f"the correspondence covers {sorted(correspondence)}, the variables are {causal.variables}")
    circuit = shape.mask(circuit_of(correspondence))
    started = time.process_time()
    with _one_thread():
        network = PatchableTransformer(shape, seed)
        _make_bystanders_loud(network, circuit, recipe.bystander_scale, torch.Generator().manual_seed(seed + 1))
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=recipe.learning_rate, weight_decay=0.0, betas=(0.9, 0.98)
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / recipe.warmup, max(0.02, 1 - step / recipe.steps), 1.0)
        )
        batches = _Batches(causal, correspondence, shape, circuit, recipe, torch.Generator().manual_seed(seed + 2))
        watch = torch.Generator().manual_seed(seed + 3)
        for step in range(1, recipe.steps + 1):
            loss = batches.loss(network, step / recipe.steps)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            optimiser.step()
            schedule.step()
            if step % _WATCH_EVERY == 0 or step == recipe.steps:
                state = _state_of_training(network, causal, correspondence, watch)
                progress(step / recipe.steps, f"step {step}: loss {loss.item():.3f}, {state}")
    return Trained(network, time.process_time() - started)


class _Batches:
    """Draws batches and computes their loss."""

    def __init__(
        self,
        causal: CausalModel,
        correspondence: Correspondence,
        shape: TransformerShape,
        circuit: Bool[Tensor, "layer slot"],
        recipe: SiitRecipe,
        generator: torch.Generator,
    ) -> None:
        self._causal, self._recipe, self._generator = causal, recipe, generator
        self._bystanders = ~circuit
        self._variable_masks = torch.stack([shape.mask(correspondence[name]) for name in causal.variables])
        self._labelled = list(causal.labelled)

    def loss(self, network: PatchableTransformer, done: float) -> Float[Tensor, ""]:
        """The weighted loss of a fresh batch, with gradients, when a share `done` of the steps is over."""
        recipe = self._recipe
        pairs = draw_pairs(self._causal, recipe.batch, self._generator)
        right = self._causal.run(pairs.base).labels
        # gradients flow into the source pass too: the circuit's nodes learn to carry what others will be patched with
        _, values = network(pairs.source)

        chosen = self._choose_variables()
        wanted = interchange_labels(self._causal, pairs.base, pairs.source, chosen)
        interchange = torch.einsum("bv,vls->bls", chosen.float(), self._variable_masks.float()) > 0
        bystanders = self._choose_bystanders()
        noise = values if done > recipe.bystanders_yield else values.detach()

        patch = Patch(
            torch.cat([torch.zeros_like(interchange), interchange, bystanders]),
            concatenate([values.detach(), values, self._ablated(noise)]),
        )
        logits, _ = network(pairs.base.repeat(3, 1), patch)
        clean, interchanged, strict = logits[:, self._labelled].chunk(3)
        return (
            recipe.behaviour_weight * _cross_entropy(clean, right)
            + recipe.interchange_weight * _cross_entropy(interchanged, wanted)
            + recipe.strict_weight * _cross_entropy(strict, right)
            + recipe.match_weight * _divergence(strict, clean.detach())
        )

    def _choose_variables(self) -> Bool[Tensor, "batch variable"]:
        batch, n_variables = self._recipe.batch, len(self._causal.variables)
        one = functional.one_hot(torch.randint(n_variables, (batch,), generator=self._generator), n_variables).bool()
        several = self._uniform(batch, n_variables) < 0.5
        return torch.where(self._uniform(batch, 1) < self._recipe.several_variables, several, one)

    def _choose_bystanders(self) -> Bool[Tensor, "batch layer slot"]:
        recipe, batch = self._recipe, self._recipe.batch
        places = self._bystanders.flatten().nonzero()[:, 0]
        drawn = places[torch.randint(len(places), (batch,), generator=self._generator)]
        single = functional.one_hot(drawn, self._bystanders.numel()).bool().view(batch, *self._bystanders.shape)
        subset = (self._uniform(batch, *self._bystanders.shape) < self._uniform(batch, 1, 1)) & self._bystanders
        draw = self._uniform(batch, 1, 1)
        some = torch.where(draw < recipe.all_bystanders + recipe.one_bystander, single, subset)
        return torch.where(draw < recipe.all_bystanders, self._bystanders, some)

    def _ablated(self, values: NodeValues) -> NodeValues:
        draw = self._uniform(self._recipe.batch, 1, 1)
        zero = draw < self._recipe.zero_ablation
        mean = draw < self._recipe.zero_ablation + self._recipe.mean_ablation
        slots = self._bystanders.shape
        return values.zeros().where(zero.expand(-1, *slots), values.mean().where(mean.expand(-1, *slots), values))

    def _uniform(self, *size: int) -> Float[Tensor, "..."]:
        return torch.rand(*size, generator=self._generator)


def _cross_entropy(
    logits: Float[Tensor, "batch labelled label"], labels: Int[Tensor, "batch labelled"]
) -> Float[Tensor, ""]:
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def _divergence(
    logits: Float[Tensor, "batch labelled label"], clean: Float[Tensor, "batch labelled label"]
) -> Float[Tensor, ""]:
    return functional.kl_div(
        logits.log_softmax(-1).flatten(0, 1),
        clean.log_softmax(-1).flatten(0, 1),
        log_target=True,
        reduction="batchmean",
    )


@torch.no_grad()
def _make_bystanders_loud(
    network: PatchableTransformer,
    circuit: Bool[Tensor, "layer slot"],
    scale: tuple[float, float],
    generator: torch.Generator,
) -> None:
    n_heads = network.shape.n_heads
    factor = 0.5 + torch.rand(circuit.shape, generator=generator)
    factor[:, :n_heads] *= scale[0]
    factor[:, n_heads] *= scale[1]
    factor[circuit] = 1.0
    network.W_O.mul_(factor[:, :n_heads, None, None])
    network.W_out.mul_(factor[:, n_heads, None, None])


def _state_of_training(
    network: PatchableTransformer, causal: CausalModel, correspondence: Correspondence, generator: torch.Generator
) -> str:
    patched = PatchedModel(network, causal, draw_pairs(causal, _WATCH_PAIRS, generator))
    bystanders = set(network.shape.nodes) - circuit_of(correspondence)
    accuracies = [patched.interchange(name, correspondence)[1] for name in causal.variables]
    return (
        f"behaviour {patched.behaviour():.3f}, interchange {min(accuracies):.3f}, "
        f"without bystanders {patched.ablated(bystanders, 'resample'):.3f}"
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
