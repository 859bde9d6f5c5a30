"""Knowing which neurons are planted is not knowing which question they answer."""

from __future__ import annotations

import json
from statistics import mean

from scribe_suite.paths import suite_root
from scribe_suite.scoring.sets import f1

FOLDER = suite_root() / "ground_truth" / "frozen" / "neurons" / "language_model"
#: Skill that no cheap answer may have.
BAR = 0.15


def test_all_answers_of_a_model_are_worth_little_to_one_question():
    """The bound on every statistic that does not know what is asked."""
    scores: dict[str, list[float]] = {}
    for path in sorted(FOLDER.glob("*.json")):
        questions = json.loads(path.read_text())["key"]["questions"]
        answers = {name: frozenset(neurons["key"]) for name, neurons in questions.items() if neurons["key"]}
        everything = frozenset[str]().union(*answers.values())
        for name, key in answers.items():
            scores.setdefault(name.split("/")[0], []).append(f1(everything, key))
    assert len(scores) == 5
    assert {kind: round(mean(values), 2) for kind, values in scores.items() if mean(values) >= BAR} == {}
