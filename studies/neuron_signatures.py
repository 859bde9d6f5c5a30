"""Can statistics that no symmetry changes distinguish planted neurons from the others?

    python -m studies.neuron_signatures                    # the answers of all questions, against all other neurons
    python -m studies.neuron_signatures --label planted    # with the near misses
    python -m studies.neuron_signatures --label answers-among-planted   # the answers against the near misses

The study takes half a minute. Neurons are compared within a layer; ``all`` is over layers and models. A classifier is
fitted on other layers or other models, and is given the number of neurons to find.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from rich.console import Console

from scribe_suite.planting.circuits.signatures.table import Signatures
from scribe_suite.planting.english import sample_text
from scribe_suite.planting.frozen import FrozenModel, frozen_models
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.neurons.measure import neuron_activations
from scribe_suite.planting.neurons.signatures import neuron_signatures
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.tasks.registry import default_registry
from studies.classifiers import skills
from studies.exchangeability import Sample, separations
from studies.signatures import Survey, print_survey

Label = Literal["answers", "planted", "answers-among-planted"]

_TEXTS, _TEXT_SEED = 64, 5


def samples_of(model: FrozenModel, label: Label, *, with_activations: bool = True) -> list[Sample]:
    """A sample per layer of a frozen language model."""
    questions = model.record.key["questions"].values()
    answers = {name for question in questions for name in question["key"]}
    planted = answers | {name for question in questions for name in question["near_misses"]}
    found = []
    for layer, table in tables_of(model, with_activations=with_activations).items():
        kept = table if label != "answers-among-planted" else _among(table, planted)
        key = (planted if label == "planted" else answers) & set(kept.nodes)
        found.append(Sample(f"neurons/layer {layer}", f"{model.name}/layer{layer}", {"neuron": kept}, frozenset(key)))
    return found


def tables_of(model: FrozenModel, *, with_activations: bool = True) -> dict[int, Signatures]:
    """Layer -> the statistics of the neurons of a frozen language model."""
    text = sample_text(_TEXT_SEED, _TEXTS, CONTEXT)
    activations = neuron_activations(build_model(model.weights), text.tokens) if with_activations else None
    return neuron_signatures(model.weights, activations)


def _among(table: Signatures, chosen: set[str]) -> Signatures:
    rows = [i for i, node in enumerate(table.nodes) if node in chosen]
    return replace(table, nodes=tuple(table.nodes[i] for i in rows), values=table.values[np.array(rows)])


def survey_neurons(models: Sequence[FrozenModel], label: Label, *, with_activations: bool = True) -> Survey:
    """Survey some frozen language models."""
    samples = [sample for model in models for sample in samples_of(model, label, with_activations=with_activations)]
    return Survey(separations(samples), skills(samples))


def language_models() -> Mapping[str, FrozenModel]:
    """The base models that the neuron tasks share."""
    return frozen_models(default_registry().planted("neurons/unigram"))


def main() -> None:
    """Survey and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--label",
        choices=("answers", "planted", "answers-among-planted"),
        default="answers",
        help="what is to be found",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = survey_neurons(list(language_models().values()), options.label)
    if options.json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        print_survey(found, Console(width=200))


if __name__ == "__main__":
    main()
