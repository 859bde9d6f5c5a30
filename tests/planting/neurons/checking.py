"""What holds for the questions of every task before any model is trained, and what a trained one is checked for."""

from __future__ import annotations

from scribe_suite.planting.neurons.plan import BARS, Question, Wish
from scribe_suite.planting.neurons.wishes import KEY_MARGIN, LOWEST_KEY_RVE, NEAR_MISS_SHARE, expected_statistic

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
"""Every check of the certificate that needs nothing but the model."""


def keys(question: Question) -> list[Wish]:
    return [wish for wish in question.wishes if wish.kind == "key"]


def near_misses(question: Question) -> dict[str, Wish]:
    """By kind; every kind may be there once."""
    found = {wish.kind: wish for wish in question.wishes if wish.kind != "key"}
    assert len(found) == len(question.wishes) - len(keys(question)), "two near misses are of one kind"
    return found


def check_question(question: Question, fitted: set[str]) -> None:
    """Key neurons are well above the bar, near misses of the kinds in `fitted` between half of it and four fifths."""
    for wish in keys(question):
        expected = expected_statistic(wish.response, question)
        assert expected >= max(LOWEST_KEY_RVE, question.bar + KEY_MARGIN) - 0.02
    low, high = NEAR_MISS_SHARE
    for kind, wish in near_misses(question).items():
        share = expected_statistic(wish.response, question) / question.bar
        assert share <= high, kind
        if kind in fitted:
            assert share >= low, kind
