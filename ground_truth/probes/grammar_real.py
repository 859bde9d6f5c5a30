"""Agreement with a subject far before it: where can a linear probe read it in a real language model?"""

from __future__ import annotations

from ground_truth.probes.real.datasets import dataset
from ground_truth.probes.real.grammar import REFLEXIVE, RELATIVE, composer, reflexive, relative
from ground_truth.probes.real.levels import BUDGETS_OF_AGREEMENT, granted
from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.statements import Question, Sentences
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """The questions that instances draw from."""
    words = dataset("words")
    loanwords = {**words, "people": words["loanwords"]}
    verb, pronoun = "the last verb agrees with its subject", "the pronoun agrees with the subject in number"
    return [
        Sentences("relative", verb, RELATIVE, composer(words, relative)),
        Sentences("relative_loanwords", verb, RELATIVE, composer(loanwords, relative)),
        Sentences("reflexive", pronoun, REFLEXIVE, composer(words, reflexive)),
        Sentences("reflexive_loanwords", pronoun, REFLEXIVE, composer(loanwords, reflexive)),
    ]


class GrammarReal(MeasuredProbeTask):
    """Read from a real model whether a verb or pronoun agrees with its subject, where that is possible."""

    name = "grammar_real"
    version = 4
    laboratory = granted(BUDGETS_OF_AGREEMENT)
    summary = "In a real model, find a linear probe for agreement, or say that there is none."
    measurement = ProbeMeasurement(
        name,
        questions,
        summary="what linear probes read about agreement, with controls",
        cost="4 CPU minutes",
    )
