"""The measurement ``neurons/text_scan``: what every property explains of every neuron, on the hidden text.

The hidden text is scanned with the model, and a part of it with its untrained twin, in blocks of whole addresses. Even
and odd blocks are the two halves: what the best neurons of one have on the other can be reached by choosing well
(`scribe_suite.scoring.neuron_regret.crossed_top_mean`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from ground_truth.neurons.real.pool import CANDIDATES
from ground_truth.neurons.real.properties import feature_values
from ground_truth.neurons.real.scan import Sums, scan
from ground_truth.neurons.real.tokens import Passage, passages, pool_sha256, tagged_tokens, tokenizer_of, vocabulary
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.planting.frozen import Check
from scribe_suite.scoring.neuron_regret import crossed_top_mean, top_mean

BLOCKS = 6
SCANNED = {"trained": BLOCKS, "untrained": 2}
"""Blocks that each model is scanned on. For the twin, which is a control, a third of the text is enough."""
PLACES = range(1, 7)
"""As many neurons may a question ask for."""
SMALLEST_LEAD = 0.05
"""RVE by which the model's best must lead over its untrained twin's, for a property to be asked for."""
SMALLEST_AGREEMENT = 0.85
"""Share of the best neurons' RVE that must be left when they are chosen on the other half."""

_FEWEST = {"alphabet": 8, "syntax": 8, "unigram": 8, "position": 3}
"""Properties that each task must have."""
_MIN_POSITIONS = 60_000
_LARGEST_TWIN = 0.75
"""RVE of an untrained neuron above which being untrained is no control any more."""


class TextScan(Measurement):
    """See the module."""

    id = "neurons/text_scan"
    summary = "Variance of all MLP neurons explained by letters, words, tags and positions, on hidden text."
    cost = "9 CPU minutes"

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: the hidden text and the list of properties."""
        listed = "\n".join([pool_sha256("hidden"), *(one.id for one in CANDIDATES)])
        return hashlib.sha256(listed.encode()).hexdigest()

    def steps(self) -> Sequence[Step]:
        """See `Measurement.steps`."""
        return [
            Step(f"{kind}_{block}", _state(kind, block), partial(_scan_block, kind, block))
            for kind, blocks in SCANNED.items()
            for block in range(blocks)
        ]

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """What tasks need of the properties that can be asked for.

        Returns:
            ``properties``: Their ids, [property].
            ``rve``: Signed RVE on the whole hidden text, [property neuron].
            ``reference`` and ``untrained``: for 1, 2, ... places, what a good choice reaches, and the mean of the best
            neurons of the untrained twin, [property places].
        """
        found = _Statistics.of(results)
        asked = found.asked()
        return {
            "properties": np.asarray([CANDIDATES[candidate].id for candidate in asked]),
            "rve": found.whole[asked].astype(np.float16),
            "reference": np.asarray([found.reference(candidate) for candidate in asked], dtype=np.float32),
            "untrained": np.asarray([found.untrained_best(candidate) for candidate in asked], dtype=np.float32),
        }

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """See `Measurement.checks`: sizes, distance to the twin, agreement of the halves."""
        found = _Statistics.of(results)
        asked = found.asked()
        positions = sum(int(results[f"trained_{block}"]["count"]) for block in range(BLOCKS))
        checks = [Check(name="positions", value=positions, bar=_MIN_POSITIONS, direction=">=")]
        for task, fewest in _FEWEST.items():
            chosen = [candidate for candidate in asked if CANDIDATES[candidate].task == task]
            lead = min(map(found.lead, chosen), default=0.0)
            agreement = min(map(found.agreement, chosen), default=0.0)
            twin = max((found.untrained_best(candidate)[0] for candidate in chosen), default=1.0)
            checks += [
                Check(name=f"{task}/properties", value=len(chosen), bar=fewest, direction=">="),
                Check(name=f"{task}/lead_min", value=lead, bar=SMALLEST_LEAD, direction=">="),
                Check(name=f"{task}/agreement_min", value=agreement, bar=SMALLEST_AGREEMENT, direction=">="),
                Check(name=f"{task}/untrained_best_max", value=float(twin), bar=_LARGEST_TWIN, direction="<="),
            ]
        return checks


def blocks_of(found: Sequence[Passage]) -> list[tuple[Passage, ...]]:
    """Passages in `BLOCKS` parts; those of one address stay together."""
    sources = list(dict.fromkeys(passage.source for passage in found))
    block = {source: number % BLOCKS for number, source in enumerate(sources)}
    return [tuple(passage for passage in found if block[passage.source] == number) for number in range(BLOCKS)]


def _scan_block(kind: str, block: int, context: Context) -> Arrays:
    text = tagged_tokens(tokenizer_of(context.spec), blocks_of(passages("hidden"))[block])
    features = feature_values(CANDIDATES, text, vocabulary(context.spec))
    model = context.model if kind == "trained" else context.twin
    return scan(model, text.tokens, features, lambda done: context.progress(done, _state(kind, block))).arrays()


def _state(kind: str, block: int) -> str:
    return f"{kind} model, text {block + 1}/{SCANNED[kind]}"


@dataclass(frozen=True)
class _Statistics:
    """Signed RVE of all candidates, [candidate neuron]: whole text, its two halves, and the untrained twin."""

    whole: NDArray[np.float64]
    halves: tuple[NDArray[np.float64], NDArray[np.float64]]
    untrained: NDArray[np.float64]

    @classmethod
    def of(cls, results: Mapping[str, Arrays]) -> _Statistics:
        trained = [Sums.of_arrays(results[f"trained_{block}"]) for block in range(BLOCKS)]
        untrained = [Sums.of_arrays(results[f"untrained_{block}"]) for block in range(SCANNED["untrained"])]
        even, odd = reduce(add, trained[::2]), reduce(add, trained[1::2])
        return cls(
            (even + odd).signed_rve(), (even.signed_rve(), odd.signed_rve()), reduce(add, untrained).signed_rve()
        )

    def reference(self, candidate: int) -> NDArray[np.float64]:
        """What a good choice reaches, by the number of places."""
        first, second = (half[candidate] for half in self.halves)
        return np.asarray([crossed_top_mean(first, second, places) for places in PLACES])

    def best(self, candidate: int) -> NDArray[np.float64]:
        """Mean of the best neurons, by the number of places."""
        return np.asarray([top_mean(self.whole[candidate], places) for places in PLACES])

    def untrained_best(self, candidate: int) -> NDArray[np.float64]:
        """The same of the untrained twin."""
        return np.asarray([top_mean(self.untrained[candidate], places) for places in PLACES])

    def lead(self, candidate: int) -> float:
        """By how much the model is above its twin, the least over the numbers of places."""
        return float((self.reference(candidate) - self.untrained_best(candidate)).min())

    def agreement(self, candidate: int) -> float:
        """What is left of the best neurons' RVE when the other half chooses them, the least."""
        return float((self.reference(candidate) / np.maximum(self.best(candidate), 1e-9)).min())

    def asked(self) -> list[int]:
        """The candidates that can be asked for."""
        return [
            candidate
            for candidate in range(len(CANDIDATES))
            if self.lead(candidate) >= SMALLEST_LEAD and self.agreement(candidate) >= SMALLEST_AGREEMENT
        ]


TEXT_SCAN = TextScan()
