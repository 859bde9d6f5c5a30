"""Does a submitted circuit carry the behaviour? Recomputed on hidden pairs; of the answer, only the set is used.

Two questions, both answered by resample ablation (Chan et al. 2022, "Causal Scrubbing"): a node that is ablated gets
the value it has on the pair's source prompt, all other nodes compute as usual on what they then see. With acc(A) the
share of right labels when the nodes A are ablated, N all nodes and S the submitted ones::

    faithfulness = (acc(N - S) - acc(N)) / (acc({}) - acc(N))      keep S, ablate the rest
    minimality   = (acc({}) - acc(S)) / (acc({}) - acc(N))         ablate S, keep the rest

Faithfulness is the normalised form of Hanna et al. 2024 ("Have Faith in Faithfulness", arXiv 2403.17806), which MIB
(Mueller et al. 2025, arXiv 2504.13151) integrates over circuit sizes to CPR and CMD. Theirs is unbounded (CPR above 10
was reported), ours is limited to [0, 1]. Nodes are ablated, not edges, so the embedding is always kept.

What we call minimality others call necessity. Neither number detects superfluous nodes: the answer "all nodes" has 1 in
both. Removing nodes one by one would detect them, but would also call both halves of a backup pair superfluous, so
minimality is the joint drop. Neither detects a missing half of a backup pair, or a missing suppressor that no label
depends on. So they do not reflect how right an answer is (docs/reference/discriminability.md): they are given in a
note, not as metrics.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from scribe_suite.planting.circuits.causal import CausalModel
from scribe_suite.planting.circuits.interchange import Pairs, PatchedModel
from scribe_suite.planting.circuits.patchable import PatchableTransformer

#: If ablating every node costs less accuracy than this, a fraction of the loss is mostly noise of the pairs.
SMALLEST_GAP = 0.1


@dataclass(frozen=True)
class Faithfulness:
    """How far a set of nodes carries the behaviour; see the module's docstring for formulas.

    Attributes:
        faithfulness: Fraction of accuracy recovered by the submitted nodes alone, in [0, 1].
        minimality: Fraction of accuracy lost without the submitted nodes, in [0, 1].
    """

    faithfulness: float
    minimality: float

    @property
    def note(self) -> str:
        """What the nodes do, in one sentence."""
        return (
            f"Of the accuracy that all nodes give, the submitted ones keep {self.faithfulness:.0%} by themselves, and "
            f"{1 - self.minimality:.0%} is left without them."
        )


class FaithfulnessMeter:
    """Measures many answers to one instance; work that does not depend on the answer is done once.

    Args:
        network: The agent's network.
        causal: The function it should compute, in its own tokens and labels.
        pairs: Hidden pairs.

    Raises:
        ValueError: When the behaviour hardly depends on the nodes, so that no fraction of it is defined.
    """

    def __init__(self, network: PatchableTransformer, causal: CausalModel, pairs: Pairs) -> None:
        self._patched = PatchedModel(network, causal, pairs)
        self._nodes = frozenset(network.shape.nodes)
        self._clean = self._patched.behaviour()
        self._nothing_kept = self._patched.ablated(self._nodes, "resample")
        self._gap = self._clean - self._nothing_kept
        if self._gap < SMALLEST_GAP:
            raise ValueError(
                f"faithfulness is undefined: resampling every node takes accuracy from {self._clean:.3f} to "
                f"{self._nothing_kept:.3f} only, and a drop of at least {SMALLEST_GAP} is needed; use pairs whose "
                f"labels differ"
            )

    def measure(self, submitted: Collection[str]) -> Faithfulness:
        """Make two passes: one with the submitted nodes kept, one with them ablated.

        Raises:
            ValueError: When a node does not exist.
        """
        chosen = frozenset(submitted)
        kept = self._patched.ablated(self._nodes - chosen, "resample")
        removed = self._patched.ablated(chosen, "resample")
        return Faithfulness(
            faithfulness=_limited((kept - self._nothing_kept) / self._gap),
            minimality=_limited((self._clean - removed) / self._gap),
        )


def _limited(fraction: float) -> float:
    return max(0.0, min(1.0, fraction))
