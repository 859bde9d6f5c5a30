"""Effects of patching on a model: the measurements behind training logs and certificates.

All of them work on pairs of prompts (base, source). Resample ablation (Chan et al. 2022, "Causal Scrubbing") gives a
node the value it has on the source; mean ablation its mean over the base prompts; zero ablation zero.
Interchange-intervention accuracy (IIA; Geiger et al. 2021, arXiv 2106.02997) is the share of labels a patched network
shares with the causal model under the corresponding intervention.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Correspondence, interchanged
from scribe_suite.planting.circuits.patchable import NodeValues, Patch, PatchableTransformer

Ablation = Literal["resample", "mean", "zero"]
ABLATIONS: tuple[Ablation, ...] = ("resample", "mean", "zero")


@dataclass(frozen=True)
class Pairs:
    """Prompts to run, and one to take values from for each."""

    base: Int[Tensor, "pair ctx"]
    source: Int[Tensor, "pair ctx"]


def draw_pairs(model: CausalModel, n: int, generator: torch.Generator) -> Pairs:
    """`n` pairs of prompts."""
    return Pairs(*model.sample_pairs(n, generator))


@dataclass(frozen=True)
class Interchange:
    """How a network follows the causal model under an interchange intervention.

    Attributes:
        accuracy: IIA over all labels.
        accuracy_where_changed: IIA over the labels that the intervention changes in the causal model; None when it
            changes none.
        share_changed: Share of those labels.
        logit_error: Mean absolute distance of the centred logits from what the causal model prescribes; 0 when it
            prescribes none.
    """

    accuracy: float
    accuracy_where_changed: float | None
    share_changed: float
    logit_error: float


class PatchedModel:
    """A network, its causal model and pairs, with the clean passes done once.

    Args:
        network: The network.
        causal: What it should compute.
        pairs: The pairs it is measured on.
    """

    @torch.no_grad()
    def __init__(self, network: PatchableTransformer, causal: CausalModel, pairs: Pairs) -> None:
        self._network, self._causal, self._pairs = network, causal, pairs
        self._clean = causal.run(pairs.base)
        self._labels = self._clean.labels
        self._clean_logits, base_values = network(pairs.base)
        _, source_values = network(pairs.source)
        self._replacements: dict[Ablation, NodeValues] = {
            "resample": source_values,
            "mean": base_values.mean(),
            "zero": base_values.zeros(),
        }

    def behaviour(self) -> float:
        """Share of right labels without any patch."""
        return _share(self._labelled(self._clean_logits).argmax(-1) == self._labels)

    def ablated(self, names: Iterable[str], ablation: Ablation) -> float:
        """Share of right labels with the named nodes ablated together."""
        return _share(self._patched(names, ablation).argmax(-1) == self._labels)

    def right_after(self, names: Iterable[str]) -> Bool[Tensor, "pair labelled"]:
        """Which labels are still right with the named nodes resampled together."""
        return self._patched(names, "resample").argmax(-1) == self._labels

    def said_after(self, names: Iterable[str]) -> Int[Tensor, "pair labelled"]:
        """The labels with the named nodes resampled together."""
        return self._patched(names, "resample").argmax(-1)

    @property
    def prescribes_logits(self) -> bool:
        """Whether the causal model prescribes logits."""
        return self._clean.logits is not None

    def effect(self, names: Iterable[str]) -> float:
        """The effect of resampling the named nodes together.

        Returns:
            Accuracy lost; where the causal model prescribes logits and that is more, the mean absolute change of the
            right label's centred logit.
        """
        logits = self._patched(names, "resample")
        lost = self.behaviour() - _share(logits.argmax(-1) == self._labels)
        if not self.prescribes_logits:
            return lost
        change = centred(logits) - centred(self._labelled(self._clean_logits))
        return max(lost, change.gather(-1, self._labels[..., None]).abs().mean().item())

    def logit_error(self) -> float:
        """Mean distance of the output from what the causal model prescribes, without any patch; see `Interchange`."""
        return _logit_error(self._labelled(self._clean_logits), self._clean)

    def interchange(self, variables: Sequence[str], correspondence: Correspondence) -> Interchange:
        """Interchange all named variables together."""
        chosen = torch.zeros(len(self._labels), len(self._causal.variables), dtype=torch.bool)
        chosen[:, [self._causal.variables.index(name) for name in variables]] = True
        wanted = interchanged(self._causal, self._pairs.base, self._pairs.source, chosen)
        logits = self._patched([node for name in variables for node in correspondence[name]], "resample")
        right = logits.argmax(-1) == wanted.labels
        changed = wanted.labels != self._labels
        return Interchange(
            accuracy=_share(right),
            accuracy_where_changed=_share(right[changed]) if changed.any() else None,
            share_changed=_share(changed),
            logit_error=_logit_error(logits, wanted),
        )

    @torch.no_grad()
    def _patched(self, names: Iterable[str], ablation: Ablation) -> Float[Tensor, "pair labelled label"]:
        mask = self._network.shape.mask(names).expand(len(self._labels), -1, -1)
        logits, _ = self._network(self._pairs.base, Patch(mask, self._replacements[ablation]))
        return self._labelled(logits)

    def _labelled(self, logits: Float[Tensor, "pair position label"]) -> Float[Tensor, "pair labelled label"]:
        return logits[:, list(self._causal.labelled)]


def centred(logits: Float[Tensor, "... label"]) -> Float[Tensor, "... label"]:
    """Logits minus their mean over labels: what is left when a constant, which changes no probability, is removed."""
    return logits - logits.mean(-1, keepdim=True)


def _logit_error(logits: Float[Tensor, "pair labelled label"], wanted: CausalRun) -> float:
    if wanted.logits is None:
        return 0.0
    return (centred(logits) - centred(wanted.logits)).abs().mean().item()


def _share(right: Bool[Tensor, "..."]) -> float:
    return right.float().mean().item()
