"""Decoys: nodes outside the circuit that are as loud as those inside, without a say in the answer.

The residual stream gets dimensions of its own for them. Embeddings and all nodes write there, decoys read everything
and write nothing else, so what they say depends on the prompt but reaches nothing that matters. Where the circuit has a
node of its kind, a decoy is that node with other directions of the stream in the place of the circuit's: its weights
have the singular values of trained ones, not those of noise. Decoys' writes get the size and the spread over prompts
that the circuit's have, their attention scores the circuit's spread. A rotation of the residual stream
(`planting.symmetries`) hides afterwards which dimensions were added.

What no decoy can hide is that nothing listens to it: a product of its output weights with the unembedding, or with what
the circuit reads, is small, because the strict loss has made it so.

The separation is exact without LayerNorm. `crosstalk` weakens it on purpose: a model whose weights had zeros between
circuit and decoys would give the circuit away to anyone who multiplies matrices, without running it. With LayerNorm
decoys also act through the variance of the stream; a large constant that no node reads (`planting.anchor`) keeps that
nearly the same whatever they say. What either leaves is for `siit.harden` to train away and for the certificate to
bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.anchor import deafened
from scribe_suite.planting.circuits.copies import Copies, rms, without_mean
from scribe_suite.planting.circuits.patchable import PatchableTransformer

_T = TypeVar("_T")

#: Size of position embeddings in the decoys' dimensions relative to those in the circuit's. Small, and token embeddings
#: are centred there: what decoys read has to vary between prompts, or they would need large constants to look alike.
_POSITIONS = 0.5


@dataclass(frozen=True)
class DecoyRecipe:
    """How decoys are drawn.

    Attributes:
        jitter: Standard deviation of the logarithm of a decoy's size relative to the circuit node it is modelled on.
        crosstalk: Size of the weights by which circuit and unembedding read the decoys' dimensions, relative to those
            by which they read their own; there while the circuit is hardened.
        lookalikes: Share of decoy heads that attend like a head of the circuit: their query and key weights are
            variations of its own, in layers where what these read is there.
        leak: Standard deviation of what each decoy adds to the right label's logit, relative to that logit; added when
            training is over (`planting.leak`).
        anchor: With LayerNorm, the length of a constant in the residual stream, relative to the length that all nodes'
            writes would have together if they were independent. No node reads it.
    """

    jitter: float = 0.3
    crosstalk: float = 0.02
    lookalikes: float = 0.4
    leak: float = 0.01
    anchor: float = 3.0


@dataclass(frozen=True)
class _Size:
    """Root mean squares over prompts and positions: of a write, and of its deviation from the mean prompt's."""

    total: float
    spread: float


@torch.no_grad()
def add_decoys(
    network: PatchableTransformer,
    circuit: Bool[Tensor, "layer slot"],
    width: int,
    tokens: Int[Tensor, "prompt position"],
    recipe: DecoyRecipe,
    generator: torch.Generator,
) -> Float[Tensor, " d_model"] | None:
    """Fill every node outside the circuit, in place.

    Args:
        network: A circuit placed by `compact.place`: all other nodes and dimensions are zero.
        circuit: Its nodes.
        width: Residual dimensions ``width`` and up are the decoys'.
        tokens: Prompts on which sizes are measured.
        recipe: How.
        generator: Of all random choices.

    Returns:
        Direction of the constant that was added to the residual stream (`planting.anchor`), if one was.

    Raises:
        ValueError: When no dimension is left for decoys.
    """
    if width >= network.shape.d_model:
        raise ValueError("decoys need residual dimensions of their own: d_model must exceed the circuit's width")
    return _Builder(network, circuit, width, tokens, recipe, generator).build()


class _Builder:
    def __init__(
        self,
        network: PatchableTransformer,
        circuit: Bool[Tensor, "layer slot"],
        width: int,
        tokens: Int[Tensor, "prompt position"],
        recipe: DecoyRecipe,
        generator: torch.Generator,
    ) -> None:
        self._network, self._circuit, self._width = network, circuit, width
        self._tokens, self._recipe, self._generator = tokens, recipe, generator
        self._extra = network.shape.d_model - width
        self._copies = Copies(network, width, generator)
        self._divided = self._deviations()
        self._anchor: Tensor | None = None

    def build(self) -> Tensor | None:
        network = self._network
        self._embed()
        self._let_the_circuit_write_too()
        self._redirect_the_circuits_means()
        if network.shape.normalization is not None and self._recipe.anchor:
            self._drop_anchor()
        for place in self._divided:  # decoys are modelled on a circuit that is as loud as it will be in the end
            self._compensate(place)
        sizes = self._sizes_of(self._circuit)
        spreads = self._score_spreads(self._circuit[:, :-1]) or [1.0]
        for layer in range(network.shape.n_layers):
            self._compensate(f"pre{layer}")
            heads = (~self._circuit[layer, :-1]).nonzero()[:, 0].tolist()
            for head in heads:
                self._draw_head(layer, head)
            self._match_scores(layer, heads, spreads)
            for head in heads:
                self._maybe_look_alike(layer, head)
            self._match(layer, heads, sizes)
            self._compensate(f"mid{layer}")
            if not self._circuit[layer, -1]:
                self._draw_mlp(layer)
                self._match(layer, [network.shape.n_heads], sizes)
        self._compensate("final")
        self._let_the_circuit_listen()
        return self._anchor

    def _deviations(self) -> dict[str, float]:
        """What LayerNorm divides by on average, per place; empty without LayerNorm."""
        if self._network.shape.normalization is None:
            return {}
        streams = self._network.residual_streams(self._tokens)
        return {place: stream.std(-1, correction=0).mean().item() for place, stream in streams.items()}

    def _compensate(self, place: str) -> None:
        """Scale what the circuit reads at `place` by as much as LayerNorm has come to shrink it since the last time."""
        if place not in self._divided:
            return
        network, deviation = self._network, self._deviations()[place]
        gain, self._divided[place] = deviation / self._divided[place], deviation
        if place == "final":
            network.W_U.mul_(gain)
            return
        layer = int(place[3:])
        if place.startswith("mid"):
            network.W_in[layer] *= gain if self._circuit[layer, -1] else 1.0
            return
        for head in self._circuit[layer, :-1].nonzero()[:, 0].tolist():
            for letter in "QKV":
                getattr(network, f"W_{letter}")[layer, head] *= gain

    def _embed(self) -> None:
        tokens, positions, width = self._network.W_E, self._network.W_pos, self._width
        tokens[:, width:] = self._write(len(tokens), size=rms(tokens[:, :width]))
        drawn = self._write(len(positions), size=_POSITIONS * rms(positions[:, :width]))
        positions[:, width:] = drawn - tokens[self._tokens][..., width:].mean(0)

    def _let_the_circuit_write_too(self) -> None:
        """Nothing that matters reads those dimensions; without it, W_O's of circuit and decoys would be orthogonal."""
        network, width = self._network, self._width
        for layer, slot in self._circuit.nonzero().tolist():
            matrix = network.W_out[layer] if slot == network.shape.n_heads else network.W_O[layer, slot]
            matrix[:, width:] = matrix[:, :width] @ self._copies.into_the_rest()

    def _redirect_the_circuits_means(self) -> None:
        """The circuit's nodes get the biases that decoys have; nothing that matters changes, nor does any size."""
        network, (_, values) = self._network, self._network(self._tokens)
        for layer, slot in self._circuit.nonzero().tolist():
            if slot == network.shape.n_heads:
                out = values.mlps[layer].clone()
                out[..., : self._width] = 0.0  # the circuit reads this half
                self._move_mlp(layer, out, _size(out))
                continue
            z, matrix = values.heads[layer, :, :, slot], network.W_O[layer, slot]
            before = network.b_V[layer, slot].clone()
            self._move_head(layer, slot, z, _size(z @ matrix))
            network.b_O[layer] -= (network.b_V[layer, slot] - before) @ matrix  # the sum stays the same

    def _drop_anchor(self) -> None:
        """Before anything is modelled on the circuit, and as long as if all nodes were there already."""
        sizes = self._sizes_of(self._circuit)
        together = math.sqrt(self._circuit.numel() * sum(size.total**2 for size in sizes) / len(sizes))
        direction = torch.zeros(self._network.shape.d_model)
        direction[self._width :] = self._write(1, size=1.0)[0]
        self._anchor = direction / direction.norm()
        self._network.W_pos.add_(self._recipe.anchor * together * self._anchor)

    def _deaf(self, matrix: Float[Tensor, "d_model out"]) -> Float[Tensor, "d_model out"]:
        return matrix if self._anchor is None else deafened(matrix, self._anchor)

    def _let_the_circuit_listen(self) -> None:
        network, width = self._network, self._width
        readers: list[Tensor] = [network.W_U]
        for layer, slot in self._circuit.nonzero().tolist():
            if slot == network.shape.n_heads:
                readers.append(network.W_in[layer])
            else:
                readers += [getattr(network, f"W_{letter}")[layer, slot] for letter in "QKV"]
        for matrix in readers:
            size = self._recipe.crosstalk * rms(matrix[:width])
            matrix[width:] = self._normal(self._extra, matrix.shape[1]) * size
            matrix.copy_(self._deaf(matrix))

    def _draw_head(self, layer: int, head: int) -> None:
        """A circuit head in other dimensions, or a random one where the circuit has none."""
        network, shape = self._network, self._network.shape
        models = self._circuit[:, :-1].nonzero().tolist()
        model = tuple(self._pick(models)) if models else None
        reading, writing = self._copies.maps()
        for letter in "QKV":
            if model:
                drawn = reading @ self._copies.like(f"W_{letter}", model)
                getattr(network, f"b_{letter}")[layer, head] = self._copies.like(f"b_{letter}", model)
            else:
                drawn = self._normal(shape.d_model, shape.d_head) * self._reading
            getattr(network, f"W_{letter}")[layer, head] = self._deaf(drawn)
        written = self._copies.like("W_O", model) if model else self._normal(shape.d_head, self._width) * self._reading
        network.W_O[layer, head, :, self._width :] = math.sqrt(2) * written @ writing

    def _draw_mlp(self, layer: int) -> None:
        network, shape = self._network, self._network.shape
        models = self._circuit[:, -1].nonzero().tolist()
        reading, writing = self._copies.maps()
        if models:
            model = tuple(self._pick(models))
            network.W_in[layer] = self._deaf(reading @ self._copies.like("W_in", model))
            network.b_in[layer] = self._copies.like("b_in", model)
            network.b_out[layer, self._width :] = self._copies.like("b_out", model) @ writing
            written = self._copies.like("W_out", model)
        else:
            network.W_in[layer] = self._deaf(self._normal(shape.d_model, shape.d_mlp) * self._reading)
            network.b_in[layer] = self._normal(shape.d_mlp) * 0.5
            written = self._normal(shape.d_mlp, self._width) * self._reading
        network.W_out[layer, :, self._width :] = math.sqrt(2) * written @ writing

    def _maybe_look_alike(self, layer: int, head: int) -> None:
        models = self._circuit[: layer + 1, :-1].nonzero().tolist()
        if not models or float(torch.rand(1, generator=self._generator)) >= self._recipe.lookalikes:
            return
        model = tuple(self._pick(models))
        turned = self._copies.turned(model)
        for letter in "QK":
            own = turned @ self._copies.like(f"W_{letter}", model)
            others = self._normal(self._extra, own.shape[1]) * self._recipe.crosstalk * rms(own)
            getattr(self._network, f"W_{letter}")[layer, head] = self._deaf(torch.cat([own, others]))
            getattr(self._network, f"b_{letter}")[layer, head] = self._copies.like(f"b_{letter}", model)

    @property
    def _reading(self) -> float:
        return float(self._network.shape.d_model**-0.5)

    def _match_scores(self, layer: int, heads: list[int], wanted: list[float]) -> None:
        found = attention_score_spreads(self._network, self._tokens)[layer]
        for head in heads:
            scale = (self._pick(wanted) * self._factor() / float(found[head])) ** 0.5
            for letter in "QK":
                getattr(self._network, f"W_{letter}")[layer, head] *= scale

    def _match(self, layer: int, slots: list[int], wanted: list[_Size]) -> None:
        """Give the nodes' writes the spread and the size of circuit nodes' by scaling them and moving their mean."""
        _, values = self._network(self._tokens)
        for slot in slots:
            model = self._pick(wanted)
            factor = self._factor()
            size = _Size(model.total * factor, model.spread * factor)
            if slot == self._network.shape.n_heads:
                self._match_mlp(layer, values.mlps[layer], size)
            else:
                self._match_head(layer, slot, values.heads[layer, :, :, slot], size)

    def _match_head(self, layer: int, head: int, z: Float[Tensor, "prompt position d_head"], size: _Size) -> None:
        matrix = self._network.W_O[layer, head]
        matrix *= size.spread / _size(z @ matrix).spread
        self._move_head(layer, head, z, size)

    def _match_mlp(self, layer: int, out: Float[Tensor, "prompt position d_model"], size: _Size) -> None:
        scale = size.spread / _size(out).spread
        self._network.W_out[layer] *= scale
        self._network.b_out[layer] *= scale
        self._move_mlp(layer, out * scale, size)

    def _move_head(self, layer: int, head: int, z: Float[Tensor, "prompt position d_head"], size: _Size) -> None:
        """Replace the mean of what a head writes by a random one that gives it its size."""
        matrix, bias = self._network.W_O[layer, head], self._network.b_V[layer, head]
        move = self._normal(len(bias))
        bias += move * (_distance_to_move(z @ matrix, size) / (move @ matrix).norm()) - z.mean((0, 1))

    def _move_mlp(self, layer: int, out: Float[Tensor, "prompt position d_model"], size: _Size) -> None:
        move = torch.zeros(out.shape[-1])
        move[self._width :] = self._write(1, size=1.0)[0]
        self._network.b_out[layer] += move * (_distance_to_move(out, size) / move.norm()) - out.mean((0, 1))

    def _sizes_of(self, nodes: Bool[Tensor, "layer slot"]) -> list[_Size]:
        _, values = self._network(self._tokens)
        writes = self._network.writes(values)
        return [_size(writes[layer, slot]) for layer, slot in nodes.nonzero().tolist()]

    def _score_spreads(self, heads: Bool[Tensor, "layer head"]) -> list[float]:
        spreads = attention_score_spreads(self._network, self._tokens)
        return [float(spreads[layer, head]) for layer, head in heads.nonzero().tolist()]

    def _pick(self, choices: list[_T]) -> _T:
        return choices[int(torch.randint(len(choices), (1,), generator=self._generator))]

    def _factor(self) -> float:
        return math.exp(self._recipe.jitter * float(self._normal(1)))

    def _normal(self, *size: int) -> Float[Tensor, "..."]:
        return torch.randn(*size, generator=self._generator)

    def _write(self, rows: int, *, size: float) -> Float[Tensor, "rows extra"]:
        return without_mean(self._normal(rows, self._extra) * size)


@torch.no_grad()
def attention_score_spreads(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"]
) -> Float[Tensor, "layer head"]:
    """Standard deviation of every head's attention scores over visible keys, per query; how sharply it attends."""
    spreads = []
    for scores in network.attention_scores(tokens):
        visible = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        mean = (scores * visible).sum(-1, keepdim=True) / visible.sum(-1, keepdim=True)
        deviation = (scores - mean).pow(2) * visible
        spreads.append((deviation.sum((0, 2, 3)) / (visible.sum() * len(tokens))).sqrt())
    return torch.stack(spreads)


def _size(write: Float[Tensor, "prompt position d_model"]) -> _Size:
    return _Size(
        total=write.pow(2).sum(-1).mean().sqrt().item(),
        spread=(write - write.mean(0)).pow(2).sum(-1).mean().sqrt().item(),
    )


def _distance_to_move(write: Float[Tensor, "prompt position d_model"], size: _Size) -> float:
    """How long the mean over prompts and positions has to be for the write to have this size."""
    centre = write.mean(0)
    between_positions = (centre - centre.mean(0)).pow(2).sum(-1).mean().item()
    return math.sqrt(max(0.0, size.total**2 - size.spread**2 - between_positions))
