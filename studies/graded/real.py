"""Graded answers and methods of known order for tasks on a real language model."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import numpy as np

from ground_truth.circuits.real.hidden import Hidden as CircuitHidden
from ground_truth.circuits.real.measurement import BLIND
from ground_truth.circuits.real.rankings import blind_rankings
from ground_truth.circuits.real.task import MeasuredCircuitTask
from ground_truth.neurons.real.hidden import Hidden as NeuronHidden
from ground_truth.neurons.real.task import MeasuredNeuronTask
from ground_truth.probes.real.hidden import Hidden as ProbeHidden
from ground_truth.probes.real.statements import StatementRows
from ground_truth.probes.real.task import MeasuredProbeTask
from scribe_suite.models.description import describe, tokenizer_of
from scribe_suite.scoring.probes import LinearProbe, fit_probe
from scribe_suite.scoring.real_probes import INVERSE_PENALTY, read_from_end, tokenised
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import DRAWS, Content, GradedContent, Material
from studies.graded.probes import methods, resampled_groups, shifted, turned

#: Shares of a ranking whose components change places at random.
SHUFFLED_SHARES = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
#: Neurons are taken from so far below the best ones.
BELOW_BEST = (0, 1, 3, 10, 30, 100, 1_000, 10_000)
#: How far below the best the neurons are that a middling method finds.
_GOOD = 10
#: Draws of a method that chooses at random.
RANDOM_DRAWS = 3


def real_ranking(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for a ranking of components."""
    task, hidden = cast("MeasuredCircuitTask", instance.task), cast("CircuitHidden", instance.hidden)
    truth, shape = task.measured().arrays, describe(hidden.spec)
    reference = [*map(str, truth["reference"])]
    best_blind = str(truth["chance"][0]).removeprefix(BLIND)
    blind = blind_rankings(shape.n_layers, shape.n_heads)[best_blind]

    def resampled(number: int) -> TaskInstance:
        seed = derive_seed(instance.seed, task.id, "hidden sample", number)
        behaviour = task.behaviour
        pairs = behaviour.pairs(behaviour.hidden, len(hidden.pairs), seed, tokenizer_of(hidden.spec))
        return replace(instance, hidden=CircuitHidden(hidden.spec, pairs))

    graded = [
        GradedContent("shuffled", share, {"ranking": shuffled(reference, share, rng)}) for share in SHUFFLED_SHARES
    ]
    by_method: dict[str, list[Content]] = {
        "reference ranking": [{"ranking": reference}],
        "rankings without the model": [
            {"ranking": blind},
            *({"ranking": shuffled(reference, 1.0, rng)} for _ in range(RANDOM_DRAWS)),
        ],
    }
    return Material(instance, graded, by_method, resampled)


def shuffled(ranking: list[str], share: float, rng: random.Random) -> list[str]:
    """The ranking with a share of its components, drawn at random, in random order among their places."""
    places = rng.sample(range(len(ranking)), round(share * len(ranking)))
    changed = list(ranking)
    for place, source in zip(places, rng.sample(places, len(places)), strict=True):
        changed[place] = ranking[source]
    return changed


def real_neurons(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for the best neurons for one property, or for one each for several letters.

    The hidden statistic of all neurons is frozen, so there is no other hidden sample.
    """
    task, hidden = cast("MeasuredNeuronTask", instance.task), cast("NeuronHidden", instance.hidden)
    total = len(hidden.asked[0].statistic)
    orders = [np.argsort(-one.statistic, kind="stable") for one in hidden.asked]
    places = [one.places for one in hidden.asked]

    def content(columns: list[list[int]]) -> Content:
        return {"neurons": task.submission(instance, columns)}

    def below(distance: int) -> list[list[int]]:
        return [order[distance : distance + n].tolist() for order, n in zip(orders, places, strict=True)]

    def drawn() -> list[list[int]]:
        return [rng.sample(range(total), n) for n in places]

    graded = [GradedContent("further down", np.log10(1 + far), content(below(far))) for far in BELOW_BEST]
    slots = [(at, n) for at, count in enumerate(places) for n in range(count)]
    for _ in range(DRAWS):
        for count in range(len(slots) + 1):
            columns = below(0)
            for at, n in rng.sample(slots, count):
                columns[at][n] = rng.randrange(total)
            graded.append(GradedContent("swapped", count, content(columns)))
    by_method: dict[str, list[Content]] = {
        "best neurons": [content(below(0))],
        "good neurons": [content(below(_GOOD))],
        "random neurons": [content(drawn()) for _ in range(RANDOM_DRAWS)],
    }
    return Material(instance, graded, by_method, None)


def real_probe(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for a probe, or to say that there is none.

    Where nothing can be read, a claim is wrong and there are no degrees of it.
    """
    task, hidden = cast("MeasuredProbeTask", instance.task), cast("ProbeHidden", instance.hidden)
    model, found = task.evaluator(), hidden.measured

    def read(side: StatementRows) -> np.ndarray:
        tokens = tokenised(model, side.texts)
        values: np.ndarray = read_from_end(model, tokens, [found.layer], [found.position])[0, 0].astype(np.float64)
        return values

    seen, held_out = read(hidden.public), read(hidden.held_out)

    def content(probe: LinearProbe) -> Content:
        return {
            "layer": found.layer,
            "position": found.position,
            "weight": probe.weight.tolist(),
            "bias": probe.bias,
            "center": probe.center.tolist(),
        }

    def resampled(number: int) -> TaskInstance:
        seed = derive_seed(instance.seed, task.id, "hidden sample", number)
        rows, groups = resampled_groups(hidden.held_out.pairs, seed)
        sample = replace(hidden.held_out.reordered(rows.tolist()), pairs=groups)
        return replace(instance, hidden=replace(hidden, held_out=sample))

    recipe = fit_probe(seen, hidden.public.labels, INVERSE_PENALTY)
    nothing: Content = {"weight": [], "nothing_found": True}
    if not found.readable:
        claim = content(recipe)
        graded = [GradedContent("claimed", 0, nothing), GradedContent("claimed", 1, claim)]
        return Material(instance, graded, {}, resampled)
    right = fit_probe(held_out, hidden.held_out.labels, 1.0)
    graded = [*turned(right.weight, held_out, content, rng), *shifted(right.weight, held_out, content)]
    return Material(instance, graded, methods(recipe, seen.mean(0), content, rng), resampled)
