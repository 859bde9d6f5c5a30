"""Classifiers find a question's neurons by what marks them, and nothing where nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.signatures.table import GROUPS
from scribe_suite.text import with_table
from studies import neuron_classifiers
from studies.neuron_classifiers import DOCUMENT, MARKERS, TRAININGS, Asked, Seen, scores, tables

NEURONS, COLUMNS = 200, 6
#: Name of a question -> the columns that mark its neurons.
MARKED = {
    "shapes/rising": (0, 1),
    "shapes/band 3-5": (0, 2),
    "shapes/band 7-9": (0, 2),
    "words/cat": (3,),
    "words/dog": (3,),
}


@pytest.fixture(autouse=True)
def _one_classifier(monkeypatch):
    monkeypatch.setattr(neuron_classifiers, "CLASSIFIERS", {"logistic": neuron_classifiers.CLASSIFIERS["logistic"]})


def model(seed: int, *, strength: float) -> Seen:
    """A model of random statistics, in which those of the weights mark the neurons of every question."""
    rng = np.random.default_rng(seed)
    features = {group: rng.normal(size=(NEURONS, COLUMNS)) for group in GROUPS}
    drawn = rng.permutation(NEURONS)
    questions = []
    for number, (name, columns) in enumerate(MARKED.items()):
        rows = drawn[3 * number : 3 * number + 3]
        features["weights"][np.ix_(rows, columns)] += strength
        questions.append(Asked(name, frozenset(f"L0.N{row}" for row in rows)))
    return Seen(tuple(f"L0.N{row}" for row in range(NEURONS)), features, tuple(questions))


def found(strength: float, groups=GROUPS) -> dict[tuple[str, str], float]:
    """Training and task -> F1."""
    worth = scores([model(seed, strength=strength) for seed in range(4)], groups)
    return {(training, task): f1 for (training, _), by_task in worth.items() for task, f1 in by_task.items()}


def test_what_marks_the_neurons_of_a_form_is_found_and_counts_for_that_form_alone():
    worth = found(6.0, ["weights"])
    # two of three shapes are bands, which nothing tells apart
    assert worth["the same form of question", "shapes"] > 0.5
    assert worth["the same task", "shapes"] < worth["the same form of question", "shapes"]
    assert worth["other tasks", "shapes"] < 0.1
    assert 0.3 < worth["the same task", "words"] < 0.7


def test_where_nothing_marks_them_or_the_group_is_not_seen_nothing_is_found():
    assert max(found(0.0).values()) < 0.15
    assert max(found(6.0, ["composition"]).values()) < 0.15


def test_a_form_that_no_other_model_is_asked_has_no_score():
    several = [model(seed, strength=1.0) for seed in range(2)]
    alone = Seen(
        several[0].neurons, several[0].features, (*several[0].questions, Asked("new/one", frozenset(["L0.N0"])))
    )
    worth = scores([alone, several[1]], GROUPS)
    assert "new" in worth["other tasks", "logistic"]
    assert "new" not in worth["the same form of question", "logistic"]


def test_the_document_has_every_training_task_and_group():
    text = (suite_root() / DOCUMENT).read_text()
    table = text.split(MARKERS[0])[1].split(MARKERS[1])[0].strip()
    assert with_table(text, MARKERS, table) == text
    made = tables([model(seed, strength=1.0) for seed in range(2)])
    ways, groups = (part.splitlines() for part in table.split("\n\n"))
    assert ways[0].split("|")[3:-1] == [
        f" `{task}` " for task in ("alphabet", "position", "position_1", "syntax", "unigram")
    ]
    assert {row.split("|")[1].strip() for row in ways[2:-1]} == set(TRAININGS)
    assert [row.split("|")[1].strip() for row in groups[2:]] == list(GROUPS)
    assert [part.count("\n") for part in made.split("\n\n")] == [2 + len(TRAININGS), 1 + len(GROUPS)]
