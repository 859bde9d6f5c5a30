"""Skill of classifiers that predict the planted nodes, given the number of nodes of each kind.

They are fitted on other models, on the tables of `studies.exchangeability`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from scribe_suite.planting.circuits.signatures.table import Group, Signatures
from scribe_suite.scoring.normalise import expected_score
from scribe_suite.scoring.sets import best_fixed_set, f1
from studies.exchangeability import FALSE_ALARM, Redraw, Sample, exchanged, on_other_nodes, samples_by_task

#: Mean skill that a classifier must not reach.
SKILL_BAR = 0.15
#: Number of exchanged keys with which an answer is compared.
_KEY_DRAWS = 4_000

_BLIND_KEYS = 300
#: Limit of standardised values, so that a single outlier does not dominate a classifier.
_LARGEST = 3.0

#: Model -> kind -> the inputs of classifiers.
_Seen = Mapping[str, Mapping[str, Float[np.ndarray, "node column"]]]

#: Name in the tables -> groups of statistics that a classifier uses.
SIGHTS: Mapping[str, tuple[Group, ...]] = {
    "weights": ("weights",),
    "weights, composition": ("weights", "composition"),
    "weights, composition, activations": ("weights", "composition", "activations"),
    "unembedding": ("unembedding",),
}


@dataclass(frozen=True)
class Skill:
    """The value of a classifier's answers.

    Attributes:
        task: Id of the task.
        training: ``other tasks``, or ``other models`` of this task and the others.
        classifier: One of `CLASSIFIERS`.
        sight: One of `SIGHTS`.
        f1: Mean over the task's models.
        chance: The score of the best answer without a model.
        skill: ``(f1 - chance) / (1 - chance)``, limited to [-1, 1] per model, mean.
        p: Probability of an F1 at least this high for these answers if the keys were exchangeable with other nodes.
    """

    task: str
    training: str
    classifier: str
    sight: str
    f1: float
    chance: float
    skill: float
    p: float = 0.0

    def is_finding(self, cells: int) -> bool:
        """Whether it is relevant and significant, given the number of tasks, trainings, classifiers and sights."""
        return self.skill >= SKILL_BAR and self.p < FALSE_ALARM / cells


def chance_of(samples: Sequence[Sample], *, seed: int = 0) -> float:
    """The expected F1 of the best answer to a task without a model; see `best_fixed_set`.

    Args:
        samples: All models of one task. An instance permutes the nodes of a layer and kind of one of them.
        seed: The seed of the instances.
    """
    rng = np.random.default_rng(seed)
    keys = []
    for _ in range(_BLIND_KEYS):
        sample = samples[int(rng.integers(len(samples)))]
        chosen: set[str] = set()
        for kind, table in sample.tables.items():
            moved = exchanged(table.nodes, [sample.truth(kind)], rng)
            chosen |= {node for node, inside in zip(table.nodes, moved, strict=True) if inside}
        keys.append(frozenset(chosen))
    answer = best_fixed_set(keys)
    return expected_score(answer, keys, f1)


class SingleStatistic:
    """A classifier by the single statistic and direction that are best on the models used for fitting."""

    def fit(self, x: Float[np.ndarray, "row column"], y: Bool[np.ndarray, " row"]) -> SingleStatistic:
        """Choose the column with the largest correlation."""
        centred, labels = x - x.mean(0), y - y.mean()
        correlation = labels @ centred / (np.linalg.norm(centred, axis=0) + 1e-12)
        self._column = int(np.abs(correlation).argmax())
        self._sign = np.sign(correlation[self._column])
        return self

    def decision_function(self, x: Float[np.ndarray, "row column"]) -> Float[np.ndarray, " row"]:
        """The statistic's value."""
        result: Float[np.ndarray, " row"] = self._sign * x[:, self._column]
        return result


def _logistic() -> LogisticRegression:
    return LogisticRegression(C=0.02, class_weight="balanced", max_iter=300)


#: Name -> a fresh classifier with scikit-learn's methods.
CLASSIFIERS: Mapping[str, Callable[[], Any]] = {
    "single statistic": SingleStatistic,
    "logistic": _logistic,
    "logistic, 10 best": lambda: make_pipeline(
        VarianceThreshold(),
        SelectKBest(f_classif, k=10),
        LogisticRegression(C=1.0, class_weight="balanced", max_iter=300),
    ),
    "boosted trees": lambda: HistGradientBoostingClassifier(
        max_iter=40, max_depth=3, learning_rate=0.15, min_samples_leaf=8, max_features=0.3, max_bins=32, random_state=0
    ),
}


def skills(
    samples: Sequence[Sample],
    *,
    classifiers: Iterable[str] = tuple(CLASSIFIERS),
    sights: Iterable[str] = tuple(SIGHTS),
    redraw: Redraw = on_other_nodes,
    chance: Mapping[str, float] | None = None,
) -> list[Skill]:
    """The skill of classifiers fitted on the models of other tasks, and on other models of all tasks.

    Args:
        samples: Models with their truth.
        classifiers: Some of `CLASSIFIERS`.
        sights: Some of `SIGHTS`.
        redraw: What else the keys might have been; answers are compared with these, too.
        chance: Task -> F1 of the best answer without a model; by default that of `chance_of`.
    """
    by_task = samples_by_task(samples)
    if chance is None:
        chance = {task: chance_of(members) for task, members in by_task.items()}
    luck = {sample.name: _redrawn_keys(sample, by_task[sample.task], redraw) for sample in samples}
    found = []
    for sight in sights:
        seen = {sample.name: _features(sample, SIGHTS[sight]) for sample in samples}
        if not any(x.shape[1] for tables in seen.values() for x in tables.values()):
            continue
        for classifier in classifiers:
            for training, folds in (("other tasks", _by_tasks), ("other models", _by_models)):
                scores: dict[str, list[float]] = {task: [] for task in by_task}
                lucky: dict[str, list[Float[np.ndarray, " draw"]]] = {task: [] for task in by_task}
                for held_out, rest in folds(by_task):
                    for sample, answer in _answers(classifier, seen, rest, held_out):
                        scores[sample.task].append(f1(answer, sample.key))
                        lucky[sample.task].append(_f1_of_redrawn(sample, answer, luck[sample.name]))
                for task, values in scores.items():
                    if values:
                        drawn = np.mean(lucky[task], axis=0)
                        p = float((1 + (drawn >= mean(values) - 1e-9).sum()) / (1 + len(drawn)))
                        found.append(_skill(task, training, classifier, sight, values, chance[task], p))
    return found


def chosen_skills(
    samples: Sequence[Sample],
    *,
    chance: Mapping[str, float],
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    sights: Sequence[str] = tuple(SIGHTS),
) -> dict[tuple[str, str], float]:
    """Per task and sight, the mean skill of an answer by the classifier that is best on the task's other models.

    The best of several classifiers in hindsight looks better than anybody who has to choose. Here each model in turn is
    left out of everything: every classifier, with either training of `skills`, is judged on the other models of the
    task, each predicted without it; the best is fitted to all of them and answers for the one that was left out.

    Args:
        samples: Models with their truth; each task needs three.
        chance: Task -> F1 of the best answer without a model.
        classifiers: Some of `CLASSIFIERS`.
        sights: Some of `SIGHTS`.
    """
    by_task, found = samples_by_task(samples), {}
    for sight in sights:
        seen = {sample.name: _features(sample, SIGHTS[sight]) for sample in samples}
        if not any(x.shape[1] for tables in seen.values() for x in tables.values()):
            continue
        for task, members in by_task.items():
            foreign = [sample for sample in samples if sample.task != task]
            # fits to other tasks alone are the same whichever model is left out
            before = {
                (classifier, one.name): _reached(classifier, seen, one, foreign)
                for classifier in classifiers
                for one in members
                if foreign
            }
            scores = []
            for held_out in members:
                others = _without(members, held_out)
                reached: dict[tuple[str, bool], float] = {}
                for classifier in classifiers:
                    if foreign:
                        reached[classifier, False] = mean(before[classifier, one.name] for one in others)
                    reached[classifier, True] = mean(
                        _reached(classifier, seen, one, [*foreign, *_without(others, one)]) for one in others
                    )
                best, with_own = max(reached, key=reached.__getitem__)
                training = [*foreign, *others] if with_own else foreign
                scores.append(_reached(best, seen, held_out, training))
            found[task, sight] = _skill(task, "", "", sight, scores, chance[task], 0.0).skill
    return found


def _without(members: Sequence[Sample], one: Sample) -> list[Sample]:
    return [sample for sample in members if sample is not one]


def _reached(classifier: str, seen: _Seen, judged: Sample, training: Sequence[Sample]) -> float:
    """F1 of a fitted classifier for one model."""
    ((_, answer),) = _answers(classifier, seen, training, [judged])
    return f1(answer, judged.key)


def _skill(
    task: str, training: str, classifier: str, sight: str, scores: Sequence[float], chance: float, p: float
) -> Skill:
    limited = [max(-1.0, min(1.0, (score - chance) / (1 - chance))) for score in scores]
    return Skill(task, training, classifier, sight, mean(scores), chance, mean(limited), p)


def _redrawn_keys(
    sample: Sample, members: Sequence[Sample], redraw: Redraw
) -> dict[str, Bool[np.ndarray, "draw node"]]:
    """Per kind, keys that the model might have had."""
    rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
    return {kind: redraw(sample, kind, members, _KEY_DRAWS, rng) for kind in sample.tables}


def _f1_of_redrawn(
    sample: Sample, answer: frozenset[str], keys: Mapping[str, Bool[np.ndarray, "draw node"]]
) -> Float[np.ndarray, " draw"]:
    """F1 of an answer against each of the keys."""
    hits, sizes = np.zeros(_KEY_DRAWS), np.full(_KEY_DRAWS, float(len(answer)))
    for kind, drawn in keys.items():
        hits += drawn @ np.array([node in answer for node in sample.tables[kind].nodes], dtype=float)
        sizes += drawn.sum(1)
    scores: Float[np.ndarray, " draw"] = 2 * hits / np.maximum(sizes, 1)
    return scores


def _by_tasks(by_task: Mapping[str, Sequence[Sample]]) -> Iterator[tuple[list[Sample], list[Sample]]]:
    """Held-out models and those to fit on: all of one task against all others."""
    for task, members in by_task.items():
        rest = [sample for other, samples in by_task.items() if other != task for sample in samples]
        if rest:
            yield list(members), rest


def _by_models(by_task: Mapping[str, Sequence[Sample]]) -> Iterator[tuple[list[Sample], list[Sample]]]:
    """Held-out models and those to fit on: the i-th model of every task against all others."""
    most = max(map(len, by_task.values()))
    for i in range(most):
        held_out = [samples[i] for samples in by_task.values() if i < len(samples)]
        rest = [sample for samples in by_task.values() for j, sample in enumerate(samples) if j != i]
        if rest:
            yield held_out, rest


def _features(sample: Sample, groups: Sequence[Group]) -> dict[str, Float[np.ndarray, "node column"]]:
    return {kind: features(table, groups) for kind, table in sample.tables.items()}


def features(table: Signatures, groups: Sequence[Group]) -> Float[np.ndarray, "node column"]:
    """The inputs of classifiers for the nodes of a table: statistics of some groups, standardised, and their ranks."""
    columns = table.of_groups(groups)
    values = table.standardised()[:, columns].clip(-_LARGEST, _LARGEST)
    return np.concatenate([values, 2 * table.ranks()[:, columns]], 1)


def _answers(
    classifier: str,
    seen: _Seen,
    training: Sequence[Sample],
    held_out: Sequence[Sample],
) -> list[tuple[Sample, frozenset[str]]]:
    """For every held-out model, the nodes that the classifier ranks highest, as many of each kind as its key has."""
    chosen: dict[str, set[str]] = {sample.name: set() for sample in held_out}
    for kind in training[0].tables:
        x = np.concatenate([seen[sample.name][kind] for sample in training])
        y = np.concatenate([sample.truth(kind) for sample in training])
        fitted = CLASSIFIERS[classifier]().fit(x, y) if 0 < y.sum() < len(y) else None
        for sample in held_out:
            count = int(sample.truth(kind).sum())
            if count == 0:
                continue
            nodes = sample.tables[kind].nodes
            if fitted is None:  # no training data: any nodes, here the last
                chosen[sample.name] |= set(nodes[-count:])
                continue
            order = np.argsort(-fitted.decision_function(seen[sample.name][kind]), kind="stable")
            chosen[sample.name] |= {nodes[i] for i in order[:count]}
    return [(sample, frozenset(chosen[sample.name])) for sample in held_out]


def worst(found: Sequence[Skill]) -> dict[tuple[str, str], Skill]:
    """Per task and sight the classifier and training with the largest mean skill."""
    best: dict[tuple[str, str], Skill] = {}
    for row in found:
        key = (row.task, row.sight)
        if key not in best or row.skill > best[key].skill:
            best[key] = row
    return best
