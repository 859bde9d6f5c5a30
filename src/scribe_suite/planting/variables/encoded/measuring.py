"""What reading and writing a coded variable is judged by: activations, their changes, and what the model then says.

Reads are judged on the model's own activations, and on others in which the state of the code was replaced: a read that
uses anything but the code, such as the tokens from which the variable was computed, is wrong there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.variables.encoded.network import ENCODED_LAYER
from scribe_suite.planting.variables.encoded.plans import ASKED, EncodedPlan
from scribe_suite.planting.variables.plans import draw_pairs

#: The place of the code: the last position after a layer.
HOOK = f"blocks.{ENCODED_LAYER}.hook_resid_post"
#: The largest change outside of the code, as a share of the difference between two prompts there.
MOST_TOUCHED = 0.5


@dataclass(frozen=True)
class Coded:
    """A model with a coded variable.

    Attributes:
        model: The model.
        plan: Its plan.
        points: The point of each state, in the residual stream.
    """

    model: HookedTransformer
    plan: EncodedPlan
    points: Float[Tensor, "state d_model"]

    @torch.no_grad()
    def activations(self, prompts: Int[Tensor, "prompt position"]) -> Float[Tensor, "prompt d_model"]:
        """What is at the place of the code."""
        _, cache = self.model.run_with_cache(
            prompts, names_filter=lambda name: name == HOOK, stop_at_layer=ENCODED_LAYER + 1, return_type=None
        )
        here: Tensor = cache[HOOK][:, -1].clone()
        return here

    @torch.no_grad()
    def labels(
        self, prompts: Int[Tensor, "prompt position"], activations: Float[Tensor, "prompt d_model"]
    ) -> Int[Tensor, " prompt"]:
        """What the model says when it goes on from other activations at the place of the code."""

        def put(value: Tensor, hook: object) -> Tensor:  # noqa: ARG001 -- as hooks are called
            changed = value.clone()
            changed[:, -1] = activations.to(value.dtype)
            return changed

        said: Tensor = self.model.run_with_hooks(prompts, fwd_hooks=[(HOOK, put)])[:, -1].argmax(-1)
        return said

    def values(self, states: Int[Tensor, " prompt"]) -> Int[Tensor, " prompt"]:
        """The value of the variable in states."""
        return torch.tensor([value for value, _, _ in self.plan.code.states])[states]

    def moved(
        self, activations: Float[Tensor, "prompt d_model"], old: Int[Tensor, " prompt"], new: Int[Tensor, " prompt"]
    ) -> Float[Tensor, "prompt d_model"]:
        """Activations with another state of the code."""
        return activations + self.points[new] - self.points[old]

    def with_value(self, states: Int[Tensor, " prompt"], values: Int[Tensor, " prompt"]) -> Int[Tensor, " prompt"]:
        """The states that differ in the value of the variable only."""
        rows = [self.plan.code.states[state] for state in states.tolist()]
        return torch.tensor(
            [
                self.plan.state_at(value, companion, rest)
                for value, (_, companion, rest) in zip(values.tolist(), rows, strict=True)
            ]
        )

    def outside(self, changes: Float[Tensor, "prompt d_model"]) -> Float[Tensor, " prompt"]:
        """The size of changes outside of the dimensions of the code."""
        basis = torch.linalg.svd(self.points - self.points.mean(0), full_matrices=False)[2][: self.plan.code.dimensions]
        size: Tensor = (changes - changes @ basis.T @ basis).norm(dim=1)
        return size


@dataclass(frozen=True)
class Trial:
    """Activations on which reads and writes are judged.

    Attributes:
        read: Activations to read, half of which are the model's own.
        values: The value that is in each.
        base: Prompts whose activations are written.
        source: Prompts that have the wanted values, and differ from the base in every variable.
        before: Activations of the base prompts.
        wanted: The values to write.
    """

    read: Float[Tensor, "activation d_model"]
    values: Int[Tensor, " activation"]
    base: Int[Tensor, "pair position"]
    source: Int[Tensor, "pair position"]
    before: Float[Tensor, "pair d_model"]
    wanted: Int[Tensor, " pair"]


def draw_trial(coded: Coded, count: int, generator: torch.Generator) -> Trial:
    """Draw activations to read and pairs to write, as many of each."""
    base, source = draw_pairs(coded.plan.plan, count, generator)
    here, there = coded.activations(base), coded.activations(source)
    states = coded.plan.states(source)
    other = (coded.values(states) + 1 + torch.randint(coded.plan.plan.values - 1, (count,), generator=generator)) % (
        coded.plan.plan.values
    )
    replaced = coded.moved(there, states, coded.with_value(states, other))
    half = torch.arange(count) % 2 == 0
    values = torch.where(half, coded.values(states), other)
    return Trial(
        read=torch.where(half[:, None], there, replaced),
        values=values,
        base=base,
        source=source,
        before=here,
        wanted=coded.values(states),
    )


@dataclass(frozen=True)
class EncodingRates:
    """How good reads and writes are.

    Attributes:
        decoding: Share of activations that are read right.
        interchange: Share of writes after which the variable has the wanted value.
        isolation: Share of writes after which all other variables have the base's values, and little else was touched.
        chances: All three rates for a random answer.
    """

    decoding: float
    interchange: float
    isolation: float
    chances: tuple[float, float, float]

    @property
    def score(self) -> float:
        """Harmonic mean of the three rates, each rescaled so that chance is 0, and clipped at 0."""
        rates = (self.decoding, self.interchange, self.isolation)
        parts = [max(0.0, (rate - chance) / (1 - chance)) for rate, chance in zip(rates, self.chances, strict=True)]
        return 0.0 if min(parts) == 0 else len(parts) / sum(1 / part for part in parts)


def chances_of(plan: EncodedPlan) -> tuple[float, float, float]:
    """The chances of decoding, interchange and isolation: those of a random value, and of a random label."""
    values = plan.plan.values
    return 1 / values, 1 / values, float(values) ** (1 - plan.plan.n_variables)


def encoding_rates(
    coded: Coded,
    trial: Trial,
    read: Int[Tensor, " activation"],
    written: Float[Tensor, "pair d_model"],
    valid: Bool[Tensor, " pair"] | None = None,
) -> EncodingRates:
    """Judge what was read and written.

    Args:
        coded: The model.
        trial: What it was asked to read and write.
        read: The value read from each activation; -1 where there is none.
        written: The activation written for each pair.
        valid: Which writes exist; the others are neither moved nor kept.
    """
    valid = torch.ones(len(trial.wanted), dtype=torch.bool) if valid is None else valid
    after = coded.labels(trial.base, written)
    before = coded.labels(trial.base, trial.before)
    moved = torch.tensor(coded.plan.plan.combinations)[after][:, ASKED] == trial.wanted
    kept = (coded.plan.others_of(after) == coded.plan.others_of(before)).all(1)
    most = MOST_TOUCHED * coded.outside(coded.activations(trial.source) - trial.before)
    kept &= coded.outside(written - trial.before) <= most

    def share(rows: Bool[Tensor, " row"]) -> float:
        return rows.float().mean().item()

    return EncodingRates(share(read == trial.values), share(moved & valid), share(kept & valid), chances_of(coded.plan))


def planted_rates(coded: Coded, trial: Trial) -> EncodingRates:
    """The rates of reading and writing the code as it was planted."""
    states = coded.plan.states(trial.base)
    return encoding_rates(
        coded,
        trial,
        read_states(coded, trial.read),
        coded.moved(trial.before, states, coded.with_value(states, trial.wanted)),
    )


def read_states(coded: Coded, activations: Float[Tensor, "activation d_model"]) -> Int[Tensor, " activation"]:
    """The value of the state whose point is nearest in the dimensions of the code."""
    basis = torch.linalg.svd(coded.points - coded.points.mean(0), full_matrices=False)[2][: coded.plan.code.dimensions]
    distances = torch.cdist((activations @ basis.T).double(), (coded.points @ basis.T).double())
    return coded.values(distances.argmin(1))
