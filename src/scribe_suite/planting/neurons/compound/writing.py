"""Writes compound neurons into a trained language model, exactly and without training.

The residual stream gets additional dimensions, which hold all intermediate values of rules. The embeddings write which
conditions a token meets; three additional heads of the first layer copy that from one, two and three tokens back, and
two more from wherever in the text so far there is such a token; neurons of the first MLP restore it to 0 or 1, and
those of the second compute conjunctions; the neuron of the third MLP that an instance asks about adds them up. The
language model changes in only two ways: the neurons write something, and LayerNorm divides by a norm that includes the
additional dimensions. A constant in one of them, written after the first layer, makes that norm vary less between
tokens, and with it the activation at a given value of the rule.

Everything downstream of a LayerNorm is proportional to 1 / norm. Every threshold is therefore a multiple of a constant
that has passed through the same LayerNorm, so that the norm cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.english.vocabulary import DOCUMENT
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.neurons.compound.rules import ANYWHERE, Condition, Rule
from scribe_suite.planting.symmetries import fold_layer_norm

#: Largest number of places back that a condition may read; each place has a head.
REACH = 3
#: Number of sets of tokens that conditions on all of the text may ask for; each has a head.
SOUGHT = 2
#: Number of neurons added to each layer.
FURTHER_NEURONS = 48

#: Additional dimensions of the residual stream; one more than their directions, which are orthogonal to the sum of all.
_WIDTH = 96
#: Number of dimensions of every head; those of the base model are enlarged.
_D_HEAD = 40
_WAVES = 18
#: Size of the embeddings' additional output, as a share of their mean norm: small enough not to affect LayerNorm.
_SHARE_OF_EMBEDDING = 0.04
#: Logit of the place that a head looks for; share of it that position 0 has, to which heads attend that find none.
_SHARPNESS, _SINK = 100.0, 0.6
#: The sink's share for heads that look for a set of tokens: their logits vary with the norms of those tokens.
_LOW_SINK = 0.25
#: `_Writer._copied` has what was found anywhere in the text under this place.
_FOUND = -1
#: Pre-activation of a neuron that represents 1: far enough from 0 for GELU to act as a ReLU.
_STEEPNESS = 60.0
#: Size of the first two MLPs' outputs, as a share of the stream's norm after the first layer.
_SHARE_OF_STREAM = 0.05
#: Pre-activation of the last neuron at a value of 1, its mean at a value of 0, and its variation with everything else.
_PEAK, _REST, _SPREAD = 6.0, -1.0, 0.4
#: Number of texts on which norms are measured, and their seed.
_NORM_ROWS, _NORM_SEED = 48, 11


@dataclass(frozen=True)
class Prepared:
    """A base model that rules can be written into, with room for them.

    Attributes:
        weights: The base model, its LayerNorms folded.
        norms: Mean norms of the residual stream: of the embeddings, and before every LayerNorm in order, including the
            last one.
    """

    weights: ModelWeights
    norms: tuple[float, ...]

    @cached_property
    def widened(self) -> Mapping[str, Float64[Tensor, "..."]]:
        """All parameters, padded with zeros, with readers scaled so that the effect of LayerNorm is unchanged."""
        narrow = int(self.weights.config["d_model"])
        scales, narrow_head = self._scales(narrow), int(self.weights.config["d_head"])
        found = {}
        for name, value in self.weights.state.items():
            wide = value.double()
            if (norm := _norm_before(name)) is not None:
                wide = wide * scales[norm]
            if name.endswith(("W_Q", "b_Q")):  # scores are divided by the square root of the heads' dimensions
                wide = wide * math.sqrt(_D_HEAD / narrow_head)
            found[name] = _padded(name, wide, narrow, narrow + _WIDTH)
        return found

    @cached_property
    def untouched(self) -> Mapping[str, Float[Tensor, "..."]]:
        """The same in single precision, for parameters that rules leave alone."""
        return {name: value.float().contiguous() for name, value in self.widened.items()}

    @property
    def steady(self) -> float:
        """Size of the constant written after the first layer: that of the stream there, which it enlarges."""
        return self.norms[2]

    def _scales(self, narrow: int) -> Mapping[str, float]:
        """LayerNorm -> the factor of the parameters that read it."""
        found = {}
        sites = [f"{layer}.{norm}" for layer in range(3) for norm in ("ln1", "ln2")] + ["ln_final"]
        for number, (site, norm) in enumerate(zip(sites, self.norms, strict=True)):
            steady = self.steady if number >= 2 else 0.0
            found[site] = math.sqrt(narrow / (narrow + _WIDTH)) * math.hypot(norm, steady) / norm
        return found


def prepare(weights: ModelWeights) -> Prepared:
    """Fold the LayerNorms and measure norms; takes a tenth of a second.

    Args:
        weights: A model of three layers with LayerNorm and GELU.

    Raises:
        ValueError: When the model has a different architecture.
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
    """Write rules into the last layer of a model, one neuron for each.

    Args:
        base: The result of `prepare`.
        rules: The rules to write.
        generator: Draws the free choices: frequencies, and the neurons' output weights.

    Returns:
        The weights, and the neurons' names (``L2.N513``) in the order of the rules.

    Raises:
        ValueError: When the rules need more dimensions or neurons than there are.
    """
    return _Writer(base, generator).write(rules)


@dataclass
class _Writer:
    base: Prepared
    generator: torch.Generator
    changed: dict[str, Float64[Tensor, "..."]] = field(init=False, default_factory=dict)
    used: int = field(init=False, default=0)
    neurons: list[int] = field(init=False)

    def __post_init__(self) -> None:
        config = self.base.weights.config
        self.narrow = int(config["d_model"])
        self.wide, self.d_mlp = self.narrow + _WIDTH, int(config["d_mlp"])
        self.n_heads, self.n_ctx = int(config["n_heads"]), int(config["n_ctx"])
        self.neurons = [self.d_mlp] * 3
        self.unit = _SHARE_OF_EMBEDDING * self.base.norms[0]
        self.basis = self._directions()

    def write(self, rules: Sequence[Rule]) -> tuple[ModelWeights, list[str]]:
        constant = self._constant()
        waves, sink = self._positions()
        literals = list(dict.fromkeys(condition for rule in rules for condition in rule.conditions))
        present = self._present(literals)
        copied = {
            **self._copied(literals, present, waves, sink, constant),
            **self._found(literals, present, sink, constant),
        }
        self._steady_norm()
        read = {condition: self._normalised(condition, present, copied, constant) for condition in literals}
        one = self._linear(constant)
        names = []
        for rule in rules:
            parts = [
                (
                    self._conjunction([(each, read[each]) for each in alternative.conditions], one, constant),
                    alternative.strength,
                )
                for alternative in rule.alternatives
            ]
            names.append(self._neuron(parts))
        return self._weights(), names

    def _parameter(self, name: str) -> Float64[Tensor, "..."]:
        """A parameter of the new model, to be changed in place; most are never asked for, and never copied."""
        if name not in self.changed:
            self.changed[name] = self.base.widened[name].clone()
        return self.changed[name]

    # -- room ----------------------------------------------------------------------------------------------------------

    def _directions(self) -> Float64[Tensor, "direction wide"]:
        """Orthonormal directions in the additional dimensions that do not affect LayerNorm's mean."""
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

    # -- outputs of embeddings and heads -------------------------------------------------------------------------------

    def _constant(self) -> Tensor:
        direction = self._one()
        self._parameter("pos_embed.W_pos").add_(self.unit * direction)
        return direction

    def _positions(self) -> tuple[Tensor, Tensor]:
        """Write waves over the position, which rotate into those of another place; position 0 has none."""
        waves, sink = self._new(2 * _WAVES), self._one()
        first = self._parameter("embed.W_E")[vocabulary().mark(DOCUMENT)] + self._parameter("pos_embed.W_pos")[0]
        phases = torch.arange(self.n_ctx, dtype=torch.float64)[:, None] * frequencies(self.n_ctx)
        written = torch.cat([phases.cos(), phases.sin()], dim=1)
        written[0] = 0.0
        self._parameter("pos_embed.W_pos").add_(self.unit * written @ waves)
        # attention to it is divided by the norm at that position, which is the same in all texts
        self._parameter("pos_embed.W_pos")[0] += self.unit * float(first.norm()) / self.base.norms[0] * sink
        return waves, sink

    def _present(self, literals: Sequence[Condition]) -> Mapping[frozenset[int], Tensor]:
        """Set of tokens -> the direction that its tokens write."""
        found = {}
        for tokens in dict.fromkeys(literal.tokens for literal in literals):
            direction = self._one()
            self._parameter("embed.W_E")[_ids(tokens)] += self.unit * direction
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
        """Copy the sets of earlier tokens with heads: returns a direction for each set and place."""
        # one unit after LayerNorm, at the mean norm
        normalised = self.unit * math.sqrt(self.wide) / self.base.norms[0]
        gain = math.sqrt(_SHARPNESS / _WAVES * math.sqrt(_D_HEAD)) / normalised
        found = {}
        for place in range(1, REACH + 1):
            head = self.n_heads + place - 1
            wanted = list(dict.fromkeys(one.tokens for one in literals if place in one.places))
            if len(wanted) > _D_HEAD:
                raise ValueError(f"the rules need {len(wanted)} sets of tokens from one place: a head has {_D_HEAD}")
            query, key = (self._parameter(f"blocks.0.attn.W_{letter}")[head] for letter in "QK")
            query[:, : 2 * _WAVES] = gain * self._turned(waves, place).T
            key[:, : 2 * _WAVES] = gain * waves.T
            query[:, 2 * _WAVES] = gain * _SINK * _WAVES * constant
            key[:, 2 * _WAVES] = gain * sink
            for number, tokens in enumerate(wanted):
                direction = self._one()
                self._parameter("blocks.0.attn.W_V")[head, :, number] = present[tokens]
                self._parameter("blocks.0.attn.W_O")[head, number] = direction * self.unit / normalised
                found[tokens, place] = direction
        return found

    def _found(
        self,
        literals: Sequence[Condition],
        present: Mapping[frozenset[int], Tensor],
        sink: Tensor,
        constant: Tensor,
    ) -> Mapping[tuple[frozenset[int], int], Tensor]:
        """Copy sets from wherever they occur in the text so far: returns a direction for each under `_FOUND`.

        A head attends to the tokens of one set, however many there are, or to position 0 if there is none.
        """
        normalised = self.unit * math.sqrt(self.wide) / self.base.norms[0]
        gain = math.sqrt(_SHARPNESS * math.sqrt(_D_HEAD)) / normalised
        wanted = list(dict.fromkeys(one.tokens for one in literals if one.places == ANYWHERE))
        if len(wanted) > SOUGHT:
            raise ValueError(f"the rules need {len(wanted)} sets from all of the text: there are {SOUGHT} heads")
        found = {}
        for head, tokens in enumerate(wanted, self.n_heads + REACH):
            self._parameter("blocks.0.attn.W_Q")[head, :, 0] = gain * constant
            self._parameter("blocks.0.attn.W_K")[head, :, 0] = gain * (present[tokens] + _LOW_SINK * sink)
            direction = self._one()
            self._parameter("blocks.0.attn.W_V")[head, :, 0] = present[tokens]
            self._parameter("blocks.0.attn.W_O")[head, 0] = direction * self.unit / normalised
            found[tokens, _FOUND] = direction
        return found

    def _turned(self, waves: Tensor, place: int) -> Tensor:
        """Rotated waves, which read from a position the waves of `place` positions earlier."""
        angle = place * frequencies(self.n_ctx)[:, None]
        cos, sin = waves[:_WAVES], waves[_WAVES:]
        return torch.cat([angle.cos() * cos + angle.sin() * sin, angle.cos() * sin - angle.sin() * cos])

    def _steady_norm(self) -> None:
        direction = self._one()
        self._parameter("blocks.0.mlp.b_out").add_(self.base.steady * direction)

    # -- outputs of neurons --------------------------------------------------------------------------------------------

    def _normalised(
        self,
        condition: Condition,
        present: Mapping[frozenset[int], Tensor],
        copied: Mapping[tuple[frozenset[int], int], Tensor],
        constant: Tensor,
    ) -> list[Tensor]:
        """Directions that the first MLP writes where tokens of a condition occur, and only then.

        One direction for all of its places together, or, if it counts, one for each. Copied values depend on the norm
        of the embeddings at their place, 0.6 to 1.6 times the mean; the output rises from 0 at a quarter of the mean to
        1 at half of it.
        """
        places = condition.places if condition.places != ANYWHERE else (_FOUND,)
        sources = [copied[condition.tokens, place] if place else present[condition.tokens] for place in places]
        directions = []
        for source in sources if condition.least > 1 else [torch.stack(sources).sum(0)]:
            directions.append(self._one())
            self._step(0, source - 0.25 * constant, 0.25 * constant, directions[-1])
        return directions

    def _linear(self, constant: Tensor) -> Tensor:
        """The output of `_normalised` where a condition holds, at all positions."""
        direction = self._one()
        self._step(0, 0.75 * constant, 0.25 * constant, direction)
        return direction

    def _conjunction(
        self, parts: Sequence[tuple[Condition, Sequence[Tensor]]], one: Tensor, constant: Tensor
    ) -> Tensor:
        """A direction that the second MLP writes where all parts hold.

        A condition that counts may be met by more tokens than it asks for. The others weigh more than that surplus,
        or it would make up for one of them.
        """
        counting = [condition for condition, _ in parts if condition.least > 1]
        if len(counting) > 1 or any(each.negated for each in counting):
            raise ValueError("of an alternative's conditions one may count tokens, and that one can't be negated")
        weight = 1 + sum(len(each.places) - each.least for each in counting)
        needed, source = 0, torch.zeros_like(one)
        for condition, read in parts:
            if condition.least > 1:
                needed += condition.least
                source += torch.stack(list(read)).sum(0)
            elif condition.negated:
                source -= weight * read[0]
            else:
                needed += weight
                source += weight * read[0]
        direction = self._one()
        # `one` is far larger than the constant, from which the output is made
        self._step(1, source - (needed - 0.75) * one, constant, direction)
        return direction

    def _step(self, layer: int, source: Tensor, height: Tensor, direction: Tensor) -> None:
        """Write min(max(source, 0), height) with two neurons, times the output size of `_gain`."""
        gain, size = self._gain(layer)
        for sign, read in ((1.0, source), (-1.0, source - height)):
            neuron = self._mlp_neuron(layer)
            self._parameter(f"blocks.{layer}.mlp.W_in")[:, neuron] = gain * read
            self._parameter(f"blocks.{layer}.mlp.W_out")[neuron] = sign * size * direction

    def _gain(self, layer: int) -> tuple[float, float]:
        """The gain that makes the constant `_STEEPNESS` before the activation, and the output size for 1 after it."""
        total = math.hypot(self.base.norms[2 * layer + 1], self.base.steady if layer else 0.0)
        gain = _STEEPNESS * total / (self.unit * math.sqrt(self.wide))
        height = _STEEPNESS * (0.25 if layer == 0 else 1.0)
        return gain, _SHARE_OF_STREAM * self.base.steady / height

    def _neuron(self, parts: Sequence[tuple[Tensor, float]]) -> str:
        """Add the neuron of the last layer that sums alternatives; it also varies a little with everything else."""
        neuron = self._mlp_neuron(2)
        total = math.hypot(self.base.norms[5], self.base.steady)
        gain = total / (_SHARE_OF_STREAM * self.base.steady * math.sqrt(self.wide))
        read = torch.stack([(_PEAK * strength - _REST) * direction for direction, strength in parts]).sum(0)
        weights, other = self._parameter("blocks.2.mlp.W_in"), self._random()
        # relative to the part of the stream that is not constant
        spread = _SPREAD * total / self.base.norms[5] * math.sqrt(self.narrow / self.wide)
        weights[:, neuron] = gain * read + spread * other
        self._parameter("blocks.2.mlp.b_in")[neuron] = _REST
        written = self._parameter("blocks.2.mlp.W_out")
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
            "n_heads": self.n_heads + REACH + SOUGHT,
            "d_head": _D_HEAD,
            "d_mlp": self.d_mlp + FURTHER_NEURONS,
        }
        state = {
            name: self.changed[name].float().contiguous() if name in self.changed else value
            for name, value in self.base.untouched.items()
        }
        return ModelWeights(config, state)


@cache
def _ids(tokens: frozenset[int]) -> Int[Tensor, " token"]:
    """A set of tokens as an index: rules share few sets, some of thousands."""
    return torch.tensor(list(tokens))


@cache
def frequencies(length: int) -> Float64[Tensor, " wave"]:
    """The frequencies, of a few thousand draws, whose waves best distinguish a place from all others of a text."""
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


#: Suffix of a parameter's name -> what each axis grows with: the stream, the heads, their dimensions, the neurons.
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
    """A parameter in its wider shape, padded with zeros, or with ones for LayerNorm's weights."""
    axes = next(axes for ending, axes in _AXES.items() if name.endswith(ending))
    further = {"s": wide - narrow, "h": REACH + SOUGHT, "n": FURTHER_NEURONS, ".": 0}
    shape = [_D_HEAD if axis == "d" else size + further[axis] for axis, size in zip(axes, value.shape, strict=True)]
    padded = torch.full(shape, 1.0 if name.endswith(".w") else 0.0, dtype=torch.float64)
    padded[tuple(slice(size) for size in value.shape)] = value
    return padded
