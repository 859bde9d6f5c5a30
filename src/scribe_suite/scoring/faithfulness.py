"""Does a submitted circuit carry the behaviour? Recomputed on hidden pairs; nothing the agent says is used but the set.

Two questions, both answered by resample ablation (Chan et al. 2022, "Causal Scrubbing"): a node that is ablated gets
the value it has on the pair's source prompt, all other nodes compute as usual on what they then see. With acc(A) the
share of right labels when the nodes A are ablated, N all nodes and S the submitted ones::

    faithfulness = (acc(N - S) - acc(N)) / (acc({}) - acc(N))      keep S, ablate the rest
    minimality   = (acc({}) - acc(S)) / (acc({}) - acc(N))         ablate S, keep the rest

Faithfulness is the normalised form of Hanna et al. 2024 ("Have Faith in Faithfulness", arXiv 2403.17806), which MIB
(Mueller et al. 2025, arXiv 2504.13151) integrates over circuit sizes to CPR and CMD. Theirs is unbounded (CPR above 10
was reported), ours is limited to [0, 1]. Nodes are ablated, not edges, so the embedding is always kept.

What we call minimality others call necessity. Neither number sees superfluous nodes: the answer "all nodes" has 1 in
both. Removing nodes one by one would see them, but would also call both halves of a backup pair superfluous, so
minimality is the joint drop. Neither sees that one half of a backup pair is missing, or a suppressor that no label
hangs on. So they do not follow how right an answer is (docs/reference/discriminability.md): a note says them, and they
are no metrics.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.causal import CausalModel
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import NodeValues, Patch, PatchableTransformer

#: Where ablating every node costs less accuracy than this, a fraction of the loss is mostly noise of the pairs.
SMALLEST_GAP = 0.1


@dataclass(frozen=True)
class Behaviour:
    """How well a network, patched or not, does on the pairs.

    Attributes:
        accuracy: Share of right labels.
        margin: Mean over pairs and labelled positions of the right label's logit minus the mean of the others.
    """

    accuracy: float
    margin: float


@dataclass(frozen=True)
class Faithfulness:
    """What a set of nodes is worth to the behaviour; formulas in the module's docstring.

    Attributes:
        faithfulness: Fraction of accuracy recovered by the submitted nodes alone, in [0, 1].
        minimality: Fraction of accuracy lost without the submitted nodes, in [0, 1].
        margin_recovered: Faithfulness with the logit margin for accuracy, not limited: above 1 when a suppressor is
            missing from the set, below 0 when the set points away from the right label.
        clean: The behaviour without patches.
        nothing_kept: With every node ablated.
        kept: With only the submitted nodes kept.
        removed: With only the submitted nodes ablated.
    """

    faithfulness: float
    minimality: float
    margin_recovered: float
    clean: Behaviour
    nothing_kept: Behaviour
    kept: Behaviour
    removed: Behaviour

    @property
    def note(self) -> str:
        """What the nodes do, in one sentence."""
        return (
            f"Of the accuracy that all nodes give, the submitted ones keep {self.faithfulness:.0%} by themselves, and "
            f"{1 - self.minimality:.0%} is left without them."
        )


class FaithfulnessMeter:
    """Measures many answers to one instance; the three passes that do not depend on the answer are done once.

    Args:
        network: The network, as an agent gets it.
        causal: What it should compute, in its own tokens and labels.
        pairs: Hidden pairs.

    Raises:
        ValueError: When the behaviour hardly depends on the nodes, so that no fraction of it is defined.
    """

    @torch.no_grad()
    def __init__(self, network: PatchableTransformer, causal: CausalModel, pairs: Pairs) -> None:
        self._network, self._pairs = network, pairs
        self._positions = list(causal.labelled)
        self._labels = causal.run(pairs.base).labels
        self._source: NodeValues = network(pairs.source)[1]
        self._nodes = frozenset(network.shape.nodes)
        self._clean = self._behaviour(network(pairs.base)[0])
        self._nothing_kept = self._ablated(self._nodes)
        gap = self._clean.accuracy - self._nothing_kept.accuracy
        if gap < SMALLEST_GAP:
            raise ValueError(
                f"faithfulness is undefined: resampling every node takes accuracy from {self._clean.accuracy:.3f} to "
                f"{self._nothing_kept.accuracy:.3f} only, and a drop of at least {SMALLEST_GAP} is needed; use pairs "
                f"whose labels differ"
            )
        if self._clean.margin <= self._nothing_kept.margin:
            raise ValueError(
                f"faithfulness is undefined: resampling every node does not lower the right label's logit margin "
                f"({self._clean.margin:.3f} to {self._nothing_kept.margin:.3f})"
            )

    @torch.no_grad()
    def measure(self, submitted: Collection[str]) -> Faithfulness:
        """Two passes: one with the submitted nodes kept, one with them ablated.

        Raises:
            ValueError: When a node does not exist.
        """
        chosen = frozenset(submitted)
        kept, removed = self._ablated(self._nodes - chosen), self._ablated(chosen)
        clean, nothing = self._clean, self._nothing_kept
        gap = clean.accuracy - nothing.accuracy
        return Faithfulness(
            faithfulness=_limited((kept.accuracy - nothing.accuracy) / gap),
            minimality=_limited((clean.accuracy - removed.accuracy) / gap),
            margin_recovered=(kept.margin - nothing.margin) / (clean.margin - nothing.margin),
            clean=clean,
            nothing_kept=nothing,
            kept=kept,
            removed=removed,
        )

    def _ablated(self, names: Collection[str]) -> Behaviour:
        mask = self._network.shape.mask(names).expand(len(self._labels), -1, -1)
        return self._behaviour(self._network(self._pairs.base, Patch(mask, self._source))[0])

    def _behaviour(self, logits: Float[Tensor, "pair position label"]) -> Behaviour:
        logits = logits[:, self._positions]
        right = logits.gather(-1, self._labels[..., None])[..., 0]
        others = (logits.sum(-1) - right) / (logits.shape[-1] - 1)
        return Behaviour(
            accuracy=(logits.argmax(-1) == self._labels).float().mean().item(),
            margin=(right - others).mean().item(),
        )


def measure_faithfulness(
    network: PatchableTransformer, causal: CausalModel, pairs: Pairs, submitted: Collection[str]
) -> Faithfulness:
    """Faithfulness and minimality of one answer; for many answers to one instance keep a `FaithfulnessMeter`.

    Args:
        network: The network, as an agent gets it.
        causal: What it should compute, in its own tokens and labels.
        pairs: Hidden pairs.
        submitted: Nodes of the answer.

    Raises:
        ValueError: When a node does not exist, or the behaviour hardly depends on the nodes.
    """
    return FaithfulnessMeter(network, causal, pairs).measure(submitted)


def _limited(fraction: float) -> float:
    return max(0.0, min(1.0, fraction))
