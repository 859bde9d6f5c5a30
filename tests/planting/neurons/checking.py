"""The kinds of questions, what holds for their questions before any model is trained, and what is certified later."""

from __future__ import annotations

from scribe_suite.planting.neurons.categories import CATEGORIES
from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.letters import LETTERS
from scribe_suite.planting.neurons.plan import Question, Target
from scribe_suite.planting.neurons.positions import FIRST_POSITION, SHAPES
from scribe_suite.planting.neurons.targets import KEY_MARGIN, LOWEST_KEY_RVE, NEAR_MISS_SHARE, expected_statistic
from scribe_suite.planting.neurons.words import WORDS

#: In the order in which the suite's language models are planted with them.
KINDS: tuple[QuestionKind, ...] = (FIRST_POSITION, SHAPES, CATEGORIES, LETTERS, WORDS)
#: By the id of the kind.
BARS = {kind.id: kind.bar for kind in KINDS}

#: Every check of the certificate that needs nothing but the model.
DIRECTIONS = {
    "loss/model": "<=",
    "loss/minus_bigram": "<=",
    "loss/minus_unigram": "<=",
    "near_misses/question_min": ">=",
    "near_misses/all": ">=",
    "firing/weakest_variant": ">=",
    "information/position/planted_min": ">=",
    **{f"rve/{task}/planted_min": ">=" for task in BARS},
    **{f"rve/{task}/others_max": "<=" for task in BARS},
    **{f"rve/{task}/twin_best_p999": "<=" for task in BARS},
    **{f"ablation/{task}/question_min": ">=" for task in BARS},
    **{f"ablation/{task}/neuron_min": ">=" for task in BARS},
    **{f"ablation/{task}/elsewhere_max": "<=" for task in BARS},
}


def keys(question: Question) -> list[Target]:
    return [target for target in question.targets if target.role == "key"]


def near_misses(question: Question) -> dict[str, Target]:
    """By kind; every kind may be there once."""
    found = {target.role: target for target in question.targets if target.role != "key"}
    assert len(found) == len(question.targets) - len(keys(question)), "two near misses are of one kind"
    return found


def check_question(question: Question, fitted: set[str]) -> None:
    """Key neurons are well above the bar, near misses of the kinds in `fitted` between half of it and four fifths."""
    for target in keys(question):
        expected = expected_statistic(target.response, question)
        assert expected >= max(LOWEST_KEY_RVE, question.bar + KEY_MARGIN) - 0.02
    low, high = NEAR_MISS_SHARE
    for kind, target in near_misses(question).items():
        share = expected_statistic(target.response, question) / question.bar
        assert share <= high, kind
        if kind in fitted:
            assert share >= low, kind
