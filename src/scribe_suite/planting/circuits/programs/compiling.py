"""Compiles a program to weights instead of training them.

The computation of each node is known, and so are its inputs: codes of values (`codes.Codes`), and embeddings that are
orthogonal to them and to each other. Whether a variable has a given value is therefore an affine function of the
residual stream. An MLP has one neuron for each entry of its table, which is active if all inputs have the values of
that entry. A head scores places by such functions, and copies. Tracr compiles programs to transformers in a similar
way (Lindner et al. 2023, arXiv 2301.05062).

It takes a second where training takes minutes, and is exact for programs of any size. The unused part of each node has
random weights and adds its output to the code (`assembly`), so that outputs are no cleaner than those of trained nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.assembly import place_of
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.optimising import one_thread
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.programs.codes import CODE_NORM, Codes
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import SPAN, Variable, class_number

#: Length of embeddings of tokens and places.
_EMBEDDED = 2.0
#: Difference between the attention score of the place that a head looks for and those of others.
_FOUND = 14.0
#: Difference between the scores of a later place and an earlier one, for heads that look for the latest.
_LATER = 4.0
#: Standard deviation of the weights by which scores depend on irrelevant dimensions.
_STIRRED = 0.1
#: Difference between the logit of the label and those of others.
_SAID = 10.0


@dataclass(frozen=True)
class _Read:
    """An affine function of the residual stream."""

    weights: Float[Tensor, " width"]
    constant: float = 0.0

    def __add__(self, other: _Read) -> _Read:
        return _Read(self.weights + other.weights, self.constant + other.constant)

    def __mul__(self, factor: float) -> _Read:
        return _Read(factor * self.weights, factor * self.constant)


@torch.no_grad()
def compiled(
    program: Program, correspondence: Correspondence, shape: TransformerShape, seed: int
) -> PatchableTransformer:
    """A network whose nodes compute the variables of a program; deterministic for a seed, on one thread.

    Args:
        program: The program to compute.
        correspondence: The node of each variable.
        shape: The architecture, ideally as small as the program allows (`planting.circuits.compact`); with ReLU,
            without LayerNorm.
        seed: The seed of codes and of the unused parts.

    Raises:
        ValueError: When the residual stream, a head or an MLP is too small.
    """
    with one_thread():
        return _Compiler(program, shape, torch.Generator().manual_seed(seed)).network(correspondence)


class _Compiler:
    def __init__(self, program: Program, shape: TransformerShape, generator: torch.Generator) -> None:
        self._program, self._shape, self._generator = program, shape, generator
        self._codes = Codes(program, shape.d_model, generator)
        needed, free = program.d_vocab + program.n_ctx, len(self._codes.free)
        if needed > free:
            raise ValueError(f"the embeddings need {needed} dimensions beside the codes, there are {free}")
        self._tokens = self._codes.free[: program.d_vocab]
        self._places = self._codes.free[program.d_vocab : needed]
        waves = shape.d_head // 2 - 1
        if waves < 2:
            raise ValueError("heads of less than six dimensions can't tell places, and read something at random")
        angles = torch.arange(program.n_ctx)[:, None] * torch.arange(1, waves + 1) * (2 * math.pi / program.n_ctx)
        #: Points on circles, a row for each place: the dot product of two is largest for the same place.
        self._waves = torch.cat([angles.cos(), angles.sin()], 1)
        kernel = self._waves @ self._waves.T
        self._margin = float((kernel.diagonal()[:, None] - kernel + 1e9 * torch.eye(len(kernel))).min())

    def network(self, correspondence: Correspondence) -> PatchableTransformer:
        network = PatchableTransformer(self._shape)
        for parameter in network.parameters():
            parameter.zero_()
        network.W_E.copy_(_EMBEDDED * self._tokens)
        network.W_pos[: len(self._places)] = _EMBEDDED * self._places
        for part in self._program.parts:
            (node,) = correspondence[part.name]
            write = self._head if part.is_head else self._mlp
            write(network, part, place_of(node))
        label = self._program.by_name[self._program.variables[-1]]
        for value in range(label.size):
            read = self._is(label.name, value) * _SAID
            network.W_U[:, value], network.b_U[value] = read.weights, read.constant
        return network

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _is(self, source: str, value: int) -> _Read:
        """An indicator: 1 where a variable or a class of tokens has a given value, else 0."""
        number = class_number(source)
        if number is not None:
            chosen = torch.tensor(self._program.classes[number]) == value
            return _Read(self._tokens[chosen].sum(0) / _EMBEDDED)
        codes = self._codes.of[source]
        # the dot product of two different codes of a simplex is the same for all pairs
        other = CODE_NORM**2 / (len(codes) - 1)
        return _Read(codes[value], other) * (1 / (CODE_NORM**2 + other))

    def _is_before(self, place: int) -> _Read:
        return _Read(self._places[place] / _EMBEDDED)

    def _counted(self, source: str) -> _Read:
        """The value of a count."""
        codes = self._codes.of[source]
        return _Read(codes[1] - codes[0], (len(codes) - 1) / 2 * CODE_NORM**2) * (1 / CODE_NORM**2)

    # --- heads --------------------------------------------------------------------------------------------------------

    def _head(self, network: PatchableTransformer, part: Variable, place: tuple[int, ...]) -> None:
        inner, waves = self._shape.d_head, self._waves.shape[1]
        query, key = torch.zeros(inner), torch.zeros(inner)  # constants; inputs are written at once
        by, content = part.inputs[0], part.inputs[-1]
        length, gain = self._program.n_ctx, _FOUND / self._margin
        look, ask = network.W_K[place], network.W_Q[place]
        # scores use only the first dimension, for the last place; the others are for the earlier places
        used = 0 if part.operation in ("back", "at", "pointed") else 1
        look[:, used : used + waves] = self._places.T @ self._waves / _EMBEDDED
        match part.operation:
            case "back":
                wanted = self._waves[(torch.arange(length) - part.by).clamp(min=0)]
                ask[:, :waves] = gain * self._places.T @ wanted / _EMBEDDED
            case "pointed":
                for value, slot in enumerate(part.slots):
                    read = self._is(by, value)
                    ask[:, :waves] += gain * torch.outer(read.weights, self._waves[slot])
                    query[:waves] += gain * read.constant * self._waves[slot]
            case _:
                # a value at the end is found from the last place; from other places the head attends at random, so
                # that they contain no information
                wanted = self._waves[torch.randint(length, (length,), generator=self._generator)]
                wanted[-1] = self._waves[part.place] if part.operation == "at" else 0
                ask[:, used : used + waves] = gain * self._places.T @ wanted / _EMBEDDED
                if part.operation != "at":
                    read = self._scores(part, by)
                    ask[:, 0] = self._is_before(length - 1).weights
                    look[:, 0], key[0] = read.weights, read.constant
        used += waves
        # the unused dimensions move scores a little, as in a trained head
        for matrix in (ask, look):
            drawn = torch.randn(len(matrix), inner - used, generator=self._generator)
            matrix[:, used:] = _STIRRED / math.sqrt(inner - used) * drawn
        ask.mul_(math.sqrt(inner))
        network.b_Q[place], network.b_K[place] = query * math.sqrt(inner), key
        self._copy(network, part, place, content)

    def _scores(self, part: Variable, by: str) -> _Read:
        """The input by which places are scored, for a constant query."""
        places = range(self._program.n_ctx)
        if part.operation == "marked":
            return self._is(by, 1) * _FOUND
        if part.operation == "count":
            span = [self._is_before(place) * _FOUND for place in range(part.place, part.place + SPAN)]
            return _total(span)
        later = _total([self._is_before(place) * (_LATER * place) for place in places])
        return later + self._is(by, part.wanted) * (_LATER * len(places) + _FOUND)

    def _copy(self, network: PatchableTransformer, part: Variable, place: tuple[int, ...], content: str) -> None:
        """Copy the content of a place; the unused dimensions of the head's values get random weights."""
        codes = self._codes.of[part.name]
        if part.operation == "count":
            reads = [self._is(content, part.wanted) * SPAN + _Read(torch.zeros(self._shape.d_model), -SPAN / 2)]
            written = (codes[1] - codes[0])[None]
        else:
            # the indicators of all values but the last; the last one follows, since exactly one of them is 1
            reads = [self._is(content, value) for value in range(part.size - 1)]
            written = codes[:-1] - codes[-1]
        used, inner = len(reads), self._shape.d_head
        values, constants = (
            torch.stack([one.weights for one in reads], 1),
            torch.tensor([one.constant for one in reads]),
        )
        if part.operation != "count":
            # the code of the last value is the default; codes sum to 0, so it is this sum of rows
            constants = constants - 1 / part.size
        network.W_V[place][:, :used], network.b_V[place][:used] = values, constants
        network.W_O[place][:used] = written
        drawn = torch.randn(self._shape.d_model, inner - used, generator=self._generator)
        network.W_V[place][:, used:] = drawn * float(values.pow(2).mean().sqrt())

    # --- MLPs ---------------------------------------------------------------------------------------------------------

    def _mlp(self, network: PatchableTransformer, part: Variable, place: tuple[int, ...]) -> None:
        codes = self._codes.of[part.name]
        neurons: list[tuple[_Read, Tensor]] = []
        table = torch.tensor(part.table).view(part.shape)
        counts = [axis for axis, source in enumerate(part.inputs) if self._is_count(source)]
        rest = [axis for axis in range(len(part.inputs)) if axis not in counts[:1]]
        if len(counts) > 1:
            raise ValueError("a table of two counts can't be compiled")
        for index in torch.cartesian_prod(*(torch.arange(part.shape[axis]) for axis in rest)).view(-1, len(rest)):
            chosen = [self._is(part.inputs[axis], int(value)) for axis, value in zip(rest, index, strict=True)]
            all_hold = _total([*chosen, _Read(torch.zeros(self._shape.d_model), 1.0 - len(rest))])
            if not counts:
                neurons.append(((all_hold + self._constant(-0.5)) * 2.0, codes[table[tuple(index)]]))
                continue
            said = codes[table.movedim(counts[0], -1)[tuple(index)]]
            neurons += self._steps(all_hold, self._counted(part.inputs[counts[0]]), said)
        if len(neurons) > self._shape.d_mlp:
            raise ValueError(f"{part.name} needs {len(neurons)} neurons, there are {self._shape.d_mlp}")
        for number, (read, said) in enumerate(neurons):
            network.W_in[place][:, number], network.b_in[place][number] = read.weights, read.constant
            network.W_out[place][number] = said
        left, used = self._shape.d_mlp - len(neurons), network.W_in[place][:, : len(neurons)]
        drawn = torch.randn(self._shape.d_model, left, generator=self._generator)
        network.W_in[place][:, len(neurons) :] = drawn * float(used.pow(2).mean().sqrt())
        network.b_in[place][len(neurons) :] = 0.3 * torch.randn(left, generator=self._generator)

    def _steps(self, all_hold: _Read, count: _Read, said: Float[Tensor, "value width"]) -> list[tuple[_Read, Tensor]]:
        """Steps for a count, where all else holds: the first code, and a change at each value with another entry."""
        shut = (all_hold + self._constant(-1.0)) * (4.0 * (SPAN + 1))  # 0 where all else holds, otherwise far below
        neurons = [((all_hold + self._constant(-0.5)) * 2.0, said[0])]
        for value in range(1, SPAN + 1):
            change = said[value] - said[value - 1]
            if change.any():
                for offset, sign in ((-0.75, 1.0), (-0.25, -1.0)):
                    begun = (count + self._constant(-(value + offset))) * 2.0
                    neurons.append((begun + shut, sign * change))
        return neurons

    def _is_count(self, source: str) -> bool:
        return class_number(source) is None and self._program.by_name[source].operation == "count"

    def _constant(self, value: float) -> _Read:
        return _Read(torch.zeros(self._shape.d_model), value)


def _total(reads: list[_Read]) -> _Read:
    total = reads[0]
    for one in reads[1:]:
        total = total + one
    return total
