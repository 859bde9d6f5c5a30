"""A small systematic influence for every decoy, so that a perfectly silent node does not reveal a decoy.

Training is never perfect: resampling a node that is meant to show no effect alone, such as one of two redundant heads,
still moves the right label's mean logit by a percent. Among decoys that do not move it at all, that percent would be
conspicuous. So the unembedding is changed, in the dimensions that only decoys write, such that each decoy raises or
lowers the right label's logit a little on average. Of all such changes it is the one with the least noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.causal import CausalModel
from scribe_suite.planting.circuits.interchange import centred
from scribe_suite.planting.circuits.patchable import PatchableTransformer

_PROMPTS = 1024
_RIDGE = 1e-3
#: Root mean square of the change of a logit, relative to the right label's: where decoys carry so little information on
#: the answer that their effects would add more noise than this, all effects are reduced.
_LARGEST_NOISE = 0.02


@torch.no_grad()
def add_leak(
    network: PatchableTransformer,
    causal: CausalModel,
    circuit: Bool[Tensor, "layer slot"],
    others: Sequence[int],
    leak: float,
    generator: torch.Generator,
) -> None:
    """Change ``W_U[others]`` in place.

    The effect of decoy i under a change D is linear in it: ``effect_i = mean over prompts of write_i . D[:, label]``,
    labels centred. Wanted effects e are drawn; with A the matrix of these linear forms and S the second moment of the
    residual stream in the decoys' dimensions, the change that has them and adds least to the logits' variance is
    ``S^-1 A^T (A S^-1 A^T)^-1 e``.

    Args:
        network: Trained, with decoys.
        causal: What the circuit computes.
        circuit: Its nodes.
        others: The residual dimensions that only decoys write.
        leak: Standard deviation of the effects, relative to the right label's mean centred logit.
        generator: The source of random prompts and effects.
    """
    if leak == 0.0 or bool(circuit.all()):
        return
    tokens = causal.sample(_PROMPTS, generator)
    labels = causal.run(tokens).labels
    positions = list(causal.labelled)
    logits, values = network(tokens)
    right = centred(logits[:, positions]).gather(-1, labels[..., None]).mean().item()
    chosen, deviations = list(others), network.normaliser(tokens)[:, positions]
    writes = network.writes(values)[~circuit][:, :, positions][..., chosen] / deviations
    targets = centred(functional.one_hot(labels, network.shape.d_vocab_out).float())
    forms: Float[Tensor, "decoy extra label"] = torch.einsum("nbpd,bpl->ndl", writes, targets) / labels.numel()

    stream = network.residual_streams(tokens)["final"][:, positions][..., chosen] / deviations
    moment = torch.einsum("bpd,bpe->de", stream, stream) / labels.numel()
    moment += _RIDGE * moment.diagonal().mean() * torch.eye(len(moment))
    solved = torch.linalg.solve(moment, forms)
    gram = torch.einsum("ndl,mdl->nm", forms, solved)
    gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram))
    effects = leak * right * torch.randn(len(forms), generator=generator)
    change = torch.einsum("n,ndl->dl", torch.linalg.solve(gram, effects), solved)
    noise = centred(stream @ change).pow(2).mean().sqrt().item()
    network.W_U[chosen] += change * min(1.0, _LARGEST_NOISE * right / noise)
