"""All statistics of a model in a table per kind of node, made comparable between models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.signatures.activations import activation_statistics
from scribe_suite.planting.circuits.signatures.composition import composition_statistics
from scribe_suite.planting.circuits.signatures.maps import Kind, model_maps
from scribe_suite.planting.circuits.signatures.output import attributed_logits, unembedded_weights
from scribe_suite.planting.circuits.signatures.weights import weight_statistics
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.symmetries import fold_layer_norm

#: Where a statistic comes from: a node's own weights, products with other nodes' weights, a forward pass, or what of
#: either reaches the logits.
Group = Literal["weights", "composition", "activations", "unembedding"]

GROUPS: tuple[Group, ...] = get_args(Group)
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Signatures:
    """The nodes of one kind in one model.

    Attributes:
        nodes: Their names.
        statistics: Names of the columns, sorted.
        groups: The group of each column.
        values: As they were computed; not a number where a node has none.
    """

    nodes: tuple[str, ...]
    statistics: tuple[str, ...]
    groups: tuple[Group, ...]
    values: Float[np.ndarray, "node statistic"]

    def standardised(self) -> Float[np.ndarray, "node statistic"]:
        """Mean 0 and variance 1 over the model's nodes of this kind; 0 where there is no number or no difference."""
        known = np.isfinite(self.values)
        filled, count = np.where(known, self.values, 0.0), np.maximum(known.sum(0), 1)
        centred = np.where(known, filled - filled.sum(0) / count, 0.0)
        deviation = np.sqrt((centred**2).sum(0) / count)
        # a deviation that rounding alone can be responsible for is none
        some = deviation > 1e-7 * (1.0 + np.abs(filled).max(axis=0))
        result: Float[np.ndarray, "node statistic"] = centred / np.where(some, deviation, np.inf)
        return result

    def ranks(self) -> Float[np.ndarray, "node statistic"]:
        """Ranks over the model's nodes of this kind, from -0.5 to 0.5; a missing number has the middle one."""
        filled = self.standardised().round(9)  # equal up to rounding is equal
        ranks: Float[np.ndarray, "node statistic"] = (rankdata(filled, axis=0) - 1) / max(1, len(filled) - 1) - 0.5
        return ranks

    def of_groups(self, groups: Sequence[Group]) -> list[int]:
        """The columns of some groups."""
        return [i for i, group in enumerate(self.groups) if group in groups]


def node_signatures(
    weights: ModelWeights, prompts: Int[Tensor, "prompt position"] | None = None
) -> dict[Kind, Signatures]:
    """Every statistic of every node; none of them changes under a symmetry of `planting.symmetries`.

    Args:
        weights: A patchable transformer.
        prompts: For the statistics that need a forward pass; without them those are left out.

    Raises:
        ValueError: When the weights are not those of a patchable transformer.
    """
    weights = fold_layer_norm(weights)
    maps = model_maps(weights)
    names = [node.name for node in maps.nodes]
    single = {node.name: dict(weight_statistics(maps, node)) for node in maps.nodes}
    found: dict[Group, dict[str, dict[str, float]]] = {group: {name: {} for name in names} for group in GROUPS}
    for node in names:
        found["weights"][node] = _numbers(single[node])
    _spread(found["composition"], names, composition_statistics(maps))
    _spread(found["unembedding"], names, unembedded_weights(maps))
    if prompts is not None:
        network = PatchableTransformer.from_weights(weights).double()
        for node, values in activation_statistics(network, prompts).items():
            found["activations"][node] = _numbers(values)
        _spread(found["unembedding"], names, attributed_logits(network, prompts))
    return {kind: _table([node.name for node in maps.of_kind(kind)], found) for kind in KINDS}


def _numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _spread(found: dict[str, dict[str, float]], names: Sequence[str], columns: Mapping[str, Tensor]) -> None:
    for statistic, column in columns.items():
        for node, value in zip(names, column.tolist(), strict=True):
            found[node][statistic] = value


def _table(nodes: Sequence[str], found: Mapping[Group, Mapping[str, Mapping[str, float]]]) -> Signatures:
    columns = [(statistic, group) for group in GROUPS for statistic in sorted(found[group][nodes[0]])] if nodes else []
    values = [[found[group][node][statistic] for statistic, group in columns] for node in nodes]
    return Signatures(
        nodes=tuple(nodes),
        statistics=tuple(statistic for statistic, _ in columns),
        groups=tuple(group for _, group in columns),
        values=np.array(values, dtype=float).reshape(len(nodes), len(columns)),
    )
