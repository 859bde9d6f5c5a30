"""The table of certificates: the value of each kind of check that is nearest to its bar, and what is documented."""

from __future__ import annotations

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import Check
from scribe_suite.text import with_table
from studies.variable_certificates import DOCUMENTS, MARKERS, kind_of, levels, nearest, table


def check(name: str, value: float, direction: str) -> Check:
    return Check.model_validate({"name": name, "value": value, "bar": 0.5, "direction": direction})


def test_numbers_of_variables_and_positions_are_left_out_of_a_kind():
    assert kind_of("planted/3/isolation") == "planted/n/isolation"
    assert kind_of("exchanged/0+2") == "exchanged/n"
    assert kind_of("less/all") == "less/all"


def test_the_lowest_of_what_has_to_be_high_and_the_highest_of_what_has_to_be_low():
    checks = [check("a/0", 0.7, ">="), check("a/1", 0.6, ">="), check("b", 0.1, "<="), check("b", 0.4, "<=")]
    assert {kind: one.value for kind, one in nearest(checks).items()} == {"a/n": 0.6, "b": 0.4}


def test_levels_that_share_base_models_are_listed_once():
    named = [task.label for task in levels("variables")]
    assert "subspace_3" in named
    assert "subspace_4" not in named


@pytest.mark.parametrize("family", DOCUMENTS)
def test_the_document_has_what_is_stored_with_the_base_models(family):
    text = (suite_root() / DOCUMENTS[family]).read_text()
    assert with_table(text, MARKERS, table(family)) == text
