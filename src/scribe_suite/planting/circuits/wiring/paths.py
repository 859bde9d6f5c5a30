"""Path patching: the output of a network in which single edges carry activations from another prompt.

Along a patched edge the reader, in one role, reads the writer's output on the source prompt instead of its current
output; everything else is computed as usual (Wang et al. 2022, arXiv 2211.00593; Goldowsky-Dill et al. 2023, arXiv
2304.05969). The laboratory computes the same for agents (`lab.path`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.blocks import layer_and_head
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.wiring.edges import (
    EMBED,
    HEAD_ROLES,
    LOGITS,
    Edge,
    Role,
    edges_between,
    edges_to_logits,
)

#: The vector that a node adds to the residual stream.
Write = Float[Tensor, "prompt position d_model"]
#: (reader, role) -> writers whose outputs on the sources it reads.
Readings = dict[tuple[str, Role], list[str]]


class PathPatched:
    """A network and pairs of prompts, with the outputs of every node on the sources.

    Args:
        network: A network without LayerNorm.
        pairs: Prompts to run, each with a prompt to take values from.

    Raises:
        ValueError: With LayerNorm, because the contribution of one edge would not be separable.
    """

    @torch.no_grad()
    def __init__(self, network: PatchableTransformer, pairs: Pairs) -> None:
        if network.shape.normalization is not None:
            raise ValueError("paths are patched in networks without LayerNorm only")
        self._network = network
        self._there, self._here = _Pass(network, pairs.source), _Pass(network, pairs.base)
        self._clean: Tensor = self._here.logits.argmax(-1)

    @property
    def clean(self) -> Int[Tensor, " pair"]:
        """Labels without a patch."""
        return self._clean

    def labels(self, edges: Iterable[Edge]) -> Int[Tensor, " pair"]:
        """Labels at the last position with all these edges patched at once."""
        found: Tensor = self.logits(edges).argmax(-1)
        return found

    def effect(self, edges: Iterable[Edge]) -> float:
        """Share of labels that differ from those without a patch."""
        return (self.labels(edges) != self._clean).float().mean().item()

    @torch.no_grad()
    def logits(self, edges: Iterable[Edge]) -> Float[Tensor, "pair label"]:
        """Logits at the last position with all these edges patched at once."""
        read: Readings = defaultdict(list)
        for edge in edges:
            read[edge.reader, edge.role].append(edge.writer)
        layers = [layer_and_head(reader)[0] for reader, _ in read if reader != LOGITS]
        # everything before the first reader is unchanged
        return _Pass(
            self._network, None, self._here, min(layers, default=self._network.shape.n_layers), read, self._there
        ).logits


class _Pass:
    """One run of a network, with the outputs of every node.

    Args:
        network: The network.
        tokens: The prompts; None to continue another run.
        begun: The run to continue.
        first: The first layer that is recomputed.
        read: (reader, role) -> writers whose outputs it takes from `there`.
        there: The run on the sources.
    """

    def __init__(
        self,
        network: PatchableTransformer,
        tokens: Int[Tensor, "prompt position"] | None,
        begun: _Pass | None = None,
        first: int = 0,
        read: Readings | None = None,
        there: _Pass | None = None,
    ) -> None:
        self._network, self._read, self._there = network, read or {}, there
        self.writes: dict[str, Write] = {} if begun is None else dict(begun.writes)
        self.streams: list[Write] = [] if begun is None else begun.streams[:first]
        if tokens is not None:
            stream = network.W_E[tokens] + network.W_pos[: tokens.shape[1]]
            self.writes[EMBED] = stream
        else:
            assert begun is not None
            stream = begun.streams[first]
        for layer in range(first, network.shape.n_layers):
            self.streams.append(stream)
            stream = self._block(layer, stream)
        self.streams.append(stream)
        self.logits = self._seen(stream, LOGITS, "in")[:, -1] @ network.W_U + network.b_U

    def _seen(self, stream: Write, reader: str, role: Role) -> Write:
        """The stream that one input of a node reads."""
        for writer in self._read.get((reader, role), ()):
            assert self._there is not None
            stream = stream + (self._there.writes[writer] - self.writes[writer])
        return stream

    def _block(self, layer: int, stream: Write) -> Write:
        network, shape = self._network, self._network.shape
        rows = list(network._queries_keys_values(layer, stream))
        for head in range(shape.n_heads):
            node = f"a{layer}.h{head}"
            for number, role in enumerate(HEAD_ROLES):
                if (node, role) in self._read:
                    weight, bias = (getattr(network, f"{kind}_{role.upper()}")[layer, head] for kind in "Wb")
                    rows[number] = rows[number].clone()
                    rows[number][:, head] = self._seen(stream, node, role) @ weight + bias
        q, k, v = rows
        z = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1 / math.sqrt(shape.d_head))
        writes = z.transpose(0, 1).flatten(1, 2) @ network.W_O[layer]
        for head, written in enumerate(writes):
            self.writes[f"a{layer}.h{head}"] = written.view(stream.shape)
        stream = stream + writes.sum(0).view(stream.shape) + network.b_O[layer]
        out = network._mlp(layer, self._seen(stream, f"m{layer}", "in"))
        self.writes[f"m{layer}"] = out
        return stream + out


def all_others(network: PatchableTransformer, key: Collection[Edge]) -> list[Edge]:
    """Every edge of a network outside the key: between any nodes, from the embedding and to the unembedding."""
    known = set(key)
    every = [*edges_between(network.shape.nodes), *edges_to_logits(network.shape.nodes)]
    return [edge for edge in every if edge not in known]
