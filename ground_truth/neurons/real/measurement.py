"""The measurements of the neuron tasks on a real language model: a scan of text, and logit effects from the weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from operator import add
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformer_lens import HookedTransformer

from ground_truth.neurons.real.classes import CLASSES
from ground_truth.neurons.real.effects import class_rve, moments, output_weights
from ground_truth.neurons.real.properties import (
    CATEGORIES,
    LETTERS,
    SHAPES,
    WORDS,
    Property,
    PropertyKind,
    feature_values,
)
from ground_truth.neurons.real.scan import Sums, scan
from ground_truth.neurons.real.tokens import Passage, passages, pool_sha256, tagged_tokens, tokenizer_of, vocabulary
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.planting.frozen import Check
from scribe_suite.scoring.neuron_share import crossed_top_mean, top_mean

#: Most neurons that a question may ask for.
PLACES = range(1, 7)

#: Number of parts of the hidden text.
BLOCKS = 6
#: Number of parts on which each model is scanned. For the twin, a control, a third of the text is enough.
SCANNED = {"trained": BLOCKS, "untrained": 2}
#: Least lead in RVE of the model's best neurons over its untrained twin's, for a property to be asked for.
SMALLEST_LEAD = 0.05
#: Least share of the best neurons' RVE that remains when they are chosen on the other half.
SMALLEST_AGREEMENT = 0.85
#: Steps of an RVE of 1 to which it is kept: what most of the 46,080 neurons have is noise below one, and takes 3.6 MB.
_RVE_STEPS = 2048
#: Least number of positions of the hidden text in a scan.
_MIN_POSITIONS = 60_000
#: RVE of an untrained neuron above which an untrained model is not a control any more.
_LARGEST_TWIN = 0.75

#: Least lead in RVE of a class's best neurons over the control's, for it to be asked for.
SMALLEST_EFFECTS_LEAD = 0.03
#: Kurtosis of a neuron's logit effects from which Gurnee et al. call it a prediction neuron.
KURTOSIS_BAR = 10.0
#: Fewest classes that may be asked for.
_FEWEST_CLASSES = 25
#: Every n-th neuron is enough to estimate how many have logit effects of high kurtosis.
_EVERY = 8


class TextScan(Measurement):
    """Variance of every MLP neuron that properties of text explain, on the hidden text.

    The hidden text is scanned with the model, and a part of it with its untrained twin, in blocks of whole addresses.
    Even and odd blocks are the two halves: the statistic of one half's best neurons on the other half can be reached by
    a good choice (`scribe_suite.scoring.neuron_share.crossed_top_mean`).

    Class attributes:
        kinds: The kinds of properties that are scanned. For others, a subclass names them, with its own `id` and
            `summary`.
    """

    id = "neurons/text_scan"
    summary = "Variance of all MLP neurons explained by letters, words, tags and positions, on hidden text."
    cost = "9 CPU minutes"
    kinds: ClassVar[tuple[PropertyKind, ...]] = (LETTERS, WORDS, CATEGORIES, SHAPES)

    @cached_property
    def candidates(self) -> tuple[Property, ...]:
        """All scanned properties."""
        return tuple(one for kind in self.kinds for one in kind.properties())

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: the hidden text and the list of properties."""
        listed = "\n".join([pool_sha256("hidden"), *(one.id for one in self.candidates)])
        return hashlib.sha256(listed.encode()).hexdigest()

    def steps(self) -> Sequence[Step]:
        """See `Measurement.steps`."""
        return [
            Step(f"{kind}_{block}", _state(kind, block), partial(self._scan_block, kind, block))
            for kind, blocks in SCANNED.items()
            for block in range(blocks)
        ]

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """The data that tasks need about the possible properties.

        Returns:
            ``properties``: Their ids, [property].
            ``rve``: Signed RVE on the whole hidden text, [property neuron], rounded to `_RVE_STEPS`.
            ``reference`` and ``untrained``: for 1, 2, ... places, the result of a good choice, and the mean of the best
            neurons of the untrained twin, [property places].
        """
        found = _Statistics.of(results)
        asked = found.asked()
        return {
            "properties": np.asarray([self.candidates[candidate].id for candidate in asked]),
            "rve": (np.round(found.whole[asked] * _RVE_STEPS) / _RVE_STEPS).astype(np.float16),
            "reference": np.asarray([found.reference(candidate) for candidate in asked], dtype=np.float32),
            "untrained": np.asarray([found.untrained_best(candidate) for candidate in asked], dtype=np.float32),
        }

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """See `Measurement.checks`: sizes, distance to the twin, agreement of the halves."""
        found = _Statistics.of(results)
        asked = found.asked()
        positions = sum(int(results[f"trained_{block}"]["count"]) for block in range(BLOCKS))
        checks = [Check(name="positions", value=positions, bar=_MIN_POSITIONS, direction=">=")]
        for kind in self.kinds:
            chosen = [candidate for candidate in asked if self.candidates[candidate].kind is kind]
            lead = min(map(found.lead, chosen), default=0.0)
            agreement = min(map(found.agreement, chosen), default=0.0)
            twin = max((found.untrained_best(candidate)[0] for candidate in chosen), default=1.0)
            checks += [
                Check(name=f"{kind.id}/properties", value=len(chosen), bar=kind.fewest, direction=">="),
                Check(name=f"{kind.id}/lead_min", value=lead, bar=SMALLEST_LEAD, direction=">="),
                Check(name=f"{kind.id}/agreement_min", value=agreement, bar=SMALLEST_AGREEMENT, direction=">="),
                Check(name=f"{kind.id}/untrained_best_max", value=float(twin), bar=_LARGEST_TWIN, direction="<="),
            ]
        return checks

    def _scan_block(self, part: str, block: int, context: Context) -> Arrays:
        text = tagged_tokens(tokenizer_of(context.spec), blocks_of(passages("hidden"))[block])
        features = feature_values(self.candidates, text, vocabulary(context.spec))
        model = context.model if part == "trained" else context.twin
        return scan(model, text.tokens, features, lambda done: context.progress(done, _state(part, block))).arrays()


class LogitEffects(Measurement):
    """Variance of all MLP neurons' logit effects that classes of tokens explain, from the weights (`effects`).

    The control is stricter than an untrained model, to whose unembedding no two tokens have anything in common: the
    output weights of the untrained twin, read by the *trained* unembedding. Any direction slightly favours classes of
    tokens that the trained unembedding separates.
    """

    id = "neurons/logit_effects"
    version = 2
    summary = "Variance of all MLP neurons' logit effects explained by classes of tokens, from the weights."
    cost = "1 CPU minute"

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: the classes."""
        return hashlib.sha256("\n".join(one.description for one in CLASSES).encode()).hexdigest()

    def steps(self) -> Sequence[Step]:
        """See `Measurement.steps`."""
        return [
            Step("trained", "logit effects of the model's neurons", lambda here: _effects_of(here, here.model)),
            Step("untrained", "logit effects of random weights", lambda here: _effects_of(here, here.twin)),
        ]

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """What the task needs, and what the certificate says about all neurons.

        Returns:
            ``classes``: Names of those that can be asked for, [class].
            ``reference`` and ``untrained``: for 1, 2, ... places, the mean of the best neurons of the model and of the
            control, [class places].
            ``kurtosis`` and ``skew``: of the logit effects of one neuron in eight, [neuron].
        """
        asked = _classes_asked(results)
        trained = results["trained"]
        return {
            "classes": np.asarray([CLASSES[number].name for number in asked]),
            "reference": trained["best"][asked].astype(np.float32),
            "untrained": results["untrained"]["best"][asked].astype(np.float32),
            "kurtosis": trained["kurtosis"].astype(np.float16),
            "skew": trained["skew"].astype(np.float16),
        }

    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """See `Measurement.checks`: enough classes, well above the control, and neurons that single out few tokens."""
        asked, trained, control = _classes_asked(results), results["trained"], results["untrained"]
        lead = (trained["best"][asked] - control["best"][asked]).min() if asked else 0.0
        return [
            Check(name="classes", value=len(asked), bar=_FEWEST_CLASSES, direction=">="),
            Check(name="lead_min", value=float(lead), bar=SMALLEST_EFFECTS_LEAD, direction=">="),
            Check(
                name="kurtosis/neurons_above_10",
                value=float((trained["kurtosis"] > KURTOSIS_BAR).mean()),
                bar=0.005,
                direction=">=",
            ),
            Check(
                name="kurtosis/untrained_above_10",
                value=float((control["kurtosis"] > KURTOSIS_BAR).mean()),
                bar=0.0,
                direction="<=",
            ),
        ]


def blocks_of(found: Sequence[Passage]) -> list[tuple[Passage, ...]]:
    """Passages in `BLOCKS` parts; those of one address stay together."""
    sources = list(dict.fromkeys(passage.source for passage in found))
    block = {source: number % BLOCKS for number, source in enumerate(sources)}
    return [tuple(passage for passage in found if block[passage.source] == number) for number in range(BLOCKS)]


def _state(part: str, block: int) -> str:
    return f"{part} model, text {block + 1}/{SCANNED[part]}"


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
        """The result of a good choice, by the number of places."""
        first, second = (half[candidate] for half in self.halves)
        return np.asarray([crossed_top_mean(first, second, places) for places in PLACES])

    def best(self, candidate: int) -> NDArray[np.float64]:
        """Mean of the best neurons, by the number of places."""
        return np.asarray([top_mean(self.whole[candidate], places) for places in PLACES])

    def untrained_best(self, candidate: int) -> NDArray[np.float64]:
        """The same of the untrained twin."""
        return np.asarray([top_mean(self.untrained[candidate], places) for places in PLACES])

    def lead(self, candidate: int) -> float:
        """The smallest lead of the model over its twin, over the numbers of places."""
        return float((self.reference(candidate) - self.untrained_best(candidate)).min())

    def agreement(self, candidate: int) -> float:
        """The smallest remaining share of the best neurons' RVE when they are chosen on the other half."""
        return float((self.reference(candidate) / np.maximum(self.best(candidate), 1e-9)).min())

    def asked(self) -> list[int]:
        """The candidates that may be asked for."""
        return [
            candidate
            for candidate in range(len(self.whole))
            if self.lead(candidate) >= SMALLEST_LEAD and self.agreement(candidate) >= SMALLEST_AGREEMENT
        ]


def _effects_of(context: Context, writing: HookedTransformer) -> Arrays:
    out, unembed = output_weights(writing), context.model.W_U.detach()
    strings = vocabulary(context.spec)
    members = torch.stack([one.members(strings) for one in CLASSES])
    explained = class_rve(out, unembed, members)
    kurtosis, skew = moments(out[::_EVERY], unembed, lambda done: context.progress(done, "kurtosis of logit effects"))
    best = [[top_mean(row, places) for places in PLACES] for row in explained]
    return {"best": np.asarray(best), "kurtosis": kurtosis, "skew": skew}


def _classes_asked(results: Mapping[str, Arrays]) -> list[int]:
    lead = (results["trained"]["best"] - results["untrained"]["best"]).min(1)  # over the numbers of places
    return [number for number in range(len(CLASSES)) if lead[number] >= SMALLEST_EFFECTS_LEAD]


TEXT_SCAN = TextScan()
LOGIT_EFFECTS = LogitEffects()
