"""Several copies of a circuit that share the labels: the unembedding reads each of them for its own labels.

A network that was made by `planting.circuits.assembly` holds its circuit several times, and the unembedding reads one
of the copies. Here the columns of some labels read another, equivalent copy. The network's function does not change,
but a node then matters only where the answer, or the patched answer, is a label of its copy: so effects are graded, and
there are contexts in which a node does not matter. A node that two copies share matters for the labels of both.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.assembly import place_of
from scribe_suite.planting.circuits.layout import Copy
from scribe_suite.planting.circuits.patchable import Patch, PatchableTransformer

#: Most nodes of all copies in use, counted once per copy.
LARGEST = 9
#: Share of the circuit's answers that a copy must give with all others resampled, in order to be used.
FAITHFUL = 0.99
#: Rounds in which a fit drops the answers with the largest errors, and the share that it keeps.
_ROUNDS, _KEPT = 6, 0.7

#: Shares of the labels, by how many copies there are.
SHARES: Mapping[int, tuple[float, ...]] = {2: (0.6, 0.4), 3: (0.5, 0.3, 0.2), 4: (0.4, 0.25, 0.2, 0.15)}


@dataclass(frozen=True)
class Voice:
    """A whole copy of a circuit: an equivalent for each of its nodes, with all inputs from within the copy.

    Attributes:
        nodes: Node of the circuit -> node of this copy.
        labels: Its own labels.
    """

    nodes: Mapping[str, str]
    labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Seen:
    """The unembedding's input on some prompts.

    Attributes:
        writes: The write of each node.
        stream: The whole stream.
    """

    writes: Float[Tensor, "layer slot answer d_model"]
    stream: Float[Tensor, "answer d_model"]

    @classmethod
    @torch.no_grad()
    def of(
        cls, network: PatchableTransformer, tokens: Int[Tensor, "prompt position"], positions: Sequence[int]
    ) -> Seen:
        """Run a network.

        Args:
            network: The network.
            tokens: Prompts.
            positions: Those at which labels matter.
        """
        at, divided = list(positions), network.normaliser(tokens)
        writes = network.writes(network(tokens)[1]) / divided
        stream = network.residual_streams(tokens)["final"]
        if network.shape.normalization is not None:
            stream = stream - stream.mean(-1, keepdim=True)
        return cls(writes[:, :, :, at].flatten(2, 3), (stream / divided)[:, at].flatten(0, 1))


def whole_copies(copies: Sequence[Copy], outputs: Sequence[str]) -> list[Voice]:
    """All whole copies of a circuit, including itself. They may share nodes.

    Args:
        copies: From `layout.layout`.
        outputs: The nodes of the circuit that the unembedding reads.
    """
    by_node = {copy.node: copy for copy in copies}
    circuit = {copy.original for copy in copies}
    choices = [[copy.node for copy in copies if copy.original == output] for output in outputs]
    found = []
    for chosen in itertools.product(*choices):
        nodes = list(_with_what_they_read(chosen, by_node))
        originals = [by_node[node].original for node in nodes]
        complete = all(by_node[node].reads.keys() == by_node[by_node[node].original].reads.keys() for node in nodes)
        if complete and len(nodes) == len(circuit) and set(originals) == circuit:
            found.append(Voice(dict(zip(originals, nodes, strict=True))))
    return found


@torch.no_grad()
def faithful_copies(
    network: PatchableTransformer,
    found: Sequence[Voice],
    outputs: Mapping[str, int],
    tokens: Int[Tensor, "prompt position"],
    positions: Sequence[int],
) -> list[Voice]:
    """The copies that answer like the circuit when the unembedding reads them instead, whatever the other nodes write.

    Crosstalk from other nodes makes some copies answer differently.

    Args:
        network: See `shared_unembedding`; it is left as it was.
        found: From `whole_copies`.
        outputs: See `shared_unembedding`.
        tokens: Prompts.
        positions: Those at which labels matter.
    """
    at, seen, column = list(positions), Seen.of(network, tokens, positions), network.W_U.detach().clone()
    logits, values = network(tokens)
    answers, elsewhere = logits[:, at].argmax(-1), values.apply(lambda value: value.roll(1, 1))
    every = tuple(range(column.shape[1]))
    faithful = []
    for voice in found:
        network.W_U.copy_(shared_unembedding(network, [Voice(voice.nodes, every)], outputs, seen))
        others = ~network.shape.mask(voice.nodes.values())
        given = network(tokens, Patch(others.expand(len(tokens), -1, -1), elsewhere))[0][:, at].argmax(-1)
        network.W_U.copy_(column)
        if (given == answers).float().mean() >= FAITHFUL:
            faithful.append(voice)
    return faithful


def draw_voices(
    found: Sequence[Voice], counts: Sequence[int], n_labels: int, generator: torch.Generator
) -> tuple[Voice, ...]:
    """Choose how many copies are used, which, and for which labels.

    Args:
        found: All whole copies, the circuit first.
        counts: Possible numbers of copies, of which the circuit is always one.
        n_labels: How many labels they share.
        generator: The source of all random choices.

    Raises:
        ValueError: When there are too few.
    """
    most = min(len(found), LARGEST // len(found[0].nodes))
    possible = [count for count in counts if count <= most]
    if not possible:
        raise ValueError(f"{most} copies can be heard, and {' or '.join(map(str, counts))} are wanted")
    count = possible[int(torch.randint(len(possible), (1,), generator=generator))]
    others = (1 + torch.randperm(len(found) - 1, generator=generator))[: count - 1].tolist()
    order = [[0, *others][i] for i in torch.randperm(count, generator=generator).tolist()]
    labels = torch.randperm(n_labels, generator=generator).tolist()
    ends = [round(n_labels * share) for share in itertools.accumulate(SHARES[count])]
    return tuple(
        Voice(found[which].nodes, tuple(sorted(labels[begin:end])))
        for which, begin, end in zip(order, [0, *ends], ends, strict=False)
    )


@torch.no_grad()
def shared_unembedding(
    network: PatchableTransformer, voices: Sequence[Voice], outputs: Mapping[str, int], seen: Seen
) -> Float[Tensor, "d_model label"]:
    """An unembedding in which every column reads the copy of its label.

    In the dimensions that a copy's output nodes write, the new column is what gives least squares of the distance to
    what the circuit's own nodes add to the logit. In those of the circuit it takes over what the old column had in the
    copy's: a little crosstalk. Crosstalk also makes a copy attend elsewhere in a few prompts, with errors as large as a
    logit; the fit leaves them out.

    Args:
        network: One in which the unembedding reads the circuit.
        voices: The copies in use, with their labels.
        outputs: The nodes of the circuit that the unembedding reads, with the number of dimensions that each writes.
        seen: The network's activations on the prompts on which the nodes' writes are compared.
    """
    old = network.W_U
    new = old.detach().clone()
    for voice in voices:
        labels = list(voice.labels)
        for original, size in outputs.items():
            node = voice.nodes[original]
            if node == original:
                continue
            own, copied = (_written_directions(network, one, size) for one in (original, node))
            reading, crosstalk = own @ old[:, labels], copied @ old[:, labels]
            wanted = seen.writes[_slot(network, original)] @ own.T @ reading
            heard = _fitted(seen.writes[_slot(network, node)] @ copied.T, wanted)
            new[:, labels] += copied.T @ (heard - crosstalk) + own.T @ (crosstalk - reading)
    return new


def _fitted(given: Float[Tensor, "answer size"], wanted: Float[Tensor, "answer label"]) -> Float[Tensor, "size label"]:
    """The linear map from one to the other that holds for most answers (least trimmed squares)."""
    x, y = given.double(), wanted.double()
    kept = torch.ones(len(x), dtype=torch.bool)
    for _ in range(_ROUNDS):
        solution = torch.linalg.lstsq(x[kept], y[kept]).solution
        missed = (y - x @ solution).pow(2).sum(1)
        kept = missed <= missed.quantile(_KEPT)
    fitted: Tensor = solution.float()
    return fitted


def _with_what_they_read(chosen: Sequence[str], by_node: Mapping[str, Copy]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = list(chosen)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += by_node[node].reads.values()


def _slot(network: PatchableTransformer, node: str) -> tuple[int, int]:
    layer, *head = place_of(node)
    return layer, head[0] if head else network.shape.n_heads


def _written_directions(network: PatchableTransformer, node: str, size: int) -> Float[Tensor, "size d_model"]:
    """An orthonormal basis of what a node can write, without rounding errors."""
    place = place_of(node)
    written = network.W_O[place] if node[0] == "a" else torch.cat([network.W_out[place], network.b_out[place][None]])
    directions: Tensor = torch.linalg.svd(written, full_matrices=False)[2][:size]
    return directions
