"""Methods that find a probe in an instance of a probe task, and the task's scores of their probes.

Every method is scored like an answer to its task. A cheap answer to a task without labels may use labels here, so its
score is an upper bound.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from statistics import mean
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import build_model, untrained_twin
from scribe_suite.planting.statements.language import FRAME
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.directions import random_direction_accuracy
from scribe_suite.scoring.normalise import SMALLEST_RANGE, normalised_skill
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe, probe_accuracy, residual_at
from scribe_suite.scoring.recipes import mean_difference, one_hot, principal_directions, without
from scribe_suite.tasks.task import TaskInstance

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.probes.planted.hidden import Hidden
    from ground_truth.probes.planted.task import PlantedProbeTask

#: Block after which to read, and position from the end of the statement.
Place = tuple[int, int]
LAST, LAST_WORD = -1, -FRAME
CERTIFIED: Place = (TRUTH_LAYER, LAST)

#: Inverse penalties: scikit-learn's default, next to none, and one that leaves little but the difference of means.
DEFAULT, NONE, STRONG = 1.0, 1e4, 1e-3
_RANDOM_DIRECTIONS, _SHUFFLES, _TWINS = 200, 20, 3


@dataclass(frozen=True)
class Side:
    """The statements on one side of a split and their residual stream after every block.

    Attributes:
        statements: The statements with their labels.
        residual: The residual stream after every block, at every position.
    """

    statements: LabelledStatements
    residual: Float[np.ndarray, "layer statement position d_model"]

    @classmethod
    def read(cls, model: HookedTransformer, statements: LabelledStatements) -> Side:
        """Run the model once, for all places that `residual_at` reads one by one."""
        with torch.inference_mode():
            _, cache = model.run_with_cache(
                statements.tokens, names_filter=lambda name: name.endswith("hook_resid_post"), return_type=None
            )
        layers = [cache["resid_post", layer].double().numpy() for layer in range(model.cfg.n_layers)]
        return cls(statements, np.stack(layers))

    def at(self, place: Place) -> Float[np.ndarray, "statement d_model"]:
        """The activations at one place."""
        layer, position = place
        activations: Float[np.ndarray, "statement d_model"] = self.residual[layer, :, position]
        return activations

    @property
    def labels(self) -> Bool[np.ndarray, " statement"]:
        """The labels of the statements, which may be wrong on the public side."""
        return self.statements.labels


class Seen:
    """An instance and measurements on it."""

    def __init__(self, instance: TaskInstance) -> None:
        self.instance = instance
        self.task = cast("PlantedProbeTask", instance.task)
        self.hidden: Hidden = instance.hidden
        self.model = build_model(self.hidden.weights)
        self.public, self.held_out = (
            Side.read(self.model, side) for side in (self.hidden.split.public, self.hidden.held_out)
        )
        self.rng = np.random.default_rng(instance.seed)

    def chance(self, place: Place) -> float:
        """The scorer's chance level for probes that read at `place`."""
        floors = [0.5, self.hidden.control_accuracy]
        if not self.task.labelled:
            lucky = max(self._random_accuracy(CERTIFIED), self._random_accuracy(place))
            floors.append(min(lucky, self.hidden.reference_accuracy - SMALLEST_RANGE))
        return max(floors)

    @cache  # noqa: B019 - one object per instance, which the process forgets with it
    def _random_accuracy(self, place: Place) -> float:
        return random_direction_accuracy(self.held_out.at(place), self.held_out.labels)

    def accuracy(self, probe: LinearProbe, place: Place) -> float:
        """The primary metric of a probe that reads at `place`."""
        return self.task.judged(probe, self.held_out.at(place), self.held_out.labels)

    def skill(self, probe: LinearProbe, place: Place) -> float:
        """The skill of a probe that reads at `place`."""
        return normalised_skill(self.accuracy(probe, place), self.chance(place), self.hidden.reference_accuracy)

    def id_of(self, word: str) -> int:
        """The instance's token id of a word."""
        vocabulary: list[str] = json.loads(self.instance.public.files["vocabulary.json"])
        return vocabulary.index(word)


#: Finds probes at a place; for several random probes the mean skill counts.
Finder = Callable[[Seen, Place], list[LinearProbe]]


def recipe(seen: Seen, place: Place) -> list[LinearProbe]:
    """The task's reference recipe."""
    return [seen.task.recipe(seen.public.at(place), seen.public.statements)]


def fitted(
    fit: Callable[[Float[np.ndarray, "statement d_model"], Bool[np.ndarray, " statement"]], LinearProbe],
) -> Finder:
    """A finder from a function that fits a probe to activations and labels, on the public side."""
    return lambda seen, place: [fit(seen.public.at(place), seen.public.labels)]


def logistic(inverse_penalty: float) -> Finder:
    """Logistic regression with a fixed penalty, which was not tuned."""
    return fitted(lambda hidden, labels: fit_probe(hidden, labels, inverse_penalty))


def first_component(seen: Seen, place: Place) -> list[LinearProbe]:
    """The first principal component; labels, where there are any, choose its sign."""
    hidden = seen.public.at(place)
    return [_signed(seen, principal_directions(hidden)[0], hidden)]


def first_component_beside_frame(seen: Seen, place: Place) -> list[LinearProbe]:
    """The first principal component of the residuals after regression on ending and address."""
    hidden = seen.public.at(place)
    frame = one_hot(seen.public.statements.tokens[:, -2:].numpy())
    return [_signed(seen, principal_directions(without(hidden, frame))[0], hidden)]


def _signed(
    seen: Seen, direction: Float[np.ndarray, " d_model"], hidden: Float[np.ndarray, "statement d_model"]
) -> LinearProbe:
    probe = LinearProbe(direction, 0.0, hidden.mean(0))
    if probe_accuracy(probe, hidden, seen.public.labels) >= 0.5:
        return probe
    return LinearProbe(-direction, 0.0, probe.center)


def shuffled_labels(seen: Seen, place: Place) -> list[LinearProbe]:
    """Differences between the means of two random classes."""
    hidden = seen.public.at(place)
    return [mean_difference(hidden, seen.rng.permutation(seen.public.labels)) for _ in range(_SHUFFLES)]


def token_identity(seen: Seen, place: Place) -> list[LinearProbe]:
    """One coefficient per word, written as the residual direction with which the embedding would carry it."""
    embedding = seen.hidden.weights.state["embed.W_E"].double().numpy()
    tokens = seen.public.statements.tokens
    words = torch.nn.functional.one_hot(tokens, len(embedding)).sum(1).double().numpy()
    fit = LogisticRegression(max_iter=1_000).fit(words, seen.public.labels)
    return [LinearProbe(fit.coef_[0] @ embedding, 0.0, seen.public.at(place).mean(0))]


def said(seen: Seen, place: Place) -> list[LinearProbe]:
    """The direction that makes the model answer "true" or "yes" rather than "false" or "no"."""
    unembedding = seen.hidden.weights.state["unembed.W_U"].double().numpy()
    true, yes, false, no = (unembedding[:, seen.id_of(word)] for word in ("true", "yes", "false", "no"))
    return [LinearProbe(true + yes - false - no, 0.0, seen.public.at(place).mean(0))]


def of_untrained_twins(seen: Seen, place: Place) -> list[LinearProbe]:
    """The recipe, fitted on models of the same shape that were never trained."""
    statements = seen.public.statements
    seeds = seen.rng.integers(2**31, size=_TWINS)
    twins = [untrained_twin(seen.hidden.weights.config, int(seed)) for seed in seeds]
    return [seen.task.recipe(residual_at(twin, statements.tokens, *place), statements) for twin in twins]


def random_directions(seen: Seen, place: Place) -> list[LinearProbe]:
    """Directions drawn at random, centred on the public statements."""
    center = seen.public.at(place).mean(0)
    return [LinearProbe(one, 0.0, center) for one in seen.rng.normal(size=(_RANDOM_DIRECTIONS, len(center)))]


def constant(seen: Seen, place: Place) -> list[LinearProbe]:
    """Always "true"."""
    width = seen.public.at(place).shape[1]
    return [LinearProbe(np.full(width, 1e-9), 1e6, np.zeros(width))]


def zero_vector(seen: Seen, place: Place) -> list[LinearProbe]:
    """A probe without a direction."""
    width = seen.public.at(place).shape[1]
    return [LinearProbe(np.zeros(width), 0.0, np.zeros(width))]


@dataclass(frozen=True)
class Method:
    """A way to find a probe and where it reads.

    Attributes:
        find: See `Finder`.
        place: The place at which the residual stream is read.
        labelled: Whether the method needs labels, or a model to run.
    """

    find: Finder
    place: Place = CERTIFIED
    labelled: bool = False


METHODS: Mapping[str, Method] = {
    "reference recipe": Method(recipe),
    "logistic regression": Method(logistic(DEFAULT), labelled=True),
    "logistic regression, no penalty": Method(logistic(NONE), labelled=True),
    "logistic regression, strong penalty": Method(logistic(STRONG), labelled=True),
    "difference of means": Method(fitted(mean_difference), labelled=True),
    "first component": Method(first_component),
    "first component beside ending and address": Method(first_component_beside_frame),
    **{f"recipe, last token, block {block}": Method(recipe, (block, LAST)) for block in (0, 1, 3)},
    **{
        f"recipe, last word of the content, block {block}": Method(recipe, (block, LAST_WORD), labelled=True)
        for block in (0, 1, 2)
    },
    "difference of means, shuffled labels": Method(shuffled_labels),
    "token identity, block 0": Method(token_identity, (0, LAST)),
    "what the model says, block 3": Method(said, (3, LAST)),
    "recipe fitted on untrained twins": Method(of_untrained_twins),
    "random direction": Method(random_directions),
    "random direction, last word of the content, block 1": Method(random_directions, (1, LAST_WORD)),
    "constant": Method(constant, labelled=True),
    "zero vector": Method(zero_vector),
}


def method_skills(seen: Seen) -> dict[str, float | None]:
    """Mean skill of every method, None where the method does not apply to the task."""
    return {
        name: mean(seen.skill(probe, method.place) for probe in method.find(seen, method.place))
        if seen.task.labelled or not method.labelled
        else None
        for name, method in METHODS.items()
    }
