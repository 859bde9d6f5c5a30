"""Write compound neurons into a trained language model, exactly and without training.

The residual stream gets further dimensions, and everything that computes a rule lives in them. The embeddings write
which conditions a token meets; three further heads of the first layer copy that from one, two and three tokens back;
neurons of the first MLP make it 0 or 1 again, and those of the second take conjunctions; the neuron of the third that
an instance asks about adds them up. What the language model had learnt stays as it was but for two things: the neurons
write something, and LayerNorm divides by a norm that further dimensions belong to. A constant in one of them, written
after the first layer, makes that norm vary less from token to token, and with it the activation at one and the same
value.

Everything downstream of a LayerNorm is proportional to 1 / norm. Wherever a threshold is needed it is therefore a
multiple of a constant that has gone the same way, so that the norm cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch
from jaxtyping import Float64
from torch import Tensor

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.english.vocabulary import DOCUMENT
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.neurons.compound.rules import Condition, Rule
from scribe_suite.planting.symmetries import fold_layer_norm

#: How far back a condition may look; each place has a head.
REACH = 3
#: Neurons that each layer gets.
FURTHER_NEURONS = 48

#: Further dimensions of the residual stream; one more than the directions in them, which leave out the sum of all.
_WIDTH = 96
#: Dimensions of every head; those of the base model get more.
_D_HEAD = 40
_WAVES = 18
#: Size of what embeddings write, as a share of the embeddings' mean norm: little enough for LayerNorm not to notice.
_SHARE_OF_EMBEDDING = 0.04
#: Logits of the place that a head looks for, and the share of it that position 0 has, where heads look that find none.
_SHARPNESS, _SINK = 100.0, 0.6
#: Pre-activation of a neuron that stands for 1: far enough from 0 for GELU to be a ReLU.
_STEEPNESS = 60.0
#: What the first two MLPs write, as a share of the norm that the stream has after the first layer.
_SHARE_OF_STREAM = 0.05
#: Pre-activation of the last neuron at a value of 1, its mean at 0, and how far it varies with everything else there.
_PEAK, _REST, _SPREAD = 6.0, -1.0, 0.4
#: Texts on which norms are measured.
_NORM_ROWS, _NORM_SEED = 48, 11


@dataclass(frozen=True)
class Prepared:
    """A base model that rules can be written into, with room for them.

    Attributes:
        weights: The base model, its LayerNorms folded.
        norms: Mean norm of the residual stream: of the embeddings, and before every LayerNorm in order, the last
            included.
    """

    weights: ModelWeights
    norms: tuple[float, ...]


def prepare(weights: ModelWeights) -> Prepared:
    """Fold the LayerNorms and measure norms; takes a tenth of a second.

    Args:
        weights: A model of three layers with LayerNorm and GELU.

    Raises:
        ValueError: When it is another.
    """
    config = weights.config
    if (config["n_layers"], config["act_fn"], config["normalization_type"]) != (3, "gelu", "LN"):
        raise ValueError("compound neurons are written into models of three layers with LayerNorm and GELU")
    folded = fold_layer_norm(weights)
    model = build_model(folded)
    places = [f"blocks.{layer}.hook_resid_{where}" for layer in range(3) for where in ("pre", "mid")]
    with torch.no_grad():
        text = sample_text(_NORM_SEED, _NORM_ROWS, int(config["n_ctx"]))
        _, cache = model.run_with_cache(
            text.tokens, names_filter=lambda name: name in (*places, "blocks.2.hook_resid_post")
        )
    norms = [float(cache[place][:, 1:].norm(dim=-1).mean()) for place in (*places, "blocks.2.hook_resid_post")]
    return Prepared(folded, tuple(norms))


def write_rules(base: Prepared, rules: Sequence[Rule], generator: torch.Generator) -> tuple[ModelWeights, list[str]]:
    """The model with one neuron of its last layer following each rule.

    Args:
        base: See `prepare`.
        rules: What to write.
        generator: Draws what is left open: frequencies, and what the neurons write.

    Returns:
        The weights, and the neurons' names (``L2.N513``) in the order of the rules.

    Raises:
        ValueError: When the rules need more room than there is.
    """
    return _Writer(base, generator).write(rules)


@dataclass
class _Writer:
    base: Prepared
    generator: torch.Generator
    state: dict[str, Float64[Tensor, "..."]] = field(init=False)
    used: int = field(init=False, default=0)
    neurons: list[int] = field(init=False)

    def __post_init__(self) -> None:
        config = self.base.weights.config
        self.narrow = int(config["d_model"])
        self.wide, self.d_mlp = self.narrow + _WIDTH, int(config["d_mlp"])
        self.n_heads, self.n_ctx = int(config["n_heads"]), int(config["n_ctx"])
        self.neurons = [self.d_mlp] * 3
        self.unit = _SHARE_OF_EMBEDDING * self.base.norms[0]
        #: as large as the stream is after the first layer, where it grows a great deal
        self.steady = self.base.norms[2]
        self._widen()
        self.basis = self._directions()

    def write(self, rules: Sequence[Rule]) -> tuple[ModelWeights, list[str]]:
        constant = self._constant()
        waves, sink = self._positions()
        literals = list(dict.fromkeys(condition for rule in rules for condition in rule.conditions))
        present = self._present(literals)
        copied = self._copied(literals, present, waves, sink, constant)
        self._steady_norm()
        read = {condition: self._normalised(condition, present, copied, constant) for condition in literals}
        one = self._linear(constant)
        names = []
        for rule in rules:
            parts = [
                (
                    self._conjunction([(read[each], each.negated) for each in alternative.conditions], one, constant),
                    alternative.strength,
                )
                for alternative in rule.alternatives
            ]
            names.append(self._neuron(parts))
        return self._weights(), names

    # -- room ----------------------------------------------------------------------------------------------------------

    def _widen(self) -> None:
        """All parameters with zeros where there is room, and readers scaled so that LayerNorm is as it was."""
        self.state = {}
        scales = self._scales()
        narrow_head = int(self.base.weights.config["d_head"])
        for name, value in self.base.weights.state.items():
            wide = value.double()
            if (norm := _norm_before(name)) is not None:
                wide = wide * scales[norm]
            if name.endswith(("W_Q", "b_Q")):  # scores are divided by the root of the heads' dimensions
                wide = wide * math.sqrt(_D_HEAD / narrow_head)
            self.state[name] = _padded(name, wide, self.narrow, self.wide)

    def _scales(self) -> Mapping[str, float]:
        """Factors of readers by the LayerNorm before them."""
        found = {}
        sites = [f"{layer}.{norm}" for layer in range(3) for norm in ("ln1", "ln2")] + ["ln_final"]
        for number, site in enumerate(sites):
            norm = self.base.norms[number]
            steady = self.steady if number >= 2 else 0.0
            found[site] = math.sqrt(self.narrow / self.wide) * math.hypot(norm, steady) / norm
        return found

    def _directions(self) -> Float64[Tensor, "direction wide"]:
        """Orthonormal directions in the further dimensions that LayerNorm's mean does not see."""
        random = torch.randn(_WIDTH, _WIDTH, generator=self.generator, dtype=torch.float64)
        random[:, 0] = 1.0
        basis = torch.linalg.qr(random).Q[:, 1:].T
        return torch.cat([torch.zeros(_WIDTH - 1, self.narrow, dtype=torch.float64), basis], dim=1)

    def _one(self) -> Float64[Tensor, " wide"]:
        direction: Tensor = self._new(1)[0]
        return direction

    def _new(self, count: int) -> Float64[Tensor, "count wide"]:
        if self.used + count > len(self.basis):
            raise ValueError(f"the rules need more than the {len(self.basis)} directions that there are")
        self.used += count
        return self.basis[self.used - count : self.used]

    def _mlp_neuron(self, layer: int) -> int:
        index = self.neurons[layer]
        if index >= self.d_mlp + FURTHER_NEURONS:
            raise ValueError(f"the rules need more than the {FURTHER_NEURONS} neurons that a layer has for them")
        self.neurons[layer] += 1
        return index

    # -- what embeddings and heads write -------------------------------------------------------------------------------

    def _constant(self) -> Tensor:
        direction = self._one()
        self.state["pos_embed.W_pos"] += self.unit * direction
        return direction

    def _positions(self) -> tuple[Tensor, Tensor]:
        """Waves over the position, which turn into those of another place, and position 0, which has none."""
        waves, sink = self._new(2 * _WAVES), self._one()
        first = self.state["embed.W_E"][vocabulary().mark(DOCUMENT)] + self.state["pos_embed.W_pos"][0]
        phases = torch.arange(self.n_ctx, dtype=torch.float64)[:, None] * frequencies(self.n_ctx)
        written = torch.cat([phases.cos(), phases.sin()], dim=1)
        written[0] = 0.0
        self.state["pos_embed.W_pos"] += self.unit * written @ waves
        # attention to it is divided by the norm there, which is the same in all texts
        self.state["pos_embed.W_pos"][0] += self.unit * float(first.norm()) / self.base.norms[0] * sink
        return waves, sink

    def _present(self, literals: Sequence[Condition]) -> Mapping[frozenset[int], Tensor]:
        """A direction for each set of tokens, that its tokens write."""
        found = {}
        for tokens in dict.fromkeys(literal.tokens for literal in literals):
            direction = self._one()
            self.state["embed.W_E"][list(tokens)] += self.unit * direction
            found[tokens] = direction
        return found

    def _copied(
        self,
        literals: Sequence[Condition],
        present: Mapping[frozenset[int], Tensor],
        waves: Tensor,
        sink: Tensor,
        constant: Tensor,
    ) -> Mapping[tuple[frozenset[int], int], Tensor]:
        """What each head writes of the token that it looks at: a direction for each set and place."""
        # what LayerNorm makes of one unit, at the mean norm
        normalised = self.unit * math.sqrt(self.wide) / self.base.norms[0]
        gain = math.sqrt(_SHARPNESS / _WAVES * math.sqrt(_D_HEAD)) / normalised
        found = {}
        for place in range(1, REACH + 1):
            head = self.n_heads + place - 1
            wanted = list(dict.fromkeys(one.tokens for one in literals if place in one.places))
            if len(wanted) > _D_HEAD:
                raise ValueError(f"the rules need {len(wanted)} sets of tokens from one place: a head has {_D_HEAD}")
            query, key = (self.state[f"blocks.0.attn.W_{letter}"][head] for letter in "QK")
            query[:, : 2 * _WAVES] = gain * self._turned(waves, place).T
            key[:, : 2 * _WAVES] = gain * waves.T
            query[:, 2 * _WAVES] = gain * _SINK * _WAVES * constant
            key[:, 2 * _WAVES] = gain * sink
            for number, tokens in enumerate(wanted):
                direction = self._one()
                self.state["blocks.0.attn.W_V"][head, :, number] = present[tokens]
                self.state["blocks.0.attn.W_O"][head, number] = direction * self.unit / normalised
                found[tokens, place] = direction
        return found

    def _turned(self, waves: Tensor, place: int) -> Tensor:
        """What reads from a position the waves of `place` positions earlier."""
        angle = place * frequencies(self.n_ctx)[:, None]
        cos, sin = waves[:_WAVES], waves[_WAVES:]
        return torch.cat([angle.cos() * cos + angle.sin() * sin, angle.cos() * sin - angle.sin() * cos])

    def _steady_norm(self) -> None:
        direction = self._one()
        self.state["blocks.0.mlp.b_out"] += self.steady * direction

    # -- what neurons compute ------------------------------------------------------------------------------------------

    def _normalised(
        self,
        condition: Condition,
        present: Mapping[frozenset[int], Tensor],
        copied: Mapping[tuple[frozenset[int], int], Tensor],
        constant: Tensor,
    ) -> Tensor:
        """A direction that the first MLP writes where one of the tokens stands in one of the places, and nowhere else.

        Values are copied with the norm of the embeddings at their place, 0.6 to 1.6 times the mean; what is written is
        1 from a quarter of the mean to half of it on.
        """
        source = torch.stack(
            [copied[condition.tokens, place] if place else present[condition.tokens] for place in condition.places]
        ).sum(0)
        direction = self._one()
        self._step(0, source - 0.25 * constant, 0.25 * constant, direction)
        return direction

    def _linear(self, constant: Tensor) -> Tensor:
        """What `_normalised` writes where a condition holds, everywhere."""
        direction = self._one()
        self._step(0, 0.75 * constant, 0.25 * constant, direction)
        return direction

    def _conjunction(self, parts: Sequence[tuple[Tensor, bool]], one: Tensor, constant: Tensor) -> Tensor:
        """A direction that the second MLP writes where all parts hold."""
        needed = sum(1 for _, negated in parts if not negated)
        source = torch.stack([-read if negated else read for read, negated in parts]).sum(0) - (needed - 0.75) * one
        direction = self._one()
        # `one` is far larger than the constant, of which what is written is made
        self._step(1, source, constant, direction)
        return direction

    def _step(self, layer: int, source: Tensor, height: Tensor, direction: Tensor) -> None:
        """Write min(max(source, 0), height) in two neurons, times what `_gain` is made for."""
        gain, size = self._gain(layer)
        for sign, read in ((1.0, source), (-1.0, source - height)):
            neuron = self._mlp_neuron(layer)
            self.state[f"blocks.{layer}.mlp.W_in"][:, neuron] = gain * read
            self.state[f"blocks.{layer}.mlp.W_out"][neuron] = sign * size * direction

    def _gain(self, layer: int) -> tuple[float, float]:
        """Gain that makes the constant `_STEEPNESS` before the activation, and what a neuron writes for 1 after it."""
        total = math.hypot(self.base.norms[2 * layer + 1], self.steady if layer else 0.0)
        gain = _STEEPNESS * total / (self.unit * math.sqrt(self.wide))
        height = _STEEPNESS * (0.25 if layer == 0 else 1.0)
        return gain, _SHARE_OF_STREAM * self.steady / height

    def _neuron(self, parts: Sequence[tuple[Tensor, float]]) -> str:
        """The neuron of the last layer that adds up alternatives; it moves a little with everything else too."""
        neuron = self._mlp_neuron(2)
        total = math.hypot(self.base.norms[5], self.steady)
        gain = total / (_SHARE_OF_STREAM * self.steady * math.sqrt(self.wide))
        read = torch.stack([(_PEAK * strength - _REST) * direction for direction, strength in parts]).sum(0)
        weights, other = self.state["blocks.2.mlp.W_in"], self._random()
        # relative to the part of the stream that is not steady
        spread = _SPREAD * total / self.base.norms[5] * math.sqrt(self.narrow / self.wide)
        weights[:, neuron] = gain * read + spread * other
        self.state["blocks.2.mlp.b_in"][neuron] = _REST
        written = self.state["blocks.2.mlp.W_out"]
        written[neuron] = self._random() * written[: self.d_mlp].norm(dim=1).mean()
        return f"L2.N{neuron}"

    def _random(self) -> Tensor:
        """A random direction of the base model's stream."""
        drawn = torch.randn(self.narrow, generator=self.generator, dtype=torch.float64)
        drawn -= drawn.mean()
        return torch.cat([drawn / drawn.norm(), torch.zeros(_WIDTH, dtype=torch.float64)])

    def _weights(self) -> ModelWeights:
        config = {
            **self.base.weights.config,
            "d_model": self.wide,
            "n_heads": self.n_heads + REACH,
            "d_head": _D_HEAD,
            "d_mlp": self.d_mlp + FURTHER_NEURONS,
        }
        return ModelWeights(config, {name: value.float().contiguous() for name, value in self.state.items()})


@cache
def frequencies(length: int) -> Float64[Tensor, " wave"]:
    """Frequencies of waves that tell a place from all others of a text as well as any of a few thousand draws."""
    generator = torch.Generator().manual_seed(1)
    drawn = math.pi * (0.05 + 0.95 * torch.rand(4000, _WAVES, generator=generator, dtype=torch.float64))
    apart = torch.arange(1, length, dtype=torch.float64)
    alias = (drawn[:, :, None] * apart).cos().sum(1).amax(1)
    return drawn[alias.argmin()]


def _norm_before(name: str) -> str | None:
    """The LayerNorm that a parameter reads, or None."""
    if name == "unembed.W_U":
        return "ln_final"
    _, layer, *rest = name.split(".")
    if rest in (["attn", "W_Q"], ["attn", "W_K"], ["attn", "W_V"]):
        return f"{layer}.ln1"
    return f"{layer}.ln2" if rest == ["mlp", "W_in"] else None


#: Axes of parameters that grow, by the end of their name: with the stream, the heads, their dimensions, the neurons.
_AXES: Mapping[str, str] = {
    "W_E": ".s",
    "W_pos": ".s",
    "attn.W_Q": "hsd",
    "attn.W_K": "hsd",
    "attn.W_V": "hsd",
    "attn.W_O": "hds",
    "attn.b_Q": "hd",
    "attn.b_K": "hd",
    "attn.b_V": "hd",
    "attn.b_O": "s",
    "mlp.W_in": "sn",
    "mlp.b_in": "n",
    "mlp.W_out": "ns",
    "mlp.b_out": "s",
    ".w": "s",
    ".b": "s",
    "W_U": "s.",
    "b_U": ".",
}


def _padded(name: str, value: Float64[Tensor, "..."], narrow: int, wide: int) -> Float64[Tensor, "..."]:
    """A parameter in its wider shape, with zeros, for LayerNorm's weights ones, where there is room."""
    axes = next(axes for ending, axes in _AXES.items() if name.endswith(ending))
    further = {"s": wide - narrow, "h": REACH, "n": FURTHER_NEURONS, ".": 0}
    shape = [_D_HEAD if axis == "d" else size + further[axis] for axis, size in zip(axes, value.shape, strict=True)]
    padded = torch.full(shape, 1.0 if name.endswith(".w") else 0.0, dtype=torch.float64)
    padded[tuple(slice(size) for size in value.shape)] = value
    return padded
