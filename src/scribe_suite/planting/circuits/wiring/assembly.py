"""Puts the trained nodes of a program into a network in which every node reads all earlier ones.

A node also reads earlier outputs that it does not need, with weights of the same size but without effect: values and
neurons lead into dimensions that no label depends on; such queries meet keys that are the same at all positions, so
attention does not depend on them; such keys meet queries that are zero, because a bias cancels a constant. So the
wiring is not visible in products of weights, only in the computation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, pstdev

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.assembly import Assembled, place_of
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.fillers import fill
from scribe_suite.planting.circuits.layout import computed_before
from scribe_suite.planting.circuits.norms import equalise_norms
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.random_maps import isometry
from scribe_suite.planting.circuits.wiring.edges import EMBED, Edge, Role, edges_between, roles_of, wiring_of
from scribe_suite.planting.circuits.wiring.forcing import Nodes
from scribe_suite.planting.circuits.wiring.stream import CODE_NORM, CONSTANTS

#: Logit of the right label; the others have a fifth of it, negative.
_RIGHT_LOGIT = 10.0
#: Number of dimensions of a head's queries that read without effect, and likewise of its keys.
DEAF = CONSTANTS
#: Norm of weights that read without effect, if a model has no needed edge of that role for comparison.
_SIZE, _SPREAD = 1.0, 0.3

_WEIGHTS: Mapping[Role, str] = {"q": "W_Q", "k": "W_K", "v": "W_V", "in": "W_in"}


@dataclass(frozen=True)
class _Sizes:
    """The size of the weights by which nodes read their needed inputs, in one role.

    Attributes:
        log_mean: Mean of the logarithm of a block's norm.
        log_spread: Its standard deviation.
        passed_on: Norm of a block times the following weights, relative to the block's norm.
    """

    log_mean: float
    log_spread: float
    passed_on: float


@torch.no_grad()
def among_listeners(
    nodes: Nodes,
    correspondence: Correspondence,
    shape: TransformerShape,
    crosstalk: float,
    prompts: Int[Tensor, "prompt position"],
    generator: torch.Generator,
) -> PatchableTransformer:
    """Assemble the whole network.

    Args:
        nodes: The trained nodes.
        correspondence: The node of `shape` for each variable.
        shape: The network's architecture, with more dimensions than the program's stream, and larger heads and MLPs.
        crosstalk: Size of the weights by which nodes read, with some effect, what they don't need, relative to those by
            which they read what they need.
        prompts: The prompts on which sizes are measured.
        generator: Draws all random choices.
    """
    builder = _Builder(nodes, correspondence, shape, generator)
    builder.copy()
    builder.listen()
    network, where = builder.network, {name: places[0] for name, places in correspondence.items()}
    written = {where[name]: nodes.stream.dimensions[name] for name in where}
    fill(Assembled(network, written, nodes.stream.width), prompts, generator)
    builder.add_crosstalk(crosstalk)
    equalise_norms(network, prompts, generator)
    return network


def spare_columns(role: Role, trained: int, width: int) -> range:
    """The columns of the weights of an input that have no effect: what they read changes no label.

    Args:
        role: The input.
        trained: Number of dimensions or neurons of a trained node; these come first.
        width: Number of dimensions of a head, or of neurons of an MLP.
    """
    if role == "in":
        return range(trained, width)
    first = trained + DEAF * (role == "k")
    return range(first, first + DEAF) if role in "qk" else range(trained, trained + 2 * DEAF)


class _Builder:
    def __init__(
        self, nodes: Nodes, correspondence: Correspondence, shape: TransformerShape, generator: torch.Generator
    ) -> None:
        self.network = PatchableTransformer(shape)
        for parameter in self.network.parameters():
            parameter.zero_()
        self._nodes, self._generator = nodes, generator
        self._stream = nodes.stream
        self._variable = {places[0]: name for name, places in correspondence.items()}
        self._index = {part.name: i for group in (nodes.heads, nodes.tables) for i, part in enumerate(group)}
        self._needed = set(wiring_of(nodes.program, correspondence))
        self._unused = range(self._stream.width, shape.d_model)
        self._inner, self._neurons = nodes.W_Q.shape[-1], nodes.W_in.shape[-1]

    # --- needed inputs ------------------------------------------------------------------------------------------------

    def copy(self) -> None:
        """Copy the trained nodes and the embeddings, and add an unembedding that reads the last variable."""
        nodes, network, width = self._nodes, self.network, self._stream.width
        tokens, positions = self._stream.dimensions[EMBED], self._stream.positions
        network.W_E[:, list(tokens)] = nodes.tokens
        network.W_pos[:, list(positions)] = nodes.places
        network.W_pos[:, list(self._stream.constants)] = 1.0
        last = nodes.program.variables[-1]
        code = self._stream.codes[last]
        network.W_U[list(self._stream.dimensions[last])] = code.T * _RIGHT_LOGIT / CODE_NORM**2
        for node, name in self._variable.items():
            here, there, own = place_of(node), self._index[name], list(self._stream.dimensions[name])
            if node[0] == "a":
                for letter in "QKV":
                    getattr(network, f"W_{letter}")[here][:width, : self._inner] = nodes.masked(f"W_{letter}")[there]
                    getattr(network, f"b_{letter}")[here][: self._inner] = getattr(nodes, f"b_{letter}")[there]
                network.W_O[here][: self._inner, own] = nodes.W_O[there, :, : len(own)]
            else:
                network.W_in[here][:width, : self._neurons] = nodes.masked("W_in")[there]
                network.b_in[here][: self._neurons] = nodes.b_in[there]
                network.W_out[here][: self._neurons, own] = nodes.W_out[there, :, : len(own)]
                network.b_out[here][own] = nodes.b_out[there, : len(own)]

    # --- other inputs -------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Let every node read all earlier nodes; without effect where it does not need them."""
        sizes = {role: self._sizes(role) for role in _WEIGHTS}
        for node in self._variable:
            for role in roles_of(node):
                self._listen(node, role, sizes[role])

    def _listen(self, node: str, role: Role, sizes: _Sizes) -> None:
        target = getattr(self.network, _WEIGHTS[role])[place_of(node)]
        columns = spare_columns(role, self._neurons if role == "in" else self._inner, target.shape[1])
        for writer in (EMBED, *(other for other in self._variable if computed_before(other, node))):
            if not self._needs(writer, node, role):
                self._read(target, self._dimensions(writer), columns, sizes)
        self._pass_on(node, role, columns, sizes)

    def _read(self, target: Tensor, rows: range, columns: Sequence[int], sizes: _Sizes) -> None:
        """Set random weights of the same size as needed ones."""
        drawn = self._normal(len(rows), len(columns))
        size = math.exp(sizes.log_mean + sizes.log_spread * float(self._normal(1)))
        target[rows.start : rows.stop, list(columns)] = drawn * size / drawn.norm()

    def _pass_on(self, node: str, role: Role, columns: Sequence[int], sizes: _Sizes) -> None:
        """Set the weights that follow inputs without effect."""
        network, here, chosen = self.network, place_of(node), list(columns)
        if role == "v":
            rows = self._rows(len(chosen)) * sizes.passed_on
            network.W_O[here][chosen, self._unused.start :] = rows
        elif role == "in":
            network.W_out[here][chosen, self._unused.start :] = self._rows(len(chosen)) * sizes.passed_on
            network.b_in[here][chosen] = self._normal(len(chosen)) * network.b_in[here][: self._neurons].std()
        else:
            other = {"q": "K", "k": "Q"}[role]
            met = isometry(CONSTANTS, len(chosen), self._generator) * sizes.passed_on
            getattr(network, f"W_{other}")[here][self._stream.constants.start : self._stream.constants.stop, chosen] = (
                met
            )
            if role == "k":  # the queries are zero, so the keys may be anything
                network.b_Q[here][chosen] = -met.sum(0)

    def add_crosstalk(self, crosstalk: float) -> None:
        """Let nodes and unembedding read, with some effect, a little of what they don't need."""
        matrices = [self.network.W_U]
        for node in self._variable:
            trained = self._neurons if node[0] == "m" else self._inner
            matrices += [getattr(self.network, _WEIGHTS[role])[place_of(node)][:, :trained] for role in roles_of(node)]
        for matrix in matrices:
            deaf = ~matrix.any(1)
            size = crosstalk * matrix[~deaf].pow(2).mean().sqrt()
            matrix[deaf] = self._normal(int(deaf.sum()), matrix.shape[1]) * size

    # --- sizes --------------------------------------------------------------------------------------------------------

    def _sizes(self, role: Role) -> _Sizes:
        blocks, passed_on = [], []
        for edge in edges_between(list(self._variable)):
            if edge.role != role or edge not in self._needed:
                continue
            here = place_of(edge.reader)
            weights = getattr(self.network, _WEIGHTS[role])[here]
            block = weights[list(self._dimensions(edge.writer))]
            blocks.append(float(block.norm()))
            passed_on.append(float((block @ self._after(here, role)).norm() / block.norm()))
        logs = [math.log(block) for block in blocks]
        if not logs:
            return _Sizes(math.log(_SIZE), _SPREAD, _SIZE)
        return _Sizes(mean(logs), pstdev(logs) if len(logs) > 1 else _SPREAD, mean(passed_on))

    def _after(self, here: tuple[int, ...], role: Role) -> Tensor:
        """The weights that follow an input."""
        found: Tensor
        if role == "in":
            found = self.network.W_out[here].norm(dim=1).diag()
        elif role == "v":
            found = self.network.W_O[here]
        else:
            found = getattr(self.network, {"q": "W_K", "k": "W_Q"}[role])[here].T
        return found

    def _needs(self, writer: str, node: str, role: Role) -> bool:
        return Edge(writer, node, role) in self._needed

    def _dimensions(self, writer: str) -> range:
        return self._stream.dimensions[EMBED if writer == EMBED else self._variable[writer]]

    def _rows(self, count: int) -> Float[Tensor, "row unused"]:
        drawn = self._normal(count, len(self._unused))
        unit: Tensor = drawn / drawn.norm(dim=1, keepdim=True)
        return unit

    def _normal(self, *size: int) -> Tensor:
        return torch.randn(*size, generator=self._generator)
