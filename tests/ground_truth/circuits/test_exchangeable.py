"""The nodes of the frozen circuits can't be told from their decoys by anything but what reaches the logits.

Bars: no statistic has an AUROC outside 0.2-0.8 that is not chance, no classifier finds a task's key with a mean skill
of 0.15 that is not chance (its answers, compared with keys on other nodes of the same layers), and over all tasks none
has more than 0.05. With six models of two key nodes each, some of 250 statistics are outside by luck. So the largest
deviation over all of them has to be rarer than 5 % divided by the number of tasks and kinds
(`Separation.is_signature`).
"""

from __future__ import annotations

from collections import defaultdict
from statistics import mean

import pytest
import torch

from studies.classifiers import SKILL_BAR, skills
from studies.exchangeability import separations
from studies.signatures import Survey, base_models_of, circuit_tasks, samples_of

pytestmark = pytest.mark.slow

#: What the bars are about; the unembedding is the weights' genuine answer and counted as a method.
SIGHT = "weights, composition, activations"


@pytest.fixture(scope="module")
def found() -> Survey:
    torch.set_num_threads(1)
    samples = samples_of(base_models_of(circuit_tasks(), "key", None))
    return Survey(separations(samples), skills(samples, sights=[SIGHT]))


def test_no_statistic_tells_the_circuit(found):
    assert [f"{row.task} {row.kind}: {row.statistic} {row.auroc:.2f}" for row in found.signatures] == []


def test_no_classifier_finds_the_circuit(found):
    paid = {f"{row.task}, {row.classifier}, fitted on {row.training}": round(row.skill, 2) for row in found.too_skilled}
    assert paid == {}, f"mean skill must stay below {SKILL_BAR}"
    by_classifier: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in found.skills:
        by_classifier[row.classifier, row.training].append(row.skill)
    assert {name: mean(values) for name, values in by_classifier.items() if mean(values) > 0.05} == {}
