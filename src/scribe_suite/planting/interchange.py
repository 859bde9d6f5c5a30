"""What patching does to a model: the measurements that training watches and certificates are made of.

All of them work on pairs of prompts (base, source). Resample ablation (Chan et al. 2022, "Causal Scrubbing") gives a
node the value it has on the source; mean ablation its mean over the base prompts; zero ablation zero.
Interchange-intervention accuracy (IIA; Geiger et al. 2021, arXiv 2106.02997) is the share of labels a patched network
shares with the causal model under the corresponding intervention.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scribe_suite.planting.causal import CausalModel, Correspondence, interchange_labels
from scribe_suite.planting.patchable import NodeValues, Patch, PatchableTransformer

Ablation = Literal["resample", "mean", "zero"]
ABLATIONS: tuple[Ablation, ...] = ("resample", "mean", "zero")


@dataclass(frozen=True)
class Pairs:
    """Prompts to run, and one to take values from for each."""

    base: Int[Tensor, "pair ctx"]
    source: Int[Tensor, "pair ctx"]


def draw_pairs(model: CausalModel, n: int, generator: torch.Generator) -> Pairs:
    """`n` independent pairs of prompts."""
    return Pairs(model.sample(n, generator), model.sample(n, generator))


class PatchedModel:
    """A network, its causal model and pairs, with the clean passes done once.

    Args:
        network: The network.
        causal: What it should compute.
        pairs: On what it is measured.
    """

    @torch.no_grad()
    def __init__(self, network: PatchableTransformer, causal: CausalModel, pairs: Pairs) -> None:
        self._network, self._causal, self._pairs = network, causal, pairs
        self._labels = causal.run(pairs.base).labels
        self._clean_logits, base_values = network(pairs.base)
        _, source_values = network(pairs.source)
        self._replacements: dict[Ablation, NodeValues] = {
            "resample": source_values,
            "mean": base_values.mean(),
            "zero": base_values.zeros(),
        }

    def behaviour(self) -> float:
        """Share of right labels without any patch."""
        return _share(self._predictions(self._clean_logits) == self._labels)

    def ablated(self, names: Iterable[str], ablation: Ablation) -> float:
        """Share of right labels with the named nodes ablated together."""
        return _share(self._patched(names, ablation) == self._labels)

    def interchange(self, variable: str, correspondence: Correspondence) -> tuple[float, float]:
        """IIA of one variable.

        Returns:
            Over all labels, and over those labels that the intervention changes in the causal model.

        Raises:
            ValueError: When the intervention never changes a label: IIA then says nothing.
        """
        chosen = torch.zeros(len(self._labels), len(self._causal.variables), dtype=torch.bool)
        chosen[:, self._causal.variables.index(variable)] = True
        wanted = interchange_labels(self._causal, self._pairs.base, self._pairs.source, chosen)
        right = self._patched(correspondence[variable], "resample") == wanted
        changed = wanted != self._labels
        if not changed.any():
            raise ValueError(f"interchanging {variable!r} changes no label on these pairs: draw more of them")
        return _share(right), _share(right[changed])

    @torch.no_grad()
    def _patched(self, names: Iterable[str], ablation: Ablation) -> Int[Tensor, "pair labelled"]:
        mask = self._network.shape.mask(names).expand(len(self._labels), -1, -1)
        logits, _ = self._network(self._pairs.base, Patch(mask, self._replacements[ablation]))
        return self._predictions(logits)

    def _predictions(self, logits: Float[Tensor, "pair position label"]) -> Int[Tensor, "pair labelled"]:
        return logits[:, list(self._causal.labelled)].argmax(-1)


def _share(right: Bool[Tensor, "..."]) -> float:
    return right.float().mean().item()
