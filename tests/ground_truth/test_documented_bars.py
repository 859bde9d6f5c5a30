"""The tables of certificates in docs/truth/: their bars are those of the code, their checks those of the records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from ground_truth.circuits.edges import REFERENCE_BAR as EDGES_REFERENCE_BAR
from ground_truth.circuits.planted.task import REFERENCE_BAR as CIRCUIT_REFERENCE_BAR
from ground_truth.circuits.rare_branch import REFERENCE_BAR as BRANCH_REFERENCE_BAR
from ground_truth.neurons.planted.freezing import REFERENCE_BAR as NEURON_REFERENCE_BAR
from ground_truth.probes.planted import certificate as probes
from ground_truth.probes.planted.directions import FIRST_COMPONENT_BAR, DirectionTask
from ground_truth.probes.planted.task import PlantedProbeTask
from ground_truth.probes.regularization import UNREGULARISED_BAR, Regularization
from ground_truth.variables.written.task import REFERENCE_BAR as WRITTEN_REFERENCE_BAR
from scribe_suite.planting.circuits import certificate as circuits
from scribe_suite.planting.circuits import sharing_certificate as sharing
from scribe_suite.planting.circuits.branches import certificate as branches
from scribe_suite.planting.circuits.programs import certificate as programs
from scribe_suite.planting.circuits.wiring import certificate as wiring
from scribe_suite.planting.frozen import FrozenRecord
from scribe_suite.planting.neurons import certificate as neurons
from scribe_suite.planting.neurons.categories import CATEGORIES
from scribe_suite.planting.neurons.evidence import NEAR_MISS_BAR
from scribe_suite.planting.neurons.letters import LETTERS
from scribe_suite.planting.neurons.positions import FIRST_POSITION, INFORMATION_BAR, SHAPES
from scribe_suite.planting.neurons.words import WEAKEST_VARIANT_BAR, WORDS
from scribe_suite.planting.steering import certificate as steering
from scribe_suite.planting.variables import certificate as variables
from scribe_suite.planting.variables import sum_certificate as sums
from scribe_suite.planting.variables.encoded import certificate as encoded
from scribe_suite.planting.variables.used import certificate as used

ROOT = Path(__file__).parents[2]
FAMILIES = ("circuits", "neurons", "probes", "steering", "variables")

MINUS = "\N{MINUS SIGN}"
#: Family -> the first check of a row -> its bar, as the code has it; of the first table of its document.
BARS: Mapping[str, Mapping[str, str]] = {
    "circuits": {
        "behaviour": f"≥ {circuits.BEHAVIOUR_BAR}",
        "iia/<variable>": f"≥ {circuits.INTERCHANGE_BAR}",
        "iia_changed/<variable>": f"≥ {circuits.INTERCHANGE_BAR}",
        "strict/<ablation>/<node>": f"≥ {circuits.STRICT_BAR}",
        "strict/<ablation>/all": f"≥ {circuits.STRICT_BAR}",
        "effect/resample/<node>": f"≥ {circuits.EFFECT_BAR}",
        "redundant/<ablation>/<node>": f"≥ {circuits.STRICT_BAR}",
        "iia/<a>+<b>": f"≥ {circuits.INTERCHANGE_BAR}, ≥ {circuits.EFFECT_BAR}",
        "logits": f"≤ {circuits.LOGIT_BAR}",
        "asked/…": "as above",
        "patched/<node>": f"≥ {programs.PLAIN.effect}; from level 3: ≥ {programs.GRADED.effect}",
        "told_apart/least": f"≥ {programs.PLAIN.difference}; from level 3: ≥ {programs.GRADED.difference}",
        "triples/<stratum>/changed": f"≥ {programs.TRIPLES_BAR}",
        "reference/primary": f"≥ {CIRCUIT_REFERENCE_BAR}",
    },
    "neurons": {
        "loss/minus_unigram": f"≤ {MINUS}{-neurons.UNIGRAM_BAR}, ≤ {MINUS}{-neurons.BIGRAM_BAR} nats",
        "loss/model": "≤ bigram",
        "rve/<kind>/planted_min": f"≥ the kind's bar + {neurons.PLANTED_MARGIN}",
        "rve/<kind>/others_max": f"≤ bar {MINUS} {neurons.OTHERS_MARGIN}",
        "rve/<kind>/twin_best_p999": f"≤ bar {MINUS} {neurons.OTHERS_MARGIN}",
        "near_misses/question_min": f"≥ {neurons.FEWEST_NEAR_MISSES}, ≥ {neurons.ALL_NEAR_MISSES}",
        "firing/weakest_variant": f"≥ {WEAKEST_VARIANT_BAR}",
        "information/position/planted_min": f"≥ {INFORMATION_BAR} nats",
        "ablation/<kind>/question_min": f"≥ {neurons.QUESTION_RISE_BAR} nats",
        "ablation/<kind>/neuron_min": f"≥ {neurons.NEURON_RISE_BAR} nats",
        "ablation/<kind>/elsewhere_max": f"≤ {neurons.ELSEWHERE_BAR}",
        "reference/<task>": f"≥ {NEURON_REFERENCE_BAR}",
    },
    "probes": {
        "behaviour/verdict": f"≥ {probes.VERDICT_BAR}",
        "<task>/recipe_min": f"≥ {PlantedProbeTask.recipe_bar} (without labels {DirectionTask.recipe_bar})",
        "regularization/recipe_mean": f"≥ {Regularization.recipe_bar}",
        "<task>/appears_mean": f"≥ {probes.appears_bar(PlantedProbeTask.recipe_bar):.2f} (without labels: not "
        f"measured; regularization {probes.appears_bar(Regularization.recipe_bar):.1f})",
        "<task>/earlier_max": f"≤ {probes.EARLIER_BAR}",
        "<task>/first_block_max": f"≤ {probes.EARLIER_BAR}",
        "<task>/ending_to_truth_min": f"≥ {probes.NUISANCE_BAR:g}",
        "<task>/untrained_twin_max": f"≤ {probes.CONTROL_BAR}",
        "<task>/bag_of_words_max": f"≤ {probes.CONTROL_BAR}",
        "<task>/said_max": f"≤ {probes.CONTROL_BAR}",
        "<task>_pca/first_component_max": f"≤ {FIRST_COMPONENT_BAR}",
        "regularization/mean_difference_mean": f"≤ {UNREGULARISED_BAR}",
        "reference/<task>": f"≥ {probes.REFERENCE_BAR} ({probes.FEW_LABELS_BAR})",
    },
    "steering": {
        "behaviour": f"≥ {circuits.BEHAVIOUR_BAR}",
        "decodable/<layer>": f"≥ {steering.DECODABLE_BAR}",
        "gate/<layer>": f"≥ {steering.GATE_BAR}; ≤ {steering.NOTHING_BAR}",
        "random/<layer>": f"≤ {steering.NOTHING_BAR}",
        "labels/<layer>": f"≤ {steering.NOTHING_BAR}",
        "means/<layer>": f"≥ {steering.MEANS_BAR}; ≤ {steering.CONFOUNDED_BAR}; ≤ {steering.NOTHING_BAR}",
        "search/<layer>": f"≥ {steering.FOUND_BAR}; ≤ {steering.SEARCH_BAR}",
        "reference/skill": f"≥ {WRITTEN_REFERENCE_BAR}",
    },
    "variables": {
        "behaviour": f"≥ {circuits.BEHAVIOUR_BAR}",
        "planted/<n>/interchange": f"≥ {variables.PLANTED_BAR}",
        "random/<n>/score": f"≤ {variables.CHANCE_BAR}",
        "whole/<n>/isolation": f"≤ {variables.CHANCE_BAR}",
        "written/<n>/score": f"≤ {variables.SHORT_CUT_BAR}",
        "read/<n>/score": f"≤ {variables.SHORT_CUT_BAR}",
        "said/<n>/score": f"≤ {variables.SHORT_CUT_BAR}",
        "probe/<n>/score": f"≤ {variables.SHORT_CUT_BAR}",
        "reference/skill": f"≥ {WRITTEN_REFERENCE_BAR}",
    },
}
#: The same of the second table about circuits: of models in which copies share the labels.
SHARED_BARS: Mapping[str, str] = {
    "effect/resample/<node>": f"≥ {sharing.SHARED_EFFECT_BAR}",
    "heard/<n>": f"≥ {sharing.HEARD_BAR}",
    "silent/<n>": f"≥ {sharing.SILENT_BAR}",
    "effect/voice/<n>": f"≥ {sharing.VOICE_EFFECT_BAR:.2f}",
}
#: The further ones about circuits: of exceptions, and of wirings.
BRANCH_BARS: Mapping[str, str] = {
    "ordinary": f"≥ {branches.RULE_BAR}",
    "rarity": "≤ that of the level",
    "holds/least": f"≥ {branches.RULE_BAR}",
    "near/<kind>/least": f"≥ {branches.RULE_BAR}",
    "quiet/<kind>": f"≤ {branches.QUIET_BAR}",
    "computed/<n>/least": f"≥ {branches.RULE_BAR}, = 0",
    "unheard/<n>/least": f"≥ {branches.RULE_BAR}",
    "unheard/<n>/any": "= 1",
    "reference/skill": f"≥ {BRANCH_REFERENCE_BAR}",
}
EDGE_BARS: Mapping[str, str] = {
    "edge/<edge>": f"≥ {wiring.EDGE_BAR}",
    "other/largest": f"≤ {wiring.OTHER_BAR}",
    "other/all": f"≤ {wiring.OTHER_BAR}",
    "moved/<n>/behaviour": f"≥ {circuits.BEHAVIOUR_BAR}",
    "moved/<n>/strict/resample/all": f"≥ {circuits.STRICT_BAR}",
    "moved/<n>/edges": f"≥ {wiring.EDGE_BAR}",
    "moved/<n>/other/all": f"≤ {wiring.OTHER_BAR}",
    "reference/primary": f"≥ {EDGES_REFERENCE_BAR}",
}
#: The further ones about variables: of a code that is not linear, and of what is used.
ENCODING_BARS: Mapping[str, str] = {
    "behaviour": f"≥ {circuits.BEHAVIOUR_BAR}",
    "planted/decoding": f"≥ {encoded.ENCODED_BAR}",
    "linear/decoding": f"≤ {encoded.LINEAR_BAR}",
    "linear/score": f"≤ {encoded.NO_SKILL_BAR}",
    "mean/score": f"≤ {encoded.NO_SKILL_BAR}",
    "reference/skill": f"≥ {WRITTEN_REFERENCE_BAR}",
}
USED_BARS: Mapping[str, str] = {
    "behaviour": f"≥ {circuits.BEHAVIOUR_BAR}",
    "decodable/<n>": f"≥ {used.DECODABLE_BAR}",
    "decodable/difference": f"≤ {used.EQUAL_BAR}",
    "used/<n>": f"≥ {used.USED_BAR}",
    "unused/<n>": f"≤ {used.UNUSED_BAR}",
    "kept/<n>": f"≥ {used.USED_BAR}",
    "illusion/<n>": f"≥ {used.ILLUSION_BAR}",
    "reference/skill": f"≥ {WRITTEN_REFERENCE_BAR}",
}
ALGORITHM_BARS: Mapping[str, str] = {
    "behaviour": f"≥ {circuits.BEHAVIOUR_BAR}",
    "exchanged/<positions>": f"≥ {sums.EXCHANGE_BAR}",
    "less/<positions>": f"≥ {sums.EXCHANGE_BAR}",
    "unused/<positions>": f"≥ {sums.EXCHANGE_BAR}",
    "others": f"≥ {sums.EXCHANGE_BAR}",
    "decoded/<positions>": f"≥ {sums.DECODED_BAR}",
    "reference/f1": f"≥ {WRITTEN_REFERENCE_BAR}",
}
#: Family -> the further tables of its document, in their order.
FURTHER: Mapping[str, Sequence[Mapping[str, str]]] = {
    "circuits": (SHARED_BARS, BRANCH_BARS, EDGE_BARS),
    "variables": (ENCODING_BARS, USED_BARS, ALGORITHM_BARS),
}
HEADER = "| check | claims | bar |\n|---|---|---|\n"


def document(family: str) -> str:
    return (ROOT / f"docs/truth/{family}.md").read_text()


def tables(family: str) -> list[list[tuple[list[str], str]]]:
    """The checks and the bar of every row, in every table."""
    found = []
    for text in document(family).split(HEADER)[1:]:
        parts = [line.strip("| ").split(" | ") for line in text.partition("\n\n")[0].splitlines()]
        found.append([(re.findall(r"`([^`]+)`", checks), bar) for checks, *_, bar in parts])
    return found


def pattern(check: str) -> re.Pattern[str]:
    """What a documented name stands for: ``<...>`` one part of a name, dots any parts."""
    parts = re.split(r"(<\w+>|\.\.\.|…)", check)
    return re.compile(
        "".join("[^/]+" if part[:1] == "<" else ".+" if part in ("...", "…") else re.escape(part) for part in parts)
    )


@cache
def recorded(family: str) -> frozenset[str]:
    """The checks in the certificates of all frozen models."""
    paths = (ROOT / "ground_truth/frozen" / family).glob("*/*.json")
    return frozenset(
        check.name for path in paths for check in FrozenRecord.model_validate_json(path.read_text()).certificate.checks
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_bar_in_the_documentation_is_that_of_the_code(family):
    found = [{checks[0]: bar for checks, bar in rows} for rows in tables(family)]
    # in the order of the document
    assert found == [BARS[family], *FURTHER.get(family, ())]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_check_of_a_frozen_model_is_in_the_documentation_and_no_other(family):
    documented = [pattern(check) for rows in tables(family) for checks, _ in rows for check in checks]
    assert [name for name in sorted(recorded(family)) if not any(known.fullmatch(name) for known in documented)] == []
    assert [known.pattern for known in documented if not any(map(known.fullmatch, recorded(family)))] == []


def test_the_bars_of_kinds_of_questions_and_of_near_misses_are_those_of_the_code():
    text = " ".join(document("neurons").split())
    assert CATEGORIES.bar == FIRST_POSITION.bar
    assert (
        f"The bars are {WORDS.bar} for words and {LETTERS.bar} for letters, as in the paper; {CATEGORIES.bar} for "
        f"categories and position 1; {SHAPES.bar} for shapes over positions."
    ) in text
    assert f"(squared correlation ≥ {NEAR_MISS_BAR})" in text
