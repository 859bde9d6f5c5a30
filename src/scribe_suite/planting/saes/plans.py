"""The plan of a model with an autoencoder: its features, when each is active, and how groups of them are read.

A prompt has slots, and the class of the token in a slot is a *gate*: the features of a gate are active in prompts
whose token there is of that class, and in no others. So exactly one gate of each slot is open in a prompt. How large
an active feature is depends on the token in another slot.

Groups of features are read by functions of their own (`readers`), each of which adds to one number of the output. Two
groups that add to the same number belong to different gates of one slot, so that they are never active together. That
is why the squared change of the output is a sum over groups, and the best set of latents can be computed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.saes.readers import FLAT_ANY, Kind
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.seeds import derive_seed

#: Number of slots, and of classes of tokens.
SLOTS, CLASSES = 6, 6
GATES = SLOTS * CLASSES
#: Groups of a gate at most: so many numbers of the output belong to each slot.
CHANNELS = 2
OUTPUTS = SLOTS * CHANNELS
#: Most features of a group.
MOST_MEMBERS = 4
#: Least and largest size of an ordinary feature, a quiet one and a loud one.
_ORDINARY, _QUIET, _LOUD = (0.6, 1.5), (0.1, 0.25), (2.0, 6.0)
#: Shares of loud and of quiet features: among those that nothing reads, and in groups that are not quiet anyway.
_UNREAD_SHARES, _READ_SHARES = (0.4, 0.1), (0.15, 0.0)
#: Least and largest part of a direction in dimensions that all features share.
_TILT = (0.3, 0.75)


@dataclass(frozen=True)
class Part:
    """Some groups of a kind.

    Attributes:
        kind: How they are read.
        groups: How many there are.
        least: The least of their effects; see `readers.neurons_of`.
        most: The largest.
        members: Features of each.
        quiet: Whether their features are small.
    """

    kind: Kind
    groups: int
    least: float
    most: float
    members: int = 1
    quiet: bool = False


@dataclass(frozen=True)
class SaeDial:
    """The requirements for a plan.

    Attributes:
        per_gate: Features of each gate.
        chosen: How many latents are asked for.
        d_vocab: Number of tokens.
        parts: What is read.
    """

    per_gate: int
    chosen: int
    d_vocab: int
    parts: Sequence[Part] = field(default=())

    @property
    def n_latents(self) -> int:
        """The number of features, and of latents."""
        return GATES * self.per_gate


@dataclass(frozen=True)
class Feature:
    """A feature, and the latent that stands for it.

    Attributes:
        slot: The slot of its gate.
        gate: The class of its gate.
        size: Its least magnitude where it is active.
        other: The slot on which its magnitude depends as well.
        levels: For each class there, how far it is between its least and its largest magnitude, 0 to 1.
        tilt: The part of its direction that is in dimensions that all features share, 0 to 1.
    """

    slot: int
    gate: int
    size: float
    other: int
    levels: tuple[float, ...]
    tilt: float


@dataclass(frozen=True)
class Group:
    """Features that are read together.

    Attributes:
        kind: How they are read.
        members: Indices of the latents.
        effect: See `readers.neurons_of`.
        slot: The slot of their gate.
        gate: The class of their gate.
        channel: To which of the slot's numbers it adds.
        context: Slot and classes of the context that turns the sign of a ``flipped`` group.
        flat: See `readers.neurons_of`.
    """

    kind: Kind
    members: tuple[int, ...]
    effect: float
    slot: int
    gate: int
    channel: int
    context: tuple[int, tuple[int, ...]]
    flat: float

    @property
    def output(self) -> int:
        """The number of the output to which it adds, before outputs are rotated."""
        return self.slot * CHANNELS + self.channel


@dataclass(frozen=True)
class SaePlan:
    """The computation of a model.

    Attributes:
        classes: The class of every token.
        slots: The position of each slot; never the last.
        features: The features, in the order of the latents.
        groups: The groups; features in none of them are not read.
    """

    classes: tuple[int, ...]
    slots: tuple[int, ...]
    features: tuple[Feature, ...]
    groups: tuple[Group, ...]

    def reordered(self, order: Sequence[int], token_map: Sequence[int]) -> SaePlan:
        """The plan after latents and tokens have got other names.

        Args:
            order: For each new index of a latent the old one.
            token_map: For each old token id the new one.
        """
        new = {old: number for number, old in enumerate(order)}
        classes = [0] * len(self.classes)
        for old, token in enumerate(token_map):
            classes[token] = self.classes[old]
        return replace(
            self,
            classes=tuple(classes),
            features=tuple(self.features[old] for old in order),
            groups=tuple(replace(one, members=tuple(new[old] for old in one.members)) for one in self.groups),
        )

    def class_of_slots(self, tokens: Int[Tensor, "prompt position"]) -> Int[Tensor, "prompt slot"]:
        """The class of the token in each slot."""
        return torch.tensor(self.classes)[tokens[:, list(self.slots)]]

    def is_open(self, group: Group, tokens: Int[Tensor, "prompt position"]) -> Bool[Tensor, " prompt"]:
        """Whether the gate of a group is open."""
        return self.class_of_slots(tokens)[:, group.slot] == group.gate


def draw_sae_plan(dial: SaeDial, seed: int) -> SaePlan:
    """Draw a random plan; deterministic for a seed.

    Raises:
        ValueError: When the groups do not fit into the gates.
    """
    rng = random.Random(derive_seed(seed, "sae plan"))
    classes = [token % CLASSES for token in range(dial.d_vocab)]
    rng.shuffle(classes)
    gates = [(slot, gate) for slot in range(SLOTS) for gate in range(CLASSES)]
    features: list[Feature] = []
    groups: list[Group] = []
    for (slot, gate), parts in _placed(dial, gates, rng).items():
        for channel, (part, effect) in enumerate(parts):
            members = range(len(features), len(features) + part.members)
            size = rng.uniform(*_QUIET) if part.quiet else _size(rng, *_READ_SHARES)
            features += [_feature(slot, gate, size, rng) for _ in members]
            context = (rng.choice([one for one in range(SLOTS) if one != slot]), tuple(_half(rng)))
            flat = rng.uniform(*FLAT_ANY)
            groups.append(Group(part.kind, tuple(members), effect, slot, gate, channel, context, flat))
        unread = dial.per_gate - sum(part.members for part, _ in parts)
        features += [_feature(slot, gate, _size(rng, *_UNREAD_SHARES), rng) for _ in range(unread)]
    slots = tuple(sorted(rng.sample(range(N_CTX - 1), SLOTS)))
    return SaePlan(tuple(classes), slots, tuple(features), tuple(groups))


def _size(rng: random.Random, loud: float, quiet: float) -> float:
    """The size of a feature, of which these shares are loud and quiet."""
    drawn = rng.random()
    return rng.uniform(*(_LOUD if drawn < loud else _QUIET if drawn < loud + quiet else _ORDINARY))


def _feature(slot: int, gate: int, size: float, rng: random.Random) -> Feature:
    levels = tuple(rng.random() for _ in range(CLASSES))
    other = rng.choice([one for one in range(SLOTS) if one != slot])
    return Feature(slot, gate, size, other, levels, rng.uniform(*_TILT))


def _half(rng: random.Random) -> Iterator[int]:
    yield from sorted(rng.sample(range(CLASSES), CLASSES // 2))


def _placed(
    dial: SaeDial, gates: Sequence[tuple[int, int]], rng: random.Random
) -> Mapping[tuple[int, int], list[tuple[Part, float]]]:
    """Which groups, each with its effect, belong to each gate."""
    drawn = [
        # effects are spread evenly between the least and the largest, so that there is no gap
        (part, part.least * (part.most / part.least) ** ((number + rng.random()) / part.groups))
        for part in dial.parts
        for number in range(part.groups)
    ]
    rng.shuffle(drawn)
    places: dict[tuple[int, int], list[tuple[Part, float]]] = {gate: [] for gate in gates}
    for part, effect in sorted(drawn, key=lambda one: -one[0].members):
        free = [
            gate
            for gate, here in places.items()
            if len(here) < CHANNELS and sum(one.members for one, _ in here) + part.members <= dial.per_gate
        ]
        if not free:
            raise ValueError(f"{len(drawn)} groups do not fit into {len(gates)} gates of {dial.per_gate} features")
        places[rng.choice(free)].append((part, effect))
    return places
