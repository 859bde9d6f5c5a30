"""The measurement of ``neurons/explain_real``: a scan of text, a choice of neurons, and how well they are predicted.

Candidates are chosen on public text only (`choice`). Models are fitted to public text; their scores on hidden text
determine the eligible neurons and the anchors of skill 0 and 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ground_truth.neurons.explained_real.choice import chosen_neurons
from ground_truth.neurons.explained_real.features import Features
from ground_truth.neurons.explained_real.levels import LEVELS
from ground_truth.neurons.explained_real.models import MODELS, predictions
from ground_truth.neurons.explained_real.scan import EVERY, LAYERS, sampled_activations, sampled_names
from ground_truth.neurons.explained_real.strata import (
    REACH,
    Readings,
    fitted_list,
    sign_of,
    strata_of,
    threshold_of,
    weights_of,
)
from ground_truth.neurons.real.measurement import blocks_of
from ground_truth.neurons.real.tokens import Pool, passages, pool_sha256, tagged_tokens, tokenizer_of, vocabulary
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.neurons.correlation import weighted_correlation

#: Scanned parts of each text, out of six; addresses are not split.
BLOCKS: Mapping[Pool, int] = {"public": 6, "hidden": 3}
#: Minimum lead of an eligible neuron's ceiling over its chance, and minimum ceiling.
SMALLEST_LEAD, LOWEST_CEILING = 0.12, 0.5
#: Minimum number of eligible neurons of a level.
FEWEST_NEURONS = 6
_MIN_POSITIONS = 30_000
#: Maximum mean difference between the ceilings of the two halves of the hidden texts.
_LARGEST_DIFFERENCE = 0.1


class ExplainScan(Measurement):
    """Activations of neurons that depend on more than one token, and the scores of different kinds of theories."""

    id = "neurons/explain_scan"
    version = 2
    summary = "What neurons that depend on several tokens do on hidden text, and how well fitted models predict it."
    cost = "8 CPU minutes"

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: both texts, and the sampling settings."""
        scanned = f"{LAYERS} {EVERY} {BLOCKS['hidden']}"
        return hashlib.sha256("\n".join([pool_sha256("public"), pool_sha256("hidden"), scanned]).encode()).hexdigest()

    def steps(self) -> Sequence[Step]:
        """See `Measurement.steps`."""
        scans = [
            Step(f"{pool}_{block}", f"{pool} text, part {block + 1}/{count}", partial(_scanned, pool, block))
            for pool, count in BLOCKS.items()
            for block in range(count)
        ]
        return [
            *scans,
            Step("choice", "choice of neurons", _chosen),
            Step("fits", "models of the neurons", _fitted),
        ]

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """The arrays that the task needs.

        Returns:
            ``neurons``: Names of the eligible neurons, [neuron].
            ``level``: Their levels, [neuron].
            ``tokens``: The hidden texts, [text position].
            ``activations`` and ``strata``: On the hidden texts, [neuron text position].
            ``chance`` and ``ceiling``: Chance and ceiling of the score, [neuron].
            ``models`` and ``reached``: The fitted models and their scores, [model] and [neuron model].
        """
        kept = _kept(results)
        choice, fits = results["choice"], results["fits"]
        return {
            "neurons": choice["names"][kept],
            "level": _levels(_ceilings(results)[kept]),
            "tokens": choice["hidden_tokens"].astype(np.int32),
            "activations": (choice["hidden"][..., kept] * choice["signs"][kept]).transpose(2, 0, 1).astype(np.float16),
            "strata": fits["strata"][kept],
            "chance": fits["chance"][kept].astype(np.float32),
            "ceiling": _ceilings(results)[kept].astype(np.float32),
            "models": np.asarray(MODELS),
            "reached": fits["reached"][kept].astype(np.float32),
        }

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """See `Measurement.checks`: sizes, leads, and the agreement of the halves of the hidden text."""
        kept, fits = _kept(results), results["fits"]
        ceilings = _ceilings(results)[kept]
        levels = _levels(ceilings)
        fewest = min(int((levels == level).sum()) for level in LEVELS)
        lead = float((ceilings - fits["chance"][kept]).min()) if len(kept) else 0.0
        difference = float(np.abs(fits["halves"][kept, 0] - fits["halves"][kept, 1]).mean()) if len(kept) else 1.0
        positions = results["choice"]["hidden_tokens"][:, 1:].size
        return [
            Check(name="positions", value=positions, bar=_MIN_POSITIONS, direction=">="),
            Check(name="neurons/level_min", value=fewest, bar=FEWEST_NEURONS, direction=">="),
            Check(name="lead_min", value=lead, bar=SMALLEST_LEAD, direction=">="),
            Check(name="ceiling_min", value=float(ceilings.min()), bar=LOWEST_CEILING, direction=">="),
            Check(name="halves/difference_mean", value=difference, bar=_LARGEST_DIFFERENCE, direction="<="),
        ]


def _scanned(pool: Pool, block: int, context: Context) -> Arrays:
    text = tagged_tokens(
        tokenizer_of(context.spec), blocks_of(passages("public" if pool == "public" else "hidden"))[block]
    )
    found = sampled_activations(context.model, text.tokens, lambda done: context.progress(done, f"{pool} text"))
    return {"tokens": text.tokens.numpy(), "activations": found}


def _chosen(context: Context) -> Arrays:
    parts = {pool: [context.results[f"{pool}_{block}"] for block in range(count)] for pool, count in BLOCKS.items()}
    tokens = {pool: np.concatenate([one["tokens"] for one in found]) for pool, found in parts.items()}
    half = np.concatenate([np.full(len(one["tokens"]), number % 2) for number, one in enumerate(parts["public"])])
    public = np.concatenate([one["activations"] for one in parts["public"]])
    signs = sign_of(public[:, 1:])
    strings = vocabulary(context.spec)
    columns = chosen_neurons(tokens["public"], public * signs.astype(np.float16), half, len(strings))
    model = context.model.cfg
    names = np.asarray(sampled_names(int(model.d_mlp), int(model.n_layers)))

    def oriented(values: NDArray[np.float16]) -> NDArray[np.float32]:
        return np.asarray(values[..., columns] * signs[columns], np.float32)

    return {
        "names": names[columns],
        "signs": signs[columns],
        "tokens": tokens["public"],
        "public": oriented(public),
        "hidden_tokens": tokens["hidden"],
        "hidden": np.concatenate([oriented(one["activations"]) for one in parts["hidden"]]),
    }


def _fitted(context: Context) -> Arrays:
    choice, strings = context.results["choice"], vocabulary(context.spec)
    features = Features.seen_in(choice["tokens"], strings)
    public, hidden = features.numbers(choice["tokens"]), features.numbers(choice["hidden_tokens"])
    found: dict[str, list[object]] = {"strata": [], "chance": [], "reached": [], "halves": []}
    for number in range(len(choice["names"])):
        seen = Readings(choice["tokens"], choice["public"][..., number].astype(np.float64))
        judged = Readings(choice["hidden_tokens"], choice["hidden"][..., number].astype(np.float64))
        threshold = threshold_of(seen)
        weights = weights_of(seen.tokens, strata_of(seen, threshold))
        strata = strata_of(judged, threshold)
        by_model = predictions(
            public, seen.activations[:, 1:].reshape(-1), weights[:, 1:].reshape(-1), hidden, len(features)
        )
        values = [_with_start(one, judged) for one in by_model.values()]
        reached = [_score(one, judged, strata) for one in values]
        best = values[int(np.argmax(reached))]
        halves = [np.arange(first, len(judged.tokens), 2) for first in (0, 1)]
        found["strata"].append(strata.astype(np.int8))
        found["chance"].append(
            max(
                _score(fitted_list(seen, weights, place, len(strings)).values(judged), judged, strata)
                for place in range(REACH + 1)
            )
        )
        found["reached"].append(reached)
        found["halves"].append([_score(best[rows], judged.some(rows), strata[rows]) for rows in halves])
        context.progress((number + 1) / len(choice["names"]), "models of the neurons")
    return {name: np.asarray(values) for name, values in found.items()}


def _score(values: NDArray[np.float64], judged: Readings, strata: NDArray[np.int64]) -> float:
    weights = weights_of(judged.tokens, strata)
    return weighted_correlation(values.reshape(-1), judged.activations.reshape(-1), weights.reshape(-1))


def _with_start(values: NDArray[np.float64], judged: Readings) -> NDArray[np.float64]:
    """Predictions, padded with a number for position 0, which has no weight."""
    return np.pad(values.reshape(len(judged.tokens), -1), ((0, 0), (1, 0)))


def _ceilings(results: Mapping[str, Arrays]) -> NDArray[np.float64]:
    """The score of the best model, by candidate."""
    found: NDArray[np.float64] = results["fits"]["reached"].max(1)
    return found


def _kept(results: Mapping[str, Arrays]) -> NDArray[np.int64]:
    """The indices of the eligible candidates."""
    fits = results["fits"]
    ceilings = _ceilings(results)
    return np.flatnonzero((ceilings - fits["chance"] >= SMALLEST_LEAD) & (ceilings >= LOWEST_CEILING))


def _levels(ceilings: Float[np.ndarray, " neuron"]) -> NDArray[np.int64]:
    """The level of each neuron, assigned in turn by decreasing ceiling, so that levels are equally hard."""
    order = np.argsort(-ceilings, kind="stable")
    levels = np.zeros(len(ceilings), np.int64)
    levels[order] = [LEVELS[rank % len(LEVELS)] for rank in range(len(order))]
    return levels


EXPLAIN_SCAN = ExplainScan()
